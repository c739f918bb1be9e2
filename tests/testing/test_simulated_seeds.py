"""The simulation of the kernel: a fixed budget of seeds, and every seed that ever failed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from callboard.messages.commands import COMMANDS, StopKernelCommand, command_tag
from callboard.testing.faults import FAULTS
from callboard.testing.simulation import Scenario, simulate
from callboard.testing.simulation.steps import Send

BLOCKS = 4
BLOCK = 10
FAILED = [
    line.split()[0]
    for line in Path(__file__).with_name("failed_seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_promise_holds_under_a_fixed_budget_of_seeds(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        result = simulate(seed)
        assert result.passed, str(result)


@pytest.mark.parametrize("seed", FAILED)
def test_seeds_that_failed_once_do_not_fail_again(seed: str) -> None:
    result = simulate(int(seed))
    assert result.passed, str(result)


def test_the_seeds_of_the_budget_send_every_command_and_plan_every_fault() -> None:
    sent: Counter[str] = Counter()
    planned: Counter[str] = Counter()
    for seed in range(200):
        scenario = Scenario.of(seed)
        planned.update(fault.name for fault in scenario.plan.faults)
        sent[command_tag(scenario.workload.notebook)] += 1
        sent.update(
            command_tag(step.act.command)
            for step in [*scenario.workload.steps, *scenario.calm]
            if isinstance(step.act, Send)
        )
    # The command that ends the kernel ends every simulation.
    expected = {command_tag(command) for command in COMMANDS if command is not StopKernelCommand}
    assert expected - set(sent) == set()
    assert {name for name in FAULTS if FAULTS[name].simulated} - set(planned) == set()
