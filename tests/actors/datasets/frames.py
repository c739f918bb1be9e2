"""The same data as a dataframe of each library."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

LIBRARIES: Final = ("polars", "polars-lazy", "pandas", "pyarrow", "duckdb", "ibis")

DATA: Final[Mapping[str, Sequence[object]]] = {
    "number": [1.5, 2.5, None, 3.5, -4.0],
    "integer": [1, 2, 3, 4, 50],
    "text": ["a", "b", None, "a", "ü🦆"],
    "flag": [True, False, True, True, True],
    "moment": [
        dt.datetime(2020, 1, 1, 12),
        dt.datetime(2021, 1, 1),
        None,
        dt.datetime(2021, 5, 5),
        dt.datetime(2022, 1, 1),
    ],
}


def make(library: str, data: Mapping[str, Sequence[object]] = DATA, schema: Any = None) -> Any:
    """Return a dataframe; ``schema`` is pyarrow's, else the types are inferred."""
    arrow = importlib.import_module("pyarrow").table(dict(data), schema=schema)
    return _MAKERS[library](arrow)


def _polars(arrow: Any) -> Any:
    return importlib.import_module("polars").from_arrow(arrow)


def _duckdb(arrow: Any) -> Any:
    connection = importlib.import_module("duckdb").connect()
    connection.register("given", arrow)
    connection.execute("CREATE TABLE held AS SELECT * FROM given")
    connection.unregister("given")
    return connection.table("held")


def _ibis(arrow: Any) -> Any:
    backend = importlib.import_module("ibis").duckdb.connect()
    backend.con.register("given", arrow)
    backend.con.execute("CREATE TABLE held AS SELECT * FROM given")
    return backend.table("held")


_MAKERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "polars": _polars,
    "polars-lazy": lambda arrow: _polars(arrow).lazy(),
    "pandas": lambda arrow: arrow.to_pandas(),
    "pyarrow": lambda arrow: arrow,
    "duckdb": _duckdb,
    "ibis": _ibis,
}
