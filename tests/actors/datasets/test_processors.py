"""Native threads leave a processor to the cells for a while, and get it back."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from callboard.actors.datasets.processors import Processors

if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
    pytest.skip("needs Linux and two processors", allow_module_level=True)

ALL = frozenset(os.sched_getaffinity(0))
FEWER = ALL - {min(ALL)}


def allowed(thread: int) -> frozenset[int]:
    return frozenset(os.sched_getaffinity(thread))


@contextmanager
def thread(*, native: bool) -> Iterator[int]:
    """A thread, with its number; of a native one Python's register knows nothing, as of those of libraries."""
    numbers: list[int] = []
    ready, over, ended = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        numbers.append(_thread.get_native_id())
        ready.set()
        over.wait(30)
        ended.set()

    if native:
        _thread.start_new_thread(run, ())
    else:
        threading.Thread(target=run).start()
    assert ready.wait(30)
    try:
        yield numbers[0]
    finally:
        over.set()
        assert ended.wait(30)


def in_thread(processors: Processors) -> dict[str, frozenset[int]]:
    """Look from inside the block and after it, on a thread like that of a request."""
    seen: dict[str, frozenset[int]] = {}

    def run() -> None:
        with processors.one_left():
            seen["inside"] = allowed(0)
        seen["after"] = allowed(0)

    worker = threading.Thread(target=run)
    worker.start()
    worker.join(30)
    return seen


def test_native_threads_and_the_one_that_asks_are_kept_off_one_processor() -> None:
    with thread(native=True) as library, thread(native=False) as python:
        with Processors().one_left():
            assert allowed(library) == FEWER
            assert allowed(0) == FEWER
            assert allowed(python) == ALL, "cells run on such a thread"
        assert allowed(library) == allowed(0) == allowed(python) == ALL


def test_it_is_given_back_whatever_happens() -> None:
    with thread(native=True) as library:
        with pytest.raises(ZeroDivisionError), Processors().one_left():
            _ = 1 / 0
        assert allowed(library) == allowed(0) == ALL


def test_several_at_a_time_give_it_back_when_the_last_has_ended() -> None:
    processors = Processors()
    with thread(native=True) as library:
        with processors.one_left():
            seen = in_thread(processors)
            assert seen == {"inside": FEWER, "after": ALL}
            assert allowed(library) == FEWER, "the first still works"
        assert allowed(library) == ALL


def test_threads_that_somebody_has_bound_are_left_alone() -> None:
    processors = Processors()
    with thread(native=True) as bound, thread(native=True) as like_ours:
        os.sched_setaffinity(bound, {min(ALL)})
        os.sched_setaffinity(like_ours, FEWER)
        with processors.one_left():
            assert allowed(bound) == {min(ALL)}
        assert allowed(bound) == {min(ALL)}
        assert allowed(like_ours) == FEWER


def test_a_thread_that_was_started_meanwhile_gets_away_with_the_rest() -> None:
    with Processors().one_left():
        library = thread(native=True)
        number = library.__enter__()
        assert allowed(number) == FEWER, "it has what the one that started it has"
    assert allowed(number) == ALL
    library.__exit__(None, None, None)
