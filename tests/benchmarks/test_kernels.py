"""What the benchmark of many kernels calls a pass, and that it measures what it says."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd, Plan, run, scenario_for
from benchmarks.drag import CALLBOARD
from benchmarks.kernels import TUNED, Summary, measure, verdicts, worst_median
from benchmarks.scenario import Tick

PLAN = Plan("callboard", 3, 1.0, 5.0)


def crowd(
    *, start: float = 1.0, pss: float = 1e6, busy: tuple[float, ...] = (0.01, 0.01, 0.01)
) -> Crowd:
    return Crowd("k", [start] * 3, [pss] * 3, [pss] * 3, [pss] * 3, [[0.01]], [list(busy)] * 2)


def met(rival: Crowd, ours: Crowd, *, tuned: Crowd | None = None) -> dict[str, bool]:
    """Every verdict by what it is about."""
    summaries = {
        CALLBOARD: Summary.of(CALLBOARD, PLAN, [ours]),
        "rival": Summary.of("rival", PLAN, [rival]),
        TUNED: Summary.of(TUNED, PLAN, [tuned or crowd()]),
    }
    return {verdict.requirement: verdict.met for verdict in verdicts(summaries, "rival")}


def failed(rival: Crowd, ours: Crowd, *, tuned: Crowd | None = None) -> list[str]:
    return [what for what, passed in met(rival, ours, tuned=tuned).items() if not passed]


def test_a_crowd_like_the_rivals_passes() -> None:
    assert failed(crowd(), crowd()) == []


def test_each_measure_on_which_the_rival_is_better_fails() -> None:
    (start,) = failed(crowd(), crowd(start=1.1))
    assert "starts no slower" in start
    (memory,) = failed(crowd(), crowd(pss=1.1e6))
    assert "memory" in memory
    (p99,) = failed(crowd(), crowd(busy=(0.01, 0.01, 0.02)))
    assert "p99" in p99


def test_one_kernel_that_starves_fails_however_well_the_others_fare() -> None:
    starved = crowd()
    starved.busy = [[0.01] * 1000, [0.01, 0.2, 0.3]]
    rival = crowd(busy=(1.0,))
    (found,) = failed(rival, starved)
    assert "each kernel's median" in found
    assert worst_median(starved.busy) == 0.2


def test_ticks_count_by_when_they_were_sent_and_none_around_the_edges() -> None:
    found = Crowd("k")
    times = (0.1, 1.1, 1.3, 1.9, 2.1, 2.3, 2.9, 3.4)  # the loop lasts from 1.5 to 2.5
    found.add([Tick(n, at, at + n, at + n) for n, at in enumerate(times, 1)], 1.0)
    assert found.quiet == [pytest.approx([1, 2, 7, 8])]
    assert found.busy == [pytest.approx([4, 5])]


def test_a_tick_never_shown_took_for_ever() -> None:
    found = Crowd("k")
    found.add([Tick(1, 0.1)], 1.0)
    assert found.quiet == [[inf]]


def test_only_the_first_kernel_is_a_busy_neighbour_and_the_others_are_staggered() -> None:
    scenarios = [scenario_for(place, PLAN) for place in range(3)]
    assert [len(scenario.commands) for scenario in scenarios] == [1, 0, 0]
    assert len({scenario.drag.start for scenario in scenarios[1:]}) == 2


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_run_measures_kernels_of_one_process() -> None:
    found = run(Plan("embedded", 3, 0.8, 10.0))
    assert len(found.starts) == 3
    assert [len(waits) > 1 for waits in found.quiet + found.busy] == [True] * 4
    assert max(wait for waits in found.quiet for wait in waits) < inf


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_run_measures_kernel_processes() -> None:
    found = measure(Path(sys.executable), Plan("callboard", 2, 0.8, 10.0))
    assert len(found.starts) == len(found.rss) == len(found.uss) == 2
    assert min(found.uss) > 1e6
    assert [len(waits) > 1 for waits in found.quiet + found.busy] == [True] * 2
