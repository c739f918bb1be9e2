"""One thread, one loop, one job at a time."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from callboard.actors.notebook.cell_thread import CellThread

STEP = 20.0
"""Seconds after which a test gives up; nothing here takes long."""


@pytest.fixture
def cells() -> Iterator[CellThread]:
    thread = CellThread()
    thread.start()
    yield thread
    assert thread.stop(STEP)


class Results:
    """What jobs leave, for the test to wait for."""

    def __init__(self, count: int) -> None:
        self.values: list[Any] = []
        self._left = threading.Semaphore(0)
        self._count = count

    def add(self, value: Any) -> None:
        self.values.append(value)
        self._left.release()

    def wait(self) -> list[Any]:
        for _ in range(self._count):
            assert self._left.acquire(timeout=STEP), f"only got {self.values}"
        return self.values


def test_jobs_run_in_the_order_of_their_submission_one_at_a_time(cells: CellThread) -> None:
    results = Results(3)

    def job(name: str) -> Any:
        async def work() -> None:
            start = len(results.values)
            await asyncio.sleep(0.001)
            assert len(results.values) == start
            results.add(name)

        return work

    for name in "abc":
        cells.submit(job(name))
    assert results.wait() == ["a", "b", "c"]


def test_all_jobs_run_on_the_one_thread_and_its_loop(cells: CellThread) -> None:
    results = Results(2)

    async def job() -> None:
        results.add((threading.get_ident(), asyncio.get_running_loop()))

    cells.submit(job)
    cells.submit(job)
    assert results.wait() == [(cells.ident, cells.loop)] * 2
    assert cells.ident != threading.get_ident()


def test_a_job_may_be_submitted_before_the_thread_runs() -> None:
    cells, results = CellThread(), Results(1)

    async def job() -> None:
        results.add("ran")

    cells.submit(job)
    cells.start()
    assert results.wait() == ["ran"]
    assert cells.stop(STEP)


def test_jobs_share_one_context(cells: CellThread) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    results = Results(1)

    async def sets() -> None:
        variable.set("set")

    async def reads() -> None:
        results.add(variable.get())

    cells.submit(sets)
    cells.submit(reads)
    assert results.wait() == ["set"]
    assert variable.get() == "unset"


def test_background_tasks_go_on_between_jobs(cells: CellThread) -> None:
    results = Results(2)
    tasks = []

    async def background() -> None:
        await asyncio.sleep(0.002)
        results.add("background")

    async def job() -> None:
        tasks.append(asyncio.get_running_loop().create_task(background()))
        results.add("job")

    cells.submit(job)
    assert results.wait() == ["job", "background"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_a_background_task_raises_does_not_end_the_loop(
    cells: CellThread, error: BaseException
) -> None:
    results = Results(1)
    tasks: list[asyncio.Task[None]] = []

    async def bad() -> None:
        raise error

    async def job() -> None:
        tasks.append(asyncio.get_running_loop().create_task(bad()))

    async def after() -> None:
        await asyncio.wait(tasks)
        results.add(tasks[0].exception())

    cells.submit(job)
    cells.submit(after)
    assert results.wait() == [error]


def test_a_job_that_raises_is_logged_and_the_next_one_runs(
    cells: CellThread, caplog: pytest.LogCaptureFixture
) -> None:
    results = Results(1)

    async def bad() -> None:
        raise ValueError("lost")

    async def after() -> None:
        results.add("after")

    with caplog.at_level(logging.ERROR):
        cells.submit(bad)
        cells.submit(after)
        assert results.wait() == ["after"]
    assert "a job of the cell thread raised" in caplog.text


def test_stopping_ends_the_job_in_hand_first_and_cancels_what_is_left_in_the_background() -> None:
    cells, results = CellThread(), Results(2)
    running = threading.Event()
    tasks = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            results.add("cancelled")
            raise

    async def job() -> None:
        tasks.append(asyncio.get_running_loop().create_task(background()))
        await asyncio.sleep(0)
        running.set()
        results.add("job")

    cells.start()
    cells.submit(job)
    running.wait(STEP)
    assert cells.stop(STEP)
    assert results.wait() == ["job", "cancelled"]
    assert cells.loop.is_closed()


def test_after_a_stop_jobs_are_dropped_and_stopping_again_is_fine() -> None:
    cells = CellThread()
    cells.start()
    assert cells.stop(STEP)

    async def job() -> None:
        raise AssertionError("it must not run")

    cells.submit(job)
    assert cells.stop(STEP)


def test_one_that_never_ran_is_stopped_at_once_and_leaves_nothing_open() -> None:
    assert CellThread().stop(0)


def test_stopping_says_when_the_thread_does_not_end() -> None:
    cells = CellThread()
    cells.start()
    entered, leave = threading.Event(), threading.Event()

    async def stuck() -> None:
        entered.set()
        leave.wait()

    cells.submit(stuck)
    entered.wait(STEP)
    assert cells.stop(timeout=0) is False
    leave.set()
    assert cells.stop(STEP)


async def test_closing_waits_without_holding_up_the_caller() -> None:
    cells = CellThread()
    cells.start()
    await cells.aclose()
    assert cells.loop.is_closed()


def test_it_runs_on_the_calling_thread_where_that_is_wanted() -> None:
    cells, results = CellThread(), Results(1)

    async def job() -> None:
        results.add(threading.get_ident())
        cells.stop()

    cells.submit(job)
    cells.run_here()
    assert results.wait() == [threading.get_ident()]
