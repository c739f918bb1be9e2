"""What a domain that answers requests is made of, and what one request may ask of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from callboard.engines.calls import Progress
from callboard.engines.placement import Place
from callboard.messages.notifications import Notification

C_co = TypeVar("C_co", covariant=True)
C_contra = TypeVar("C_contra", contravariant=True)
T = TypeVar("T")


class Refused(Exception):
    """A request that cannot be carried out; the text is for the one who sent it, so it must hold no secret.

    The command fails; its reply is ``reply``, or the error reply of its type with this text.
    """

    def __init__(self, text: str, reply: Notification | None = None) -> None:
        super().__init__(text)
        self.reply = reply


class Request(Protocol, Generic[C_co]):
    """One command under way, and what its handler may ask of the kernel. For the trio thread only.

    It has a deadline and can be cancelled; either raises ``trio.Cancelled`` in whatever is awaited here.
    """

    @property
    def command(self) -> C_co:
        """The command."""

    async def variable(self, name: str) -> object:
        """Return the value of a notebook variable as of the command's place in the order. A checkpoint.

        It waits only for a cell that (re)defines the name and whose run was asked for before the command. ``name`` has
        to be one of those that the domain's ``reads`` gives for the command.

        Raises:
            Refused: there is no such variable, or the cell that defines it failed; the text says which.
        """

    async def call(
        self,
        function: Callable[[], T],
        place: Place = Place.ANY_THREAD,
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call blocking code off the control thread, and return or raise what it does. A checkpoint.

        ``place`` says on which thread. Two calls with the same (identical) ``exclusive`` object never overlap within
        the kernel's domains. On cancellation or at the deadline ``interrupt`` is called (from any thread, at once),
        the call is left to itself, and what it returns is dropped: its late effects have to be harmless.

        Raises:
            Refused: no thread can be started, or the thread of the notebook's code was taken for too long.
        """

    def call_later(self, function: Callable[[], object]) -> None:
        """Have blocking code called off the control thread once nothing has been asked of the kernel for a second.

        And nothing is under way. For what later requests gain by, such as an import. The request may be over by then,
        and nobody waits for the call; what it returns or raises is dropped. One that is equal to a call that waits
        already is left out. It is not made at all if the kernel stops or the actor crashes before.
        """

    def progress(self, unit: str) -> Progress:
        """Return what a call tells how far it is: how many of a unit are done, of how many (None: nobody knows).

        It may be called from any thread, as often as the call likes; now and then all subscribers are told, until the
        request has ended.
        """

    def notify(self, notification: Notification) -> None:
        """Tell all subscribers something, such as how far a long request is; not the reply."""


class Reads(Protocol):
    """Gives the values of notebook variables as of a command's place in the order. Trio thread only."""

    async def value(self, seq: int, name: str) -> object:
        """Return the value of a variable as of message number ``seq``, which `Domain.reads` gave the name of.

        A checkpoint; see `Request.variable`.

        Raises:
            Refused: there is no such variable, or the cell that defines it failed.
        """


class Answers(Protocol[C_contra]):
    """A domain that answers requests: several at a time, started in the order in which they were sent."""

    def reads(self, command: C_contra) -> Iterable[str]:
        """Name the notebook variables that carrying out a command may need. Pure, quick, never raises."""

    async def answer(self, request: Request[Any]) -> Notification | None:
        """Carry out one request and return its reply; None for a command that has none.

        Raises:
            Refused: it cannot be carried out; anything else that is raised is a defect and crashes the actor.
        """


class NamesConflation:
    """Merges waiting messages of one internal kind into one with all the variables they name.

    Commands are left as they are, and are not overtaken.
    """

    def __init__(self, kind: type[Any], max_names: int) -> None:
        self._kind = kind
        self.max_size = max_names

    def key(self, message: object) -> Hashable | None:
        """One slot for all messages of the kind between two commands."""
        return self._kind.__name__ if isinstance(message, self._kind) else None

    def size(self, message: Any) -> int:
        """Count the names."""
        return len(message.names) if isinstance(message, self._kind) else 0

    def merge(self, pending: Any, later: Any) -> Any:
        """Unite the names of two messages."""
        return self._kind(pending.names | later.names)
