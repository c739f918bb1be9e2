"""Blocking calls of one actor, in threads of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import attrs
import trio
from outcome import Error, Outcome, capture

from callboard.runtime.errors import CallExited

T = TypeVar("T")


class NoThread(RuntimeError):
    """No thread could be started for a call, which was not made."""


class ThreadPool(Protocol):
    """Starts functions in threads and says how they ended; trio's own, or what a simulation has."""

    def start(
        self, function: Callable[[], T], deliver: Callable[[Outcome[T]], object], name: str
    ) -> None:
        """Run a function in a thread; ``deliver`` is called with its end, on that thread.

        Raises RuntimeError when no thread can be started.
        """


class TrioThreads:
    """The threads that trio keeps and uses again."""

    def start(
        self, function: Callable[[], T], deliver: Callable[[Outcome[T]], object], name: str
    ) -> None:
        """Run a function in a cached thread."""
        trio.lowlevel.start_thread_soon(function, deliver, name)


@attrs.define(eq=False)
class _Call(Generic[T]):
    """One call under way. It alone keeps what it works on alive, so that this goes where it is let go of."""

    function: Callable[[], T] | None
    exclusive: object | None
    ended: trio.Event = attrs.field(factory=trio.Event)
    """Set on the trio thread, unless the caller has gone before."""
    end: Outcome[T] | None = None
    abandoned: bool = False

    def make(self) -> None:
        """Call the function, in its thread."""
        assert self.function is not None
        self.end = capture(self.function)

    def take(self) -> list[object]:
        """Give away what the call has kept alive."""
        kept = [self.function, self.exclusive, self.end]
        self.function = self.exclusive = self.end = None
        return kept


@attrs.define(eq=False)
class Workers:
    """At most ``threads`` calls at a time, each in a thread; further ones wait, first come first served.

    A caller that is cancelled leaves at once and its thread is left to itself: Python cannot end a
    thread. The thread keeps its place, and what it is exclusive on, until the call really ends, and
    what it returns or raises then is dropped and counted as `late`. That way hung calls never use
    more than ``threads`` threads, and an object is never used by two calls at once.

    For the trio thread only. In a program with many of them each has its own limit, so that hung
    calls of one exhaust nothing of the others.
    """

    name: str
    threads: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    pool: ThreadPool = attrs.field(factory=TrioThreads)
    let_go: Callable[[list[object]], object] = list.clear
    """Drops what abandoned calls worked on and came to, where destructors may run. Called on the trio thread."""
    late: int = attrs.field(default=0, init=False)
    """How many ends of abandoned calls were dropped."""
    abandoned: int = attrs.field(default=0, init=False)
    """How many threads still work on calls whose callers have gone."""
    _slots: trio.CapacityLimiter = attrs.field(init=False)
    _locks: dict[int, tuple[object, trio.CapacityLimiter, int]] = attrs.field(
        factory=dict, init=False
    )

    def __attrs_post_init__(self) -> None:
        self._slots = trio.CapacityLimiter(self.threads)

    @property
    def busy(self) -> int:
        """How many threads are in use, abandoned ones included."""
        return int(self._slots.borrowed_tokens)

    async def call(
        self,
        function: Callable[[], T],
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call a blocking function in a thread; return or raise what it does. A checkpoint.

        If that is no `Exception`, such as SystemExit, it ends the call alone: `CallExited` is raised.

        Calls with the same (identical) ``exclusive`` object run one after another, in the order of
        these calls. Cancelled before it was started, the function is never called; later, this
        returns at once, and ``interrupt`` is called in another thread to make the function end.
        What that raises is ignored; so it is if no thread can be started for it, and the function
        ends when it will.

        Raises:
            NoThread: no thread could be started; the function was not called.
        """
        call = _Call(function, exclusive)
        borrower = object()
        if exclusive is not None:
            await self._lock(exclusive, borrower)
        try:
            await self._slots.acquire_on_behalf_of(borrower)
        except BaseException:
            if exclusive is not None:
                self._unlock(exclusive, borrower)
            raise
        token = trio.lowlevel.current_trio_token()

        def ended() -> None:
            self._slots.release_on_behalf_of(borrower)
            if call.exclusive is not None:
                self._unlock(call.exclusive, borrower)
            if call.abandoned:
                self.abandoned -= 1
                self.late += 1
                self.let_go(call.take())
                return
            call.function = call.exclusive = None  # the caller has them
            call.ended.set()

        def deliver(_: Outcome[None]) -> None:
            try:
                token.run_sync_soon(ended)
            except trio.RunFinishedError:
                pass  # nobody is there to hear of it

        try:
            self.pool.start(call.make, deliver, f"callboard {self.name}")
        except RuntimeError as error:
            failure = NoThread(str(error))
            failure.__cause__ = error
            call.end = Error(failure)
            ended()
        except BaseException as error:
            call.end = Error(error)
            ended()
        try:
            await call.ended.wait()
        except trio.Cancelled:
            if not call.ended.is_set():
                call.abandoned = True
                self.abandoned += 1
                if interrupt is not None:
                    with suppress(Exception):  # no more threads: it ends by itself, or does not
                        self.pool.start(
                            partial(capture, interrupt), _ignore, f"{self.name} interrupt"
                        )
            raise
        end, call.end = call.end, None
        assert end is not None
        if isinstance(end, Error) and not isinstance(end.error, Exception):
            raise CallExited(end.error)
        return end.unwrap()

    async def _lock(self, exclusive: object, borrower: object) -> None:
        key = id(exclusive)
        # Kept with the lock, so that its id belongs to no other object meanwhile.
        kept, lock, users = self._locks.get(key) or (exclusive, trio.CapacityLimiter(1), 0)
        self._locks[key] = (kept, lock, users + 1)
        try:
            await lock.acquire_on_behalf_of(borrower)
        except BaseException:
            self._forget(key)
            raise

    def _unlock(self, exclusive: object, borrower: object) -> None:
        self._locks[id(exclusive)][1].release_on_behalf_of(borrower)
        self._forget(id(exclusive))

    def _forget(self, key: int) -> None:
        kept, lock, users = self._locks[key]
        if users == 1:
            del self._locks[key]
        else:
            self._locks[key] = (kept, lock, users - 1)


def _ignore(_: Outcome[Any]) -> None:
    """Nobody waits for it."""
