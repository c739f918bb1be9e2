"""The ui domain: ticks of elements and widget models, merged while they wait."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from callboard.actors.host import NotebookHost, Turns
from callboard.messages.commands import ModelCommand, ModelUpdateMessage, UpdateUIElementCommand
from callboard.messages.conflation import UIBatch, as_batch
from callboard.runtime import ActorContext, Envelope, Outcome

COMMANDS = (UpdateUIElementCommand, ModelCommand)


@attrs.frozen
class RunOwedCells:
    """Run the cells that were left to a newer tick which then was not carried out. The kernel's own, no command."""


UIMessage = UpdateUIElementCommand | ModelCommand | UIBatch | RunOwedCells


class UIConflation:
    """Merges waiting ticks, of elements and models alike, into one batch.

    A custom message is no tick: it has no key, stays as it is, and ticks are not merged across it.
    """

    def __init__(self, max_keys: int = 10_000) -> None:
        self.max_size = max_keys

    def key(self, message: UIMessage) -> Hashable | None:
        """One slot for all ticks between two barriers."""
        return "tick" if is_tick(message) else None

    def merge(self, pending: UIMessage, later: UIMessage) -> UIMessage:
        """Merge a later tick into what is waiting."""
        batch, newer = _batch(pending), _batch(later)
        assert batch is not None
        assert newer is not None
        return batch.absorb(newer)

    def size(self, message: UIMessage) -> int:
        """Count the element values and model state keys that a slot holds."""
        if isinstance(message, UpdateUIElementCommand):
            return len(message.object_ids)
        batch = _batch(message)
        return 0 if batch is None else batch.keys


def is_tick(message: object) -> bool:
    """Whether a message is one that a later one of its kind may be merged into."""
    if isinstance(message, ModelCommand):
        return isinstance(message.message, ModelUpdateMessage)
    return isinstance(message, UpdateUIElementCommand | UIBatch)


def updates_elements(message: object) -> bool:
    """Whether an update of elements is in a message, be it merged with others."""
    if isinstance(message, UIBatch):
        return message.has_ui_update
    return isinstance(message, UpdateUIElementCommand)


def _batch(message: UIMessage) -> UIBatch | None:
    if isinstance(message, UIBatch):
        return message
    if isinstance(message, RunOwedCells):
        return None
    return as_batch(message)


@attrs.define(eq=False)
class UIBehaviour:
    """Applies one batch at a time.

    While the dependants of a batch run and a newer tick waits right behind it, cells that have not started and that
    the tick would run again are left to the tick; the batch is then superseded.
    """

    host: NotebookHost
    turns: Turns

    async def on_start(self, ctx: ActorContext[UIMessage]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[UIMessage]) -> None:
        """Apply a batch, or hand a custom message over."""
        message = envelope.message
        if isinstance(message, RunOwedCells):
            with self.turns.run("cells left over") as run:
                await self.host.run_owed(run)
            return
        batch = _batch(message)
        if batch is None:
            assert isinstance(message, ModelCommand)
            with self.turns.run("model") as run:
                await self.host.custom_message(message, run)
            return
        with self.turns.run("update-ui-element", gives_way=True) as run:
            await self.host.apply_ui(batch, run)
        if run.left:
            envelope.settle(
                Outcome.SUPERSEDED, reason=f"{run.left} cells were left to a newer tick"
            )

    async def on_stop(self) -> None:
        """Nothing to release."""


def announce_waiting(turns: Turns, waiting: UIMessage) -> None:
    """Tell the run in hand that a tick waits right behind it, if it is a run that gives way to one."""
    run = turns.current
    if run is None or not run.gives_way:
        return
    batch = _batch(waiting)
    if batch is not None:
        run.newer = (*batch.values, *batch.models)
