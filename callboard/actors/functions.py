"""The functions domain: calls of functions that UI elements registered."""

from __future__ import annotations

import attrs

from callboard.actors.host import NotebookHost, Turns
from callboard.messages.commands import InvokeFunctionCommand
from callboard.runtime import ActorContext, Envelope

COMMANDS = (InvokeFunctionCommand,)


@attrs.define(eq=False)
class FunctionsBehaviour:
    """Answers every call with one result: the value, or how the call failed."""

    host: NotebookHost
    turns: Turns

    async def on_start(self, ctx: ActorContext[InvokeFunctionCommand]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[InvokeFunctionCommand]) -> None:
        """Call the function on the cell thread."""
        with self.turns.run("invoke-function") as run:
            envelope.answer(await self.host.invoke(envelope.message, run))

    async def on_stop(self) -> None:
        """Nothing to release."""
