"""A fault plan at work in a kernel: counts passages, and strikes when they are due."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import attrs
import trio
from trio.testing import MockClock

from callboard.actors.domain import Domain
from callboard.runtime import ActorContext, Behaviour, Envelope
from callboard.testing.faults.catalogue import Point
from callboard.testing.faults.plan import Fault, FaultPlan

STALL = 60.0
"""Seconds that a shielded stall lasts."""
BLOCK = 0.5
"""Seconds that the control thread is blocked for."""


_NEED_A_RESTART = ("start-crash", "cleanup-crash")


class InjectedFault(Exception):
    """What a fault raises."""


def _unheard(fault: Fault) -> None:
    """Nobody listens."""


@attrs.define(eq=False)
class Faults:
    """Puts the faults of a plan into a kernel; to be made inside its trio run.

    ``Outside(around=faults.around)`` reaches the domains; the other points ask ``due``. ``on_fire`` hears of each.
    """

    plan: FaultPlan
    on_fire: Callable[[Fault], object] = _unheard
    fired: Counter[str] = attrs.field(factory=Counter, init=False)
    """How often each fault struck."""
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once no fault strikes any more."""
    stopping: bool = attrs.field(default=False, init=False)
    """To be set when the kernel is about to stop: what strikes at the last ``on_stop`` waits for it."""
    _passages: Counter[int] = attrs.field(factory=Counter, init=False)
    _armed: Counter[int] = attrs.field(factory=Counter, init=False)
    _poison: dict[int, object] = attrs.field(factory=dict, init=False)

    def end(self) -> None:
        """Let no fault strike any more, and what hangs go on."""
        self.over.set()

    def around(self, domain: Domain) -> Domain:
        """Return a domain whose behaviours suffer what is planned for it."""
        if not any(fault.domain == domain.name for fault in self.plan.faults):
            return domain
        return attrs.evolve(
            domain, behaviour=lambda: _Suffering(domain.behaviour(), domain.name, self)
        )

    def due(self, point: Point, domain: str = "") -> list[Fault]:
        """Count a passage of a point, and return the faults that strike at it."""
        if self.over.is_set():
            return []
        due = []
        for number, fault in enumerate(self.plan.faults):
            if fault.kind.point is not point or fault.domain != domain:
                continue
            if fault.after and trio.current_time() < fault.after:
                continue
            self._passages[number] += 1
            if fault.nth <= self._passages[number] < fault.nth + fault.times:
                due.append(fault)
        return due

    def triggered(self, domain: str) -> list[Fault]:
        """Count a message of a domain; return the faults of its start and stop that it has to crash for."""
        if self.over.is_set():
            return []
        found = []
        for number, fault in enumerate(self.plan.faults):
            early = trio.current_time() < fault.after
            if fault.name in _NEED_A_RESTART and fault.domain == domain and not early:
                self._passages[number] += 1
                if self._passages[number] == fault.nth:
                    self._armed[number] = fault.times
                    found.append(fault)
        return found

    def armed(self, point: Point, domain: str) -> list[Fault]:
        """Return the faults that strike at a start or a stop of a domain."""
        found = []
        for number, fault in enumerate(self.plan.faults):
            if fault.kind.point is point and fault.domain == domain and self._armed[number]:
                self._armed[number] -= 1
                found.append(fault)
        return [] if self.over.is_set() else found

    def fire(self, fault: Fault) -> None:
        """Note that a fault strikes."""
        self.fired[fault.name] += 1
        self.on_fire(fault)

    def poisonous(self, fault: Fault, message: object, *, due: bool) -> bool:
        """Tell whether a message is the poison one; the one at hand becomes it when ``due``."""
        if due:
            self._poison.setdefault(id(fault), message)
        return self._poison.get(id(fault)) is message


