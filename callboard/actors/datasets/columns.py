"""The preview of one column: statistics and chart, or what stands in their way. For a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from callboard.actors.datasets.charts import counts, plan_chart
from callboard.actors.datasets.failures import is_failure
from callboard.actors.datasets.queries import Column, narwhals, open_column
from callboard.actors.datasets.statistics import column_stats, count_rows
from callboard.actors.datasets.vega import altair_is_installed, chart_code, chart_spec
from callboard.engines.calls import Interrupted
from callboard.messages.payloads import ColumnStats


@attrs.frozen
class Preview:
    """What is shown of a column. An error may come together with statistics."""

    stats: ColumnStats | None = None
    chart_spec: str | None = None
    chart_code: str | None = None
    error: str | None = None
    missing_packages: list[str] | None = None


STEPS: Final = 4
"""How many steps a preview consists of: counting the rows, statistics, what there is to chart, counts for the chart."""


class NoSuchColumn(Exception):
    """The table has no column of that name."""


def preview_column(
    native: object,
    name: str,
    *,
    variable: str | None,
    is_database: bool = False,
    reached: Callable[[int], object] = lambda done: None,
) -> Preview:
    """Summarise a column of a dataframe or DuckDB relation.

    ``variable``: the notebook's name for it, for code that draws the chart; None for no code. ``is_database``: it is a
    table of a database, of whose numbers the distinct ones are counted too. ``reached``: told between steps how many of
    `STEPS` are done; it may raise `Interrupted`.

    Raises:
        NoSuchColumn: there is no such column.
        Interrupted: by ``reached``.
    """
    try:
        narwhals()
    except ModuleNotFoundError:
        missing = ["narwhals", *_missing_altair()]
        return Preview(error=_needs(missing), missing_packages=missing)
    column = open_column(native, name)
    if column is None:
        raise NoSuchColumn(f"there is no column {name!r}")
    total = count_rows(column)
    if total == 0:
        return Preview(error="the table is empty")
    reached(1)
    stats = _stats(column, total, is_database)
    reached(2)
    if '"' in name or "'" in name or "\\" in name:
        error = "there is no chart of a column whose name has a quote or a backslash"
        return Preview(stats, error=error)
    missing = _missing_altair()
    if missing:
        return Preview(stats, error=_needs(missing), missing_packages=missing)
    try:
        plan = plan_chart(column)
        if plan is None:
            return Preview(stats)
        reached(3)
        spec = chart_spec(plan, name, counts(column, plan))
    except Interrupted:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        # A library that cannot count by this type, say: the statistics are worth having without the chart.
        return Preview(stats, error=f"the chart could not be made ({type(error).__name__})")
    code = None if variable is None else chart_code(plan, variable, name)
    return Preview(stats, spec, code)


def _stats(column: Column, total: int, is_database: bool) -> ColumnStats:
    try:
        return column_stats(column, total, unique_numbers=is_database)
    except BaseException as error:
        if not is_failure(error):
            raise
        # No library computes everything for every type; empty statistics say that there are none.
        return ColumnStats()


def _missing_altair() -> list[str]:
    return [] if altair_is_installed() else ["altair"]


def _needs(packages: list[str]) -> str:
    return f"{' and '.join(packages)} must be installed"
