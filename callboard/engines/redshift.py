"""Amazon Redshift connections (redshift_connector)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from callboard.engines.calls import Call
from callboard.engines.catalog_types import (
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.dbapi import execute, explain, placement_of
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import cursor_canceller, undisturbed
from callboard.engines.engine import Content, Engine, closing
from callboard.engines.placement import Place
from callboard.engines.results import QueryResult
from callboard.messages.payloads import DataTable, DataTableColumn, Schema

_KEYS: Final = """
    SELECT usage.column_name
    FROM information_schema.table_constraints AS keys
    JOIN information_schema.key_column_usage AS usage
      ON usage.constraint_name = keys.constraint_name AND usage.table_schema = keys.table_schema
     AND usage.table_name = keys.table_name
    WHERE keys.constraint_type = 'PRIMARY KEY' AND keys.table_schema = %s AND keys.table_name = %s
      AND keys.table_catalog = %s
    ORDER BY usage.ordinal_position
"""

_ALL_COLUMNS: Final = f"""
    SELECT database_name, schema_name, table_name, column_name, data_type FROM svv_all_columns
    ORDER BY 1, 2, 3, ordinal_position LIMIT {MAX_LISTED_COLUMNS}
"""  # noqa: S608


class RedshiftEngine(Engine):
    """A Redshift connection: all databases of its cluster that it may see."""

    source = "redshift"
    discovers = Discovery(True, False, False)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value, "redshift", placement_of(value))

    def _auto(self) -> bool:
        return False

    def _content(self, call: Call, wanted: Wanted) -> Content:
        current, schema = self._ask(call, "SELECT current_database(), current_schema()")[0]
        schemas: dict[str, list[Schema]] = {
            str(name): []
            for (name,) in self._ask(
                call, "SELECT database_name FROM svv_redshift_databases ORDER BY database_name"
            )
        }
        if wanted.schemas:
            tables = self._listed(call, wanted) if wanted.tables else {}
            for database, found in self._ask(
                call, "SELECT database_name, schema_name FROM svv_all_schemas ORDER BY 1, 2"
            ):
                if not is_meta_schema(self.dialect, found):
                    of_schema = Schema(str(found), tables.get((database, found), []))
                    schemas.setdefault(str(database), []).append(of_schema)
        return Content(
            [database_of(name, self.dialect, found, self.name) for name, found in schemas.items()],
            current,
            schema,
        )

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        if path:
            return []
        found = self._ask(
            call,
            "SELECT schema_name FROM svv_all_schemas WHERE database_name = %s ORDER BY 1",
            database,
        )
        return [
            Schema(str(name), []) for (name,) in found if not is_meta_schema(self.dialect, name)
        ]

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        if path:
            return []
        return [
            self._made(name, kind)
            for name, kind in self._ask(
                call,
                "SELECT table_name, table_type FROM svv_all_tables "
                "WHERE database_name = %s AND schema_name = %s ORDER BY 1",
                database,
                schema,
            )
        ]

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        if path:
            return None
        where = (database, schema, name)
        found = self._ask(
            call,
            "SELECT table_type FROM svv_all_tables "
            "WHERE database_name = %s AND schema_name = %s AND table_name = %s",
            *where,
        )
        if not found:
            return None
        columns = self._ask(
            call,
            "SELECT column_name, data_type FROM svv_all_columns "
            "WHERE database_name = %s AND schema_name = %s AND table_name = %s "
            "ORDER BY ordinal_position",
            *where,
        )
        keys = self._ask(call, _KEYS, schema, name, database)
        return self._made(
            name,
            found[0][0],
            num_columns=len(columns),
            columns=columns_of(columns),
            primary_keys=[str(key) for (key,) in keys],
        )

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        explain(self.value, call, query, shared=self.placement.place is Place.ANY_THREAD)

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        return execute(self.value, call, query)

    def _ask(self, call: Call, query: str, *parameters: str) -> Sequence[Any]:
        with (
            closing(self.value.cursor()) as cursor,
            call.cancelled_by(cursor_canceller(cursor)),
            undisturbed(self.value),
        ):
            # The notebook may have chosen another style for its own queries.
            cursor.paramstyle = "format"
            if parameters:
                cursor.execute(query, parameters)
            else:
                cursor.execute(query)
            rows: Sequence[Any] = cursor.fetchall()
            return rows

    def _listed(self, call: Call, wanted: Wanted) -> dict[tuple[str, str], list[DataTable]]:
        columns: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        if wanted.columns:
            for *where, column, kind in self._ask(call, _ALL_COLUMNS):
                database, schema, table = where
                columns.setdefault((database, schema, table), []).append((column, kind))
        tables: dict[tuple[str, str], list[DataTable]] = {}
        for database, schema, name, kind in self._ask(
            call,
            "SELECT database_name, schema_name, table_name, table_type FROM svv_all_tables "
            "ORDER BY 1, 2, 3",
        ):
            described: list[DataTableColumn] = columns_of(columns.get((database, schema, name), []))
            tables.setdefault((database, schema), []).append(
                self._made(
                    name,
                    kind,
                    columns=described,
                    num_columns=len(described) if wanted.columns else None,
                )
            )
        return tables

    def _made(self, name: object, kind: object, **details: Any) -> DataTable:
        return table_of(
            str(name),
            engine=self.name,
            source=self.dialect,
            view="view" in str(kind).lower(),
            **details,
        )
