"""The book of settlements: every message accepted ends in exactly one outcome, and it adds up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs
import trio

from callboard.runtime.dead_letters import Cause, DeadLetters
from callboard.runtime.envelope import Outcome, Settlement
from callboard.runtime.errors import Cancelled, Closed, Dead, Dropped, Expired, Full, Unroutable
from callboard.runtime.metrics import Histogram

if TYPE_CHECKING:
    from callboard.runtime.envelope import Envelope
    from callboard.runtime.lane import Lane

_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (Unroutable, Cause.UNROUTABLE),
    (Dropped, Cause.DROPPED),
    (Full, Cause.FULL),
    (Closed, Cause.CLOSED),
    (Dead, Cause.DOWN),
    (Expired, Cause.EXPIRED),
    (Cancelled, Cause.CANCELLED),
)


@attrs.define(eq=False)
class Account:
    """What the ledger keeps for one actor."""

    name: str
    ledger: Ledger
    lane: Lane | None = None
    accepted: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    outcomes: dict[Outcome, int] = attrs.field(init=False)
    wait: Histogram = attrs.field(factory=Histogram, init=False)
    run: Histogram = attrs.field(factory=Histogram, init=False)

    def __attrs_post_init__(self) -> None:
        self.outcomes = dict.fromkeys(Outcome, 0)

    def refuse(self, envelope: Envelope[Any], error: BaseException) -> None:
        """Settle an envelope that was not admitted as `REJECTED`."""
        self.refused += 1
        envelope.finish(Outcome.REJECTED, envelope.posted_at, str(error), error)

    def closed(self, envelope: Envelope[Any], outcome: Outcome) -> None:
        """Book the end of an envelope; called by it, once."""
        self.outcomes[outcome] += 1
        if envelope._ticket and self.lane is not None:
            self.lane.leave(envelope._ticket)
        if envelope.started_at is None and outcome is not Outcome.SUPERSEDED:
            self._undelivered(envelope)
        if self.ledger.listeners:
            self.ledger.announce(envelope)

    def late_reply(self, envelope: Envelope[Any]) -> None:
        """Record a reply to a message that had ended."""
        self.ledger.dead_letters.record(
            envelope.message,
            seq=envelope.seq,
            target=self.name,
            cause=Cause.LATE_REPLY,
            reason=f"the message had ended as {envelope.outcome}",
            at=trio.current_time(),
        )

    def _undelivered(self, envelope: Envelope[Any]) -> None:
        error = envelope._error
        cause = next((cause for kind, cause in _CAUSES if isinstance(error, kind)), Cause.OTHER)
        self.ledger.dead_letters.record(
            envelope.message,
            seq=envelope.seq,
            target=self.name,
            cause=cause,
            reason=envelope._reason or str(envelope.outcome),
            at=envelope._settled_at,
        )


@attrs.define(eq=False)
class Ledger:
    """Admission numbers, counts and settlement listeners, shared by the routers of one system.

    ``accepted`` counts admissions, ``rejected`` refusals at the door; `outcomes` counts ends of
    both, so that at quiescence ``accepted + rejected == sum(outcomes.values())``. Used from the
    trio thread only. No method is a checkpoint.
    """

    dead_letters: DeadLetters = attrs.field(factory=DeadLetters)
    listener_errors: int = attrs.field(default=0, init=False)
    clock: Callable[[], float] = attrs.field(default=trio.current_time, init=False)
    """`trio.current_time`, or the same thing with less on the way once a supervisor runs."""
    listeners: list[Callable[[Settlement], None]] = attrs.field(factory=list, init=False)
    next_seq: Callable[[], int] = attrs.field(factory=lambda: count(1).__next__, init=False)
    """The next admission number: strictly increasing, shared by messages and lane tickets."""
    _accounts: dict[str, Account] = attrs.field(factory=dict, init=False)

    def account(self, name: str, lane: Lane | None = None) -> Account:
        """The account of the actor `name`, opened if need be."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name, self, lane)
        elif lane is not None:
            account.lane = lane
        return account

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Every account by name; a live view."""
        return self._accounts

    @property
    def accepted(self) -> int:
        """How many messages were admitted."""
        return sum(account.accepted for account in self._accounts.values())

    @property
    def rejected(self) -> int:
        """How many messages were refused at the door."""
        return sum(account.refused for account in self._accounts.values())

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many messages ended in each outcome, refused ones included."""
        totals = dict.fromkeys(Outcome, 0)
        for account in self._accounts.values():
            for outcome, number in account.outcomes.items():
                totals[outcome] += number
        return totals

    @property
    def settled(self) -> int:
        """How many messages have ended, refused ones included."""
        return sum(self.outcomes.values())

    @property
    def in_flight(self) -> int:
        """How many admitted messages have not ended yet."""
        return self.accepted + self.rejected - self.settled

    @property
    def balanced(self) -> bool:
        """Whether every message admitted has ended."""
        return self.in_flight == 0

    def add_listener(self, listener: Callable[[Settlement], None]) -> None:
        """Call `listener` with every settlement from now on, refusals included.

        It is called synchronously by whatever ends the message, so it has to be quick; it may post
        further messages. What it raises is counted in ``listener_errors`` and goes no further.
        Listeners are called in the order they were added.
        """
        self.listeners.append(listener)

    def remove_listener(self, listener: Callable[[Settlement], None]) -> None:
        """Stop calling `listener`. Raises ValueError if it was not added: the caller's fault."""
        self.listeners.remove(listener)

    def announce(self, envelope: Envelope[Any]) -> None:
        """Tell the listeners how an envelope ended."""
        settlement = envelope.settlement
        assert settlement is not None
        for listener in tuple(self.listeners):
            try:
                listener(settlement)
            except Exception:
                self.listener_errors += 1
