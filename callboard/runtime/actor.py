"""What an actor is: a behaviour, its receive loop, and the reference others send through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Generic, Protocol, TypeVar

import attrs
import trio

from callboard.runtime.deadlines import Deadlines
from callboard.runtime.envelope import Envelope, Outcome
from callboard.runtime.errors import ActorError, Cancelled, Dead, describe
from callboard.runtime.lane import Lane
from callboard.runtime.ledger import Account
from callboard.runtime.mailbox import Mailbox

M = TypeVar("M")

BATCH = 64
"""How many messages an actor handles between two checkpoints of its receive loop."""


class Behaviour(Protocol[M]):
    """What an actor does. A fresh one is made for every (re)start.

    The three methods run one after another in the actor's own task on the trio thread.
    """

    async def on_start(self, context: ActorContext[M]) -> None:
        """Get ready. What it raises counts as a crash; no message is taken until it returns."""

    async def handle(self, envelope: Envelope[M]) -> None:
        """Handle one message.

        Returning completes the message, unless the handler settled it itself or handed it over to a
        task of its own (`ActorContext.hand_over`). Raising fails it and restarts the actor; the
        text of the exception becomes the reason of the settlement, which
        others see, so it must not hold a secret. On cancellation and expiry `trio.Cancelled` is
        raised in here at the next checkpoint; let it through.
        """

    async def on_stop(self) -> None:
        """Clean up; called once if `on_start` returned, however the actor ended.

        The actor's background tasks have ended by then. Shielded from the cancellation that ends
        the actor, but cut off after `ChildSpec`'s ``stop_timeout``, or shortly before the kill
        deadline.
        """


@attrs.define(eq=False)
class ActorContext(Generic[M]):
    """What a behaviour is told of the actor it runs in.

    ``nursery`` is the actor's own: what is started there ends with this incarnation, and a crash
    in there is a crash of the actor. ``incarnation`` counts starts from 1.
    """

    name: str
    mailbox: Mailbox[M]
    ref: Ref[M]
    nursery: trio.Nursery
    incarnation: int
    _loop: ReceiveLoop[M] = attrs.field(alias="loop")

    def stop(self) -> None:
        """End this actor normally once the message in hand is done. Not a checkpoint.

        Whether it is started again is up to its restart type. A waiting actor ends at once.
        """
        self._loop.stop()

    def hand_over(
        self, envelope: Envelope[M], work: Callable[[Envelope[M]], Awaitable[object]]
    ) -> None:
        """Go on with the message in hand in a task of its own, while the actor takes the next one.

        For a handler, which should return then. What is said of `Behaviour.handle` holds for
        ``work``: returning completes the message, raising fails it and crashes the actor,
        cancellation and expiry of the message cancel it alone. The other messages that were handed
        over fail with such a crash. The actor does not end normally before they have ended. How
        many there are at a time is for the behaviour to bound. Not a checkpoint.

        Raises RuntimeError if the message is not the one in hand, or has a turn in a lane, which
        would be over: the caller's fault.
        """
        self._loop.hand_over(envelope, work, self.nursery)


@attrs.define(eq=False)
class Ref(Generic[M]):
    """The way to send to an actor; stays good across its restarts. For the trio thread only."""

    mailbox: Mailbox[M]
    account: Account
    deadlines: Deadlines | None = None

    @property
    def name(self) -> str:
        """The name of the actor."""
        return self.account.name

    def tell(
        self,
        message: M,
        *,
        sender: str = "",
        deadline: float = inf,
        trace: str | None = None,
        control: bool = False,
    ) -> Envelope[M]:
        """Post a message and return its envelope at once.

        Not a checkpoint, and raises for nothing that depends on the target: if the mailbox is full
        or closed, or the actor down, the envelope is settled `REJECTED` already, with the reason.
        ``deadline`` is absolute, on the clock of `trio.current_time`.
        A ``control`` message goes ahead of the others and takes no place in the lane. Messages of
        one kind from one task are handled in the order they were told.
        """
        account = self.account
        envelope = Envelope(
            message,
            account.ledger.next_seq(),
            account,
            sender,
            deadline,
            trace,
            account.ledger.clock(),
        )
        refusal = self.mailbox.offer(envelope, control=control)
        if refusal is not None:
            account.refuse(envelope, refusal)
            return envelope
        account.accepted += 1
        lane = account.lane
        if lane is not None and not control and not envelope._ticket:
            envelope._ticket = envelope.seq
            lane.enter(envelope.seq, account.name)
        if deadline != inf and self.deadlines is not None and not envelope.carries_others:
            self.deadlines.add(envelope)
        return envelope

    async def ask(
        self,
        message: M,
        *,
        timeout: float = inf,
        sender: str = "",
        trace: str | None = None,
        control: bool = False,
    ) -> object | None:
        """Post a message, wait for its end, and return what the handler answered, None if nothing.

        ``timeout`` is in seconds. A checkpoint, unless the message is refused. Cancelled midway,
        the message is cancelled too: dropped if it was queued, its handler cancelled if it ran.

        Raises `Full`, `Closed` or `Dead` if it is refused, `Dead` with the cause if its handler
        raised or settled it as failed, `Expired` at the deadline, `Cancelled` if somebody else
        cancelled it, `Superseded` if a later one took it over.
        """
        deadline = inf if timeout == inf else trio.current_time() + timeout
        envelope = self.tell(
            message, sender=sender, deadline=deadline, trace=trace, control=control
        )
        if envelope.outcome is None:
            envelope._asker = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                envelope._asker = None
                return trio.lowlevel.Abort.SUCCEEDED

            try:
                await trio.lowlevel.wait_task_rescheduled(abort)
            except trio.Cancelled:
                envelope.cancel("the asker was cancelled")
                raise
        if envelope.outcome is Outcome.COMPLETED:
            return envelope.reply
        error = envelope._error
        if isinstance(error, ActorError):
            raise error
        reason = envelope._reason or f"message ended as {envelope.outcome}"
        raise Dead(f"{self.name}: {reason}") from error


class ReceiveLoop(Generic[M]):
    """Takes messages from a mailbox one by one and has a behaviour handle them.

    Up to `BATCH` messages are handled between two checkpoints of the loop itself; a handler may
    well have checkpoints of its own. The loop outlives the incarnations of its actor, which are
    calls of `serve`, one at a time.
    """

    __slots__ = (
        "_account",
        "_mailbox",
        "_released",
        "_scope",
        "_stopping",
        "current",
        "handed_over",
        "on_idle",
        "poison",
    )

    def __init__(self, mailbox: Mailbox[M], account: Account) -> None:
        self._mailbox = mailbox
        self._account = account
        self._stopping = False
        self._scope: trio.CancelScope | None = None
        self.current: Envelope[M] | None = None
        # Messages that tasks of their own work on, in the order they were handed over.
        self.handed_over: dict[Envelope[M], None] = {}
        self._released = trio.Event()
        # The message whose handler raised.
        self.poison: Envelope[M] | None = None
        self.on_idle: Callable[[], None] | None = None

    def begin(self) -> None:
        """Forget what an earlier incarnation left: to be called before one begins."""
        self._stopping = False
        self.poison = None

    @property
    def idle(self) -> bool:
        """Whether no message is in hand."""
        return self.current is None and not self.handed_over

    def stop(self) -> None:
        """Have `serve` return once the message in hand is done, or at once if it has not begun."""
        self._stopping = True
        if self.current is None and self._scope is not None:
            self._scope.cancel("asked to stop")

    async def serve(self, behaviour: Behaviour[M]) -> bool:
        """Handle messages until told to `stop`, or the mailbox is closed and empty.

        Returns whether it was the latter.

        What the handler raises has failed its message when it comes out of here. Cancelled from
        outside, the message in hand stays in `current` for the caller to settle, who knows why.
        """
        while True:
            # One scope for as many messages as it takes until one of them is cancelled: a scope
            # per message would cost about as much as all the rest of the loop.
            with trio.CancelScope() as scope:
                self._scope = scope
                try:
                    exhausted = await self._serve_in(scope, behaviour)
                except BaseException as error:
                    if not is_cancellation(error):
                        self._fail_current(error)
                    raise
                finally:
                    self._scope = None
                if exhausted is not None:
                    return exhausted
            envelope = self.current
            if envelope is not None:
                # The handler has unwound because of `Envelope.cancel` or `Envelope.expire`.
                now = trio.current_time()
                self._book(envelope, now)
                if envelope.outcome is None:
                    reason = envelope._cancel_reason or "cancelled"
                    envelope.finish(Outcome.CANCELLED, now, reason, Cancelled(reason))

    async def _serve_in(self, scope: trio.CancelScope, behaviour: Behaviour[M]) -> bool | None:
        """`serve` until the scope is used up, which is when None is returned."""
        mailbox, account, lane = self._mailbox, self._account, self._account.lane
        handle, clock = behaviour.handle, trio.lowlevel.current_clock().current_time
        record_wait, record_run = account.wait.record, account.run.record
        budget, now, ticket = 0, 0.0, 0
        while not self._stopping:
            if budget == 0:
                await trio.lowlevel.checkpoint()
                budget, now = BATCH, clock()
            if lane is None or mailbox.control_depth:
                envelope = mailbox.take_nowait()
            else:
                envelope = mailbox.peek()
                if envelope is not None:
                    if envelope._ticket and not lane.acquire_nowait(envelope._ticket):
                        # The message stays queued: open to conflation, cancellable, expirable.
                        await self._wait_for_turn(lane, envelope._ticket)
                        budget, now = BATCH, clock()
                        continue
                    ticket = envelope._ticket
                    envelope = mailbox.take_nowait()
            if envelope is None:
                if self.on_idle is not None:
                    self.on_idle()
                if lane is not None:
                    # Not taken before it has its turn.
                    if not await mailbox.wait_ready():
                        return True
                    budget, now = BATCH, clock()
                    continue
                envelope = await mailbox.receive()
                if envelope is None:
                    return True
                budget, now = BATCH, clock()
            budget -= 1
            try:
                if envelope.deadline <= now:
                    envelope.expire()
                    continue
                envelope.started_at = now
                envelope._scope = scope
                self.current = envelope
                await handle(envelope)
                if self.current is not envelope:
                    # Handed over; cancelled before that, the scope is used up all the same.
                    if scope.cancel_called:
                        return None
                    now = clock()
                    continue
                self.current = None
                envelope._scope = None
                done = clock()
                record_wait(now - envelope.posted_at)
                record_run(done - now)
                now = done
                if envelope.outcome is None:
                    envelope.finish(Outcome.COMPLETED, now)
            finally:
                if ticket:
                    assert lane is not None
                    lane.release(ticket)
                    ticket = 0
            if envelope._cancel_reason is not None:
                # The handler returned all the same, but the scope is cancelled for good.
                return None
        return False

    def hand_over(
        self,
        envelope: Envelope[M],
        work: Callable[[Envelope[M]], Awaitable[object]],
        nursery: trio.Nursery,
    ) -> None:
        """`ActorContext.hand_over`."""
        if envelope is not self.current:
            raise RuntimeError(f"{envelope!r} is not the message in hand")
        if envelope._ticket:
            raise RuntimeError(f"{envelope!r} has a turn in a lane and cannot be handed over")
        self.current = None
        self.handed_over[envelope] = None
        envelope._scope = scope = trio.CancelScope()
        if envelope._cancel_reason is not None:
            scope.cancel(envelope._cancel_reason)
        name = f"{self._account.name} {type(envelope.message).__name__}"
        nursery.start_soon(self._work_off, envelope, work, scope, name=name)

    async def _work_off(
        self,
        envelope: Envelope[M],
        work: Callable[[Envelope[M]], Awaitable[object]],
        scope: trio.CancelScope,
    ) -> None:
        """The task of a message that was handed over."""
        try:
            with scope:
                await work(envelope)
        except BaseException as error:
            # Cancelled from outside, it stays in `handed_over` for whoever knows why.
            if not is_cancellation(error):
                self.poison = self.poison or envelope
                self._let_go(envelope, Outcome.FAILED, describe(error), error)
            raise
        if scope.cancelled_caught:
            reason = envelope._cancel_reason or "cancelled"
            self._let_go(envelope, Outcome.CANCELLED, reason, Cancelled(reason))
        else:
            self._let_go(envelope, Outcome.COMPLETED)

    def _let_go(
        self,
        envelope: Envelope[M],
        outcome: Outcome,
        reason: str | None = None,
        error: BaseException | None = None,
    ) -> None:
        """End a message that was handed over, if it has not ended."""
        if envelope not in self.handed_over:
            return  # given up in `abandon`
        now = trio.current_time()
        del self.handed_over[envelope]
        self._record(envelope, now)
        if envelope.outcome is None:
            envelope.finish(outcome, now, reason, error)
        if not self.handed_over:
            self._released.set()
            if self.on_idle is not None:
                self.on_idle()

    async def finish_handed_over(self) -> None:
        """Wait until all messages that were handed over have ended. A checkpoint if there are any."""
        while self.handed_over:
            self._released = trio.Event()
            await self._released.wait()

    async def _wait_for_turn(self, lane: Lane, ticket: int) -> None:
        """Wait until the ticket may have its turn, has left, or a control message is there."""
        event = trio.Event()
        lane.watch(ticket, event)
        self._mailbox.on_control(event)
        try:
            await event.wait()
        finally:
            lane.watch(ticket, None)
            self._mailbox.on_control(None)

    def _fail_current(self, error: BaseException) -> None:
        account = self._account
        if account.lane is not None:
            # At once, not when the supervisor sees the crash: the actor may unwind slowly.
            account.lane.set_available(account.name, False)
        envelope = self.poison = self.current
        if envelope is not None:
            now = trio.current_time()
            self._book(envelope, now)
            if envelope.outcome is None:
                envelope.finish(Outcome.FAILED, now, describe(error), error)

    def _book(self, envelope: Envelope[M], now: float) -> None:
        """The handler is over other than by returning."""
        self.current = None
        self._record(envelope, now)

    def _record(self, envelope: Envelope[M], now: float) -> None:
        envelope._scope = None
        started = now if envelope.started_at is None else envelope.started_at
        self._account.wait.record(started - envelope.posted_at)
        self._account.run.record(now - started)

    def abandon(
        self, outcome: Outcome, reason: str, error: BaseException
    ) -> tuple[Envelope[M], ...]:
        """Settle what is in hand or was handed over, which is over or will never be; returns it."""
        now = trio.current_time()
        left = tuple(self.handed_over)
        if self.current is not None:
            left = (self.current, *left)
            self.current = None
        self.handed_over.clear()
        for envelope in left:
            self._record(envelope, now)
            if envelope.outcome is None:
                envelope.finish(outcome, now, reason, error)
        return left


def is_cancellation(error: BaseException) -> bool:
    """Whether this is trio unwinding the task, and nothing besides."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
