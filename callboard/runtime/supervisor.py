"""Runs actors, restarts those that crash, and stops them all in bounded time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import Generic, TypeVar

import attrs
import trio

from callboard.runtime.actor import ActorContext, Behaviour, ReceiveLoop, Ref
from callboard.runtime.actor import is_cancellation as _is_cancellation
from callboard.runtime.deadlines import Deadlines
from callboard.runtime.envelope import Outcome, Settlement
from callboard.runtime.errors import ActorError, Cancelled, Closed, Dead, StartFailed, describe
from callboard.runtime.ledger import Account, Ledger
from callboard.runtime.metrics import ActorSnapshot, SupervisorSnapshot
from callboard.runtime.policy import (
    ActorState,
    Backoff,
    ChildSpec,
    Intensity,
    Restart,
    StateChange,
    StopReport,
    Strategy,
)

M = TypeVar("M")


_ON_STOP_SHARE = 0.9
"""The part of the kill time after which an ``on_stop`` is cut off."""


class _Why(StrEnum):
    """Why an incarnation was cancelled from outside."""

    KILLED = "killed"
    SIBLING = "sibling"


class _Ended(StrEnum):
    """How an incarnation ended."""

    EXHAUSTED = "exhausted"
    NORMAL = "normal"
    CRASHED = "crashed"
    INTERRUPTED = "interrupted"


@attrs.frozen
class _End:
    how: _Ended
    error: BaseException | None = attrs.field(default=None, repr=False)
    poison: Settlement | None = None


@attrs.define(eq=False, repr=False)
class _Child(Generic[M]):
    """An actor under supervision."""

    spec: ChildSpec[M]
    account: Account
    ref: Ref[M]
    loop: ReceiveLoop[M]
    state: ActorState = ActorState.STARTING
    incarnations: int = 0
    crashes: deque[float] = attrs.field(factory=deque)
    # Set while the circuit is half open: up again, but not proven yet.
    on_trial: int | None = None
    # Of what the child's task does now, other than ``on_stop``, which has its own.
    scope: trio.CancelScope | None = None
    stop_scope: trio.CancelScope | None = None
    active: bool = False
    interrupted: _Why | None = None
    interrupt_reason: str = ""
    kill_at: float = inf
    last_error: BaseException | None = None
    leftovers: int = 0
    close_requested: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    first_outcome: trio.Event = attrs.field(factory=trio.Event)
    came_up: bool = False

    @property
    def idle(self) -> bool:
        return self.loop.idle and self.spec.mailbox.depth == 0

    @property
    def can_end(self) -> bool:
        """Whether it waits for messages and has none, so that closing its mailbox ends it."""
        return self.idle and self.state is ActorState.RUNNING

    @property
    def killed(self) -> bool:
        return self.interrupted is _Why.KILLED

    def interrupt(self, why: _Why, reason: str) -> None:
        """Cancel what the child's task does now."""
        if not self.killed:
            self.interrupted, self.interrupt_reason = why, reason
        if self.scope is not None:
            self.scope.cancel(reason)
        if self.stop_scope is not None:
            self.stop_scope.deadline = min(self.stop_scope.deadline, self.kill_at)


