"""What a chart of a column shows: counts per bin or value, made where the data is, a few dozen rows whatever its size.

The plan of a chart is pure; ``counts`` runs it on the thread that the column may be read on.
"""

from __future__ import annotations

import math
import sys
from datetime import date, datetime, timedelta
from typing import Final

import attrs

from callboard.actors.datasets.primitives import Primitive, primitive
from callboard.actors.datasets.queries import VALUE, Column, narwhals, one_row, rows

MAX_BINS: Final = 40
TOP: Final = 10
"""Distinct texts that a chart shows, the most frequent ones."""


@attrs.frozen
class Histogram:
    """Numbers counted in intervals of one width, of which zero is an edge."""

    width: float
    is_float: bool = False
    """Whether there may be infinities, which are left out."""


@attrs.frozen
class Timeline:
    """Points in time counted by calendar units."""

    every: str
    """As narwhals and polars write it, such as ``3mo``."""
    is_date: bool
    has_zone: bool


@attrs.frozen
class Categories:
    """Texts or truth values counted, the most frequent first."""

    only_top: bool
    """Whether there are more than shown."""


Plan = Histogram | Timeline | Categories


def plan_chart(column: Column) -> Plan | None:
    """Decide how to chart a column; None for types without a chart, and for columns that hold nothing.

    Asks the column for its extremes, or for how many distinct values it has.
    """
    nw = narwhals()
    col = nw.col(VALUE)
    if column.is_binary:
        return None
    if column.type in {"string", "boolean"}:
        distinct = int(one_row(column.present, [col.n_unique().alias("n")])[0] or 0)
        return Categories(distinct > TOP) if distinct else None
    if column.type in {"integer", "number"}:
        if column.is_decimal:
            col = col.cast(nw.Float64)
        present = column.present
        if column.is_float:
            present = present.filter(nw.col(VALUE).is_finite())
        least, most = one_row(present, [col.min().alias("min"), col.max().alias("max")])
        if least is None or most is None or math.isnan(least):
            return None
        return plan_histogram(
            float(least), float(most), whole=column.type == "integer", is_float=column.is_float
        )
    if column.type in {"date", "datetime"} and not column.is_duration:
        least, most = one_row(column.present, [col.min().alias("min"), col.max().alias("max")])
        if not isinstance(least, date) or not isinstance(most, date) or least != least:
            return None
        return plan_timeline(least, most, bool(column.time_zone))
    return None


def plan_histogram(
    least: float, most: float, *, whole: bool = False, is_float: bool = False
) -> Histogram:
    """Divide a range into at most ``MAX_BINS`` intervals whose width is 1, 2 or 5 times a power of ten."""
    magnitude = max(abs(least), abs(most))
    if least == most:
        smallest = 1.0 if whole else magnitude / 10
    else:
        # Halved, since the range of all floating-point numbers is none of them.
        smallest = (most / 2 - least / 2) / (MAX_BINS / 2 - 0.5)
    # What is narrower, arithmetic cannot tell apart for sure.
    smallest = max(smallest, magnitude * 1e-9)
    if smallest < sys.float_info.min:
        smallest = 1.0 if whole else 0.1
    power = 10.0 ** math.floor(math.log10(smallest))
    width = next((step * power for step in (1, 2, 5) if step * power >= smallest), 10 * power)
    if not math.isfinite(width):
        width = smallest
    return Histogram(max(1.0, width) if whole else width, is_float)


_UNITS: Final = (
    ("1s", 1),
    ("5s", 5),
    ("15s", 15),
    ("1m", 60),
    ("5m", 300),
    ("15m", 900),
    ("1h", 3600),
    ("6h", 21_600),
    ("1d", 86_400),
    ("1mo", 2_678_400),
    ("3mo", 8_035_200),
    ("1y", 31_622_400),
    ("5y", 158_112_000),
    ("10y", 316_224_000),
)


def plan_timeline(least: date, most: date, has_zone: bool = False) -> Timeline:
    """Choose the calendar unit that gives at most 2.5 times ``MAX_BINS`` points, if one does."""
    is_date = not isinstance(least, datetime)
    seconds = (most - least) / timedelta(seconds=1)
    room = 2.5 * MAX_BINS
    every = next(
        (
            unit
            for unit, length in _UNITS
            if seconds / length <= room and not (is_date and length < 86_400)
        ),
        "100y",
    )
    return Timeline(every, is_date, has_zone)


def counts(column: Column, plan: Plan) -> list[dict[str, Primitive]]:
    """Count as planned and return the rows of the chart: ``value`` or ``start`` (and ``end``), and ``rows``."""
    nw = narwhals()
    col, number = nw.col(VALUE), nw.len().alias("rows")
    present = column.present
    if isinstance(plan, Categories):
        grouped = present.group_by(VALUE).agg(number)
        found = rows(grouped.sort("rows", VALUE, descending=[True, False]).head(TOP))
        return [{"value": primitive(value), "rows": int(count)} for value, count in found]
    if isinstance(plan, Timeline):
        moment = col.cast(nw.Datetime("us")) if plan.is_date else col
        if plan.has_zone:
            moment = moment.dt.replace_time_zone(None)
        start = moment.dt.truncate(plan.every)
        grouped = present.select(start.alias("start")).group_by("start").agg(number)
        found = rows(grouped.sort("start"))
        return [{"start": f"{at:%Y-%m-%dT%H:%M:%S}", "rows": int(count)} for at, count in found]
    if column.is_float:
        present = present.filter(col.is_finite())
    place = (col.cast(nw.Float64) / plan.width).floor()
    found = rows(present.select(place.alias("bin")).group_by("bin").agg(number).sort("bin"))
    return [
        {"start": _edge(at, plan), "end": _edge(at + 1, plan), "rows": int(count)}
        for at, count in found
    ]


def _edge(place: float, plan: Histogram) -> float:
    """Return an edge without the dust of floating-point arithmetic."""
    edge = float(f"{place * plan.width:.12g}")
    return max(-sys.float_info.max, min(edge, sys.float_info.max))
