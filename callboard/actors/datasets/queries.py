"""What is asked of one column, through narwhals, which asks pandas, polars, pyarrow, ibis and DuckDB alike.

Runs on whatever thread the column may be read on. Nothing here walks rows in Python.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import attrs

from callboard.actors.datasets.primitives import label
from callboard.messages.payloads import DataType

VALUE: Final = "value"
"""What the column is called here, so that a name with quotes or dots is nobody's syntax."""


def narwhals() -> Any:
    """Return the module.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return importlib.import_module("narwhals")


@attrs.frozen
class Column:
    """One column of a frame, as a lazy narwhals frame of that column alone, called ``VALUE``."""

    frame: Any
    type: DataType
    is_float: bool
    """Whether a value can be NaN."""
    is_decimal: bool
    is_duration: bool
    is_binary: bool
    time_zone: str | None

    @property
    def is_sql(self) -> bool:
        """Whether a database computes, so that rows have no order and an aggregate is a query."""
        implementation = self.frame.implementation
        return bool(implementation.is_duckdb() or implementation.is_ibis())

    @property
    def present(self) -> Any:
        """The frame without nulls and NaN."""
        nw = narwhals()
        frame = self.frame.filter(~nw.col(VALUE).is_null())
        if self.is_float:
            frame = frame.filter(~nw.col(VALUE).is_nan())
        return frame


def open_column(native: object, name: str) -> Column | None:
    """Return a column of a dataframe of any of the libraries; None if it has none of that name."""
    nw = narwhals()
    frame = nw.from_native(native)
    # The types of a million other columns are not asked for, where the names can be had without.
    names = frame.columns if isinstance(frame, nw.DataFrame) else frame.collect_schema().names()
    actual = name if name in names else next((each for each in names if label(each) == name), None)
    if actual is None:
        return None
    alone = frame.lazy().select(nw.col(actual).alias(VALUE))
    dtype = alone.collect_schema()[VALUE]
    if alone.implementation.is_polars():
        # The plan of a lazy frame is carried out once; of an eager one this is the column itself.
        alone = alone.collect().lazy()
    return Column(
        alone,
        data_type(dtype),
        bool(dtype.is_float()),
        bool(dtype.is_decimal()),
        dtype == nw.Duration,
        dtype == nw.Binary,
        getattr(dtype, "time_zone", None),
    )


def snapshot_of_pandas(frame: Any, name: str) -> Any:
    """Return a pandas frame of the named column alone, which later changes to ``frame`` leave as it is; None if none.

    Between two cells. Since pandas 3 nothing is copied until somebody writes; before, the column is.
    """
    place: object = frame.columns.get_loc(name) if name in frame.columns else None
    if not isinstance(place, int):
        # Several of that name, of which the first is shown, or one whose name is no string.
        labels = (at for at, each in enumerate(frame.columns) if label(each) == name)
        place = next(labels, None)
    if not isinstance(place, int):
        return None
    pandas: Any = importlib.import_module("pandas")
    shares = int(pandas.__version__.partition(".")[0]) >= 3
    alone = pandas.DataFrame(frame.iloc[:, place : place + 1]).copy(deep=not shares)
    alone.columns = [name]
    return alone


def data_type(dtype: Any) -> DataType:
    """Return the type of a column in the words of the protocol, from its narwhals type."""
    nw = narwhals()
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "boolean"
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Binary):
        return "string"
    if dtype == nw.Date:
        return "date"
    if dtype in (nw.Datetime, nw.Duration):
        return "datetime"
    if dtype == nw.Time:
        return "time"
    return "unknown"


def rows(frame: Any) -> list[tuple[Any, ...]]:
    """Run a query and return all of its rows; only for queries that give few."""
    if frame.implementation.is_duckdb():
        # Without a detour through pyarrow, which DuckDB does not need.
        return list(frame.to_native().fetchall())
    return list(frame.collect().rows())


def one_row(frame: Any, expressions: Sequence[Any]) -> tuple[Any, ...]:
    """Run aggregates and return the one row they give."""
    (row,) = rows(frame.select(*expressions))
    return tuple(row)
