"""The threads that polars computes on leave a processor to the cells for a while, and get it back."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import polars as pl
import pytest

from callboard.actors.datasets.processors import PolarsThreads, _threads

if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
    pytest.skip("needs Linux and two processors", allow_module_level=True)

ALL = frozenset(os.sched_getaffinity(0))
FEWER = ALL - {min(ALL)}


def allowed(thread: int) -> frozenset[int]:
    return frozenset(os.sched_getaffinity(thread))


@pytest.fixture(scope="module")
def pool() -> list[int]:
    """The threads of polars, which it starts when there is something to compute."""
    pl.DataFrame({"n": range(1000)}).with_columns(pl.col("n").sort(descending=True))
    deadline = time.monotonic() + 10
    # Each takes its name when it begins to run.
    while len(found := sorted(_threads())) < pl.thread_pool_size():
        assert time.monotonic() < deadline, found
    return found


def test_the_threads_of_polars_are_kept_off_one_processor_and_no_others(pool: list[int]) -> None:
    with PolarsThreads().one_left():
        assert {allowed(thread) for thread in pool} == {FEWER}
        assert allowed(0) == ALL
        assert allowed(os.getpid()) == ALL
    assert {allowed(thread) for thread in pool} == {ALL}


def test_it_is_given_back_whatever_happens(pool: list[int]) -> None:
    with pytest.raises(ZeroDivisionError), PolarsThreads().one_left():
        _ = 1 / 0
    assert {allowed(thread) for thread in pool} == {ALL}


def test_several_at_a_time_give_it_back_when_the_last_has_ended(pool: list[int]) -> None:
    threads = PolarsThreads()
    inside, over = threading.Event(), threading.Event()

    def other() -> None:
        with threads.one_left():
            inside.set()
            over.wait(30)

    worker = threading.Thread(target=other)
    with threads.one_left():
        worker.start()
        assert inside.wait(30)
    assert {allowed(thread) for thread in pool} == {FEWER}
    over.set()
    worker.join(30)
    assert {allowed(thread) for thread in pool} == {ALL}


def test_what_somebody_has_bound_stays_bound(pool: list[int]) -> None:
    before, meanwhile = pool[:2]
    own = {min(ALL)}
    try:
        os.sched_setaffinity(before, own)
        with PolarsThreads().one_left():
            assert allowed(before) == own
            os.sched_setaffinity(meanwhile, own)
        assert allowed(before) == allowed(meanwhile) == own
        assert {allowed(thread) for thread in pool[2:]} <= {ALL}
    finally:
        for thread in (before, meanwhile):
            os.sched_setaffinity(thread, ALL)


def test_where_there_is_one_processor_nothing_is_done(
    pool: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0})
    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: moved.append(given))
    with PolarsThreads().one_left():
        pass
    assert moved == []
