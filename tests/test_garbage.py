"""Full collections come at quiet moments, on the thread of the notebook's code, and seldom else."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing

from callboard.actors.quiet import QUIET_SECONDS, Quiet
from callboard.garbage import (
    LITTLE,
    MIDDLE_COLLECTIONS,
    PATIENCE,
    REST,
    SHARE,
    Sweeper,
    full_collections_put_off,
)
from callboard.testing.host import FakeHost

pytestmark = pytest.mark.skipif(
    gc.get_threshold()[2] == 0, reason="this Python looks through everything little by little"
)


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
    host = FakeHost()
    accepted = 0
    sweeper = Sweeper(host, Quiet(lambda: accepted, lambda: 0))
    lost = lost_in_the_oldest_generation()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sweeper.run)
        for _ in range(20):
            accepted += 1
            await trio.sleep(QUIET_SECONDS / 2)
        assert lost() is not None
        assert len(host.calls) == 0
        await trio.sleep(2 * QUIET_SECONDS + REST)
        assert lost() is None
        assert len(host.calls) == 1
        await trio.sleep(20 * REST)
        assert len(host.calls) == 1, "there is next to nothing to find"
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("collector")
async def test_a_notebook_may_switch_the_collector_off(autojump_clock: Any) -> None:
    host = FakeHost()
    lost = lost_in_the_oldest_generation()
    gc.disable()
    with trio.move_on_after(10 * REST):
        await Sweeper(host, Quiet(lambda: 0, lambda: 0)).run()
    assert len(host.calls) == 0
    assert lost() is not None


@pytest.mark.usefixtures("collector")
async def test_what_takes_long_is_done_less_often(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter(range(1000))  # every collection takes a second
    monkeypatch.setattr("time.perf_counter", lambda: float(next(readings)))
    times = await swept(1000, garbage=2 * LITTLE)
    assert len(times) == 10
    assert min(b - a for a, b in pairwise(times)) >= 100


async def swept(seconds: float, *, garbage: int) -> list[float]:
    """When a sweeper collects within some seconds if so much garbage is due each time."""
    began = trio.current_time()
    times: list[float] = []

    class Noting(FakeHost):
        async def between_cells(self, function: Callable[[], Any], **options: Any) -> Any:
            times.append(trio.current_time() - began)
            found = await super().between_cells(function, **options)
            lose(garbage)
            return found

    lose(garbage)
    with trio.move_on_after(seconds):
        await Sweeper(Noting(), Quiet(lambda: 0, lambda: 0)).run()
    return times


def lose(count: int) -> None:
    cycles = [Cycle() for _ in range(count)]
    for _ in range(12):
        gc.collect(1)
    cycles.clear()


@pytest.mark.usefixtures("collector")
async def test_what_finds_little_is_done_less_often(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)  # however long this machine takes
    assert len(await swept(100, garbage=2)) == 1, "twelve collections are not enough any more"
    assert len(await swept(100, garbage=2 * LITTLE)) == 17, "at every quiet moment"


@pytest.mark.usefixtures("collector")
async def test_a_sweep_that_comes_when_somebody_asks_again_is_left_out(autojump_clock: Any) -> None:
    accepted = 0
    host = FakeHost()
    block = host.block("between_cells")
    lost = lost_in_the_oldest_generation()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Sweeper(host, Quiet(lambda: accepted, lambda: 0)).run)
        await block.reached.wait()
        accepted += 1
        block.release()
        await trio.testing.wait_all_tasks_blocked()
        assert [call.outcome for call in host.calls] == ["returned"]
        assert lost() is not None
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("collector")
async def test_a_sweep_that_fails_is_not_the_last(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = FakeHost()
    host.fail("between_cells", trio.TooSlowError())
    lost = lost_in_the_oldest_generation()
    with trio.move_on_after(20 * PATIENCE / SHARE):
        await Sweeper(host, Quiet(lambda: 0, lambda: 0)).run()
    assert lost() is None
    assert "TooSlowError" in caplog.text


def test_python_looks_through_everything_less_often_for_the_time_being() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with full_collections_put_off():
        assert gc.get_threshold() == (*before[:2], MIDDLE_COLLECTIONS)
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    with full_collections_put_off() as put_back:
        put_back()
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0
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

lost = Lost()
for _ in range(12):
    gc.collect(1)
del lost
"""
FORKING = """\
import gc, os

child = os.fork()
if not child:
    print("in the child", gc.get_threshold()[2], gc.get_freeze_count(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("in the kernel", gc.get_threshold()[2], flush=True)
"""


@contextmanager
def kernel_process() -> Iterator[tuple[Callable[[dict[str, Any]], None], Iterator[str]]]:
    """Give what sends a line to a kernel process, and the lines that it says; for half a minute."""
    with subprocess.Popen(
        [sys.executable, "-m", "callboard.cli", "kernel", "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        send, receive = process.stdin, process.stdout
        assert send is not None
        assert receive is not None
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()

        def say(line: dict[str, Any]) -> None:
            send.write(json.dumps(line) + "\n")
            send.flush()

        yield say, iter(receive)
        send.close()
        receive.read()
        watchdog.cancel()
    assert process.returncode == 0


def told_by_a_kernel(code: str, wanted: Callable[[str], bool]) -> list[str]:
    """Run a cell in a kernel process, and return the lines that it says up to one that is wanted."""
    told: list[str] = []
    with kernel_process() as (say, lines):
        say({"type": "execute-cells", "cellIds": ["a"], "codes": [code]})
        for line in lines:
            told.append(line)
            if wanted(line):
                break
    return told


@pytest.mark.slow
def test_a_kernel_process_collects_on_the_thread_of_the_notebooks_code() -> None:
    lines = told_by_a_kernel(NOTEBOOK, lambda line: "found on" in line)
    assert "found on MainThread" in lines[-1]
    assert any("command-settled" in line for line in lines), "after the cell, not in it"


HANGING = NOTEBOOK.replace(
    'print("found on", threading.current_thread().name, flush=True)', "hang()"
).replace(
    "class Lost",
    """\
def hang():
    print("hangs", flush=True)
    while True:
        pass

class Lost""",
)


@pytest.mark.slow
def test_a_destructor_that_hangs_in_a_sweep_is_interrupted() -> None:
    command = {"type": "execute-cells", "cellIds": ["a"], "codes": [HANGING]}
    after = {"type": "execute-cells", "cellIds": ["b"], "codes": ["print('goes on')"]}
    with kernel_process() as (say, lines):
        say(command)
        next(line for line in lines if "hangs" in line)
        say(after)
        assert any("goes on" in line for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_what_a_cell_forks_collects_as_any_process_does() -> None:
    text = "".join(told_by_a_kernel(FORKING, lambda line: "in the kernel" in line))
    usual = gc.get_threshold()[2]
    assert f"in the child {usual} 0" in text
    assert f"in the kernel {MIDDLE_COLLECTIONS}" in text
