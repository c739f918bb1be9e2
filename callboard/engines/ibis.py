"""Ibis backends that speak SQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import attrs

from callboard.engines.calls import Call, Cancel
from callboard.engines.catalog_types import (
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import canceller, static
from callboard.engines.duckdb import PLACEMENT as DUCKDB_PLACEMENT
from callboard.engines.duckdb import execute as execute_in_duckdb
from callboard.engines.duckdb import explain as explain_in_duckdb
from callboard.engines.duckdb_catalog import DuckDBCatalog
from callboard.engines.engine import Content, Engine, closing
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import Kind, has_method, kind_of
from callboard.engines.results import NO_ROWS, Conversion, QueryResult
from callboard.engines.statements import explained
from callboard.messages.payloads import DataTable, Schema


class IbisEngine(Engine):
    """An Ibis backend. Its catalogs are databases here, and its databases schemas."""

    source = "ibis"
    discovers = Discovery(True, "auto", False)

    def __init__(self, name: str, value: Any) -> None:
        dialect = static(value, "name")
        super().__init__(
            name,
            value,
            dialect if type(dialect) is str else "sql",
            Placement(
                Place.CELL_THREAD,
                "Ibis: nothing says that threads may share the backend's connection",
            ),
        )

    def _connection(self) -> Any:
        return static(self.value, "con")

    def _content(self, call: Call, wanted: Wanted) -> Content:
        backend = self.value
        room = MAX_LISTED_COLUMNS
        with call.cancelled_by(canceller(self._connection())):
            databases = []
            done = count()
            for catalog in self._catalogs():
                schemas = []
                for schema in self._schema_names(catalog) if wanted.schemas else ():
                    call.reached(next(done), None)
                    tables = []
                    if wanted.tables:
                        tables = self._attempt(call, self._listed, catalog, schema) or []
                    for index, table in enumerate(tables if wanted.columns else ()):
                        call.check()
                        if room > 0:
                            where = (catalog, schema, table.name)
                            found = self._attempt(call, self._described, *where, room)
                            tables[index] = found or table
                            room -= len(tables[index].columns)
                    schemas.append(Schema(schema, tables))
                databases.append(database_of(catalog or "", self.dialect, schemas, self.name))
            return Content(
                databases,
                _current(backend, "current_catalog"),
                _current(backend, "current_database"),
            )

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        if path:
            return []
        with call.cancelled_by(canceller(self._connection())):
            return [Schema(name, []) for name in self._schema_names(database or None)]

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        if path:
            return []
        with call.cancelled_by(canceller(self._connection())):
            return self._listed(database or None, schema)

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        if path:
            return None
        with call.cancelled_by(canceller(self._connection())):
            return self._described(database or None, schema, name, MAX_LISTED_COLUMNS)

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        with call.cancelled_by(canceller(self._connection())):
            result = self.value.raw_sql(explained(query))
            if has_method(type(result), "fetchall"):
                with closing(result):
                    result.fetchall()

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        with call.cancelled_by(canceller(self._connection())):
            if self._is_query(query):
                return self._table_result(self.value.sql(query))
            if has_method(type(self.value), "begin"):
                with self.value.begin() as cursor:
                    cursor.execute(query)
            else:
                result = self.value.raw_sql(query)
                if has_method(type(result), "close"):
                    result.close()
        return NO_ROWS

    def _table_result(self, table: Any) -> QueryResult:
        def make(method: str) -> Any:
            with self._calls.running() as call, call.cancelled_by(canceller(self._connection())):
                return getattr(table, method)()

        return QueryResult(
            tuple(str(column) for column in table.columns),
            lambda: table,
            Conversion(("polars", "pyarrow"), lambda: make("to_polars")),
            Conversion(("pandas", "pyarrow"), lambda: make("to_pandas")),
        )

    def _is_query(self, query: str) -> bool:
        sqlglot: Any = sys.modules["sqlglot"]  # which Ibis is built on
        parsed = sqlglot.parse_one(query, dialect=self.value.dialect)
        return isinstance(parsed, sqlglot.exp.Query)

    def _catalogs(self) -> list[str | None]:
        if has_method(type(self.value), "list_catalogs"):
            return [str(name) for name in self.value.list_catalogs()]
        return [None]

    def _schema_names(self, catalog: str | None) -> list[str]:
        if not has_method(type(self.value), "list_databases"):
            return [""]
        within = self._where(catalog=catalog)
        names = [str(name) for name in self.value.list_databases(**within)]
        return [name for name in names if not is_meta_schema(self.dialect, name)]

    def _where(self, **names: str | None) -> dict[str, Any]:
        # Only backends with catalogs take one.
        known = has_method(type(self.value), "list_catalogs")
        return {key: name for key, name in names.items() if name and (known or key != "catalog")}

    def _listed(self, catalog: str | None, schema: str) -> list[DataTable]:
        within = self._where(catalog=catalog, database=schema)
        place = within.get("database")
        if "catalog" in within and place is not None:
            place = (within["catalog"], place)
        names = self.value.list_tables(database=place) if place else self.value.list_tables()
        return [
            table_of(name, engine=self.name, source=self.dialect)
            for name in sorted(str(name) for name in names)
        ]

    def _described(
        self, catalog: str | None, schema: str, name: str, room: int
    ) -> DataTable | None:
        within = self._where(catalog=catalog, database=schema)
        try:
            columns = self.value.get_schema(name, **within)
        except Exception as error:
            if type(error).__name__ == "TableNotFound":
                return None
            raise
        described = [(column, str(kind)) for column, kind in columns.items()]
        return table_of(
            name,
            engine=self.name,
            source=self.dialect,
            num_columns=len(described),
            columns=columns_of(described[: max(room, 0)]),
        )


class IbisDuckDBEngine(IbisEngine):
    """An Ibis backend on DuckDB: looked into through private cursors of its connection."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value)
        self.placement = DUCKDB_PLACEMENT
        self._exclusive = object()

    @property
    def exclusive(self) -> object:
        return self._exclusive

    def _catalog(self) -> DuckDBCatalog:
        return DuckDBCatalog(self.value.con, self.name, self.dialect)

    def _content(self, call: Call, wanted: Wanted) -> Content:
        return self._catalog().content(call, wanted)

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        return [] if path else self._catalog().schemas(call, database)

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        return [] if path else self._catalog().tables(call, database, schema)

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        return None if path else self._catalog().table(call, database, schema, name)

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        explain_in_duckdb(self.value.con, call, query, {})

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        with call.cancelled_by(Cancel(self.value.con.interrupt)):
            result = execute_in_duckdb(self.value.con, query, {}, self._converting)
        if not result.columns:
            return result
        return attrs.evolve(result, native=lambda: self.value.sql(query))

    @contextmanager
    def _converting(self) -> Iterator[None]:
        with self._calls.running() as call, call.cancelled_by(Cancel(self.value.con.interrupt)):
            yield


def ibis_engine(name: str, value: Any) -> IbisEngine:
    """Make the engine of an Ibis backend, by what it is connected to."""
    connection = static(value, "con")
    if connection is not None and kind_of(type(connection)) is Kind.DUCKDB:
        return IbisDuckDBEngine(name, value)
    return IbisEngine(name, value)


def _current(backend: Any, name: str) -> str | None:
    try:
        found = getattr(backend, name)
    except Exception:
        return None  # not every backend has one
    return str(found) if found else None
