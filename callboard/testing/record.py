"""Everything that can be observed of a kernel from the outside of its actors, taken down as it happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import trio

from callboard.actors.domain import Domain
from callboard.kernel import Kernel
from callboard.messages.commands import Command, command_tag
from callboard.messages.conflation import UIBatch
from callboard.messages.notifications import Notification
from callboard.runtime import (
    ActorContext,
    ActorState,
    Behaviour,
    Envelope,
    Frame,
    Lagged,
    Settlement,
    StateChange,
    StopReport,
    Subscription,
)
from callboard.testing.trace import Trace

EVERYTHING = 1_000_000_000


@attrs.frozen(eq=False)
class Posted:
    """One command that a client posted."""

    client: str
    command: Command
    envelope: Envelope[Any]
    at: float
    phase: int


@attrs.define(eq=False)
class Handled:
    """One passage of a message through a handler."""

    domain: str
    seq: int
    """The admission number; of a merged message, that of the last one merged into it."""
    place: int
    """The number whose turn it had: of a merged message, that of the first one."""
    tokens: tuple[str, ...]
    """The tokens of the ticks that were merged."""
    on_cell_thread: bool
    began: float
    after_frame: int
    """The newest notification when it began."""
    envelope: Envelope[Any]
    ended: float | None = None
    last_frame: int = 0
    """The newest notification when it had ended."""
    interrupted: bool = False


@attrs.define(eq=False)
class Reading:
    """What one reader was given, from its subscription to its end."""

    name: str
    since: int | None
    """The sequence number it asked to go on after."""
    started_after: int
    """The newest sequence number when it subscribed."""
    pause: float
    frames: list[Frame[Notification]] = attrs.field(factory=list)
    lagged: Lagged | None = None
    resynced: str | None = None
    ended: bool = False


@attrs.define(eq=False)
class Record:
    """A kernel's doings. Trio thread only; give ``around`` to ``Outside`` and call ``attach`` first of all."""

    trace: Trace = attrs.field(factory=Trace)
    posted: list[Posted] = attrs.field(factory=list)
    handled: list[Handled] = attrs.field(factory=list)
    settlements: list[Settlement] = attrs.field(factory=list)
    frames: list[Frame[Notification]] = attrs.field(factory=list)
    readings: list[Reading] = attrs.field(factory=list)
    changes: list[StateChange] = attrs.field(factory=list)
    overlaps: list[str] = attrs.field(factory=list)
    """Messages whose handlers ran user code at the same time."""
    interrupts: list[float] = attrs.field(factory=list)
    """When interrupts hit a run, in the seconds of the timestamps of commands."""
    phase: int = 1
    report: StopReport | None = None
    peaks: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    """The greatest depth of each mailbox, and its capacity."""
    _running: dict[str, Handled] = attrs.field(factory=dict, init=False)
    _installing: dict[str, Handled] = attrs.field(factory=dict, init=False)
    _kernel: Kernel | None = attrs.field(default=None, init=False)
    _stream: Subscription[Notification] | None = attrs.field(default=None, init=False)

    @property
    def last_seq(self) -> int:
        """The number of the newest notification."""
        return 0 if self._kernel is None else self._kernel._broadcaster.last_seq

    def add(self, kind: str, text: str) -> None:
        """Take down that something happened now."""
        self.trace.add(trio.current_time(), kind, text)

    def around(self, domain: Domain) -> Domain:
        """Return a domain whose handlers are taken down."""
        return attrs.evolve(
            domain,
            behaviour=lambda: _Watched(
                domain.behaviour(), domain.name, domain.on_cell_thread, self
            ),
        )

    def attach(self, kernel: Kernel) -> None:
        """Begin to listen; what was published before is caught up on."""
        self._kernel = kernel
        kernel.ledger.add_listener(self._settled)
        kernel._supervisor.add_listener(self._changed)
        self._stream = kernel.subscribe(
            max_buffer=EVERYTHING, max_bytes=EVERYTHING, name="the record"
        )
        self._catch_up()

    async def listen(self) -> None:
        """Take down notifications as they come, until the kernel has ended."""
        assert self._stream is not None
        async for _ in self._stream:
            self._catch_up()

    def post(self, client: str, command: Command, *, timeout: float) -> Envelope[Any]:
        """Post a command and take that down."""
        assert self._kernel is not None
        envelope = self._kernel.post(command, sender=client, timeout=timeout)
        self.posted.append(Posted(client, command, envelope, trio.current_time(), self.phase))
        return envelope

    def interrupt(self, now: float) -> None:
        """Interrupt what runs, and take down what that is. ``now`` is in the seconds of timestamps."""
        assert self._kernel is not None
        run = self._kernel._turns.current
        if not self._kernel.interrupt():
            return
        assert run is not None
        self.interrupts.append(now)
        hit = self._running.values()
        for handled in hit if run.label != "install-packages" else self._installing.values():
            handled.interrupted = True

    def finish(self) -> None:
        """Take down what can only be known at the end; before the kernel closes."""
        kernel = self._kernel
        assert kernel is not None
        self._catch_up()
        for name, route in _mailboxes(kernel):
            self.peaks[name] = (route.peak, route.capacity)

    def _catch_up(self) -> None:
        # From the ring itself: a subscriber that is behind is spared what is outdated.
        assert self._kernel is not None
        broadcaster = self._kernel._broadcaster
        seen = self.frames[-1].seq if self.frames else 0
        for seq in range(max(seen + 1, broadcaster.first_seq), broadcaster.last_seq + 1):
            frame = broadcaster._ring[seq % broadcaster._ring_frames]
            assert frame is not None
            self.frames.append(frame)
            self.add("frame", f"{frame.seq} {frame.data.decode()}")

    def _settled(self, settlement: Settlement) -> None:
        self.settlements.append(settlement)
        self.add(
            "settled",
            f"{settlement.seq} {_name(settlement.message)} {settlement.outcome}"
            + (f": {settlement.reason}" if settlement.reason else ""),
        )

    def _changed(self, change: StateChange) -> None:
        self.changes.append(change)
        ends = change.error is None and change.new in (ActorState.STOPPING, ActorState.STOPPED)
        kind = "stop" if ends else "state"
        self.add(kind, f"{change.actor} {change.old} -> {change.new}: {change.reason}")


