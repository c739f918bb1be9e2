"""One message on its way: where it came from, until when it matters, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import trio

from callboard.runtime.errors import Cancelled, Expired

if TYPE_CHECKING:
    from collections.abc import Hashable

    from callboard.runtime.deadlines import Deadlines
    from callboard.runtime.ledger import Account
    from callboard.runtime.mailbox import Mailbox

M = TypeVar("M")


class Outcome(StrEnum):
    """How a message ended; every message ends in exactly one of these."""

    COMPLETED = "completed"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    # Enum's own hash runs in Python; outcomes key the counters on the hot path.
    __hash__ = str.__hash__


def _type_name(value: object) -> str:
    return type(value).__name__


@attrs.frozen(eq=False)
class Settlement:
    """The end of one message.

    ``queued`` and ``ran`` are seconds: from posting to the start of the handler (or to the end,
    where no handler started), and from there to the end. ``error`` is what the handler raised, or
    the `ActorError` that says why there was no handling. ``message`` is the one that was posted,
    also where others had been merged into it. The repr shows neither of what was said.
    """

    message: object = attrs.field(repr=_type_name)
    seq: int
    target: str
    sender: str
    outcome: Outcome
    reason: str | None
    error: BaseException | None = attrs.field(repr=_type_name)
    reply: object | None = attrs.field(repr=_type_name)
    queued: float
    ran: float
    trace: str | None = None


@attrs.define(eq=False, repr=False)
class Envelope(Generic[M]):
    """A message with its admission number, sender, deadline, trace context and reply slot.

    Made by `Router.post` and `Ref.tell`, never by hand. Belongs to the trio thread: no method may
    be called from another one. Only `wait` is a checkpoint.

    ``seq`` is the admission order. ``deadline`` is absolute, on the clock of `trio.current_time`.
    ``trace`` is a W3C ``traceparent``, carried along and not looked at. ``message`` changes only
    while the envelope is queued, when a conflating mailbox merges an earlier one into it.
    """

    message: M
    seq: int
    account: Account
    sender: str = ""
    deadline: float = inf
    trace: str | None = None
    posted_at: float = 0.0
    started_at: float | None = attrs.field(default=None, init=False)
    reply: object | None = attrs.field(default=None, init=False)
    outcome: Outcome | None = attrs.field(default=None, init=False)
    _reason: str | None = attrs.field(default=None, init=False)
    _error: BaseException | None = attrs.field(default=None, init=False)
    _settled_at: float = attrs.field(default=0.0, init=False)
    _event: trio.Event | None = attrs.field(default=None, init=False)
    # The task of `Ref.ask`, which is spared the event.
    _asker: trio.lowlevel.Task | None = attrs.field(default=None, init=False)
    # Why the running handler was told to stop, once it was.
    _cancel_reason: str | None = attrs.field(default=None, init=False)
    # The scope the handler runs in, while it runs. One scope serves many messages.
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)
    # The mailbox that counts this envelope as queued, while it does.
    _mailbox: Mailbox[M] | None = attrs.field(default=None, init=False)
    # Conflation: the key, and the later envelope that now has this one's place in the queue.
    _key: Hashable | None = attrs.field(default=None, init=False)
    _heir: Envelope[M] | None = attrs.field(default=None, init=False)
    # What was posted, where `message` has become the merged one.
    _posted: M | None = attrs.field(default=None, init=False)
    _merged: bool = attrs.field(default=False, init=False)
    # The place in the lane, 0 for none. A merged envelope takes over that of its slot.
    _ticket: int = attrs.field(default=0, init=False)
    _deadlines: Deadlines | None = attrs.field(default=None, init=False)

    def __repr__(self) -> str:
        state = self.outcome or ("queued" if self.started_at is None else "running")
        # Not the message: it may hold a secret, and a repr ends up in logs.
        return f"<Envelope {self.seq} {type(self.message).__name__} to {self.target}: {state}>"

    @property
    def target(self) -> str:
        """The name of the actor this is addressed to."""
        return self.account.name

    @property
    def ticket(self) -> int:
        """Its place in the lane, 0 for none; a merged message has that of its slot."""
        return self._ticket

    @property
    def carries_others(self) -> bool:
        """Whether earlier messages were merged into it, which ended as superseded by it.

        While it is queued it neither expires nor can be cancelled: what they said would be lost with it.
        """
        return self._merged

    @property
    def settled(self) -> bool:
        """Whether this message has ended."""
        return self.outcome is not None

    @property
    def settlement(self) -> Settlement | None:
        """How this message ended, or None while it has not."""
        if self.outcome is None:
            return None
        started = self._settled_at if self.started_at is None else self.started_at
        return Settlement(
            message=self._posted if self._merged else self.message,
            seq=self.seq,
            target=self.account.name,
            sender=self.sender,
            outcome=self.outcome,
            reason=self._reason,
            error=self._error,
            reply=self.reply,
            queued=started - self.posted_at,
            ran=self._settled_at - started,
            trace=self.trace,
        )

    def answer(self, value: object) -> bool:
        """Put `value` into the reply slot; the asker gets it when the message completes.

        The last answer before settlement counts. Returns False if the message is already settled
        (expired, say): the reply is then recorded as a dead letter and reaches nobody.
        """
        if self.outcome is not None:
            self.account.late_reply(self)
            return False
        self.reply = value
        return True

    def settle(
        self, outcome: Outcome, *, reason: str | None = None, error: BaseException | None = None
    ) -> bool:
        """End this message, unless it has ended: returns whether this call was the one that did.

        Whoever is first wins, so an outcome never changes. The waiters wake, the mailbox and the
        lane let go of the message, and the ledger's listeners are called, in this call.
        """
        if self.outcome is not None:
            return False
        self.finish(outcome, trio.current_time(), reason, error)
        return True

    def finish(
        self,
        outcome: Outcome,
        now: float,
        reason: str | None = None,
        error: BaseException | None = None,
    ) -> None:
        """`settle` for the runtime's own use: not yet settled, and the time is known."""
        self.outcome = outcome
        self._settled_at = now
        if reason is not None:
            self._reason = reason
        if error is not None:
            self._error = error
        if self._mailbox is not None:
            self._mailbox.discard(self)
        if self._deadlines is not None:
            self._deadlines.forget()
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None
        if self._event is not None:
            self._event.set()
        self.account.closed(self, outcome)

    def cancel(self, reason: str = "cancelled") -> bool:
        """Withdraw this message.

        Still queued: it is settled `CANCELLED` in this call. Running: its handler is cancelled at
        its next checkpoint, and the message is settled when the handler has unwound; `CANCELLED`
        if it did because of this, `COMPLETED` if it returned all the same. Returns False if there
        was nothing left to cancel, or it is queued and `carries_others`. Not a checkpoint; `wait`
        for the end.
        """
        if self.outcome is not None:
            return False
        if self.started_at is None:
            if self._merged and self._mailbox is not None:
                return False
            self.finish(Outcome.CANCELLED, trio.current_time(), reason, Cancelled(reason))
        if self._scope is not None:
            if self._cancel_reason is None:
                self._cancel_reason = reason
            self._scope.cancel(reason)
        return True

    def expire(self) -> None:
        """Settle as `EXPIRED` now; a running handler is cancelled, and what it answers is late."""
        if self.outcome is not None or (self._merged and self._mailbox is not None):
            return
        where = "in the queue" if self.started_at is None else "in its handler"
        reason = f"deadline passed {where}"
        scope = self._scope
        self.finish(Outcome.EXPIRED, trio.current_time(), reason, Expired(reason))
        if scope is not None:
            self._cancel_reason = reason
            scope.cancel(reason)

    @property
    def cancel_requested(self) -> bool:
        """Whether the running handler has been told to stop, by `cancel` or by the deadline."""
        return self._cancel_reason is not None

    async def wait(self) -> Settlement:
        """Wait until this message has ended, and return how.

        A checkpoint. Cancelling it changes nothing.
        """
        if self._event is None:
            self._event = trio.Event()
            if self.outcome is not None:
                self._event.set()
        await self._event.wait()
        settlement = self.settlement
        assert settlement is not None
        return settlement