class Supervisor(Generic[M]):
    """Starts the actors added to it, restarts them by their specs, and stops them.

    Every actor has a task and a nursery of its own, so its crash cancels no other. A crash fails
    the message in hand, which is not retried; the mailbox stays. After more than
    ``intensity.restarts`` restarts in ``intensity.period`` seconds the actor is `DOWN`: what is
    queued fails, what is posted is refused at once, and it is tried again after ``cooldown``
    seconds. If it crashes then before it has completed a message, it is down again.

    For the trio thread only.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        name: str = "supervisor",
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity | None = None,
        backoff: Backoff | None = None,
        cooldown: float = 30.0,
    ) -> None:
        self.name = name
        self.ledger = ledger
        self.strategy = strategy
        self.intensity = intensity or Intensity()
        self.backoff = backoff or Backoff()
        self.cooldown = cooldown
        self.deadlines = Deadlines()
        self.listener_errors = 0
        self._children: dict[str, _Child[M]] = {}
        self._listeners: list[Callable[[StateChange], None]] = []
        self._nursery: trio.Nursery | None = None
        self._changed = trio.Event()
        self._activity: trio.Event | None = None
        self._has_run = False
        self._stopping = False
        self._stopped = trio.Event()
        self._report: StopReport | None = None

    def add(self, spec: ChildSpec[M]) -> Ref[M]:
        """Add an actor, started at once if the supervisor runs, else when it does.

        Not a checkpoint. Messages may be sent to it from now on. Raises ValueError if the name is
        taken and `Closed` if the supervisor is stopping: both the caller's fault.
        """
        if self._stopping:
            raise Closed(f"supervisor {self.name!r} is stopping")
        if spec.name in self._children:
            raise ValueError(f"supervisor {self.name!r} already has an actor {spec.name!r}")
        account = self.ledger.account(spec.name, spec.lane)
        ref = Ref(spec.mailbox, account, self.deadlines)
        loop = ReceiveLoop(spec.mailbox, account)
        child = _Child(spec, account, ref, loop)
        self._children[spec.name] = child
        if spec.lane is not None:
            spec.lane.set_available(spec.name, False)
        if self._nursery is not None:
            self._nursery.start_soon(self._supervise, child, name=f"actor {spec.name}")
        return ref

    def ref(self, name: str) -> Ref[M]:
        """The reference of an actor. Raises KeyError if there is none: the caller's fault."""
        return self._children[name].ref

    def state(self, name: str) -> ActorState:
        """The state of an actor. Raises KeyError if there is none: the caller's fault."""
        return self._children[name].state

    @property
    def names(self) -> tuple[str, ...]:
        """The actors in the order they were added."""
        return tuple(self._children)

    def add_listener(self, listener: Callable[[StateChange], None]) -> None:
        """Call `listener` synchronously at every state change; what it raises is only counted."""
        self._listeners.append(listener)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the actors until `stop` is done. For ``await nursery.start(supervisor.run)``.

        Reports started once the actors' tasks exist; `wait_running` waits for their ``on_start``.
        Cancelled, it cancels every actor, settles what is left as cancelled, and ends when they
        have unwound. Raises RuntimeError if it was run before: the caller's fault.
        """
        if self._has_run or self._stopped.is_set():
            raise RuntimeError(f"supervisor {self.name!r} has been run before")
        self._has_run = True
        self.ledger.clock = trio.lowlevel.current_clock().current_time
        async with trio.open_nursery() as helpers:
            helpers.start_soon(self.deadlines.run, name=f"deadlines of {self.name}")
            try:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    for child in self._children.values():
                        nursery.start_soon(self._supervise, child, name=f"actor {child.spec.name}")
                    task_status.started()
                    await self._stopped.wait()
            finally:
                self._stopping = True
                self._stopped.set()
            helpers.cancel_scope.cancel()

    async def wait_running(self, *names: str) -> None:
        """Wait until the named actors (all, if none is named) have come up once. A checkpoint.

        Raises `StartFailed` for the first one that went `BACKOFF`, `DOWN` or `STOPPED` before it
        had come up; the supervisor goes on trying all the same.
        """
        await trio.lowlevel.checkpoint()
        for name in names or self.names:
            child = self._children[name]
            await child.first_outcome.wait()
            if not child.came_up:
                error = child.last_error
                what = describe(error) if error is not None else "it was stopped"
                raise StartFailed(f"actor {name!r} did not start: {what}") from error

    async def stop(self, drain: float, kill: float) -> StopReport:
        """Stop every actor within ``drain + kill`` seconds, and say what had to be done for it.

        For up to ``drain`` seconds the actors work off what is queued, including what they send
        each other meanwhile (close the routers first to have nothing new come in). Then their
        mailboxes are closed, the last added first, and each ends with its ``on_stop``. What has
        not ended by the drain deadline is cancelled, and given ``kill`` seconds to unwind. At the
        end every message is settled, also one whose handler would not end.

        A checkpoint. Called again it returns the same report. Cancelled midway, intake stays as
        it is; call it again to go on.
        """
        await trio.lowlevel.checkpoint()
        if self._report is not None:
            return self._report
        started = trio.current_time()
        self._stopping = True
        children = list(self._children.values())
        if self._nursery is None:
            # Nothing has been started, so nobody is there to end by itself.
            for child in children:
                self._finish(child, "stopped before it was started")
        with trio.move_on_at(started + drain):
            await self._quiescence()
            for child in reversed(children):
                self._close(child)
                await child.ended.wait()
        left = [child for child in children if not child.ended.is_set()]
        # The others have nothing to do, and end by themselves now that they are told to.
        late = [child for child in left if not child.can_end]
        now = trio.current_time()
        kill_at = now + kill
        for child in left:
            # Before the deadline itself, so that what is cut off then has the time to unwind.
            child.kill_at = now + kill * _ON_STOP_SHARE
        for child in late:
            child.interrupt(_Why.KILLED, "killed: not done at the drain deadline")
        for child in reversed(left):
            self._close(child)
        with trio.move_on_at(kill_at):
            for child in left:
                await child.ended.wait()
        unfinished = [child for child in left if not child.ended.is_set()]
        for child in unfinished:
            reason = "did not end by the kill deadline"
            self._cancel_in_hand(child, reason)
            self._settle_queue(child, Outcome.CANCELLED, "its actor did not end", Cancelled)
        self._report = StopReport(
            drained=not late,
            cancelled=tuple(child.spec.name for child in late),
            unfinished=tuple(child.spec.name for child in unfinished),
            leftovers=sum(child.leftovers for child in children),
            seconds=trio.current_time() - started,
        )
        self._stopped.set()
        return self._report

    def snapshot(self) -> SupervisorSnapshot:
        """The measurements as of now. Not a checkpoint."""
        ledger = self.ledger
        return SupervisorSnapshot(
            name=self.name,
            at=trio.current_time(),
            actors=tuple(self._actor_snapshot(child) for child in self._children.values()),
            accepted=ledger.accepted,
            rejected=ledger.rejected,
            in_flight=ledger.in_flight,
            outcomes={str(outcome): number for outcome, number in ledger.outcomes.items()},
            dead_letters={
                str(cause): number for cause, number in ledger.dead_letters.counts.items()
            },
            listener_errors=self.listener_errors
            + ledger.listener_errors
            + ledger.dead_letters.listener_errors,
        )

    def _actor_snapshot(self, child: _Child[M]) -> ActorSnapshot:
        account, mailbox = child.account, child.spec.mailbox
        run = account.run.snapshot()
        return ActorSnapshot(
            name=child.spec.name,
            state=str(child.state),
            depth=mailbox.depth,
            capacity=mailbox.capacity,
            running=not child.loop.idle,
            accepted=account.accepted,
            rejected=account.refused,
            handled=run.count,
            failed=account.outcomes[Outcome.FAILED],
            superseded=account.outcomes[Outcome.SUPERSEDED],
            cancelled=account.outcomes[Outcome.CANCELLED],
            expired=account.outcomes[Outcome.EXPIRED],
            dropped=mailbox.dropped["dropped-oldest"],
            restarts=max(0, child.incarnations - 1),
            wait=account.wait.snapshot(),
            run=run,
        )

    async def _supervise(self, child: _Child[M]) -> None:
        """The life of one actor, in its own task."""
        try:
            while not child.killed:
                if not await self._gate(child):
                    break
                end = await self._incarnate(child)
                if not await self._recover(child, end):
                    break
        finally:
            self._finish(child, child.interrupt_reason or "its actor ended")

    async def _gate(self, child: _Child[M]) -> bool:
        """Wait until those it depends on are up; False if it shall end instead."""
        while self.strategy is Strategy.REST_FOR_ONE:
            blocker = self._blocker(child)
            if blocker is None:
                break
            if child.close_requested.is_set():
                return False
            if blocker.state is ActorState.DOWN:
                self._go_down(child, f"depends on actor {blocker.spec.name!r}, which is down")
            elif child.state is ActorState.DOWN:
                self._set_state(child, ActorState.STARTING, "what it depends on is tried again")
            with trio.CancelScope() as child.scope:
                await self._changed.wait()
            if child.killed:
                return False
        return True

    def _blocker(self, child: _Child[M]) -> _Child[M] | None:
        """The first of those before a child that will come up but has not."""
        for other in self._children.values():
            if other is child:
                return None
            if other.state in (ActorState.STARTING, ActorState.BACKOFF, ActorState.DOWN):
                return other
            if other.interrupted is _Why.SIBLING:
                # Still unwinding, and will start again: its state does not say so yet.
                return other
        return None

    async def _incarnate(self, child: _Child[M]) -> _End:
        """Run one incarnation from the making of its behaviour to its ``on_stop``."""
        child.incarnations += 1
        if child.state is not ActorState.STARTING:
            self._set_state(child, ActorState.STARTING, "starts again")
        loop = child.loop
        loop.begin()
        behaviour: Behaviour[M] | None = None
        exhausted = False
        error: BaseException | None = None
        try:
            with trio.CancelScope() as child.scope:
                child.active = True
                async with trio.open_nursery() as nursery:
                    behaviour = await self._start(child, nursery)
                    self._came_up(child)
                    exhausted = await loop.serve(behaviour)
                    await loop.finish_handed_over()
                    nursery.cancel_scope.cancel()
        except BaseException as raised:
            if _is_cancellation(raised) or _is_fatal(raised):
                # Not an actor's end but that of the supervisor's task.
                child.active = False
                await self._clean_up(child, behaviour)
                raise
            error = _unwrap(raised)
        child.active = False
        if child.account.lane is not None:
            child.account.lane.set_available(child.spec.name, False)
        if error is not None:
            reason = f"its actor crashed: {describe(error)}"
            poison = next(iter(loop.abandon(Outcome.FAILED, reason, error)), None)
            poison = loop.poison or poison
        else:
            poison = None
            reason = child.interrupt_reason or "its actor ended"
            self._cancel_in_hand(child, reason)
        stop_error = await self._clean_up(child, behaviour)
        if error is None:
            error = stop_error
        if error is not None:
            child.last_error = error
            settlement = poison.settlement if poison is not None else None
            return _End(_Ended.CRASHED, error, settlement)
        if child.interrupted is not None:
            return _End(_Ended.INTERRUPTED)
        return _End(_Ended.EXHAUSTED if exhausted else _Ended.NORMAL)

    async def _start(self, child: _Child[M], nursery: trio.Nursery) -> Behaviour[M]:
        spec = child.spec
        context = ActorContext(
            name=spec.name,
            mailbox=spec.mailbox,
            ref=child.ref,
            nursery=nursery,
            incarnation=child.incarnations,
            loop=child.loop,
        )
        try:
            behaviour = spec.behaviour()
            with trio.move_on_after(spec.start_timeout) as scope:
                await behaviour.on_start(context)
        except Exception as error:
            raise StartFailed(f"actor {spec.name!r}: {describe(error)}") from error
        if scope.cancelled_caught:
            raise StartFailed(
                f"on_start of actor {spec.name!r} took more than {spec.start_timeout} s"
            )
        return behaviour

    async def _clean_up(
        self, child: _Child[M], behaviour: Behaviour[M] | None
    ) -> BaseException | None:
        """Run ``on_stop`` of a behaviour that had started; returns what it raised."""
        if behaviour is None:
            return None
        limit = min(trio.current_time() + child.spec.stop_timeout, child.kill_at)
        try:
            with trio.CancelScope(deadline=limit, shield=True) as child.stop_scope:
                await behaviour.on_stop()
        except BaseException as raised:
            if _is_cancellation(raised) or _is_fatal(raised):
                raise
            return _unwrap(raised)
        finally:
            scope, child.stop_scope = child.stop_scope, None
        if scope is not None and scope.cancelled_caught:
            return ActorError(f"on_stop of actor {child.spec.name!r} was cut off at its deadline")
        return None

    def _came_up(self, child: _Child[M]) -> None:
        child.came_up = True
        child.spec.mailbox.accept()
        closing = child.close_requested.is_set()
        self._set_state(child, ActorState.STOPPING if closing else ActorState.RUNNING, "started")

    async def _recover(self, child: _Child[M], end: _End) -> bool:
        """Decide what follows on the end of an incarnation, and wait for it; False for nothing."""
        spec = child.spec
        if child.killed or end.how is _Ended.EXHAUSTED:
            return False
        # Over and done with, also if the actor crashed while it unwound.
        reason, child.interrupted, child.interrupt_reason = child.interrupt_reason, None, ""
        if end.how is _Ended.INTERRUPTED:
            if spec.restart is Restart.TEMPORARY or child.close_requested.is_set():
                return False
            self._set_state(child, ActorState.STARTING, reason)
            return True
        crashed = end.how is _Ended.CRASHED
        wanted = spec.restart is Restart.PERMANENT or (
            spec.restart is Restart.TRANSIENT and crashed
        )
        if not wanted or child.close_requested.is_set():
            if end.error is not None:
                self._give_up(child, end)
            return False
        reason = f"crashed: {describe(end.error)}" if end.error is not None else "ended normally"
        now = trio.current_time()
        child.crashes.append(now)
        while child.crashes[0] <= now - self.intensity.period:
            child.crashes.popleft()
        failed_trial = child.on_trial == child.account.outcomes[Outcome.COMPLETED]
        child.on_trial = None
        if failed_trial or len(child.crashes) > self.intensity.restarts:
            self._go_down(child, reason, end, retry_in=self.cooldown)
            delay = self.cooldown
            child.on_trial = child.account.outcomes[Outcome.COMPLETED]
        else:
            delay = self.backoff.delay(len(child.crashes))
            self._set_state(child, ActorState.BACKOFF, reason, end, retry_in=delay)
        if self.strategy is Strategy.REST_FOR_ONE:
            self._interrupt_rest(child)
        with trio.move_on_after(delay) as child.scope:
            await child.close_requested.wait()
        return not child.killed and not child.close_requested.is_set()

    def _interrupt_rest(self, child: _Child[M]) -> None:
        rest = list(self._children.values())
        for other in rest[rest.index(child) + 1 :]:
            if other.active:
                other.interrupt(_Why.SIBLING, f"restarted after actor {child.spec.name!r}")

    def _go_down(
        self,
        child: _Child[M],
        reason: str,
        end: _End | None = None,
        *,
        retry_in: float | None = None,
    ) -> None:
        if child.state is ActorState.DOWN:
            return
        text = f"actor {child.spec.name!r} is down: {reason}"
        child.spec.mailbox.refuse(Dead(text))
        self._settle_queue(child, Outcome.FAILED, text, Dead)
        self._set_state(child, ActorState.DOWN, reason, end, retry_in=retry_in)

    def _give_up(self, child: _Child[M], end: _End) -> None:
        """It crashed and will not be started again: its queue fails rather than being cancelled."""
        assert end.error is not None
        text = f"actor {child.spec.name!r} has crashed for good: {describe(end.error)}"
        child.spec.mailbox.close(Dead(text))
        self._settle_queue(child, Outcome.FAILED, text, Dead)
        self._set_state(child, ActorState.STOPPED, f"crashed: {describe(end.error)}", end)

    def _close(self, child: _Child[M]) -> None:
        """Have a child end once its queue is worked off."""
        if child.close_requested.is_set() or child.ended.is_set():
            return
        child.spec.mailbox.close(Closed(f"actor {child.spec.name!r} is stopping"))
        if child.state is ActorState.RUNNING:
            self._set_state(child, ActorState.STOPPING, "stop")
        child.close_requested.set()
        self._notify_change()

    def _finish(self, child: _Child[M], reason: str) -> None:
        child.spec.mailbox.close(Closed(f"actor {child.spec.name!r} has stopped"))
        self._cancel_in_hand(child, reason)
        self._settle_queue(child, Outcome.CANCELLED, reason, Cancelled)
        if child.state is not ActorState.STOPPED:
            self._set_state(child, ActorState.STOPPED, reason)
        child.ended.set()

    def _cancel_in_hand(self, child: _Child[M], reason: str) -> None:
        """Settle what is in hand or was handed over as cancelled, where it has not ended."""
        loop = child.loop
        left = [one for one in (loop.current, *loop.handed_over) if one is not None]
        cancelled = sum(not one.settled for one in left)
        loop.abandon(Outcome.CANCELLED, reason, Cancelled(reason))
        if self._stopping:
            child.leftovers += cancelled

    def _settle_queue(
        self, child: _Child[M], outcome: Outcome, reason: str, error: type[ActorError]
    ) -> None:
        for envelope in child.spec.mailbox.drain_nowait():
            if envelope.settle(outcome, reason=reason, error=error(reason)):
                child.leftovers += outcome is Outcome.CANCELLED and self._stopping

    def _set_state(
        self,
        child: _Child[M],
        state: ActorState,
        reason: str,
        end: _End | None = None,
        *,
        retry_in: float | None = None,
    ) -> None:
        old, child.state = child.state, state
        if child.account.lane is not None:
            available = state in (ActorState.RUNNING, ActorState.STOPPING)
            child.account.lane.set_available(child.spec.name, available)
        if state is not ActorState.STARTING:
            child.first_outcome.set()
        change = StateChange(
            actor=child.spec.name,
            old=old,
            new=state,
            at=trio.current_time(),
            reason=reason,
            error=end.error if end is not None else None,
            poison=end.poison if end is not None else None,
            retry_in=retry_in,
        )
        self._notify_change()
        for listener in tuple(self._listeners):
            try:
                listener(change)
            except Exception:
                self.listener_errors += 1

    def _notify_change(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        self._poke()

    def _poke(self) -> None:
        """Something may have become idle."""
        if self._activity is not None:
            self._activity.set()

    async def _quiescence(self) -> None:
        """Wait until no actor has a message queued or in hand."""

        def settled(_: Settlement) -> None:
            self._poke()

        self.ledger.add_listener(settled)
        for child in self._children.values():
            child.loop.on_idle = self._poke
        try:
            while not all(child.idle for child in self._children.values()):
                self._activity = trio.Event()
                await self._activity.wait()
        finally:
            self._activity = None
            for child in self._children.values():
                child.loop.on_idle = None
            self.ledger.remove_listener(settled)


def _is_fatal(error: BaseException) -> bool:
    """Whether this is meant for the whole program rather than for an actor."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup((KeyboardInterrupt, GeneratorExit)) is not None
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _unwrap(error: BaseException) -> BaseException:
    """What was really raised: without the unwinding of other tasks, and out of groups of one."""
    if isinstance(error, BaseExceptionGroup):
        error = error.split(trio.Cancelled)[1] or error
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
