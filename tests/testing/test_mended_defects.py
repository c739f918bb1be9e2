"""What the simulation has found in the kernel, each as the shortest script that shows it."""

from __future__ import annotations

import gc
import linecache
import warnings

import trio

from callboard.runtime import Outcome
from callboard.testing.driver import create, tick
from callboard.testing.faults import Fault, FaultPlan
from callboard.testing.simulation import NotebookValues, World, explore

CELLS = {
    "a": "import asyncio\nimport callboard as cb\ns = cb.ui.slider(0, 99)",
    "b": "await asyncio.sleep(0.05)\nb = s.value",
    "c": "c = (s.value, b)[0]",
}


def test_cells_left_to_a_tick_run_although_the_ui_domain_goes_down_before_it() -> None:
    # The refusal of a down domain was taken for one more tick that had gone, and so on without end.
    plan = FaultPlan((Fault("crash-loop", "ui", nth=2, times=8),))

    async def drag(world: World) -> None:
        await world.post(create(CELLS)).wait()
        first = world.post(tick({"a-0": 1}, token="1"))
        await trio.sleep(0.02)
        second = world.post(tick({"a-0": 2}, token="2"))
        assert (await first.wait()).outcome is Outcome.SUPERSEDED
        assert (await second.wait()).outcome is Outcome.FAILED
        await trio.sleep(10)
        assert world.kernel._supervisor.state("ui") == "down"
        assert world.kernel.ledger.listener_errors == 0
        assert await world.settle()
        values = NotebookValues.of(world.kernel)
        assert values.variables == {"b": 1, "c": 1}
        assert not values.owed

    explore(drag, plan=plan, seeds=range(8))


def test_an_async_callback_that_an_interrupt_comes_before_is_closed() -> None:
    # It had been wrapped in a coroutine that was never begun, and so was never closed itself.
    source = """
import asyncio
import callboard as cb
async def later(value):
    await asyncio.sleep(1)
s = cb.ui.slider(0, 9, on_change=later)
t = cb.ui.slider(0, 9, on_change=later)
"""

    async def interrupt(world: World) -> None:
        await world.post(create({"a": source})).wait()
        end = world.post(tick({"a-0": 1, "a-1": 2}, token="1"))
        run_soon = world.kernel._turns
        while run_soon.current is None:
            await trio.lowlevel.checkpoint()
        world.interrupt()
        await end.wait()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explore(interrupt, seeds=range(30))
        gc.collect()


def test_a_kernel_that_has_ended_leaves_no_source_lines_of_its_cells_behind() -> None:
    # One process may open any number of kernels, and `linecache` is the process's.
    async def fail(world: World) -> None:
        await world.post(create({**CELLS, "d": "1 / 0", "e": "("})).wait()

    before = set(linecache.cache)
    explore(fail, seeds=range(2))
    left = [name for name in set(linecache.cache) - before if name.startswith("<")]
    assert left == []
