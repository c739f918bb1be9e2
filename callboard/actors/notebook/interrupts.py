"""Interrupts that break user code, and only the run they were meant for."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import attrs

T = TypeVar("T")
P = ParamSpec("P")


class Interruptible(Protocol):
    """What an interrupt is aimed at: a run of user code."""

    interrupted: bool


class Breaker(Protocol):
    """How ``KeyboardInterrupt`` is made to appear in the thread that runs user code."""

    def strike(self) -> None:
        """Break the user section; called with the gate's lock held, from any thread."""

    def recall(self) -> bool:
        """Take back a strike that may not have landed, on the user-code thread; true if it may still land."""


class ThreadBreaker:
    """Breaks a thread of an embedding application, whose signal handlers are not ours.

    CPython raises the exception at the next bytecode the thread executes, so a blocking C call (``time.sleep``,
    a socket read) ends first; source: the C API documentation of ``PyThreadState_SetAsyncExc``.
    """

    def __init__(self, thread_id: int) -> None:
        self._thread_id = ctypes.c_ulong(thread_id)

    def strike(self) -> None:
        """Schedule ``KeyboardInterrupt`` in the thread."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            self._thread_id, ctypes.py_object(KeyboardInterrupt)
        )

    def recall(self) -> bool:
        """Drop a scheduled ``KeyboardInterrupt``."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread_id, None)
        return False


class SignalBreaker:
    """Breaks the main thread of a kernel process through SIGINT, so that blocking calls are broken too."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id

    def strike(self) -> None:
        """Send SIGINT to the main thread; the handler of the gate decides what it does there."""
        signal.pthread_kill(self._thread_id, signal.SIGINT)

    def recall(self) -> bool:
        """Nothing to take back: a signal that lands outside user code raises nothing, but it is still ours."""
        return True


@attrs.define(eq=False)
class InterruptGate:
    """Lets an interrupt through only while the run it was aimed at is inside user code.

    ``call`` and ``drive`` mark user code on the cell thread; ``interrupt`` may come from any thread. Sections of
    ours that user code calls into (console, output, element registry) are marked by ``shielded``: an interrupt
    that arrives there waits until they are left, so none of their invariants breaks.
    """

    breaker: Breaker | None = None
    on_foreign_signal: Callable[[], object] | None = None
    """Called on the main thread for a SIGINT that nobody asked the gate for, such as Ctrl-C in a terminal."""
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _run: Interruptible | None = attrs.field(default=None, init=False)
    _thread: int = attrs.field(default=0, init=False)
    _shields: int = attrs.field(default=0, init=False)
    _struck: bool = attrs.field(default=False, init=False)
    _deferred: bool = attrs.field(default=False, init=False)
    _wake: Callable[[], object] | None = attrs.field(default=None, init=False)
    _landed_in: Interruptible | None = attrs.field(default=None, init=False)

    def interrupt(self, run: Interruptible) -> None:
        """Mark ``run`` interrupted and break its user code if it is inside some now.

        Safe from any thread. Between two cells of the run the mark alone is what counts: whoever drives the run
        reads it before the next cell.
        """
        with self._lock:
            run.interrupted = True
            if self._run is not run:
                return
            if self._wake is not None:
                self._wake()
            elif self._shields:
                self._deferred = True
            elif self.breaker is not None:
                self._struck = True
                self.breaker.strike()

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """SIGINT handler of a kernel process: raises in user code that was to be interrupted, else does nothing.

        Runs on the main thread, between two bytecodes of whatever runs there.
        """
        del signum, frame
        if not self._struck:
            if self.on_foreign_signal is not None:
                self.on_foreign_signal()
            return
        self._struck = False
        run = self._run
        if run is None or not run.interrupted:
            return
        if self._wake is not None:
            self._wake()
        elif self._shields:
            self._deferred = True
        else:
            self._landed_in = run
            raise KeyboardInterrupt

    def call(
        self, run: Interruptible, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function`` as user code of ``run``.

        Raises:
            KeyboardInterrupt: an interrupt aimed at the run broke it (or user code raised one itself).
        """
        outer = self._enter(run)
        try:
            return function(*args, **kwargs)
        finally:
            self._leave(outer)

    def _enter(self, run: Interruptible) -> Interruptible | None:
        outer = self._run
        self._thread = threading.get_ident()
        self._run = run
        return outer

    def _leave(self, outer: Interruptible | None) -> None:
        # An interrupt may strike inside this very function, so it repeats until the section is left for good.
        struck: KeyboardInterrupt | None = None
        while True:
            try:
                with self._lock:
                    self._run = outer
                    if outer is None:
                        self._deferred = False
                        if self._struck and self.breaker is not None:
                            self._struck = self.breaker.recall()
                break
            except KeyboardInterrupt as exc:
                struck = exc
        if struck is not None:
            raise struck

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold interrupts off for a short section of ours; one that arrives meanwhile is raised on leaving it.

        On other threads than the one that runs user code it does nothing: interrupts never land there.
        """
        if threading.get_ident() != self._thread:
            yield
            return
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._deferred and not self._shields:
            self._deferred = False
            if self._run is not None and self._run.interrupted:
                self._landed_in = self._run
                raise KeyboardInterrupt

    async def drive(
        self,
        run: Interruptible,
        coroutine: Coroutine[Any, Any, T],
        cancel_wait: Callable[[], object],
    ) -> T:
        """Drive ``coroutine`` as user code of ``run``: each of its steps is a user section.

        While it is suspended, other user code (background tasks) may run on the loop and must not be hit; then an
        interrupt calls ``cancel_wait``, which has to make the suspended ``await`` raise in this task, and
        ``KeyboardInterrupt`` is thrown into the coroutine at its ``await``. An async cell so ends as a sync one.
        """
        return await _Drive(self, run, coroutine, cancel_wait)


@attrs.define(eq=False)
class _Drive(Generic[T]):
    gate: InterruptGate
    run: Interruptible
    coroutine: Coroutine[Any, Any, T]
    cancel_wait: Callable[[], object]

    def __await__(self) -> Generator[Any, Any, T]:
        gate, run = self.gate, self.run
        value: Any = None
        error: BaseException | None = None
        thrown = False
        while True:
            try:
                if error is not None:
                    awaited = gate.call(run, self.coroutine.throw, error)
                else:
                    awaited = gate.call(run, self.coroutine.send, value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            value, error = None, None
            with gate._lock:
                # An interrupt that came in the step's last moment may have found no bytecode to land on. A thread
                # breaker cannot tell, so there the first await of a clean-up may be broken once more.
                if run.interrupted and not thrown and gate._landed_in is not run:
                    error = KeyboardInterrupt()
                else:
                    outer, gate._run = gate._run, run
                    gate._wake = self.cancel_wait
            if error is not None:
                thrown = True
                # asyncio marks a future as being awaited by the task that got it; this one will not await it.
                if hasattr(awaited, "_asyncio_future_blocking"):
                    awaited._asyncio_future_blocking = False
                continue
            try:
                value = yield awaited
            except BaseException as exc:
                thrown = thrown or run.interrupted
                error = KeyboardInterrupt() if run.interrupted else exc
            finally:
                with gate._lock:
                    gate._wake = None
                    gate._run = outer
