"""Leaves the notebook a processor while a library summarises a column on all the others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import attrs

_TASKS = "/proc/self/task"


@attrs.define(eq=False)
class Processors:
    """Keeps native threads off one of the processors for a while. Where there is but one, or no Linux, it does nothing.

    Polars, DuckDB and Arrow compute on a thread for each processor, which leaves a cell half of one and makes a slider
    wait. Libraries have no switch for that which could be put back, but Linux has one for each thread. Threads that
    Python knows, where cells run, are left as they are, but for the one that asks; so are those that somebody has bound
    to processors of their own. Threads that are started meanwhile by one that is kept off get away with the rest.
    """

    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _users: int = attrs.field(default=0, init=False)
    _all: frozenset[int] = attrs.field(default=frozenset(), init=False)
    _fewer: frozenset[int] = attrs.field(default=frozenset(), init=False)
    _own: frozenset[int] = attrs.field(default=frozenset(), init=False)
    """Threads that were bound to just these processors before, by somebody else."""

    @contextmanager
    def one_left(self) -> Iterator[None]:
        """Keep the threads of native libraries, and this one, off a processor for the duration of the block."""
        if sys.platform != "linux":
            yield
            return
        here = threading.get_native_id()
        with self._lock:
            if self._users == 0:
                self._look()
            self._users += 1
            self._keep_off(here)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                released = _threads() if self._users == 0 else [here]
                _move(set(released) - self._own, self._fewer, self._all)

    def _look(self) -> None:
        self._all = _allowed(os.getpid())
        self._fewer = self._all - {min(self._all, default=0)}
        self._own = frozenset(each for each in _threads() if _allowed(each) == self._fewer)

    def _keep_off(self, here: int) -> None:
        if self._fewer:
            known = {thread.native_id for thread in threading.enumerate()} - {here}
            _move(set(_threads()) - known, self._all, self._fewer)


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_TASKS)]
    except OSError:  # no /proc here
        return []


def _allowed(thread: int) -> frozenset[int]:
    """The processors that a thread may run on; none if it has ended."""
    try:
        return frozenset(os.sched_getaffinity(thread))
    except OSError:
        return frozenset()


def _move(threads: Iterable[int], before: frozenset[int], after: frozenset[int]) -> None:
    """Let those of some threads that may run on just these processors run on just those."""
    for thread in threads:
        if after and _allowed(thread) == before:
            with suppress(OSError):  # it has ended, or the system does not allow it
                os.sched_setaffinity(thread, after)


PROCESSORS = Processors()
"""Those of this process: what threads may run on is its own affair, not a kernel's."""
