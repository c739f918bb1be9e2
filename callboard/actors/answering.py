"""The behaviour that all domains share that answer requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import attrs
import trio

from callboard.actors.announcing import Watch
from callboard.actors.domain import Domain
from callboard.actors.host import BetweenCells
from callboard.actors.outbox import Encoded, Outbox
from callboard.actors.progress import Progress
from callboard.actors.quiet import Quiet
from callboard.actors.requests import Answers, Reads, Refused
from callboard.engines.placement import Place
from callboard.messages.commands import COMMAND_TAGS
from callboard.messages.notifications import CommandProgressNotification, Notification
from callboard.messages.replies import command_id, error_reply
from callboard.runtime import ActorContext, Envelope, NoThread, Outcome, Workers
from callboard.runtime.errors import describe

C = TypeVar("C")
T = TypeVar("T")

CELL_THREAD_SECONDS = 2.0
"""How long a call may keep the thread of the notebook's code from the notebook."""
SPARED_SECONDS = 60.0
"""How long an object is not asked again on that thread that took longer than that."""
AT_A_TIME = 256
"""Requests that a domain works on at a time. Most wait, for a cell or for a thread, which costs next to nothing."""


@attrs.define(eq=False)
class Spared:
    """Has objects asked one at a time on the thread of the notebook's code, and lets slow ones be for a while.

    So that many requests to one that hangs keep that thread once, not once each. Trio thread only.
    """

    _turns: dict[int, tuple[object, trio.CapacityLimiter]] = attrs.field(factory=dict, init=False)
    """By identity; the object is kept, so that its id belongs to no other one meanwhile."""
    _until: dict[int, tuple[object, float]] = attrs.field(factory=dict, init=False)
    """Until when each slow one is let be."""

    @asynccontextmanager
    async def turn(self, asked: object) -> AsyncIterator[None]:
        """Wait for the turn of a call to an object, and take note if it is too slow.

        Raises:
            Refused: it has been too slow a short while ago.
        """
        _, limiter = self._turns.setdefault(id(asked), (asked, trio.CapacityLimiter(1)))
        borrower = object()
        await limiter.acquire_on_behalf_of(borrower)
        try:
            self._check(asked)
            yield
        except trio.TooSlowError:
            self._until[id(asked)] = (asked, trio.current_time() + SPARED_SECONDS)
            raise
        finally:
            limiter.release_on_behalf_of(borrower)
            if not limiter.borrowed_tokens and not limiter.statistics().tasks_waiting:
                self._turns.pop(id(asked), None)

    def _check(self, asked: object) -> None:
        now = trio.current_time()
        for key in [key for key, (_, until) in self._until.items() if until <= now]:
            del self._until[key]
        if id(asked) in self._until:
            raise Refused(
                f"it took more than {CELL_THREAD_SECONDS:g} s on the thread of the notebook's code "
                f"a short while ago, and is not asked again for {SPARED_SECONDS:g} s after that"
            )


@attrs.frozen
class Means:
    """What carrying out requests takes, apart from the domain itself."""

    reads: Reads
    workers: Workers
    host: BetweenCells
    quiet: Quiet
    outbox: Outbox
    spared: Spared
    encoded: MutableMapping[int, bytes]
    """The encoded replies of messages, by their numbers, while they are being settled."""


@attrs.frozen
class RequestDomain:
    """A domain that answers requests, without the kernel that it needs for that; see `Domain`."""

    name: str
    commands: tuple[type[Any], ...]
    answers: Answers[Any]
    """Outlives the incarnations of the actor."""
    internal: tuple[type[Any], ...] = ()
    conflation: Any = None
    capacity: int = 256
    threads: int = 8
    """Calls of its backends at a time, hung ones included."""
    watch: Watch | None = None

    def of(self, means: Means, timeout: Callable[[], float]) -> Domain:
        """Make the domain of one kernel."""
        return Domain(
            self.name,
            self.commands,
            lambda: AnsweringBehaviour(self.answers, means),
            internal=self.internal,
            capacity=self.capacity,
            conflation=self.conflation,
            reads=self.answers.reads,
            timeout=timeout,
        )


