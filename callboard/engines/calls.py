"""The calls that one engine has under way, and how to interrupt them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import attrs

CANCEL_PATIENCE: Final = 10.0
"""Seconds that a call waits, behind its query, for a server to answer that it has cancelled it."""


Progress = Callable[[int, int | None], object]
"""Told how much of a call is done, of how much; None where nobody knows. Quick, from the thread of the call."""


def nobody(done: int, total: int | None) -> None:
    """Hear how far a call is, and do not care."""


class Interrupted(Exception):
    """A call was interrupted between two of its steps."""


@attrs.frozen
class Cancel:
    """How to break off what a driver is doing, from another thread."""

    function: Callable[[], object]
    remote: bool = False
    """It asks a server, which takes time: done in a thread of its own."""


class Calls:
    """Interrupts the calls of one engine that are under way, and nothing else. For any thread.

    A cancel function is called only while the block that it was given for is running, so it never hits
    what the same connection does later for somebody else.
    """

    def __init__(self) -> None:
        # Re-entrant: a signal handler may interrupt the very thread that holds it.
        self._lock = threading.RLock()
        self._running: list[Call] = []

    @contextmanager
    def running(self, progress: Progress = nobody) -> Iterator[Call]:
        """Have one call under way within the block; ``progress`` is told how far it is."""
        call = Call(self._lock, progress)
        with self._lock:
            self._running.append(call)
        try:
            yield call
        finally:
            with self._lock:
                self._running.remove(call)

    def interrupt(self) -> None:
        """Interrupt all that is under way. Returns at once, raises nothing."""
        with self._lock:
            for call in list(self._running):
                call.interrupt()


class Call:
    """One call under way."""

    def __init__(self, lock: threading.RLock, progress: Progress) -> None:
        self._lock = lock
        self._progress = progress
        self._cancels: list[Cancel] = []
        self._asking: list[threading.Thread] = []
        self.interrupted = False

    def check(self) -> None:
        """Raise `Interrupted` if somebody interrupted this call; for between two queries."""
        if self.interrupted:
            raise Interrupted("interrupted")

    def reached(self, done: int, total: int | None) -> None:
        """Say how many parts of how many have been looked into; raise `Interrupted` if somebody interrupted this."""
        self.check()
        self._progress(done, total)

    @contextmanager
    def cancelled_by(self, cancel: Cancel | None) -> Iterator[None]:
        """Have an interrupt within the block call a function; before the block it is raised instead."""
        if cancel is None:
            self.check()
            yield
            return
        with self._lock:
            self.check()
            self._cancels.append(cancel)
        try:
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)
                asking = list(self._asking)
            # A cancel under way must not hit the next query of whoever owns the connection.
            for thread in asking:
                thread.join(CANCEL_PATIENCE)

    def interrupt(self) -> None:
        self.interrupted = True
        for cancel in list(self._cancels):
            if cancel.remote:
                thread = threading.Thread(target=_quietly, args=(cancel.function,), daemon=True)
                self._asking.append(thread)
                thread.start()
            else:
                _quietly(cancel.function)


def _quietly(function: Callable[[], object]) -> None:
    # The connection may be closed by now, or never have run anything; then there is nothing to interrupt.
    with suppress(Exception):
        function()
