"""The threads that polars computes on leave a processor to the cells for a while, and get it back."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import polars as pl
import pytest

from callboard.actors.datasets.processors import _NAME, PolarsThreads, _threads

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
    while len(found := sorted(_threads(_NAME))) < pl.thread_pool_size():
        assert time.monotonic() < deadline, found
    return found


def test_the_threads_of_polars_are_kept_off_one_processor_and_no_others(pool: list[int]) -> None:
    other, over = threading.Event(), threading.Event()

    def beside() -> None:
        other.set()
        over.wait(30)

    bystander = threading.Thread(target=beside)
    bystander.start()
    assert other.wait(30)
    with PolarsThreads().one_left():
        assert {allowed(thread) for thread in pool} == {FEWER}
        assert allowed(0) == FEWER, "the thread that calls polars computes, too"
        assert bystander.native_id is not None
        assert allowed(bystander.native_id) == ALL
    assert {allowed(thread) for thread in pool} == {ALL}
    assert allowed(0) == ALL
    over.set()
    bystander.join(30)


@pytest.mark.usefixtures("pool")
def test_a_thread_that_was_started_meanwhile_runs_everywhere_afterwards() -> None:
    begun, over = threading.Event(), threading.Event()

    def stay() -> None:
        begun.set()
        over.wait(30)

    started = threading.Thread(target=stay)
    with PolarsThreads().one_left():
        started.start()
        assert begun.wait(30)
        assert started.native_id is not None
        assert allowed(started.native_id) == FEWER
    assert allowed(started.native_id) == ALL
    over.set()
    started.join(30)


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
    assert allowed(0) == ALL, "its own preview is over"
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
