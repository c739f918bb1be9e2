"""What the benchmark of many subscribers calls a pass, and that it measures what it says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.gauges import MEGABYTE
from benchmarks.subscribers import Delays, Growth, bounds, delays, growth, verdicts

COUNT = 10


def met(
    found: Sequence[Delays], grown: int = MEGABYTE, complete: int = COUNT, cut_off: int = 1
) -> list[bool]:
    """Delay, memory, completeness."""
    without = Growth(200 * MEGABYTE, MEGABYTE, 0, COUNT)
    beside = Growth(200 * MEGABYTE, grown, cut_off, complete)
    return [verdict.met for verdict in verdicts(found, without, beside, COUNT)]


def test_all_rounds_together_count_and_each_shows_the_spread() -> None:
    good, bad = Delays(0.01, 0.02, 0.01, 0.024, 100), Delays(0.01, 0.02, 0.01, 0.025, 100)
    assert met([good, bad, bad])[0]
    assert not met([bad, good, good])[0]


def test_percentiles_are_of_the_phases_they_are_named_after() -> None:
    found = Delays.of([0.01] * 98 + [0.02] * 2, [0.01] * 98 + [0.05] * 2)
    assert (found.without_p50, found.without_p99) == (0.01, 0.02)
    assert (found.with_p50, found.with_p99) == (0.01, 0.05)
    assert found.ratio == pytest.approx(2.5)
    assert found.count == 200


def test_memory_above_the_bounds_fails() -> None:
    assert met([Delays(1, 1, 1, 1, 1)] * 2, grown=bounds())[1]
    assert not met([Delays(1, 1, 1, 1, 1)] * 2, grown=bounds() + 1)[1]


def test_a_healthy_subscriber_that_misses_something_fails() -> None:
    assert not met([Delays(1, 1, 1, 1, 1)] * 2, complete=COUNT - 1)[2]


@pytest.mark.slow
async def test_a_short_run_times_every_probe_at_every_subscriber() -> None:
    found, only = await delays(1, 0.5, COUNT)
    assert found == only
    # Two phases of half a second, forty probes a second, ten subscribers.
    assert 0.5 * 400 <= found.count <= 1.5 * 400
    assert 0 < found.without_p50 <= found.without_p99
    assert 0 < found.with_p50 <= found.with_p99


@pytest.mark.slow
async def test_a_reader_that_does_not_read_is_cut_off_and_the_others_get_everything() -> None:
    found = await growth(40 * MEGABYTE, COUNT, bad=True)
    assert found.complete == COUNT
    assert found.cut_off >= 1
    assert 0 < found.grown <= bounds()
