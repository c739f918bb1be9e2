"""What a DuckDB database contains, asked of it through private cursors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs

from callboard.engines.calls import Call, Cancel
from callboard.engines.catalog_types import (
    MAX_COLUMNS,
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.discovery import Wanted
from callboard.engines.engine import DEFAULT_ENGINE_NAMES, Content, closing
from callboard.messages.payloads import DataTable, DataTableColumn, Schema

_TABLES: Final = """
    SELECT database_name, schema_name, table_name, column_count, FALSE FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, schema_name, view_name, column_count, TRUE FROM duckdb_views() WHERE NOT internal
"""

_COLUMNS: Final = f"""
    SELECT database_name, schema_name, table_name, column_index, column_name, data_type
    FROM duckdb_columns() WHERE NOT internal AND column_index <= {MAX_COLUMNS}
"""  # noqa: S608


@contextmanager
def private_cursor(connection: Any, call: Call) -> Iterator[Any]:
    """Open a cursor that shares the database and nothing else with its connection."""
    with closing(connection.cursor()) as cursor, call.cancelled_by(Cancel(cursor.interrupt)):
        yield cursor


@attrs.frozen
class DuckDBCatalog:
    """What a DuckDB connection contains, in a handful of queries whatever its size."""

    connection: Any
    engine: str
    source: str

    @property
    def _built_in(self) -> bool:
        return self.engine in DEFAULT_ENGINE_NAMES

    def content(self, call: Call, wanted: Wanted) -> Content:
        """Look everything up that is wanted; databases without tables are there, with no schemas."""
        with private_cursor(self.connection, call) as cursor:
            databases = [
                str(name)
                for (name,) in cursor.execute(
                    "SELECT database_name FROM duckdb_databases() WHERE NOT internal ORDER BY ALL"
                ).fetchall()
            ]
            default_database, default_schema = cursor.execute(
                "SELECT current_database(), current_schema()"
            ).fetchall()[0]
            grouped: dict[str, dict[str, list[DataTable]]] = {name: {} for name in databases}
            if wanted.schemas:
                for (database, schema), tables in self._found(cursor, wanted.columns).items():
                    if database in grouped:
                        grouped[database][schema] = tables if wanted.tables else []
        return Content(
            [
                database_of(
                    name,
                    "duckdb",
                    [Schema(schema, tables) for schema, tables in schemas.items()],
                    None if self._built_in else self.engine,
                )
                for name, schemas in grouped.items()
            ],
            default_database,
            default_schema,
        )

    def schemas(self, call: Call, database: str) -> list[Schema]:
        """List the schemas of a database, without tables."""
        with private_cursor(self.connection, call) as cursor:
            rows = cursor.execute(
                "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? ORDER BY ALL",
                [database],
            ).fetchall()
        return [Schema(name, []) for (name,) in rows if not is_meta_schema("duckdb", name)]

    def tables(self, call: Call, database: str, schema: str) -> list[DataTable]:
        """List the tables and views of a schema, without columns."""
        with private_cursor(self.connection, call) as cursor:
            return self._found(cursor, False, (database, schema)).get((database, schema), [])

    def table(self, call: Call, database: str, schema: str, name: str) -> DataTable | None:
        """Describe one table or view; None if there is none."""
        with private_cursor(self.connection, call) as cursor:
            found = self._found(cursor, True, (database, schema, name))
        return next(iter(found.get((database, schema), [])), None)

    def _found(
        self, cursor: Any, with_columns: bool, within: tuple[str, ...] = ()
    ) -> dict[tuple[str, str], list[DataTable]]:
        def rows(query: str, *fields: str, limit: int | None = None) -> list[Any]:
            condition = " AND ".join(
                f"{field} = ?" for field, _ in zip(fields, within, strict=False)
            )
            where = f" WHERE {condition}" if condition else ""
            bound = "" if limit is None else f" LIMIT {limit}"
            text = f"SELECT * FROM ({query}) AS found{where} ORDER BY ALL{bound}"  # noqa: S608
            result: list[Any] = cursor.execute(text, list(within)).fetchall()
            return result

        place = ("database_name", "schema_name", "table_name")
        columns: dict[tuple[str, str, str], list[DataTableColumn]] = {}
        keys: dict[tuple[str, str, str], list[str]] = {}
        indexes: dict[tuple[str, str, str], list[str]] = {}
        if with_columns:
            described: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
            for database, schema, table, _, column, external in rows(
                _COLUMNS,
                *place,
                limit=MAX_LISTED_COLUMNS,
            ):
                described.setdefault((database, schema, table), []).append((column, external))
            columns = {
                key: columns_of(found, otherwise="unknown") for key, found in described.items()
            }
            for database, schema, table, key in rows(
                "SELECT database_name, schema_name, table_name, constraint_column_names "
                "FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'",
                *place,
            ):
                keys[database, schema, table] = list(key)
            for database, schema, table, index in rows(
                "SELECT database_name, schema_name, table_name, index_name FROM duckdb_indexes()",
                *place,
            ):
                indexes.setdefault((database, schema, table), []).append(index)
        found: dict[tuple[str, str], list[DataTable]] = {}
        for database, schema, name, count, view in rows(_TABLES, *place):
            if is_meta_schema("duckdb", schema):
                continue
            where = (database, schema, name)
            found.setdefault((database, schema), []).append(
                table_of(
                    name,
                    engine=None if self._built_in else self.engine,
                    source=self.source,
                    source_type="duckdb" if self._built_in else "connection",
                    view=view,
                    num_columns=count,
                    columns=columns.get(where, []),
                    primary_keys=keys.get(where, []) if with_columns else None,
                    indexes=indexes.get(where, []) if with_columns else None,
                )
            )
        return found
