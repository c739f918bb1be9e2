"""A failure is made small: what it does not need is left out, and what is left fails still."""

from __future__ import annotations

from callboard.testing.faults import FaultPlan
from callboard.testing.simulation import Result, shrink, simulate
from callboard.testing.simulation.bugs import planted
from callboard.testing.simulation.steps import Send


def _merged_across(result: Result) -> bool:
    return any("were merged across" in text for text in result.violations)


def test_a_failure_keeps_only_the_steps_it_needs() -> None:
    with planted("tick moved"):
        failing = next(
            result
            for seed in range(30)
            if _merged_across(result := simulate(seed, plan=FaultPlan.of("gil-held"), size=20))
        )
        small = shrink(failing, attempts=120, broken=_merged_across)
    assert _merged_across(small)
    assert not small.scenario.plan.faults
    steps = [*small.scenario.workload.steps, *small.scenario.calm]
    # Two ticks, what must not be passed, and at most two things that keep the kernel busy meanwhile.
    assert 2 <= len(steps) <= 5
    assert sum(isinstance(step.act, Send) for step in steps) >= 2


def test_what_does_not_fail_is_not_made_smaller() -> None:
    passing = simulate(0, size=6)
    assert shrink(passing, attempts=20) is passing
