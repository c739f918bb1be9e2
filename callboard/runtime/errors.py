"""What can go wrong between a sender and an actor, split by whose fault it is."""

from __future__ import annotations

from callboard.redaction import excerpt

MAX_REASON = 2000
"""Characters of what was raised that a reason repeats."""


class ActorError(Exception):
    """Base of every error the runtime raises or records; never raised itself."""


class Closed(ActorError):
    """The caller used something closed: a router that stops, a stopped actor, an ingress."""


class Unroutable(ActorError):
    """The caller posted a message of a type that nobody registered for."""


class Dead(ActorError):
    """The target cannot answer: it crashed on this message, or its circuit is open.

    Where a handler raised, its exception is the ``__cause__``.
    """


class Full(ActorError):
    """The target's mailbox is at capacity, and the message was refused."""


class Dropped(Full):
    """The target's mailbox was at capacity, and the message gave way to a newer one."""


class Expired(ActorError):
    """The message's deadline passed before its handler was done."""


class Cancelled(ActorError):
    """The message was cancelled by its sender, or left over when its actor stopped.

    Not to be confused with `trio.Cancelled`, which tells the task it is raised in to unwind.
    """


class Superseded(ActorError):
    """The message was merged into a later one, which carries its meaning on."""


class Lagged(ActorError):
    """A subscriber fell too far behind and was cut off; it has to resynchronise."""


class StartFailed(ActorError):
    """An actor did not come up: its factory or ``on_start`` raised, or took too long."""


class CallExited(ActorError):
    """A function that was called for an actor raised what would end a program: that ends the call alone."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the call raised {type(error).__name__}")
        self.__cause__ = error


def describe(error: BaseException) -> str:
    """Say what was raised, for a reason: in a bounded text without credentials. Never raises.

    Of several exceptions it says the first, and how many there were.
    """
    more = 0
    while isinstance(error, BaseExceptionGroup):
        more += len(error.exceptions) - 1
        error = error.exceptions[0]
    others = f" (and {more} more)" if more else ""
    try:
        text = excerpt(str(error), MAX_REASON)
    except Exception:  # its class computes the text, and may fail at it
        text = ""
    name = type(error).__name__
    return f"{name}: {text}{others}" if text else name + others
