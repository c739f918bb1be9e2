"""What goes wrong in one domain adds nothing to a tick, to the very microsecond of virtual time."""

from __future__ import annotations

import pytest
import trio

from callboard.kernel import Outside, open_kernel
from callboard.messages.commands import InstallPackagesCommand
from callboard.runtime import Outcome
from callboard.testing.driver import Driver, create, tick
from callboard.testing.faults import Fault, FaultPlan, Faults
from callboard.testing.record import Record
from callboard.testing.simulation import open_world, run_seeded

CELLS = {
    "a": "import asyncio\nimport callboard as cb\ns = cb.ui.slider(0, 99)",
    "b": "await asyncio.sleep(0.02)\nx = s.value",
}
TROUBLES = (
    Fault("installer-hung"),
    Fault("installer-flood"),
    Fault("installer-killed"),
    Fault("handler-crash", "packages"),
    Fault("crash-loop", "packages", times=8),
    Fault("handler-hang", "packages"),
    Fault("start-crash", "packages", times=3),
)


async def _latencies(seed: int, plan: FaultPlan) -> list[float]:
    latencies = []
    async with open_world(seed, plan, Record()) as world:
        await world.post(create(CELLS)).wait()
        for number in range(12):
            world.post(InstallPackagesCommand("pip", {f"callboard-sim-{number}": ""}), timeout=9)
        for value in range(20):
            began = trio.current_time()
            end = await world.post(tick({"a-0": value}, token=f"t{value}")).wait()
            assert end.outcome is Outcome.COMPLETED
            latencies.append(round(trio.current_time() - began, 6))
            await trio.sleep(0.05)
        assert not plan.faults or world.faults.fired
        await world.settle()
    assert not world.violations
    return latencies


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_tick_takes_as_long_as_its_cells_whatever_happens_to_an_installation(
    trouble: Fault,
) -> None:
    for seed in range(3):
        assert run_seeded(seed, _latencies, seed, FaultPlan((trouble,)))[0] == [0.02] * 20


async def test_a_plan_of_faults_strikes_in_a_kernel_on_real_time_too() -> None:
    faults = Faults(FaultPlan.of("handler-crash", domain="ui"))
    async with open_kernel(outside=Outside(around=faults.around)) as kernel:
        driver = Driver(kernel)
        await driver.create({**CELLS, "b": "x = s.value"})
        first = await driver.post(tick({"a-0": 1})).wait()
        second = await driver.post(tick({"a-0": 2})).wait()
        assert (first.outcome, second.outcome) == (Outcome.FAILED, Outcome.COMPLETED)
        assert driver.news().values["x"] == "2"
    assert faults.fired == {"handler-crash": 1}