@attrs.define(eq=False)
class _Suffering:
    """A behaviour that faults happen to."""

    inner: Behaviour[Any]
    domain: str
    faults: Faults
    _ordeal: _Ordeal | None = attrs.field(default=None, init=False)
    """What the message in hand has yet to go through, in a task of its own if it is handed over."""

    async def on_start(self, context: ActorContext[Any]) -> None:
        for fault in self.faults.armed(Point.START, self.domain):
            self._raise(fault)
        await self.inner.on_start(_HandsOver.of(context, self))

    async def handle(self, envelope: Envelope[Any]) -> None:
        cancelled: Fault | None = None
        late: Fault | None = None
        faults = self.faults
        due = faults.due(Point.HANDLER, self.domain)
        for fault in faults.plan.faults:
            if fault.name == "poison-message" and fault.domain == self.domain:
                if not faults.over.is_set() and faults.poisonous(
                    fault, envelope.message, due=fault in due
                ):
                    self._raise(fault)
            elif fault not in due:
                continue
            elif fault.name in ("handler-crash", "crash-loop"):
                self._raise(fault)
            elif fault.name == "late-crash":
                late = fault
            elif fault.name == "handler-hang":
                faults.fire(fault)
                await faults.over.wait()
            elif fault.name == "control-block":
                faults.fire(fault)
                pass_time(BLOCK)
            elif fault.name == "cancel-at-checkpoint":
                cancelled = fault
        for fault in faults.triggered(self.domain):
            self._raise(fault)
        ordeal = self._ordeal = self._planned(envelope, cancelled, late)
        await ordeal.through(self.inner.handle(envelope))
        if self._ordeal is not None:
            self._ordeal = None
            ordeal.end()

    def take_ordeal(self) -> _Ordeal | None:
        """Take what the message in hand has yet to go through, as it is handed over."""
        ordeal, self._ordeal = self._ordeal, None
        return ordeal

    async def on_stop(self) -> None:
        for fault in self.faults.plan.at(Point.STOP):
            mine = fault.name == "shielded-stall" and fault.domain == self.domain
            if mine and self.faults.stopping:
                self.faults.fire(fault)
                with trio.CancelScope(shield=True):
                    await trio.sleep(STALL)
        for fault in self.faults.armed(Point.STOP, self.domain):
            self._raise(fault)
        await self.inner.on_stop()

    def _raise(self, fault: Fault) -> None:
        self.faults.fire(fault)
        raise InjectedFault(fault.name)

    def _planned(
        self, envelope: Envelope[Any], cancelled: Fault | None, late: Fault | None
    ) -> _Ordeal:
        def strike() -> None:
            assert cancelled is not None
            self.faults.fire(cancelled)
            envelope.cancel(f"fault: {cancelled.name}")

        def end() -> None:
            if late is not None:
                self._raise(late)

        return _Ordeal(0 if cancelled is None else cancelled.checkpoint, strike, end)


@attrs.define(eq=False)
class _Ordeal:
    """What one message goes through, in its handler and in the task that it is handed over to."""

    checkpoint: int
    """Which one is still to be passed until ``strike`` is called; 0 or less for none."""
    strike: Callable[[], object]
    end: Callable[[], object]
    """To be called when the work is done."""

    def pass_checkpoint(self) -> None:
        """Count a checkpoint."""
        self.checkpoint -= 1
        if self.checkpoint == 0:
            self.strike()

    async def through(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work, and count its checkpoints."""
        await _Counted(work, self.pass_checkpoint)


class _HandsOver(ActorContext[Any]):
    """A context that has faults go with the messages that are handed over."""

    suffering: _Suffering

    @classmethod
    def of(cls, context: ActorContext[Any], suffering: _Suffering) -> _HandsOver:
        made = cls(
            name=context.name,
            mailbox=context.mailbox,
            ref=context.ref,
            nursery=context.nursery,
            incarnation=context.incarnation,
            loop=context._loop,
        )
        made.suffering = suffering
        return made

    def hand_over(
        self, envelope: Envelope[Any], work: Callable[[Envelope[Any]], Awaitable[object]]
    ) -> None:
        ordeal = self.suffering.take_ordeal()

        async def bear(envelope: Envelope[Any]) -> None:
            if ordeal is None:
                await work(envelope)
                return

            async def do() -> None:
                await work(envelope)

            await ordeal.through(do())
            ordeal.end()

        super().hand_over(envelope, bear)


@attrs.define(eq=False)
class _Counted:
    """Awaits a coroutine and calls ``on_checkpoint`` at each of its checkpoints."""

    coroutine: Coroutine[Any, Any, None]
    on_checkpoint: Callable[[], object]

    def __await__(self) -> Generator[Any, Any, None]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                if error is None:
                    trap = self.coroutine.send(value)
                else:
                    trap = self.coroutine.throw(error)
            except StopIteration:
                return
            value = error = None
            self.on_checkpoint()
            try:
                value = yield trap
            except BaseException as raised:
                error = raised


def pass_time(seconds: float) -> None:
    """Let time pass while nothing else happens: in a simulation virtual time, else for real."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, MockClock):
        clock.jump(seconds)
    else:
        time.sleep(seconds)
