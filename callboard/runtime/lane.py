"""Posting order across actors that share one resource."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType

import attrs
import trio


@attrs.define(eq=False)
class Lane:
    """A turnstile: one holder at a time, in the order of the tickets, across owners.

    A ticket is a number from the sequence that also numbers messages, entered when a message is
    posted and taken out when it ends. A ticket has the turn once no lower one is outstanding and
    the previous holder has let go. Owners marked unavailable (an actor in backoff, say) are
    skipped: they hold up nobody, and take part again once they are available.

    Used from the trio thread only. Only waiting for a turn is a checkpoint.
    """

    _next_seq: Callable[[], int]
    name: str = "lane"
    on_freed: Callable[[], object] | None = None
    """Called when a ticket has left or the turn was let go of, before anybody else takes the turn."""
    _outstanding: dict[str, OrderedDict[int, None]] = attrs.field(factory=dict, init=False)
    _owner_of: dict[int, str] = attrs.field(factory=dict, init=False)
    _unavailable: set[str] = attrs.field(factory=set, init=False)
    _holder: int = attrs.field(default=0, init=False)
    _waiting: dict[int, trio.Event] = attrs.field(factory=dict, init=False)

    @property
    def holder(self) -> int | None:
        """The ticket that has the turn now, if any."""
        return self._holder or None

    def __len__(self) -> int:
        return len(self._owner_of)

    def until(self, seq: int) -> list[int]:
        """The tickets up to a number that have not left, or have and still hold the turn; in order."""
        tickets = {ticket for ticket in self._owner_of if ticket <= seq}
        if self._holder and self._holder <= seq:
            tickets.add(self._holder)
        return sorted(tickets)

    def enter(self, seq: int, owner: str) -> None:
        """Add a ticket; tickets of one owner are entered in increasing order. Not a checkpoint."""
        tickets = self._outstanding.get(owner)
        if tickets is None:
            tickets = self._outstanding[owner] = OrderedDict()
        tickets[seq] = None
        self._owner_of[seq] = owner

    def leave(self, seq: int) -> None:
        """Take out a ticket, which nobody has to wait for any more; unknown ones are ignored.

        The turn stays taken if this ticket has it, until `release`.
        """
        owner = self._owner_of.pop(seq, None)
        if owner is None:
            return
        del self._outstanding[owner][seq]
        if self.on_freed is not None:
            self.on_freed()
        if self._waiting:
            event = self._waiting.get(seq)
            if event is not None:
                event.set()
            self._wake_next()

    def set_available(self, owner: str, available: bool) -> None:
        """Say whether the tickets of `owner` hold up those of others."""
        if available:
            self._unavailable.discard(owner)
        else:
            self._unavailable.add(owner)
        if self._waiting:
            self._wake_next()

    def acquire_nowait(self, seq: int) -> bool:
        """Take the turn if it is this ticket's; returns whether it was."""
        if self._holder or seq not in self._owner_of or self._first() != seq:
            return False
        self._holder = seq
        return True

    def release(self, seq: int) -> None:
        """Let go of the turn; ignored if this ticket does not have it."""
        if self._holder == seq:
            self._holder = 0
            if self.on_freed is not None:
                self.on_freed()
            if self._waiting:
                self._wake_next()

    def watch(self, seq: int, event: trio.Event | None) -> None:
        """Set `event` when `acquire_nowait` may answer otherwise for `seq`, or the ticket left.

        One watcher per ticket; None takes it away.
        """
        if event is None:
            self._waiting.pop(seq, None)
        else:
            self._waiting[seq] = event
            if seq not in self._owner_of or (not self._holder and self._first() == seq):
                event.set()

    def is_next(self, seq: int) -> bool:
        """Whether a ticket has the turn as soon as the present holder, if any, lets go."""
        return self._first(besides=self._holder) == seq

    def turn(self, seq: int) -> Turn:
        """An async context that holds the turn of an entered ticket; see `Turn`."""
        return Turn(self, seq)

    def ticket(self, owner: str = "internal") -> Turn:
        """Enter a fresh ticket for work that no message stands for; it leaves as its context ends.

        The place in the order is that of this call, not of the ``async with``. A ticket that is
        not used after all has to be given back with `Turn.abandon`.
        """
        seq = self._next_seq()
        self.enter(seq, owner)
        return Turn(self, seq, leaves=True)

    def _first(self, besides: int = 0) -> int:
        """The lowest ticket that counts, 0 if there is none."""
        first = 0
        for owner, tickets in self._outstanding.items():
            if tickets and owner not in self._unavailable:
                for ticket in tickets:
                    if ticket != besides:
                        if not first or ticket < first:
                            first = ticket
                        break
        return first

    def _wake_next(self) -> None:
        if not self._holder:
            event = self._waiting.get(self._first())
            if event is not None:
                event.set()


@attrs.define(eq=False)
class Turn:
    """``async with`` waits for the turn of a ticket and lets go of it at the end.

    Entering is a checkpoint; cancelled midway, the turn is not taken (and a `Lane.ticket` has
    left). Leaving is not one. If the ticket leaves the lane while it is waited for, entering
    raises `TicketGone`.
    """

    _lane: Lane
    seq: int
    _leaves: bool = attrs.field(default=False, alias="leaves")

    async def __aenter__(self) -> int:
        lane, seq = self._lane, self.seq
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if lane.acquire_nowait(seq):
                await trio.lowlevel.cancel_shielded_checkpoint()
                return seq
            while True:
                if seq not in lane._owner_of:
                    raise TicketGone(f"ticket {seq} is not in lane {lane.name!r}")
                event = trio.Event()
                lane.watch(seq, event)
                try:
                    await event.wait()
                finally:
                    lane.watch(seq, None)
                if lane.acquire_nowait(seq):
                    return seq
        except BaseException:
            self.abandon()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abandon()
        self._lane.release(self.seq)

    def abandon(self) -> None:
        """Give a fresh ticket back without using it; nothing to do for that of a message."""
        if self._leaves:
            self._lane.leave(self.seq)


class TicketGone(Exception):
    """The ticket is not in the lane: its message ended before its turn came."""