def _mailboxes(kernel: Kernel) -> Iterable[tuple[str, Any]]:
    return {route.ref.name: route.ref.mailbox for route in kernel._router.routes.values()}.items()


def _name(message: object) -> str:
    try:
        return command_tag(message)
    except TypeError:
        return type(message).__name__


@attrs.define(eq=False)
class _Watched:
    """A behaviour that is looked at."""

    inner: Behaviour[Any]
    domain: str
    on_cell_thread: bool
    record: Record

    async def on_start(self, context: ActorContext[Any]) -> None:
        await self.inner.on_start(context)

    async def handle(self, envelope: Envelope[Any]) -> None:
        record, message = self.record, envelope.message
        if isinstance(message, UIBatch):
            tokens = tuple(message._tokens)
        else:
            token = getattr(message, "token", "")
            tokens = (token,) if token else ()
        handled = Handled(
            self.domain,
            envelope.seq,
            envelope.ticket or envelope.seq,
            tokens,
            self.on_cell_thread,
            trio.current_time(),
            record.last_seq,
            envelope,
        )
        record.handled.append(handled)
        record.add("handle", f"{envelope.seq} {self.domain} {_name(message)}")
        if self.on_cell_thread:
            record.overlaps += [
                f"{name} {other.seq} and {self.domain} {envelope.seq}"
                for name, other in record._running.items()
            ]
            record._running[self.domain] = handled
        else:
            record._installing[self.domain] = handled
        try:
            await self.inner.handle(envelope)
        finally:
            record._running.pop(self.domain, None)
            record._installing.pop(self.domain, None)
            handled.ended, handled.last_frame = trio.current_time(), record.last_seq

    async def on_stop(self) -> None:
        await self.inner.on_stop()
