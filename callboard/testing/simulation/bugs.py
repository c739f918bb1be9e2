"""Defects planted into the runtime and the kernel, to prove that simulation finds such.

For tests of the simulation only. A defect is there for the duration of a ``with`` block, in the whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import attrs
import trio

import callboard.kernel.composition
from callboard.actors.answering import Asked
from callboard.actors.notebook.host import EngineHost
from callboard.actors.notebook.plan import Foresight
from callboard.actors.notebook.reads import NotebookReads
from callboard.actors.ui import UIBehaviour
from callboard.engines.placement import Place
from callboard.messages.commands import ModelCommand
from callboard.messages.conflation import UIBatch
from callboard.redaction import Redactor
from callboard.runtime import Envelope, Lane, Mailbox, Outcome, Supervisor
from callboard.runtime.ledger import Account, Ledger
from callboard.testing.oracles import WITHOUT_CELLS

Planting = Callable[[], AbstractContextManager[None]]


@attrs.frozen
class Bug:
    """One defect. ``within`` is how many seeds, from 0 on, are enough to find it."""

    name: str
    meaning: str
    plant: Planting
    within: int


@contextmanager
def _replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _lost_settlement() -> AbstractContextManager[None]:
    def make(cancel: Any) -> Any:
        def lose(self: Envelope[Any], reason: str = "cancelled") -> bool:
            if self.outcome is None and self.started_at is None and self._mailbox is not None:
                self._mailbox.discard(self)
                return True
            return bool(cancel(self, reason))

        return lose

    return _replaced(Envelope, "cancel", make)


def _settled_twice() -> AbstractContextManager[None]:
    def make(announce: Any) -> Any:
        def twice(self: Ledger, envelope: Envelope[Any]) -> None:
            announce(self, envelope)
            if envelope.outcome is Outcome.EXPIRED:
                announce(self, envelope)

        return twice

    return _replaced(Ledger, "announce", make)


def _reordered_custom() -> AbstractContextManager[None]:
    def make(key: Any) -> Any:
        def no_barrier(self: Mailbox[Any], conflation: Any, envelope: Envelope[Any]) -> bool:
            if (
                isinstance(envelope.message, ModelCommand)
                and conflation.key(envelope.message) is None
            ):
                return False
            return bool(key(self, conflation, envelope))

        return no_barrier

    return _replaced(Mailbox, "_conflated", make)


def _moved_across_barrier() -> AbstractContextManager[None]:
    return _replaced(Mailbox, "seal", lambda seal: lambda self: None)


def _dropped_last_tick() -> AbstractContextManager[None]:
    def make(absorb: Any) -> Any:
        def keep_first(self: UIBatch, later: UIBatch) -> UIBatch:
            first = dict(self.values)
            absorb(self, later)
            self.values.update(first)
            return self

        return keep_first

    return _replaced(UIBatch, "absorb", make)


def _leaked_task() -> AbstractContextManager[None]:
    async def leak(self: UIBehaviour) -> None:
        trio.lowlevel.spawn_system_task(trio.sleep_forever, name="leaked")

    return _replaced(UIBehaviour, "on_stop", lambda on_stop: leak)


def _restart_loses_mailbox() -> AbstractContextManager[None]:
    def make(recover: Any) -> Any:
        async def lose(self: Supervisor[Any], child: Any, end: Any) -> bool:
            if end.error is not None:
                child.spec.mailbox.drain_nowait()
            return bool(await recover(self, child, end))

        return lose

    return _replaced(Supervisor, "_recover", make)


def _stale_plan() -> AbstractContextManager[None]:
    """The newer tick does not run the cells that were left to it."""

    def make(apply: Any) -> Any:
        async def drop(self: EngineHost, batch: Any, run: Any) -> None:
            self.engine.book.owed = ()
            await apply(self, batch, run)

        return drop

    return _replaced(EngineHost, "apply_ui", make)


def _overlapping_user_code() -> AbstractContextManager[None]:
    def make(acquire: Any) -> Any:
        def always(self: Lane, seq: int) -> bool:
            return seq in self._owner_of

        return always

    return _replaced(Lane, "acquire_nowait", make)


def _forgotten_wake() -> AbstractContextManager[None]:
    def make(release: Any) -> Any:
        def silent(self: Lane, seq: int) -> None:
            if self._holder == seq:
                self._holder = 0

        return silent

    return _replaced(Lane, "release", make)


def _unbounded_mailbox() -> AbstractContextManager[None]:
    def make(offer: Any) -> Any:
        def accept(self: Mailbox[Any], envelope: Envelope[Any], *, control: bool = False) -> Any:
            capacity, self.capacity = self.capacity, self.capacity + 20
            refusal = offer(self, envelope, control=control)
            self.capacity = capacity
            return refusal

        return accept

    def roomy(init: Any) -> Any:
        def make_room(
            self: Mailbox[Any], name: str, capacity: int, *rest: Any, **more: Any
        ) -> None:
            init(self, name, capacity + 20, *rest, **more)
            self.capacity = capacity

        return make_room

    @contextmanager
    def both() -> Iterator[None]:
        with _replaced(Mailbox, "__init__", roomy), _replaced(Mailbox, "offer", make):
            yield

    return both()


def _skipped_ends() -> AbstractContextManager[None]:
    """What must never be skipped counts as state that something newer replaces."""

    def make(state_key: Any) -> Any:
        def key(notification: Any) -> Any:
            return state_key(notification) or notification.op

        return key

    return _replaced(callboard.kernel.composition, "state_key", make)


def _leaked_secret() -> AbstractContextManager[None]:
    return _replaced(Redactor, "__call__", lambda call: lambda self, text: text)


def _crash_spreads() -> AbstractContextManager[None]:
    def make(closed: Any) -> Any:
        def closed_twice(self: Account, envelope: Envelope[Any], outcome: Outcome) -> None:
            closed(self, envelope, outcome)
            if outcome is Outcome.FAILED and self.lane is not None:
                self.lane.set_available("functions", False)

        return closed_twice

    return _replaced(Account, "closed", make)


def _interrupt_stays() -> AbstractContextManager[None]:
    """An interrupt hits the next run as well."""

    def make(execute: Any) -> Any:
        async def still(self: EngineHost, command: Any, run: Any) -> None:
            if self.engine.interrupted_at:
                self.engine.interrupted_at = 0.0
                run.interrupted = True
            await execute(self, command, run)

        return still

    return _replaced(EngineHost, "execute", make)


def _stop_forgets_the_queue() -> AbstractContextManager[None]:
    def make(settle: Any) -> Any:
        def forget(
            self: Supervisor[Any], child: Any, outcome: Outcome, reason: str, error: Any
        ) -> None:
            if outcome is Outcome.CANCELLED:
                child.spec.mailbox.drain_nowait()
            else:
                settle(self, child, outcome, reason, error)

        return forget

    return _replaced(Supervisor, "_settle_queue", make)


def _reads_too_early() -> AbstractContextManager[None]:
    return _replaced(Foresight, "may_rebind", lambda may: lambda self, name: False)


def _reads_too_late() -> AbstractContextManager[None]:
    """A run leaves cells that a request waits for to a tick that comes after it."""
    return _replaced(NotebookReads, "waits_before", lambda waits: lambda self, seq: False)


def _silent_while_busy() -> AbstractContextManager[None]:
    def make(call: Any) -> Any:
        async def wait(self: Asked[Any], function: Any, place: Any = None, **more: Any) -> Any:
            return await call(self, function, Place.CELL_THREAD, **more)

        return wait

    return _replaced(Asked, "call", make)


def _never_answered() -> AbstractContextManager[None]:
    def make(call: Any) -> Any:
        async def wait(self: Asked[Any], *given: Any, **more: Any) -> Any:
            if isinstance(self.command, WITHOUT_CELLS):
                await trio.sleep_forever()
            return await call(self, *given, **more)

        return wait

    return _replaced(Asked, "call", make)


def _hasty_stop() -> AbstractContextManager[None]:
    def make(quiescence: Any) -> Any:
        async def skip(self: Supervisor[Any]) -> None:
            for name in self.names:
                self.ref(name).mailbox.drain_nowait()

        return skip

    return _replaced(Supervisor, "_quiescence", make)


_BUGS = (
    Bug(
        "forgotten leftovers",
        "a stop does not settle what it cancels",
        _stop_forgets_the_queue,
        30,
    ),
    Bug("hasty stop", "a stop throws away what is queued", _hasty_stop, 30),
    Bug("lost settlement", "a queued command that is cancelled never ends", _lost_settlement, 30),
    Bug("settled twice", "an expired command is announced twice", _settled_twice, 30),
    Bug("reordered custom message", "ticks merge across it", _reordered_custom, 30),
    Bug("tick moved", "ticks merge across commands that observe them", _moved_across_barrier, 30),
    Bug("dropped last tick", "of merged values the first one stays", _dropped_last_tick, 30),
    Bug("reads too early", "a request does not wait for the cells before it", _reads_too_early, 30),
    Bug(
        "reads too late",
        "cells that a request waits for are left to a tick after it",
        _reads_too_late,
        30,
    ),
    Bug("silent while busy", "requests wait for the cell that runs", _silent_while_busy, 30),
    Bug("never answered", "requests that need no cell get no thread", _never_answered, 30),
    Bug("leaked task", "an actor leaves a task behind", _leaked_task, 1),
    Bug(
        "restart loses the mailbox", "what is queued at a crash is gone", _restart_loses_mailbox, 30
    ),
    Bug("stale plan", "a newer tick forgets the cells left to it", _stale_plan, 90),
    Bug("overlapping user code", "the lane lets two in", _overlapping_user_code, 30),
    Bug("forgotten wake-up", "the lane does not wake the next one", _forgotten_wake, 30),
    Bug("unbounded mailbox", "a mailbox takes more than it may", _unbounded_mailbox, 30),
    Bug("skipped ends", "a slow reader misses how commands ended", _skipped_ends, 30),
    Bug("leaked secret", "credentials are not taken out", _leaked_secret, 30),
    Bug("crash spreads", "one domain's failures make another one wait", _crash_spreads, 60),
    Bug(
        "lasting interrupt",
        "an interrupt hits the run after the one it was for",
        _interrupt_stays,
        60,
    ),
)

BUGS = {bug.name: bug for bug in _BUGS}
"""Every planted bug by its name."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a bug for the duration of the block."""
    with BUGS[name].plant():
        yield
