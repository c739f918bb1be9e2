"""The notebook domain: commands about cells, carried out one after another by the host."""

from __future__ import annotations

import attrs

from callboard.actors.host import HostError, NotebookCommand, NotebookHost, Turns
from callboard.messages.commands import (
    CreateNotebookCommand,
    DeleteCellCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
    command_tag,
)
from callboard.runtime import ActorContext, Envelope, Outcome

COMMANDS = (
    CreateNotebookCommand,
    RenameNotebookCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    DeleteCellCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)


@attrs.define(eq=False)
class NotebookBehaviour:
    """Hands each command to the host, and says so when the host refuses it."""

    host: NotebookHost
    turns: Turns

    async def on_start(self, ctx: ActorContext[NotebookCommand]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[NotebookCommand]) -> None:
        """Carry out one command; a fault of the sender fails the command, not the actor."""
        with self.turns.run(command_tag(envelope.message)) as run:
            try:
                await self.host.execute(envelope.message, run)
            except HostError as error:
                envelope.settle(Outcome.FAILED, reason=str(error), error=error)

    async def on_stop(self) -> None:
        """Nothing to release."""
