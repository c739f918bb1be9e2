from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.datasets.charts import MAX_BINS, plan_histogram, plan_timeline

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.booleans())
def test_any_range_is_covered_by_few_bins(one: float, other: float, whole: bool) -> None:
    least, most = sorted([one, other])
    if whole:
        least, most = float(math.floor(least)), float(math.ceil(most))
    plan = plan_histogram(least, most, whole=whole)
    assert plan.width > 0
    assert math.isfinite(plan.width)
    first, last = math.floor(least / plan.width), math.floor(most / plan.width)
    assert 0 <= last - first <= MAX_BINS
    if whole:
        assert plan.width >= 1


def test_bins_begin_at_round_numbers() -> None:
    assert plan_histogram(3.1, 96.9).width == 5.0
    assert plan_histogram(1, 6, whole=True).width == 1.0
    assert plan_histogram(7.0, 7.0).width == 1.0
    assert plan_histogram(7, 7, whole=True).width == 1.0
    assert plan_histogram(0.0, 0.0).width == 0.1


@given(
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)),
)
def test_a_timeline_has_few_points(least: datetime, length: timedelta) -> None:
    try:
        most = least + length
    except OverflowError:
        return
    plan = plan_timeline(least, most, least.tzinfo is not None)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "mo": 30 * 86_400, "y": 365 * 86_400}
    digits = plan.every.rstrip("smhdoy")
    seconds = int(digits) * units[plan.every.removeprefix(digits)]
    assert length / timedelta(seconds=seconds) <= 2.6 * MAX_BINS


@pytest.mark.parametrize(
    ("days", "every"), [(0, "1d"), (90, "1d"), (365, "1mo"), (36_500, "1y"), (3_600_000, "100y")]
)
def test_dates_are_not_split_into_hours(days: int, every: str) -> None:
    assert plan_timeline(date(1, 1, 1), date(1, 1, 1) + timedelta(days=days)).every == every
