"""Interrupts that break user code, and only the run they were meant for."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import attrs

T = TypeVar("T")
P = ParamSpec("P")


_BEING_STARTED: Mapping[object, object] = getattr(threading, "_limbo", {})
"""Threads that are being started. ``threading.enumerate`` has them too, but takes a lock, and whoever has that may be
waiting for the gate's."""
_SOON = 0.0005
"""Seconds after which it is looked again whether a thread is being started."""
_REPEAT = 0.02
"""Seconds after which a signal that was not heard is sent again."""
_ECHO = 0.1
"""Seconds for which a signal may be the echo of one that was repeated when it had just been heard."""


class Interruptible(Protocol):
    """What an interrupt is aimed at: a run of user code."""

    interrupted: bool


class Breaker(Protocol):
    """How ``KeyboardInterrupt`` is made to appear in the thread that runs user code."""

    def strike(self) -> None:
        """Break the user section; called with the gate's lock held, from any thread."""

    def recall(self) -> bool:
        """Take back a strike that has not landed; true if there was one. On the user-code thread, with the lock held.

        The strike may still land in here.
        """

    def heard(self) -> bool:
        """Take note of a signal; whether it is one of this breaker's."""


class ThreadBreaker:
    """Breaks a thread of an embedding application, whose signal handlers are not ours.

    CPython raises the exception at the next bytecode the thread executes, so a blocking C call (``time.sleep``,
    a socket read) ends first; source: the C API documentation of ``PyThreadState_SetAsyncExc``. If these are the
    bytecodes of a destructor or of a weak reference's callback, the exception is ignored as any other is there, and
    the user has to ask again.

    Before 3.12 a thread that is being started goes by the number of the one that starts it, and would be struck in its
    place: it would die before it has begun, and whoever waits for its beginning would wait for ever. So a strike waits
    until no thread is being started.
    """

    def __init__(self, thread_id: int) -> None:
        self._thread_id = ctypes.c_ulong(thread_id)
        self._pending = False
        self._waits = False
        """Whether a thread waits for a moment in which the strike hits the right one."""
        self._lock = threading.RLock()
        breaker = self

        class Struck(KeyboardInterrupt):
            # CPython makes the instance when the exception appears, which is how one knows that it did.
            def __init__(self, *args: object) -> None:
                super().__init__(*args)
                breaker._pending = False

        Struck.__module__, Struck.__name__, Struck.__qualname__ = (
            "builtins",
            *["KeyboardInterrupt"] * 2,
        )
        self._exception = ctypes.py_object(Struck)

    def strike(self) -> None:
        """Schedule ``KeyboardInterrupt`` in the thread."""
        with self._lock:
            self._pending = True
            if self._strike() or self._waits:
                return
            self._waits = True
        threading.Thread(target=self._wait, name="callboard interrupt", daemon=True).start()

    def recall(self) -> bool:
        """Drop a scheduled ``KeyboardInterrupt``."""
        if not self._pending:
            return False
        with self._lock:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread_id, None)
            pending, self._pending = self._pending, False
            return pending

    def _strike(self) -> bool:
        if _BEING_STARTED:
            return False
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread_id, self._exception)
        return True

    def _wait(self) -> None:
        while True:
            time.sleep(_SOON)
            with self._lock:
                if not self._pending or self._strike():
                    self._waits = False
                    return

    def heard(self) -> bool:
        """Say that no signal is of this breaker."""
        return False


class SignalBreaker:
    """Breaks the main thread of a kernel process through SIGINT, so that blocking calls are broken too.

    The interpreter hears a signal between two bytecodes, or when it ends a blocking call. One that arrives after the
    last bytecode and before the call has begun would be heard only when that ends by itself, so it is repeated.
    """

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id
        self._lock = threading.RLock()
        self._unheard = False
        self._insists = False
        self._repeated_at = -_ECHO

    def strike(self) -> None:
        """Send SIGINT to the main thread; the handler of the gate decides what it does there."""
        with self._lock:
            self._unheard = self._insists = True
            signal.pthread_kill(self._thread_id, signal.SIGINT)
        threading.Thread(target=self._insist, name="callboard interrupt", daemon=True).start()

    def recall(self) -> bool:
        """Take nothing back, but insist no more: the thread is running Python code and hears of it at once."""
        self._insists = False
        return False

    def heard(self) -> bool:
        """Take note of a signal, on the main thread; whether it is one of ours, or the repetition of one."""
        with self._lock:
            self._insists = False
            ours, self._unheard = self._unheard, False
            return ours or time.monotonic() - self._repeated_at < _ECHO

    def _insist(self) -> None:
        while True:
            time.sleep(_REPEAT)
            with self._lock:
                if not self._insists:
                    return
                self._repeated_at = time.monotonic()
                signal.pthread_kill(self._thread_id, signal.SIGINT)


