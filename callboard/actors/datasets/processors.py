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

    The one that calls polars computes, too. Polars has no switch for their number that could be put back, but Linux has
    one for where a thread runs. Elsewhere, or where there is one processor, nothing is done. For any thread.
    """

    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _users: int = attrs.field(default=0, init=False)
    _moved: dict[int, frozenset[int]] = attrs.field(factory=dict, init=False)
    """Where each thread that was moved could run before."""
    _known: frozenset[int] = attrs.field(default=frozenset(), init=False)
    """All threads that there were before any was moved."""

    @contextmanager
    def one_left(self) -> Iterator[None]:
        """Keep them and the calling thread off one processor for the duration of the block, which has to end by itself.

        Threads that somebody has bound to processors of their own are left alone. What is bound anew meanwhile stays.
        """
        own = threading.get_native_id()
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._known = frozenset(_threads())
                self._keep_off(_threads(_NAME))
            self._keep_off([own])
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users:
                    self._give_back([own])
                else:
                    self._give_back(list(self._moved))
                    self._free_the_new()

    def _keep_off(self, threads: list[int]) -> None:
        everywhere = _allowed(os.getpid())
        if len(everywhere) < 2:
            return
        for thread in threads:
            if _allowed(thread) == everywhere and _move(thread, _fewer(everywhere)):
                self._moved[thread] = everywhere

    def _give_back(self, threads: list[int]) -> None:
        for thread in threads:
            before = self._moved.pop(thread, None)
            if before is not None and _allowed(thread) == _fewer(before):
                _move(thread, before)

    def _free_the_new(self) -> None:
        """Have threads that one of ours has started run everywhere: they run where it could."""
        everywhere = _allowed(os.getpid())
        for thread in set(_threads()) - self._known:
            if len(everywhere) > 1 and _allowed(thread) == _fewer(everywhere):
                _move(thread, everywhere)


def _fewer(processors: frozenset[int]) -> frozenset[int]:
    return processors - {min(processors)}


def _threads(name: re.Pattern[str] | None = None) -> list[int]:
    """The threads of this process, or those that are called like this."""
    found = []
    for task in _TASKS.glob("*"):
        with suppress(OSError, ValueError):  # it has ended
            if name is None or name.fullmatch((task / "comm").read_text()):
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
