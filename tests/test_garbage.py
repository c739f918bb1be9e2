"""Full collections come at quiet moments, on the thread of the notebook's code, and seldom else."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio

from callboard.actors.quiet import QUIET_SECONDS, Quiet
from callboard.garbage import MIDDLE_COLLECTIONS, REST, Sweeper, full_collections_put_off

pytestmark = pytest.mark.skipif(
    gc.get_threshold()[2] == 0, reason="this Python looks through everything little by little"
)


@attrs.define(eq=False)
class CellThread:
    """Carries out what is submitted at once."""

    jobs: int = 0

    def submit(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.jobs += 1
        _carry_out(job)


def _carry_out(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with pytest.raises(StopIteration):
        job().send(None)


@pytest.fixture
def collector() -> Iterator[None]:
    """Nothing but the test collects."""
    thresholds = gc.get_threshold()
    gc.set_threshold(1_000_000, thresholds[1], 1_000_000)
    gc.collect()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def lost_in_the_oldest_generation() -> weakref.ref[Cycle]:
    """Make garbage that only a full collection finds, and which is due by Python's own rule."""
    cycle = Cycle()
    for _ in range(12):
        gc.collect(1)
    return weakref.ref(cycle)


@pytest.mark.usefixtures("collector")
async def test_garbage_is_found_at_a_quiet_moment_and_not_before(autojump_clock: Any) -> None:
    cell_thread = CellThread()
    accepted = 0
    sweeper = Sweeper(cell_thread.submit, Quiet(lambda: accepted, lambda: 0))
    lost = lost_in_the_oldest_generation()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweeper.run)
        for _ in range(20):
            accepted += 1
            await trio.sleep(QUIET_SECONDS / 2)
        assert lost() is not None
        assert cell_thread.jobs == 0
        await trio.sleep(2 * QUIET_SECONDS + REST)
        assert lost() is None
        assert cell_thread.jobs == 1
        await trio.sleep(20 * REST)
        assert cell_thread.jobs == 1, "there is next to nothing to find"
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("collector")
async def test_a_notebook_may_switch_the_collector_off(autojump_clock: Any) -> None:
    cell_thread = CellThread()
    lost = lost_in_the_oldest_generation()
    gc.disable()
    with trio.move_on_after(10 * REST):
        await Sweeper(cell_thread.submit, Quiet(lambda: 0, lambda: 0)).run()
    assert cell_thread.jobs == 0
    assert lost() is not None


@pytest.mark.usefixtures("collector")
async def test_what_takes_long_is_done_less_often(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter(range(1000))  # every collection takes a second
    monkeypatch.setattr("time.perf_counter", lambda: float(next(readings)))
    began = trio.current_time()
    times: list[float] = []

    def submit(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        times.append(trio.current_time() - began)
        _carry_out(job)
        lost_in_the_oldest_generation()

    lost_in_the_oldest_generation()
    with trio.move_on_after(1000):
        await Sweeper(submit, Quiet(lambda: 0, lambda: 0)).run()
    assert len(times) == 10
    assert min(b - a for a, b in pairwise(times)) >= 100


def test_python_looks_through_everything_less_often_for_the_time_being() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with full_collections_put_off():
        assert gc.get_threshold() == (*before[:2], MIDDLE_COLLECTIONS)
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_collects_even_less_often_is_left_alone() -> None:
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], 1000)
    try:
        with full_collections_put_off():
            assert gc.get_threshold()[2] == 1000
    finally:
        gc.set_threshold(*before)


NOTEBOOK = """\
import gc, threading

class Lost:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("found on", threading.current_thread().name, flush=True)

Lost()
for _ in range(12):
    gc.collect(1)
"""


@pytest.mark.slow
def test_a_kernel_process_collects_on_the_thread_of_the_notebooks_code() -> None:
    command = {"type": "execute-cells", "cellIds": ["a"], "codes": [NOTEBOOK]}
    with subprocess.Popen(
        [sys.executable, "-m", "callboard.cli", "kernel", "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(command) + "\n")
        process.stdin.flush()
        found = next((line for line in process.stdout if "found on" in line), "")
        process.stdin.close()
        process.stdout.read()
    assert "found on MainThread" in found