@attrs.define(eq=False)
class InterruptGate:
    """Lets an interrupt through only while the run it was aimed at is inside user code.

    ``call``, ``finish`` and ``drive`` mark user code on the cell thread; ``interrupt`` may come from any thread.
    Sections of ours that user code calls into (console, output, questions to the user) are marked by ``shielded``: an
    interrupt that arrives there waits until they are left, so none of their invariants breaks.

    Every interrupt is raised once: in the code that runs, or, if none does, in place of what would start next.
    """

    breaker: Breaker | None = None
    on_foreign_signal: Callable[[], object] | None = None
    """Called on the main thread for a SIGINT that nobody asked the gate for, such as Ctrl-C in a terminal."""
    rearm: Callable[[], object] | None = None
    """Called before user code is entered, to undo what earlier user code did to the way interrupts come."""
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _run: Interruptible | None = attrs.field(default=None, init=False)
    """The run whose user code is running, or waiting in an ``await``."""
    _thread: int = attrs.field(default=0, init=False)
    _shields: int = attrs.field(default=0, init=False)
    _deferred: bool = attrs.field(default=False, init=False)
    """An interrupt waits for the last shield to be left."""
    _signalled: Interruptible | None = attrs.field(default=None, init=False)
    """The run that a signal was sent for which has not arrived."""
    _missed: Interruptible | None = attrs.field(default=None, init=False)
    """A run that was interrupted when none of its code was running, or at its last moment."""
    _wake: Callable[[], object] | None = attrs.field(default=None, init=False)
    """Ends the ``await`` that user code is in."""

    def interrupt(self, run: Interruptible) -> None:
        """Mark ``run`` interrupted and break its user code if it is inside some now.

        Safe from any thread. Between two cells of the run the mark alone is what counts: whoever drives the run
        reads it before the next cell.
        """
        with self._lock:
            run.interrupted = True
            if self._run is not run:
                self._missed = run
            elif self._wake is not None:
                self._wake()
            elif self._shields:
                self._deferred = True
            elif self.breaker is not None:
                self._signalled = run
                self.breaker.strike()

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """SIGINT handler of a kernel process: raises in user code that was to be interrupted, else does nothing.

        Runs on the main thread, between two bytecodes of whatever runs there.
        """
        del signum, frame
        run, self._signalled = self._signalled, None
        ours = self.breaker is not None and self.breaker.heard()
        if run is None:
            if not ours and self.on_foreign_signal is not None:
                self.on_foreign_signal()
        elif self._run is not run:
            self._missed = run
        elif self._wake is not None:
            self._wake()
        elif self._shields:
            self._deferred = True
        else:
            raise KeyboardInterrupt

    def call(
        self, run: Interruptible, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function`` as user code of ``run``; not at all if an interrupt came when none of it was running.

        Raises:
            KeyboardInterrupt: an interrupt aimed at the run broke it (or user code raised one itself).
        """
        outer = self._run
        try:
            self._enter(run)
            if self._take_missed(run):
                raise KeyboardInterrupt
            return function(*args, **kwargs)
        finally:
            self._leave(outer)

    def finish(
        self, run: Interruptible, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function`` as user code that ends what has run, so even if the run was interrupted before.

        Raises:
            KeyboardInterrupt: as ``call``, for an interrupt that comes from now on.
        """
        outer = self._run
        try:
            self._enter(run)
            return function(*args, **kwargs)
        finally:
            self._leave(outer)

    def _enter(self, run: Interruptible) -> None:
        if self.rearm is not None and self._run is None:
            self.rearm()
        # With the lock held: an interrupt either finds the section and breaks it, or has left word by then.
        with self._lock:
            self._thread = threading.get_ident()
            self._run = run

    def _leave(self, outer: Interruptible | None) -> None:
        # An interrupt may strike inside this very function, so it repeats until the section is left for good.
        struck: KeyboardInterrupt | None = None
        while True:
            try:
                with self._lock:
                    if outer is None and self._run is not None:
                        unheard = self.breaker is not None and self.breaker.recall()
                        if unheard or self._deferred:
                            self._missed = self._run
                        self._deferred = False
                    self._run = outer
                break
            except KeyboardInterrupt as exc:
                struck = exc
        if struck is not None:
            raise struck

    def _take_missed(self, run: Interruptible) -> bool:
        missed = self._missed is run
        if missed:
            self._missed = None
        return missed

    def shielded(self) -> Shield:
        """Hold interrupts off for a short section of ours; one that arrives meanwhile is raised on leaving it.

        On other threads than the one that runs user code it does nothing: interrupts never land there.
        """
        return Shield(self)

    async def drive(
        self,
        run: Interruptible,
        coroutine: Coroutine[Any, Any, T],
        cancel_wait: Callable[[], object],
    ) -> T:
        """Drive ``coroutine`` as user code of ``run``: each of its steps is a user section.

        While it is suspended, other user code (background tasks) may run on the loop and must not be hit; then an
        interrupt calls ``cancel_wait``, which has to cancel this task soon, and ``KeyboardInterrupt`` is thrown into
        the coroutine at its ``await`` instead of the cancellation. An async cell so ends as a sync one.
        """
        return await _Drive(self, run, coroutine, cancel_wait)


@attrs.define(eq=False)
class Shield:
    """A ``with`` block that interrupts of user code do not land in."""

    _gate: InterruptGate
    _holds: bool = attrs.field(default=False, init=False)

    def __enter__(self) -> None:
        gate = self._gate
        if threading.get_ident() != gate._thread:
            return
        with gate._lock:
            if gate.breaker is not None and gate.breaker.recall():
                # It was about to land; now it waits, as one that comes later does.
                gate._deferred = True
            # Last, and with the lock held: until here an interrupt may land and finds nothing half done, and from
            # here on none is sent.
            gate._shields += 1
            self._holds = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._holds:
            return
        gate = self._gate
        gate._shields -= 1
        if gate._deferred and not gate._shields:
            gate._deferred = False
            raise KeyboardInterrupt


@attrs.define(eq=False)
class _Drive(Generic[T]):
    gate: InterruptGate
    run: Interruptible
    coroutine: Coroutine[Any, Any, T]
    cancel_wait: Callable[[], object]
    _woken: bool = attrs.field(default=False, init=False)

    def __await__(self) -> Generator[Any, Any, T]:
        gate, run = self.gate, self.run
        step: Callable[[], Any] = partial(gate.call, run, self.coroutine.send, None)
        try:
            while True:
                try:
                    awaited = step()
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                except KeyboardInterrupt as error:
                    if inspect.getcoroutinestate(self.coroutine) != inspect.CORO_SUSPENDED:
                        raise
                    # It landed on the way into the coroutine or out of it, which has yet to hear of it.
                    step = partial(gate.finish, run, self.coroutine.throw, error)
                else:
                    step = yield from self._wait(awaited)
        finally:
            self.coroutine.close()  # one that was interrupted before its first step would complain

    def _wait(self, awaited: Any) -> Generator[Any, Any, Callable[[], Any]]:
        """Wait for what the coroutine awaits; return its next step."""
        gate, run, coroutine = self.gate, self.run, self.coroutine
        with gate._lock:
            interrupted = gate._take_missed(run)
            if not interrupted:
                outer, gate._run = gate._run, run
                gate._wake = self._end_wait
        if interrupted:
            # asyncio marks a future as being awaited by the task that got it; this one will not await it.
            if hasattr(awaited, "_asyncio_future_blocking"):
                awaited._asyncio_future_blocking = False
            return partial(gate.finish, run, coroutine.throw, KeyboardInterrupt())
        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        step: Callable[[], Any]
        try:
            step = partial(gate.finish, run, coroutine.send, (yield awaited))
        except BaseException as error:
            step = partial(gate.finish, run, coroutine.throw, error)
        with gate._lock:
            gate._wake = None
            gate._run = outer
        if not self._woken:
            return step
        self._woken = False
        if task.cancelling() == cancellations:
            # The wait was over first, and the cancellation that should have ended it is still to come.
            with contextlib.suppress(asyncio.CancelledError):
                yield
        # It has served its purpose: groups and time limits of user code count those that are left.
        task.uncancel()
        return partial(gate.finish, run, coroutine.throw, KeyboardInterrupt())

    def _end_wait(self) -> None:
        self._woken = True
        self.cancel_wait()
