"""Making a failing scenario small: what can be left out, while it still fails, is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from callboard.testing.simulation.run import Result, Scenario, play
from callboard.testing.simulation.steps import Step
from callboard.testing.simulation.workload import Workload


def shrink(
    failing: Result,
    *,
    attempts: int = 300,
    broken: Callable[[Result], bool] = lambda result: not result.passed,
) -> Result:
    """Leave out faults and steps for as long as ``broken`` says that it still fails; returns the smallest failure.

    Runs at most ``attempts`` simulations. Not to be called in a trio run. What is left may fail in another way than
    what it came from: ``broken`` decides what counts.
    """
    best, left = failing, attempts
    improved = broken(failing)
    while improved and left > 0:
        improved = False
        for smaller in _smaller(best.scenario):
            if left == 0:
                break
            left -= 1
            result = play(smaller)
            if broken(result):
                best, improved = result, True
                break
    return best


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with something left out, the smallest first."""
    for fault in scenario.plan.faults:
        yield attrs.evolve(scenario, plan=scenario.plan.without(fault))
    for calm in _parts(scenario.calm):
        yield attrs.evolve(scenario, calm=calm)
    for steps in _parts(scenario.workload.steps):
        yield attrs.evolve(scenario, workload=Workload(scenario.workload.notebook, steps))


def _parts(steps: list[Step]) -> Iterator[list[Step]]:
    """The steps without one stretch of them, long stretches first."""
    length = len(steps)
    while length >= 1:
        for start in range(0, len(steps), length):
            yield steps[:start] + steps[start + length :]
        length //= 2
