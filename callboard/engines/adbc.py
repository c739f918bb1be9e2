"""ADBC connections: catalog and results as Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from callboard.engines.calls import Call
from callboard.engines.catalog_types import (
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import canceller, cursor_canceller, threadsafety_of
from callboard.engines.engine import Content, Engine, closing
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import has_method
from callboard.engines.results import QueryResult, arrow_result
from callboard.engines.statements import explained, only_reads
from callboard.messages.payloads import DataTable, Schema

_UNKNOWN: Final = "sql"
_ERRORS_SPOIL: Final = frozenset({"postgresql", "redshift"})
"""Where an error ends the transaction, and nothing but a rollback can follow."""


class ADBCEngine(Engine):
    """An ADBC connection. The dialect is the vendor's name, which `connection` asks for."""

    source = "adbc"
    discovers = Discovery(True, "auto", False)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value, _UNKNOWN, placement_of(value))

    def _learn(self, call: Call) -> None:
        if self.dialect == _UNKNOWN:
            vendor = None
            with suppress(Exception):  # what it is asked for will say what is wrong with it
                vendor = self.value.adbc_get_info().get("vendor_name")
            if isinstance(vendor, str) and vendor:
                self.dialect = vendor.lower()

    def _content(self, call: Call, wanted: Wanted) -> Content:
        with call.cancelled_by(canceller(self.value)):
            if not wanted.schemas:
                depth = "catalogs"
            elif not wanted.tables:
                depth = "db_schemas"
            else:
                depth = "columns" if wanted.columns else "tables"
            room = MAX_LISTED_COLUMNS
            databases = []
            for catalog in self._objects(depth):
                schemas = []
                for schema in catalog["catalog_db_schemas"] or () if wanted.schemas else ():
                    name = schema["db_schema_name"] or ""
                    if is_meta_schema(self.dialect, name):
                        continue
                    tables = []
                    for found in schema["db_schema_tables"] or () if wanted.tables else ():
                        table = (
                            self._described(found, room) if wanted.columns else self._named(found)
                        )
                        room -= len(table.columns)
                        tables.append(table)
                    schemas.append(Schema(name, _sorted(tables)))
                databases.append(
                    database_of(catalog["catalog_name"] or "", self.dialect, schemas, self.name)
                )
            return Content(databases, *self._defaults())

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        return []

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        if path:
            return []
        self._learn(call)
        with call.cancelled_by(canceller(self.value)):
            return _sorted(self._named(found) for found in self._within("tables", database, schema))

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        if path:
            return None
        self._learn(call)
        with call.cancelled_by(canceller(self.value)):
            for table in self._within("all", database, schema, name):
                return self._described(table, MAX_LISTED_COLUMNS)
        return None

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        self._learn(call)
        # Nobody can tell whether the notebook is in a transaction of its own.
        if self.dialect in _ERRORS_SPOIL and has_method(type(self.value), "adbc_clone"):
            with closing(self.value.adbc_clone()) as apart:
                _explain(apart, call, query)
        else:
            _explain(self.value, call, query)

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        self._learn(call)
        with closing(self.value.cursor()) as cursor, call.cancelled_by(cursor_canceller(cursor)):
            try:
                cursor.execute(query)
                table = cursor.fetch_arrow_table()
            except BaseException:
                if self.dialect in _ERRORS_SPOIL:
                    with suppress(Exception):
                        self.value.rollback()
                raise
        if not only_reads(query):
            # Whether that ends a transaction of the notebook cannot be told either, but changes have to last.
            self.value.commit()
        return arrow_result(table)

    def _defaults(self) -> tuple[str | None, str | None]:
        defaults: list[str | None] = []
        for name in ("adbc_current_catalog", "adbc_current_db_schema"):
            try:
                defaults.append(getattr(self.value, name) or None)
            except Exception:
                defaults.append(None)  # optional in ADBC
        return defaults[0], defaults[1]

    def _objects(self, depth: str, **filters: str) -> Iterator[dict[str, Any]]:
        for batch in self.value.adbc_get_objects(depth=depth, **filters):
            yield from batch.to_pylist()

    def _within(
        self, depth: str, database: str, schema: str, name: str | None = None
    ) -> Iterator[dict[str, Any]]:
        asked = {"catalog_filter": database, "db_schema_filter": schema}
        if name is not None:
            asked["table_name_filter"] = name
        # The filters are LIKE patterns: what they let through has to be looked at again, and what has
        # an escape character in it cannot be asked for.
        filters = {key: value for key, value in asked.items() if value and "\\" not in value}
        for catalog in self._objects(depth, **filters):
            if (catalog["catalog_name"] or "") != database:
                continue
            for found in catalog["catalog_db_schemas"] or ():
                if (found["db_schema_name"] or "") != schema:
                    continue
                for table in found["db_schema_tables"] or ():
                    if name is None or table["table_name"] == name:
                        yield table

    def _named(self, found: Mapping[str, Any]) -> DataTable:
        return table_of(
            str(found["table_name"]),
            engine=self.name,
            source=self.dialect,
            view=_is_view(found),
        )

    def _described(self, found: Mapping[str, Any], room: int) -> DataTable:
        columns = found["table_columns"] or ()
        keys = [
            str(column)
            for constraint in found["table_constraints"] or ()
            if constraint["constraint_type"] == "PRIMARY KEY"
            for column in constraint["constraint_column_names"] or ()
        ]
        return table_of(
            str(found["table_name"]),
            engine=self.name,
            source=self.dialect,
            view=_is_view(found),
            num_columns=len(columns),
            columns=columns_of(
                (column["column_name"], column["xdbc_type_name"] or "")
                for column in columns[: max(room, 0)]
            ),
            primary_keys=keys,
        )


def placement_of(connection: Any) -> Placement:
    """Decide by the ``threadsafety`` of the driver's module."""
    level = threadsafety_of(type(connection))
    if level is None:
        return Placement(Place.CELL_THREAD, "its module says nothing of threads")
    if level < 2:
        return Placement(
            Place.CELL_THREAD, f"threadsafety {level}: threads may not share connections"
        )
    return Placement(Place.ANY_THREAD, f"threadsafety {level}: threads may share connections")


def _explain(connection: Any, call: Call, query: str) -> None:
    with closing(connection.cursor()) as cursor, call.cancelled_by(cursor_canceller(cursor)):
        with suppress(
            Exception
        ):  # PostgreSQL's driver copies results out, which EXPLAIN has not; others know no such option
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute(explained(query))
        cursor.fetchall()


def _sorted(tables: Iterable[DataTable]) -> list[DataTable]:
    return sorted(tables, key=lambda table: (table.type, table.name))


def _is_view(found: Mapping[str, Any]) -> bool:
    return "view" in str(found["table_type"]).lower()
