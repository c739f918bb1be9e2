"""From the type of a message to the actor that owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from types import MappingProxyType
from typing import Generic, TypeVar

import attrs
import trio

from callboard.runtime.actor import Ref
from callboard.runtime.envelope import Envelope
from callboard.runtime.errors import Closed, Unroutable
from callboard.runtime.ledger import Account, Ledger
from callboard.runtime.mailbox import Mailbox

M = TypeVar("M")

UNROUTED = "(unrouted)"
"""The name the ledger keeps messages under that never had a target."""


@attrs.frozen
class Route(Generic[M]):
    """Where messages of one type go.

    ``seals`` are the mailboxes whose open conflation slots a message of this type closes, because
    it could observe what waits in them. ``control``: ahead of what is queued, outside the lane.
    ``on_accepted`` is called with each message that was taken in, before anything else happens.
    """

    ref: Ref[M]
    seals: tuple[Mailbox[M], ...] = ()
    control: bool = False
    on_accepted: Callable[[Envelope[M]], object] | None = None


class Router(Generic[M]):
    """Puts each message into the mailbox of the one actor that owns its exact type.

    There is no router task: posting does the forwarding, in the sender's task, on the trio thread.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._routes: dict[type, Route[M]] = {}
        self._unrouted: Account = ledger.account(UNROUTED)
        self._closed: Closed | None = None

    @property
    def routes(self) -> Mapping[type, Route[M]]:
        """The routes by message type; a live view."""
        return MappingProxyType(self._routes)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed is not None

    def register(
        self,
        message_type: type,
        ref: Ref[M],
        seals: Iterable[Mailbox[M]] = (),
        *,
        control: bool = False,
        on_accepted: Callable[[Envelope[M]], object] | None = None,
    ) -> None:
        """Send messages of exactly this type to `ref`.

        Raises ValueError, naming both owners, if the type has one already: the caller's fault.
        """
        taken = self._routes.get(message_type)
        if taken is not None:
            raise ValueError(
                f"{message_type.__name__} is claimed by {taken.ref.name!r} and by {ref.name!r}"
            )
        self._routes[message_type] = Route(ref, tuple(seals), control, on_accepted)

    def post(
        self, message: M, *, sender: str = "", deadline: float = inf, trace: str | None = None
    ) -> Envelope[M]:
        """Forward a message and return its envelope at once.

        Not a checkpoint, and raises for nothing that depends on the message or its target: of an
        unknown type, refused by its mailbox, or posted after `close`, it comes back settled
        `REJECTED` with the reason. ``deadline`` is absolute, on the clock of `trio.current_time`.
        Messages are numbered in the order of these calls.
        """
        route = self._routes.get(type(message))
        if route is None or self._closed is not None:
            return self._reject(message, route, sender, deadline, trace)
        envelope = route.ref.tell(
            message, sender=sender, deadline=deadline, trace=trace, control=route.control
        )
        for mailbox in route.seals:
            mailbox.seal()
        if route.on_accepted is not None and not envelope.settled:
            route.on_accepted(envelope)
        return envelope

    def close(self, reason: str = "stopping") -> None:
        """Reject every message from now on. Closing twice changes nothing."""
        if self._closed is None:
            self._closed = Closed(f"router is closed: {reason}")

    def _reject(
        self, message: M, route: Route[M] | None, sender: str, deadline: float, trace: str | None
    ) -> Envelope[M]:
        account = self._unrouted if route is None else route.ref.account
        envelope = Envelope(
            message,
            self.ledger.next_seq(),
            account,
            sender,
            deadline,
            trace,
            trio.current_time(),
        )
        error = self._closed or Unroutable(f"nobody handles {type(message).__name__}")
        account.refuse(envelope, error)
        return envelope
