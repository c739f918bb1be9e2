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


def test_the_ratio_is_taken_within_a_round_and_its_median_counts() -> None:
    slow = Delays(0.01, 0.02, 0.01, 0.03, 100)
    # A machine that is slow for a whole round is slow for both.
    even = Delays(0.1, 0.2, 0.1, 0.21, 100)
    assert met([even, even, slow])[0]
    assert not met([even, slow, slow])[0]


def test_memory_above_the_bounds_fails() -> None:
    assert met([Delays(1, 1, 1, 1, 1)], grown=bounds())[1]
    assert not met([Delays(1, 1, 1, 1, 1)], grown=bounds() + 1)[1]


def test_a_healthy_subscriber_that_misses_something_fails() -> None:
    assert not met([Delays(1, 1, 1, 1, 1)], complete=COUNT - 1)[2]


@pytest.mark.slow
async def test_a_short_run_times_every_probe_at_every_subscriber() -> None:
    (found,) = await delays(1, 0.5, COUNT)
    # Two phases of half a second, twenty probes a second, ten subscribers.
    assert 0.5 * 200 <= found.count <= 1.5 * 200
    assert 0 < found.without_p50 <= found.without_p99
    assert 0 < found.with_p50 <= found.with_p99


@pytest.mark.slow
async def test_a_reader_that_does_not_read_is_cut_off_and_the_others_get_everything() -> None:
    found = await growth(40 * MEGABYTE, COUNT, bad=True)
    assert found.complete == COUNT
    assert found.cut_off >= 1
    assert 0 < found.grown <= bounds()
