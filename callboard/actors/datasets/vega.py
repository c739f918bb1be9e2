"""Counts to a chart: the vega-lite text for the client, and the code that draws the same in a cell."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import Any

from callboard.actors.datasets.charts import TOP, Categories, Histogram, Plan, Timeline
from callboard.actors.datasets.primitives import Primitive

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
HEIGHT = 100
"""Pixels; the width is the client's."""


def altair_is_installed() -> bool:
    """Whether altair is there for the code that draws a chart. Does not import it, which takes 0.3 s."""
    if "altair" in sys.modules:
        return sys.modules["altair"] is not None
    return find_spec("altair") is not None


def title(plan: Plan, name: str) -> str:
    """Say what the axis of values shows."""
    if isinstance(plan, Categories) and plan.only_top:
        return f"{name} (the {TOP} most frequent)"
    return name


def chart_spec(plan: Plan, name: str, counts: list[dict[str, Primitive]]) -> str:
    """Return a chart of the counts of the column ``name`` as vega-lite JSON text: what altair makes of `chart_code`."""
    chart = {
        "$schema": SCHEMA,
        "data": {"values": counts},
        "mark": {"type": "bar"},
        "encoding": _encoding(plan, title(plan, name)),
        "width": "container",
        "height": HEIGHT,
    }
    return json.dumps(chart, allow_nan=False)


def _encoding(plan: Plan, heading: str) -> dict[str, Any]:
    rows = {"field": "rows", "type": "quantitative", "title": "rows"}
    tip_rows = {**rows, "format": ","}
    if isinstance(plan, Histogram):
        start = {"field": "start", "type": "quantitative"}
        end = {"field": "end", "type": "quantitative"}
        return {
            "x": {**start, "bin": "binned", "title": heading},
            "x2": {"field": "end"},
            "y": rows,
            "tooltip": [{**start, "title": "from"}, {**end, "title": "to"}, tip_rows],
        }
    if isinstance(plan, Timeline):
        start = {"field": "start", "type": "temporal"}
        return {
            "x": {**start, "title": heading},
            "y": rows,
            "tooltip": [{**start, "title": "from"}, tip_rows],
        }
    value = {"field": "value", "type": "nominal", "title": heading}
    return {"x": rows, "y": {**value, "sort": None}, "tooltip": [value, tip_rows]}


def chart_code(plan: Plan, variable: str, name: str) -> str:
    """Return code for a cell that counts the column ``name`` of the dataframe in ``variable`` and charts the counts.

    It asks the dataframe's own library, so it works for any size and for lazy frames. Its names are private to the
    cell. The code holds the bins of the preview; they suit the data as they were.
    """
    heading = repr(title(plan, name))
    steps, encoding = _parts(plan, heading)
    lines = [
        "import altair as _alt",
        "import narwhals as _nw",
        "",
        f"_column = _nw.col({name!r})",
        "_counts = (",
        f"    _nw.from_native({variable})",
        "    .lazy()",
        *(f"    .{step}" for step in steps),
        "    .collect()",
        ")",
        "_chart = (",
        "    _alt.Chart(_counts.to_native())",
        "    .mark_bar()",
        "    .encode(",
        *(f"        {channel}," for channel in encoding),
        "    )",
        f'    .properties(width="container", height={HEIGHT})',
        ")",
        "_chart",
    ]
    return "\n".join(lines) + "\n"


def _parts(plan: Plan, heading: str) -> tuple[list[str], list[str]]:
    """Return the calls that count, and the channels that draw."""
    tip_rows = '_alt.Tooltip("rows:Q", title="rows", format=",")'
    rows = '_alt.Y("rows:Q", title="rows")'
    if isinstance(plan, Histogram):
        finite = ["filter(_column.is_finite())"] if plan.is_float else []
        width = plan.width
        return [
            "filter(~_column.is_null())",
            *finite,
            f"select(bin=(_column.cast(_nw.Float64) / {width!r}).floor())",
            'group_by("bin")',
            "agg(rows=_nw.len())",
            'sort("bin")',
            "select(\n"
            f'        start=_nw.col("bin") * {width!r},\n'
            f'        end=(_nw.col("bin") + 1) * {width!r},\n'
            '        rows=_nw.col("rows"),\n'
            "    )",
        ], [
            f'x=_alt.X("start:Q", bin="binned", title={heading})',
            'x2="end:Q"',
            f"y={rows}",
            'tooltip=[_alt.Tooltip("start:Q", title="from"), _alt.Tooltip("end:Q", title="to"), '
            f"{tip_rows}]",
        ]
    if isinstance(plan, Timeline):
        moment = '_column.cast(_nw.Datetime("us"))' if plan.is_date else "_column"
        if plan.has_zone:
            moment += ".dt.replace_time_zone(None)"
        return [
            "filter(~_column.is_null())",
            f'select(start={moment}.dt.truncate("{plan.every}"))',
            'group_by("start")',
            "agg(rows=_nw.len())",
            'sort("start")',
        ], [
            f'x=_alt.X("start:T", title={heading})',
            f"y={rows}",
            f'tooltip=[_alt.Tooltip("start:T", title="from"), {tip_rows}]',
        ]
    return [
        "filter(~_column.is_null())",
        "select(value=_column)",
        'group_by("value")',
        "agg(rows=_nw.len())",
        'sort("rows", "value", descending=[True, False])',
        f"head({TOP})",
    ], [
        'x=_alt.X("rows:Q", title="rows")',
        f'y=_alt.Y("value:N", sort=None, title={heading})',
        f'tooltip=[_alt.Tooltip("value:N", title={heading}), {tip_rows}]',
    ]
