"""A bounded queue of envelopes in front of one actor."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import trio

from callboard.runtime.envelope import Envelope, Outcome
from callboard.runtime.errors import ActorError, Closed, Dropped, Full, Superseded, describe

M = TypeVar("M")


class Overflow(StrEnum):
    """What a full mailbox does with one more message."""

    REJECT = "reject"
    DROP_OLDEST = "drop-oldest"


class Conflation(Protocol[M]):
    """Which queued messages merge, and how. Pure; called on the trio thread."""

    @property
    def max_size(self) -> int:
        """The bound on the size of a merged message, in the unit of `size`."""

    def key(self, message: M) -> Hashable | None:
        """The slot a message belongs to; None for a barrier, which nothing may move across."""

    def size(self, message: M) -> int:
        """How big a message is (a count of keys, say)."""

    def merge(self, pending: M, later: M) -> M:
        """Both messages as one. May change and return `pending`; must not keep `later`."""


class Mailbox(Generic[M]):
    """A trio memory channel with an overflow policy, conflation, a control lane and statistics.

    Both ends of the channel live here, and the mailbox belongs to the supervisor: nothing queued
    is lost when an actor dies. There is one receiver at a time. All methods are for the trio
    thread; only `receive` and `wait_arrival` are checkpoints.

    ``capacity`` bounds the queued messages (a count); the control lane has a bound of its own,
    ``control_capacity``. Order: first in, first out, except that control messages go ahead of all
    others and a merged message has the place of the first of those it was merged from. A message
    that is settled while it is queued (cancelled, expired) leaves the count at once.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        overflow: Overflow = Overflow.REJECT,
        conflation: Conflation[M] | None = None,
        *,
        control_capacity: int = 64,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity of mailbox {name!r} must be at least 1, not {capacity}")
        if control_capacity < 1:
            raise ValueError(
                f"control_capacity of mailbox {name!r} must be at least 1, not {control_capacity}"
            )
        self.name = name
        self.capacity = capacity
        self.control_capacity = control_capacity
        self.overflow = overflow
        self.conflation = conflation
        self.dropped: Counter[str] = Counter()
        self.peak = 0
        self._depth = 0
        self._arrivals = 0
        self._refusal: ActorError | None = None
        self._closed = False
        # None wakes a blocked receiver without being a message.
        self._send, self._receive = trio.open_memory_channel[Envelope[M] | None](capacity)
        self._control: deque[Envelope[M]] = deque()
        # The head of the channel, taken out by `peek`.
        self._head: Envelope[M] | None = None
        # The queued envelope that holds each open slot's place in the channel.
        self._slots: dict[Hashable, Envelope[M]] = {}
        self._receiving = False
        self._arrival: trio.Event | None = None
        self._interest: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Mailbox {self.name}: {self.depth} of {self.capacity}>"

    @property
    def depth(self) -> int:
        """How many messages are queued, control messages included."""
        return self._depth + len(self._control)

    @property
    def control_depth(self) -> int:
        """How many control messages are queued."""
        return len(self._control)

    @property
    def arrivals(self) -> int:
        """How many messages have been taken in so far, merged and control ones included."""
        return self._arrivals

    @property
    def closed(self) -> bool:
        """Whether `close` was called: what is queued can be received, nothing can be added."""
        return self._closed

    @property
    def refusal(self) -> ActorError | None:
        """What every offer is refused with at present; None when the mailbox takes messages."""
        return self._refusal

    def offer(self, envelope: Envelope[M], *, control: bool = False) -> ActorError | None:
        """Queue an envelope, merge it into an open slot, or say why not.

        Never waits and never raises. None means that the envelope is in; otherwise the caller has
        to settle it with the returned error.
        """
        if self._refusal is not None:
            self.dropped[type(self._refusal).__name__.lower()] += 1
            return self._refusal
        if control:
            return self._offer_control(envelope)
        if self.conflation is not None:
            try:
                if self._conflated(self.conflation, envelope):
                    return None
            except Exception as error:
                self.dropped["unmergeable"] += 1
                refusal = ActorError(f"mailbox {self.name!r} could not merge it: {describe(error)}")
                refusal.__cause__ = error
                return refusal
        while self._depth >= self.capacity:
            if self.overflow is Overflow.REJECT:
                self.dropped["full"] += 1
                return Full(f"mailbox {self.name!r} is full ({self.capacity} messages)")
            if not self._drop_oldest(envelope.posted_at):
                # All that is queued is on its way to the receiver, as good as taken.
                break
        envelope._mailbox = self
        if envelope._key is not None:
            self._slots[envelope._key] = envelope
        depth = self._depth = self._depth + 1
        if depth > self.peak:
            self.peak = depth
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            # Fewer are queued than the channel holds, so some in there have ended.
            self._compact()
            self._send.send_nowait(envelope)
        self._arrivals += 1
        if self._arrival is not None:
            self._arrived()
        return None

    def seal(self) -> None:
        """Close every open slot: later messages do not merge into what is queued now."""
        self._slots.clear()

    def take_nowait(self) -> Envelope[M] | None:
        """Take the next message, or None if nothing is queued. Not a checkpoint."""
        if self._control:
            envelope = self._control.popleft()
            envelope._mailbox = None
            return envelope
        return self._next() if self._depth else None

    async def receive(self) -> Envelope[M] | None:
        """Take the next message, waiting for one; None once the mailbox is closed and empty.

        A checkpoint unless it returns None. Cancelled midway, it has taken nothing.
        """
        if self._depth or self._control:
            await trio.lowlevel.checkpoint_if_cancelled()
            envelope = self.take_nowait()
            if envelope is not None:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return envelope
        self._receiving = True
        try:
            while True:
                item = await self._receive.receive()
                if self._control:
                    self._head = item
                    return self.take_nowait()
                if item is not None:
                    envelope = self._resolve(item)
                    if envelope is not None:
                        return envelope
        except trio.EndOfChannel:
            return self.take_nowait()
        finally:
            self._receiving = False

    async def wait_ready(self) -> bool:
        """Wait until something is queued; False once the mailbox is closed and empty.

        For the receiver. A checkpoint unless it returns False. Cancelling it changes nothing.
        """
        if self._control or self.peek() is not None:
            await trio.lowlevel.checkpoint()
            return True
        while True:
            self._receiving = True
            try:
                self._head = await self._receive.receive()
            except trio.EndOfChannel:
                return bool(self._control)
            finally:
                self._receiving = False
            if self._control or self.peek() is not None:
                return True

    def peek(self) -> Envelope[M] | None:
        """The next message but for control messages, left in its place; None if there is none.

        For the receiver. The envelope stays open to conflation: peek again rather than keep it.
        """
        while self._depth:
            if self._head is None:
                try:
                    self._head = self._receive.receive_nowait()
                except (trio.WouldBlock, trio.EndOfChannel):
                    return None
                if self._head is None:
                    continue
            envelope = self._head if self._head._heir is None else self._head._heir
            if envelope.outcome is None:
                return envelope
            self._head = None
        return None

    def drain_nowait(self) -> list[Envelope[M]]:
        """Take everything that is queued, in order. Not a checkpoint."""
        drained = []
        while (envelope := self.take_nowait()) is not None:
            drained.append(envelope)
        return drained

    async def wait_arrival(self, since: int | None = None) -> int:
        """Wait until something newer is there, and return `arrivals`.

        With ``since``, a former value of `arrivals`: until more than that have been taken in, which
        includes merges into what was queued already. Without: until something is queued. Always a
        checkpoint. Cancelling it changes nothing.
        """
        while self.depth == 0 if since is None else self._arrivals <= since:
            if self._arrival is None:
                self._arrival = trio.Event()
            await self._arrival.wait()
            if since is None or self._arrivals > since:
                return self._arrivals
        await trio.lowlevel.checkpoint()
        return self._arrivals

    def refuse(self, error: ActorError) -> None:
        """Refuse every offer with `error` until `accept`. What is queued stays."""
        if not self._closed:
            self._refusal = error

    def accept(self) -> None:
        """Take messages again after `refuse`. A closed mailbox stays closed."""
        if not self._closed:
            self._refusal = None

    def close(self, error: ActorError | None = None) -> None:
        """Take in nothing more, for good; what is queued can still be received.

        Offers are refused with `error`, a `Closed` by default. Closing twice changes nothing.
        """
        if self._closed:
            return
        self._refusal = Closed(f"mailbox {self.name!r} is closed") if error is None else error
        self._closed = True
        self._send.close()

    def discard(self, envelope: Envelope[M]) -> None:
        """Let go of a queued envelope that has just ended; called by it, once."""
        envelope._mailbox = None
        if self._control and envelope in self._control:
            self._control.remove(envelope)
            return
        # It stays in the channel and is skipped there: taking it out of the middle costs more.
        self._depth -= 1
        if envelope._key is not None:
            root = self._slots.get(envelope._key)
            if root is not None and (root is envelope or root._heir is envelope):
                del self._slots[envelope._key]

    def on_control(self, interest: trio.Event | None) -> None:
        """Set `interest` at the next control message, for a receiver that waits elsewhere."""
        self._interest = interest

    def _offer_control(self, envelope: Envelope[M]) -> ActorError | None:
        if len(self._control) >= self.control_capacity:
            self.dropped["control-full"] += 1
            return Full(
                f"control lane of mailbox {self.name!r} is full ({self.control_capacity} messages)"
            )
        envelope._mailbox = self
        self._control.append(envelope)
        self._arrivals += 1
        if self._receiving and self._depth == 0:
            try:
                self._send.send_nowait(None)
            except trio.WouldBlock:
                # Ended envelopes fill the channel: the receiver is about to see that anyway.
                pass
        if self._interest is not None:
            self._interest.set()
        if self._arrival is not None:
            self._arrived()
        return None

    def _conflated(self, conflation: Conflation[M], envelope: Envelope[M]) -> bool:
        key = conflation.key(envelope.message)
        if key is None:
            self.seal()
            return False
        envelope._key = key
        root = self._slots.get(key)
        if root is None:
            return False
        pending = root if root._heir is None else root._heir
        together = conflation.size(pending.message) + conflation.size(envelope.message)
        if together > conflation.max_size:
            # They might overlap, but what is certain to fit is cheap to know.
            return False
        posted = envelope.message
        envelope.message = conflation.merge(pending.message, posted)
        envelope._posted, envelope._merged = posted, True
        envelope._mailbox, pending._mailbox = self, None
        envelope._ticket, pending._ticket = pending._ticket, 0
        root._heir = envelope
        self._arrivals += 1
        self.dropped["superseded"] += 1
        reason = f"merged into message {envelope.seq}"
        pending.finish(Outcome.SUPERSEDED, envelope.posted_at, reason, Superseded(reason))
        if self._arrival is not None:
            self._arrived()
        return True

    def _next(self) -> Envelope[M] | None:
        while self._depth:
            item = self._head
            if item is not None:
                self._head = None
            else:
                try:
                    item = self._receive.receive_nowait()
                except (trio.WouldBlock, trio.EndOfChannel):
                    # The rest is on its way to a blocked receiver.
                    return None
            if item is not None:
                envelope = self._resolve(item)
                if envelope is not None:
                    return envelope
        return None

    def _resolve(self, item: Envelope[M]) -> Envelope[M] | None:
        """Take out the envelope at the place of `item` in the channel; None if it has ended."""
        envelope = item
        if item._key is not None:
            if self._slots.get(item._key) is item:
                del self._slots[item._key]
            if item._heir is not None:
                envelope, item._heir = item._heir, None
        if envelope.outcome is not None:
            return None
        envelope._mailbox = None
        self._depth -= 1
        return envelope

    def _drop_oldest(self, now: float) -> bool:
        oldest = self._next()
        if oldest is None:
            return False
        self.dropped["dropped-oldest"] += 1
        reason = (
            f"mailbox {self.name!r} is full ({self.capacity} messages), and this was the oldest"
        )
        oldest.finish(Outcome.REJECTED, now, reason, Dropped(reason))
        return True

    def _compact(self) -> None:
        live: list[Envelope[M]] = []
        while True:
            try:
                item = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            if item is not None:
                envelope = item if item._heir is None else item._heir
                if envelope.outcome is None:
                    live.append(item)
        for item in live:
            self._send.send_nowait(item)

    def _arrived(self) -> None:
        assert self._arrival is not None
        self._arrival.set()
        self._arrival = None
