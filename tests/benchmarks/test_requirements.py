"""What the drag benchmark calls a pass."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from benchmarks.requirements import Figures, verdicts
from benchmarks.scenario import Answer, Drag, Result, Scenario, Tick

IDLE = Scenario("idle-5ms", "", {}, Drag(0.0, 1.0, 100.0))
HUNG = Scenario("hung-5ms", "", {}, Drag(0.0, 1.0, 100.0), disturbed=0.5, undisturbed="idle-5ms")
ALTERNATING = Scenario(
    "alternating-50ms", "", {}, Drag(0.0, 1.0, 100.0), interleaved={"type": "model"}
)
BUSY = Scenario("busy-5ms", "", {}, Drag(0.0, 1.0, 100.0))


def played(
    scenario: Scenario,
    waits: Sequence[float | None],
    *,
    runs: int = 0,
    answers: Sequence[Answer] = (),
) -> Figures:
    """Figures of one round whose ticks, a hundredth of a second apart, took so long."""
    ticks = [
        Tick(number, number / 100, wait and number / 100 + wait, wait and number / 100 + wait)
        for number, wait in enumerate(waits)
    ]
    return Figures(scenario, [Result(scenario.name, "k", "3.11", ticks, answers, {"view": runs})])


def met(*figures: Figures) -> dict[str, bool]:
    judged = verdicts({found.scenario.name: found for found in figures})
    return {verdict.requirement.partition(":")[2].strip()[:10]: verdict.met for verdict in judged}


def test_a_disturbance_may_cost_a_fifth_of_the_idle_p99_and_no_more() -> None:
    idle = played(IDLE, [0.010] * 100)
    assert met(idle, played(HUNG, [0.0119] * 100))["p99 within"]
    assert not met(idle, played(HUNG, [0.0121] * 100))["p99 within"]


def test_ticks_outside_a_disturbance_do_not_count() -> None:
    idle = played(IDLE, [0.010] * 100)
    assert met(idle, played(HUNG, [0.9] * 50 + [0.01] * 50))["p99 within"]
    over = Answer("listing", 0.5, 0.75)
    assert met(idle, played(HUNG, [0.9] * 50 + [0.01] * 26 + [0.9] * 24, answers=[over]))[
        "p99 within"
    ]


def test_the_time_before_a_disturbance_is_idle_as_well() -> None:
    scenario = attrs.evolve(HUNG, drag=Drag(0.0, 6.0, 100.0), disturbed=5.0)
    settling, lead = [0.9] * 100, [0.020] * 400
    idle = played(IDLE, [0.010] * 100)
    assert met(idle, played(scenario, [*settling, *lead, *[0.0239] * 100]))["p99 within"]
    assert not met(idle, played(scenario, [*settling, *lead, *[0.0241] * 100]))["p99 within"]
    short = attrs.evolve(scenario, disturbed=3.0)
    assert not met(idle, played(short, [*settling, *lead, *[0.0239] * 100]))["p99 within"]


def test_a_disturbance_that_never_was_is_no_pass() -> None:
    refused = Answer("listing", 0.5, 0.501, "rejected: no such domain")
    figures = played(HUNG, [0.01] * 50, answers=[refused])
    (verdict,) = [
        v
        for v in verdicts({"idle-5ms": played(IDLE, [0.01] * 10), "hung-5ms": figures})
        if v.requirement.startswith("hung")
    ]
    assert not verdict.met
    assert "no such domain" in verdict.measured


def test_a_last_value_never_shown_fails_in_whatever_round() -> None:
    shown = played(IDLE, [0.01, 0.01])
    lost = played(IDLE, [0.01, None])
    both = attrs.evolve(shown, results=[*shown.results, *lost.results])
    assert [v.met for v in verdicts({"idle-5ms": shown})] == [True]
    assert [v.met for v in verdicts({"idle-5ms": both})] == [False]


def test_alternating_ticks_may_run_a_cell_five_times_more_than_fits() -> None:
    assert met(played(ALTERNATING, [0.1] * 100, runs=25))["at most 25"]
    assert not met(played(ALTERNATING, [0.1] * 100, runs=26))["at most 25"]
    assert not met(played(ALTERNATING, [0.1] * 99 + [0.16]))["the last v"]


def test_other_domains_have_to_answer_while_a_cell_runs() -> None:
    busy = Answer("execute-cells", 0.1, 5.1)
    prompt, late = Answer("list-secret-keys", 1.0, 1.05), Answer("list-secret-keys", 1.0, 5.0)
    assert met(played(BUSY, [0.1], answers=[busy, prompt]))["other doma"]
    assert not met(played(BUSY, [0.1], answers=[busy, late]))["other doma"]
    refused = Answer("list-secret-keys", 1.0, 1.05, "rejected: no such domain")
    assert not met(played(BUSY, [0.1], answers=[busy, refused]))["other doma"]
