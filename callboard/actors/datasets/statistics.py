"""Statistics of a column. For the thread that the column may be read on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from callboard.actors.datasets.primitives import primitive
from callboard.actors.datasets.queries import VALUE, Column, narwhals, one_row, rows
from callboard.messages.payloads import ColumnStats

PERCENTILES: Final = {"p5": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95}


def count_rows(column: Column) -> int:
    """Count the rows of a column."""
    nw = narwhals()
    return int(one_row(column.frame, [nw.len().alias("total")])[0])


def column_stats(column: Column, total: int, *, unique_numbers: bool = False) -> ColumnStats:
    """Summarise a column of ``total`` rows, at least one, as befits its type.

    What a library cannot compute is left out only where it is the mean of points in time; any other failure raises
    what the library raises. ``unique_numbers``: also count the distinct ones among numbers.
    """
    return _BY_TYPE.get(column.type, _counts)(column, total, unique_numbers)


def _col() -> Any:
    return narwhals().col(VALUE)


def _nulls(column: Column) -> int:
    return int(one_row(column.frame, [_col().is_null().sum().alias("nulls")])[0] or 0)


def _counts(column: Column, total: int, unique_numbers: bool) -> ColumnStats:
    # Lists and other nested values cannot be counted apart by every library; databases can.
    unique = _unique(column) if column.is_sql else None
    return ColumnStats(total=total, nulls=_nulls(column), unique=unique)


def _unique(column: Column) -> int:
    """Count the distinct values, null not being one."""
    return int(one_row(column.present, [_col().n_unique().alias("unique")])[0] or 0)


def _strings(column: Column, total: int, unique_numbers: bool) -> ColumnStats:
    return ColumnStats(total=total, nulls=_nulls(column), unique=_unique(column))


def _booleans(column: Column, total: int, unique_numbers: bool) -> ColumnStats:
    true = int(one_row(column.present, [_col().cast(narwhals().Int64).sum().alias("true")])[0] or 0)
    nulls = _nulls(column)
    return ColumnStats(total=total, nulls=nulls, true=true, false=total - nulls - true)


def _numbers(column: Column, total: int, unique_numbers: bool) -> ColumnStats:
    col = _col().cast(narwhals().Float64) if column.is_decimal else _col()
    present = column.present.select(col.alias(VALUE))
    if not column.is_sql:
        present = present.collect()
    asked = {
        "count": _col().count(),
        "min": _col().min(),
        "max": _col().max(),
        "mean": _col().mean(),
        "std": _col().std(),
    }
    row = one_row(present.lazy(), [value.alias(name) for name, value in asked.items()])
    found: dict[str, Any] = dict(zip(asked, row, strict=True))
    count = int(found.pop("count"))
    nulls = _nulls(column) if column.is_float else total - count
    if not count:
        return ColumnStats(total=total, nulls=nulls)
    found |= _percentiles(present, count) if column.is_sql else _selected(present[VALUE])
    whole = column.type == "integer"
    numbers: dict[str, Any] = {
        name: _number(value, whole and name not in _AVERAGES) for name, value in found.items()
    }
    unique = _unique(column) if unique_numbers else None
    return attrs.evolve(ColumnStats(total=total, nulls=nulls, unique=unique), **numbers)


_AVERAGES: Final = frozenset({"mean", "median", "std"})


def _number(value: Any, whole: bool) -> int | float | None:
    if value is None:
        return None
    if whole:
        # Libraries interpolate in floating point even where "nearest" gives a value of the column.
        return int(value)
    number = float(value)
    return None if math.isnan(number) else number


def _selected(series: Any) -> dict[str, Any]:
    """Return the percentiles of a column in memory."""
    if series.implementation.is_polars():
        # polars selects in a series of one chunk, but sorts several chunks and sorts in a query: 0.3 s against 4 s
        # for 30 million numbers.
        series = narwhals().from_native(series.to_native().rechunk(), series_only=True)
    found = {name: series.quantile(q, interpolation="nearest") for name, q in PERCENTILES.items()}
    # As a percentile, since polars keeps the GIL for all of a median: 0.6 s for 30 million numbers.
    return {**found, "median": series.quantile(0.5, interpolation="linear")}


def _percentiles(frame: Any, count: int) -> dict[str, Any]:
    """Return the percentiles of a column without nulls by looking up the rows they fall on, in sorted order.

    Databases have no percentile of this kind in common.
    """
    nw = narwhals()
    places = {name: math.floor((count - 1) * q + 0.5) for name, q in PERCENTILES.items()}
    wanted = sorted(set(places.values()))
    in_order = frame.with_row_index("place", order_by=VALUE)
    found = dict(rows(in_order.filter(nw.col("place").is_in(wanted)).select("place", VALUE)))
    (median,) = one_row(frame, [_col().median().alias("median")])
    return {**{name: found[place] for name, place in places.items()}, "median": median}


def _points_in_time(column: Column, total: int, unique_numbers: bool) -> ColumnStats:
    least, most = one_row(column.frame, [_col().min().alias("min"), _col().max().alias("max")])
    mean = None
    with contextlib.suppress(Exception):
        # The extremes are worth showing where a library has no mean of times.
        mean = _mean_time(column, least)
    return ColumnStats(
        total=total,
        nulls=_nulls(column),
        min=primitive(_plain_time(least)),
        max=primitive(_plain_time(most)),
        mean=primitive(mean),
    )


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _mean_time(column: Column, least: Any) -> object:
    if column.is_duration or column.type == "time" or not isinstance(least, date):
        return None
    nw = narwhals()
    moment = _col().cast(nw.Datetime("us")) if column.type == "date" else _col()
    (mean,) = one_row(column.present, [moment.dt.timestamp("ms").mean().alias("mean")])
    at = _EPOCH + timedelta(milliseconds=round(float(mean)))
    if column.type == "date":
        return at.date()
    return (
        at.astimezone(ZoneInfo(column.time_zone)) if column.time_zone else at.replace(tzinfo=None)
    )


def _plain_time(value: Any) -> object:
    """Return a library's own kind of time, such as pandas's, as Python's; what is no time stays."""
    convert = getattr(value, "to_pydatetime", None) or getattr(value, "to_pytimedelta", None)
    return value if convert is None or value != value else convert()


_BY_TYPE: Final[dict[str, Callable[[Column, int, bool], ColumnStats]]] = {
    "string": _strings,
    "boolean": _booleans,
    "integer": _numbers,
    "number": _numbers,
    "date": _points_in_time,
    "datetime": _points_in_time,
    "time": _points_in_time,
}
