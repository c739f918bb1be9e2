"""Every fault by its name: it strikes, and no promise is broken by it."""

from __future__ import annotations

import pytest

from callboard.testing.faults import FAULTS, Fault, FaultPlan, Point
from callboard.testing.simulation import simulate

DOMAINS = ("notebook", "ui", "functions", "packages")
_IN_BEHAVIOURS = (Point.HANDLER, Point.START, Point.STOP)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in FAULTS if FAULTS[name].simulated))
def test_every_promise_holds_under(name: str) -> None:
    domains = DOMAINS if FAULTS[name].point in _IN_BEHAVIOURS else ("",)
    fired = 0
    for seed, domain in enumerate(domains):
        result = simulate(seed, plan=FaultPlan.of(name, domain=domain), size=25)
        assert result.passed, str(result)
        fired += result.fired[name]
    assert fired, f"{name} never struck"


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_command_may_be_cancelled_at_every_checkpoint_of_its_handler(domain: str) -> None:
    struck = []
    for checkpoint in range(1, 12):
        fault = Fault("cancel-at-checkpoint", domain, nth=2, checkpoint=checkpoint)
        result = simulate(checkpoint, plan=FaultPlan((fault,)), size=15)
        assert result.passed, str(result)
        struck.append(bool(result.fired[fault.name]))
    assert struck[0]


def test_a_fault_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no fault 'handler-crush'; there are handler-crash"):
        FaultPlan.of("handler-crush")


def test_plans_add_up_and_say_what_they_hold() -> None:
    plan = FaultPlan.of("gil-held") + FaultPlan.of("handler-crash", domain="ui")
    assert str(plan) == "gil-held at 1; handler-crash in ui at 1"
    assert str(plan.without(plan.faults[0])) == "handler-crash in ui at 1"
    assert str(FaultPlan()) == "none"
