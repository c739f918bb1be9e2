"""A bounded record of the messages that reached no handler, each with its reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs


class Cause(StrEnum):
    """Why a message became a dead letter; a closed set, so that counting by it stays bounded."""

    UNROUTABLE = "unroutable"
    FULL = "full"
    DROPPED = "dropped"
    CLOSED = "closed"
    DOWN = "down"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    LATE_REPLY = "late-reply"
    OTHER = "other"


@attrs.frozen
class DeadLetter:
    """One undelivered message, or a reply that came after its message was settled.

    ``at`` is in seconds of `trio.current_time`. ``message`` is None unless the record was told to
    keep messages: a message may hold a secret, its type does not.
    """

    message_type: str
    seq: int
    target: str
    cause: Cause
    reason: str
    at: float
    message: object | None = attrs.field(default=None, repr=False)


@attrs.define(eq=False)
class DeadLetters:
    """The latest dead letters and a count by cause of all of them.

    ``capacity`` is how many are kept (a count); the counts go on for ever. Used from the trio
    thread only. No method is a checkpoint.
    """

    capacity: int = attrs.field(default=1000, validator=attrs.validators.ge(0))
    keep_messages: bool = False
    listener_errors: int = attrs.field(default=0, init=False)
    _letters: deque[DeadLetter] = attrs.field(init=False)
    _counts: dict[Cause, int] = attrs.field(factory=dict, init=False)
    _listeners: list[Callable[[DeadLetter], None]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._letters = deque(maxlen=self.capacity)

    @property
    def counts(self) -> Mapping[Cause, int]:
        """How many dead letters there have been, by cause; a live view."""
        return MappingProxyType(self._counts)

    @property
    def total(self) -> int:
        """How many dead letters there have been."""
        return sum(self._counts.values())

    def latest(self) -> tuple[DeadLetter, ...]:
        """The dead letters still kept, oldest first."""
        return tuple(self._letters)

    def add_listener(self, listener: Callable[[DeadLetter], None]) -> None:
        """Call `listener` synchronously with every dead letter; what it raises is only counted."""
        self._listeners.append(listener)

    def record(
        self, message: object, *, seq: int, target: str, cause: Cause, reason: str, at: float
    ) -> None:
        """Add one dead letter and tell the listeners, in the order they were added."""
        letter = DeadLetter(
            message_type=type(message).__name__,
            seq=seq,
            target=target,
            cause=cause,
            reason=reason,
            at=at,
            message=message if self.keep_messages else None,
        )
        self._counts[cause] = self._counts.get(cause, 0) + 1
        self._letters.append(letter)
        for listener in self._listeners:
            try:
                listener(letter)
            except Exception:
                self.listener_errors += 1
