"""Leaves the cells a processor while polars summarises a column on all of them."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

_TASKS = Path("/proc/self/task")
_NAME = re.compile(r"polars-\d+\s*")
"""How the threads are called that polars computes on."""


@attrs.define(eq=False)
class PolarsThreads:
    """The threads that polars computes on, one a processor, which leave a cell half of one and make a slider wait.

    Polars has no switch for their number that could be put back, but Linux has one for where a thread runs. Elsewhere,
    where there is one processor, or none of them is found, nothing is done. For any thread.
    """

    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _users: int = attrs.field(default=0, init=False)
    _moved: dict[int, frozenset[int]] = attrs.field(factory=dict, init=False)
    """Where each thread that was moved could run before."""

    @contextmanager
    def one_left(self) -> Iterator[None]:
        """Keep them off one processor for the duration of the block, which has to end by itself.

        Threads that somebody has bound to processors of their own are left alone. What is bound anew meanwhile stays.
        """
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._keep_off()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._give_back()

    def _keep_off(self) -> None:
        everywhere = _allowed(os.getpid())
        if len(everywhere) < 2:
            return
        for thread in _threads():
            if _allowed(thread) == everywhere and _move(thread, _fewer(everywhere)):
                self._moved[thread] = everywhere

    def _give_back(self) -> None:
        for thread, before in self._moved.items():
            if _allowed(thread) == _fewer(before):
                _move(thread, before)
        self._moved.clear()


def _fewer(processors: frozenset[int]) -> frozenset[int]:
    return processors - {min(processors)}


def _threads() -> list[int]:
    found = []
    for task in _TASKS.glob("*"):
        with suppress(OSError, ValueError):  # it has ended
            if _NAME.fullmatch((task / "comm").read_text()):
                found.append(int(task.name))
    return found


def _allowed(thread: int) -> frozenset[int]:
    """The processors that a thread may run on; none if that cannot be known."""
    try:
        return frozenset(os.sched_getaffinity(thread))
    except (AttributeError, OSError):  # not on Linux, or it has ended
        return frozenset()


def _move(thread: int, processors: frozenset[int]) -> bool:
    try:
        os.sched_setaffinity(thread, processors)
    except OSError:  # it has ended, or the system does not allow it
        return False
    return True


POLARS_THREADS = PolarsThreads()
"""Those of this process: where they run is its own affair, not a kernel's."""
