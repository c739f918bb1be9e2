"""SQL in cells."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from callboard.authoring.context import current_context
from callboard.authoring.queries import interruptible, keep_statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callboard.engines import Engine, Format

_LIMIT = "CALLBOARD_SQL_DEFAULT_LIMIT"


def sql(
    query: str,
    *,
    output: bool = True,
    engine: object | None = None,
    format: Format | None = None,
) -> Any:
    """Run SQL and return its rows; None for an empty query and for statements that have no rows.

    Without an `engine` it runs in the built-in DuckDB, which is that of `duckdb.sql`, and may name the
    notebook's dataframes as tables. With one (a connection or engine of DuckDB, SQLAlchemy, Ibis, ADBC,
    sqlite3, psycopg and the like) it runs there, committed unless a transaction is open.

    `format` is `auto` (polars, else pandas; the default), `polars`, `lazy-polars`, `pandas`, or `native` for
    what the library itself gives. With `output` the rows are shown as the cell's output as well. The
    environment variable CALLBOARD_SQL_DEFAULT_LIMIT is the most rows that a query without a LIMIT gets.

    An interrupt of the cell breaks off the query.

    Raises:
        MissingLibraries: what the format or DuckDB needs is not installed; nothing has run then.
        TypeError, ValueError: an argument is none that it takes.
        Exception: what the database raises.
    """
    from callboard.engines.results import FORMATS

    if not isinstance(query, str):
        raise TypeError(f"sql: the query must be a string, not {type(query).__name__}")
    chosen: Format = "auto" if format is None else format
    if chosen not in FORMATS:
        raise ValueError(f"sql: the format must be one of {', '.join(FORMATS)}, not {format!r}")
    if not query.strip():
        return None
    _require(chosen, engine)
    resolved = _engine(engine)
    rows = _run(resolved, _limited(query, resolved.dialect), _variables(), chosen)
    context = current_context.get()
    if output and rows is not None and context is not None:
        context.append_output(rows)
    return rows


def _run(engine: Engine, query: str, variables: Mapping[str, object], format: Format) -> Any:
    try:
        with interruptible(engine.interrupt):
            return engine.execute(query, variables).to(format)
    except Exception as error:
        keep_statement(error, query)
        raise


def _engine(value: object | None) -> Engine:
    from callboard.engines import default_engine, engine_of

    if value is None:
        return default_engine()
    engine = engine_of("engine", value)
    if engine is None:
        raise TypeError(f"sql: the engine must be a database, not {type(value).__name__}")
    return engine


def _require(format: Format, engine: object | None) -> None:
    """Find all that is missing before anything runs."""
    from callboard.engines.results import MissingLibraries, is_importable

    polars = ["polars", "pyarrow"] if engine is None else ["polars"]
    choices: dict[str, list[list[str]]] = {
        "native": [[]],
        "pandas": [["pandas"]],
        "auto": [polars, ["pandas"]],
    }
    first = [] if engine is not None else ["duckdb"]
    missing = [
        [name for name in [*first, *choice] if not is_importable(name)]
        for choice in choices.get(format, [polars])
    ]
    if all(missing):
        raise MissingLibraries(format, min(missing, key=len))


def _variables() -> dict[str, object]:
    """What the caller of `sql` sees: the notebook's variables, and those of the function it is in."""
    frame = sys._getframe(2)
    return {**frame.f_globals, **frame.f_locals}


def _limited(query: str, dialect: str) -> str:
    text = os.environ.get(_LIMIT, "").strip()
    if not text:
        return query
    if not text.isdecimal():
        raise ValueError(f"{_LIMIT} must be a number of rows, not {text!r}")
    from callboard.sqlparse import limited

    return limited(query, dialect, int(text))
