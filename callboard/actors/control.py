"""The kernel domain: commands to the kernel as a whole."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from callboard.messages.commands import StopKernelCommand
from callboard.runtime import ActorContext, Envelope

COMMANDS = (StopKernelCommand,)


@attrs.define(eq=False)
class KernelBehaviour:
    """Passes the wish to stop on; intake has ended when it is posted."""

    request_stop: Callable[[], object]

    async def on_start(self, context: ActorContext[StopKernelCommand]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[StopKernelCommand]) -> None:
        """Ask for the stop and return, so that this command is not what the stop waits for."""
        self.request_stop()

    async def on_stop(self) -> None:
        """Nothing to release."""
