"""Every fault by its name: it strikes, and no promise is broken by it."""

from __future__ import annotations

import pytest

from callboard.testing.faults import FAULTS, Fault, FaultPlan, Point
from callboard.testing.simulation import simulate

WITH_THREADS = ("storage", "datasets", "sql", "secrets", "cache")
DOMAINS = ("notebook", "ui", "functions", "packages")
_IN_BEHAVIOURS = (Point.HANDLER, Point.START, Point.STOP)


SIMULATED = sorted(name for name in FAULTS if FAULTS[name].simulated)


def domains_for(name: str) -> tuple[str, ...]:
    """The domains to aim a fault at: of the data domains, one in turn."""
    point, number = FAULTS[name].point, SIMULATED.index(name)
    if point is Point.THREAD:
        return WITH_THREADS
    if point not in _IN_BEHAVIOURS:
        return ("",)
    return (*DOMAINS, WITH_THREADS[number % len(WITH_THREADS)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SIMULATED)
def test_every_promise_holds_under(name: str) -> None:
    fired = 0
    for seed, domain in enumerate(domains_for(name)):
        result = simulate(seed, plan=FaultPlan.of(name, domain=domain), size=25)
        assert result.passed, str(result)
        fired += result.fired[name]
    assert fired, f"{name} never struck"


@pytest.mark.slow
@pytest.mark.parametrize("domain", WITH_THREADS)
def test_a_domain_outlives_that_all_its_threads_hang_or_cannot_be_started(domain: str) -> None:
    for name in ("hung-worker-thread", "exhausted-thread-pool"):
        fired = 0
        for seed in range(2):
            plan = FaultPlan((Fault(name, domain, times=9),))
            result = simulate(seed, plan=plan, size=25)
            assert result.passed, str(result)
            fired += result.fired[name]
        assert fired, f"{name} never struck in {domain}"


@pytest.mark.slow
@pytest.mark.parametrize("domain", [*DOMAINS, *WITH_THREADS])
def test_a_command_may_be_cancelled_at_every_checkpoint_of_its_handler(domain: str) -> None:
    struck = []
    for checkpoint in range(1, 4 if domain in WITH_THREADS else 8):
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