@attrs.define(eq=False)
class Asked(Generic[C]):
    """A request under way in a kernel; see `Request`."""

    envelope: Envelope[C]
    means: Means
    nursery: trio.Nursery
    """The actor's: what is started there outlives the request."""
    later: set[Callable[[], object]]
    """The calls that wait for a quiet moment, of all requests of the actor."""

    @property
    def command(self) -> C:
        """The command."""
        return self.envelope.message

    async def variable(self, name: str) -> object:
        """Return the value of a notebook variable as of the command's place in the order."""
        return await self.means.reads.value(self.envelope.seq, name)

    async def call(
        self,
        function: Callable[[], T],
        place: Place = Place.ANY_THREAD,
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call blocking code off the control thread."""
        if place is Place.ANY_THREAD:
            try:
                return await self.means.workers.call(
                    function, exclusive=exclusive, interrupt=interrupt
                )
            except NoThread as error:
                # No fault of the domain: it goes on with what it has.
                raise Refused(f"no thread could be started for it: {error}") from error
        try:
            async with AsyncExitStack() as stack:
                if exclusive is not None:
                    await stack.enter_async_context(self.means.spared.turn(exclusive))
                return await self.means.host.between_cells(
                    function, limit=CELL_THREAD_SECONDS, interrupt=interrupt
                )
        except trio.TooSlowError:
            raise Refused(
                f"it took more than {CELL_THREAD_SECONDS:g} s on the thread of the notebook's code, "
                "which is where its library wants to be called"
            ) from None

    def call_later(self, function: Callable[[], object]) -> None:
        """Have blocking code called off the control thread at a quiet moment."""
        if function not in self.later:
            self.later.add(function)
            self.nursery.start_soon(self._call_later, function)

    async def _call_later(self, function: Callable[[], object]) -> None:
        await self.means.quiet.come()
        self.later.remove(function)
        with suppress(Exception):
            await self.means.workers.call(function)

    def progress(self, unit: str) -> Progress:
        """Return what a call tells how far it is."""
        command: Any = self.command
        envelope = self.envelope

        def tell(done: int, total: int | None) -> None:
            tag = COMMAND_TAGS.get(type(command))
            # Nobody waits for the kernel's own messages.
            if tag is not None and envelope.outcome is None:
                told = CommandProgressNotification(tag, command_id(command), done, total, unit)
                self.notify(told)

        return Progress(tell)

    def notify(self, notification: Notification) -> None:
        """Tell all subscribers something that is not the reply, after what this domain has told them before."""
        self.means.outbox.notify(notification)


@attrs.define(eq=False)
class AnsweringBehaviour(Generic[C]):
    """Has each request carried out in a task of its own, started in the order in which they were sent.

    So one that waits, for a cell or for a backend that hangs, holds up none behind it.
    """

    answers: Answers[C]
    means: Means
    at_a_time: int = AT_A_TIME
    _context: ActorContext[C] = attrs.field(init=False)
    _places: trio.CapacityLimiter = attrs.field(init=False)
    _later: set[Callable[[], object]] = attrs.field(init=False)

    async def on_start(self, context: ActorContext[C]) -> None:
        """Get ready for requests."""
        self._context = context
        self._later = set()
        self._places = trio.CapacityLimiter(self.at_a_time)

    async def handle(self, envelope: Envelope[C]) -> None:
        """Start one request, as soon as fewer than ``at_a_time`` are under way."""
        await self._places.acquire_on_behalf_of(envelope)
        self._context.hand_over(envelope, self._carry_out)

    async def on_stop(self) -> None:
        """Nothing to release."""

    async def _carry_out(self, envelope: Envelope[C]) -> None:
        try:
            refusal: Refused | None = None
            try:
                reply = await self.answers.answer(
                    Asked(envelope, self.means, self._context.nursery, self._later)
                )
            except Refused as error:
                refusal = error
                reply = error.reply or error_reply(envelope.message, str(error))  # type: ignore[arg-type]
            async with self.means.outbox.turn(reply) as encoded:
                if isinstance(encoded, Exception):
                    refusal = Refused(f"the reply cannot be sent: {describe(encoded)}")
                    reply, encoded = error_reply(envelope.message, str(refusal)), None  # type: ignore[arg-type]
                self._end(envelope, reply, encoded, refusal)
        finally:
            self._places.release_on_behalf_of(envelope)

    def _end(
        self,
        envelope: Envelope[C],
        reply: Notification | None,
        encoded: Encoded | None,
        refusal: Refused | None,
    ) -> None:
        """Settle a request, which publishes its reply."""
        if reply is not None and envelope.answer(reply) and isinstance(encoded, bytes):
            self.means.encoded[envelope.seq] = encoded
        try:
            if refusal is None:
                envelope.settle(Outcome.COMPLETED)
            else:
                envelope.settle(Outcome.FAILED, reason=str(refusal), error=refusal)
        finally:
            self.means.encoded.pop(envelope.seq, None)
