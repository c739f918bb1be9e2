"""DuckDB: looked into through private cursors, which no other use of the connection can disturb."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any, Final

from callboard.engines.calls import Call, Cancel
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.duckdb_catalog import DuckDBCatalog, private_cursor
from callboard.engines.engine import DEFAULT_ENGINE_NAME, Content, Engine
from callboard.engines.placement import Place, Placement
from callboard.engines.results import NO_ROWS, Conversion, QueryResult
from callboard.engines.statements import explained
from callboard.messages.payloads import DataTable, Schema

PLACEMENT: Final = Placement(
    Place.ANY_THREAD, "DuckDB: every call has a private cursor, which other threads may use"
)

# DuckDB looks for dataframes among the variables of the frame that calls it: this code is run in one that
# has those of the notebook.
_SQL: Final = compile("__callboard_call(__callboard_query)", "<sql>", "eval")


class DuckDBEngine(Engine):
    """A DuckDB connection. Its content is delivered whole with `connection`, and not asked for by parts."""

    source = "duckdb"
    discovers = Discovery(True, True, True)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value, "duckdb", PLACEMENT)
        self._exclusive = object()

    @property
    def exclusive(self) -> object:
        return self._exclusive

    def _catalog(self) -> DuckDBCatalog:
        return DuckDBCatalog(self.value, self.name, self.source)

    def _wanted(self, depth: Discovery) -> Wanted:
        return Wanted(True, True, True)

    def _content(self, call: Call, wanted: Wanted) -> Content:
        return self._catalog().content(call, wanted)

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        return []

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        return []

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        return None

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        explain(self.value, call, query, variables)

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        with call.cancelled_by(Cancel(self.value.interrupt)):
            return execute(self.value, query, variables, self._converting)

    @contextmanager
    def _converting(self) -> Iterator[None]:
        with self._calls.running() as call, call.cancelled_by(Cancel(self.value.interrupt)):
            yield


def default_engine() -> DuckDBEngine:
    """Return the built-in engine: the in-memory database that ``duckdb.sql`` uses. Imports duckdb.

    Raises:
        ImportError: there is no duckdb.
    """
    try:
        duckdb = importlib.import_module("duckdb")
    except ImportError as error:
        raise ImportError(
            "SQL without an engine needs duckdb: `pip install duckdb`", name="duckdb"
        ) from error
    return DuckDBEngine(DEFAULT_ENGINE_NAME, duckdb.connect(":default:"))


def explain(connection: Any, call: Call, query: str, variables: Mapping[str, object]) -> None:
    """Check the first statement of a query on a private cursor."""
    with private_cursor(connection, call) as cursor:
        statements = cursor.extract_statements(query)
        if not statements or statements[0].type.name == "PRAGMA":
            return
        try:
            _seeing(variables, cursor.execute, explained(statements[0].query)).fetchall()
        except Exception as error:
            # It did parse: this is a statement that DuckDB runs and does not explain, such as ATTACH.
            if type(error).__name__ != "ParserException":
                raise


def execute(
    connection: Any, query: str, variables: Mapping[str, object], converting: Any
) -> QueryResult:
    """Run a query on the connection itself, whose temporary tables and settings its author means.

    ``converting`` makes the context in which rows are fetched: that is when DuckDB does the work.
    """
    statements = connection.extract_statements(query)
    if not statements:
        return NO_ROWS
    kinds = {kind.name for kind in statements[-1].expected_result_type}
    relation = _seeing(variables, connection.sql, query)
    if relation is None or "QUERY_RESULT" not in kinds:
        return NO_ROWS
    columns = tuple(relation.columns)
    # What a statement that may have rows (INSERT ... RETURNING) gives if it has none: how many rows changed.
    if len(kinds) > 1 and columns in (("Count",), ("Success",)):
        return NO_ROWS

    def make(method: str) -> Any:
        with converting():
            return getattr(relation, method)()

    return QueryResult(
        columns,
        lambda: relation,
        Conversion(("polars", "pyarrow"), lambda: make("pl")),
        Conversion(("pandas",), lambda: make("df")),
    )


def _seeing(variables: Mapping[str, object], function: Any, query: str) -> Any:
    code: CodeType = _SQL
    names = {"__callboard_call": function, "__callboard_query": query}
    return eval(code, dict(variables), names)  # noqa: S307 - a constant of this module
