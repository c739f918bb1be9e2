"""ClickHouse: embedded in the process (chdb), and a server (clickhouse_connect)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from callboard.engines.calls import Call, Cancel
from callboard.engines.catalog_types import (
    MAX_COLUMNS,
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import fetch, static
from callboard.engines.engine import Content, Engine, closing
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import names_of
from callboard.engines.results import (
    NO_ROWS,
    QueryResult,
    arrow_result,
    is_importable,
    rows_result,
)
from callboard.engines.statements import explained, only_reads
from callboard.messages.payloads import DataTable, Schema

_HTTP: Final = ("clickhouse_connect.driver.httpclient", "HttpClient")


class ChDBEngine(Engine):
    """An embedded ClickHouse. Its catalog is not looked into: it is always empty here."""

    source = "clickhouse"
    discovers = Discovery(True, True, True)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(
            name,
            value,
            "clickhouse",
            Placement(Place.CELL_THREAD, "chdb: nothing says that threads may share a connection"),
        )

    def _content(self, call: Call, wanted: Wanted) -> Content:
        return Content([])

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
        self.value.query(explained(query), "CSV")

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        if is_importable("pyarrow") and is_importable("pandas"):
            return arrow_result(self.value.query(query, "ArrowTable"))
        with closing(self.value.cursor()) as cursor:
            cursor.execute(query)
            return rows_result(*fetch(cursor))


class ClickHouseEngine(Engine):
    """A client of a ClickHouse server. A database has one schema here, which has no name."""

    source = "clickhouse"
    discovers = Discovery(False, "auto", "auto")

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value, "clickhouse", placement_of(value))
        self._exclusive = object()

    @property
    def exclusive(self) -> object:
        return self._exclusive if self.placement.place is Place.ANY_THREAD else self.value

    def _auto(self) -> bool:
        return False

    def _content(self, call: Call, wanted: Wanted) -> Content:
        names = [
            str(row[0]) for row in self._ask(call, "SELECT name FROM system.databases ORDER BY 1")
        ]
        tables: dict[str, list[DataTable]] = {}
        if wanted.tables:
            columns = self._columns(call) if wanted.columns else {}
            for database, table, engine in self._ask(
                call, "SELECT database, name, engine FROM system.tables ORDER BY 1, 2"
            ):
                made = self._made(table, engine, columns.get((database, table)))
                tables.setdefault(str(database), []).append(made)
        default = str(self._ask(call, "SELECT currentDatabase()")[0][0])
        return Content(
            [
                database_of(name, self.dialect, [Schema("", tables.get(name, []))], self.name)
                for name in names
                if not is_meta_schema(self.dialect, name)
            ],
            default,
        )

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        return []

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        if path:
            return []
        return [
            self._made(name, engine, None)
            for name, engine in self._ask(
                call,
                "SELECT name, engine FROM system.tables WHERE database = {database:String} ORDER BY 1",
                database=database,
            )
        ]

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        if path:
            return None
        found = self._ask(
            call,
            "SELECT engine FROM system.tables "
            "WHERE database = {database:String} AND name = {name:String}",
            database=database,
            name=name,
        )
        if not found:
            return None
        columns = self._columns(
            call, " WHERE database = {database:String} AND table = {name:String}", database, name
        )
        return self._made(name, found[0][0], columns.get((database, name), []))

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        self._ask(call, explained(query))

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        result = self._query(call, query, {})
        # What changes something gives a summary of it: how much was read, and how long that took.
        if not result.column_names or not (only_reads(query) or _has_rows(result)):
            return NO_ROWS
        return rows_result(result.column_names, result.result_rows, result)

    def _ask(self, call: Call, query: str, **parameters: str) -> Sequence[Any]:
        rows: Sequence[Any] = self._query(call, query, parameters).result_rows
        return rows

    def _query(self, call: Call, query: str, parameters: Mapping[str, str]) -> Any:
        client = self.value
        if self.placement.place is not Place.ANY_THREAD:
            call.check()
            return client.query(query, parameters=dict(parameters) or None)
        identity = uuid.uuid4().hex
        kill = Cancel(
            lambda: client.command(f"KILL QUERY WHERE query_id = '{identity}' ASYNC"), remote=True
        )
        with call.cancelled_by(kill):
            return client.query(
                query, parameters=dict(parameters) or None, settings={"query_id": identity}
            )

    def _columns(
        self, call: Call, where: str = "", database: str = "", name: str = ""
    ) -> dict[tuple[str, str], list[Any]]:
        parameters = {"database": database, "name": name} if where else {}
        found: dict[tuple[str, str], list[Any]] = {}
        for of_database, of_table, *column in self._ask(
            call,
            "SELECT database, table, name, type, is_in_primary_key FROM system.columns"  # noqa: S608
            f"{where} ORDER BY database, table, position LIMIT {MAX_LISTED_COLUMNS}",
            **parameters,
        ):
            found.setdefault((of_database, of_table), []).append(column)
        return found

    def _made(self, name: object, engine: object, described: list[Any] | None) -> DataTable:
        return table_of(
            str(name),
            engine=self.name,
            source=self.dialect,
            view="view" in str(engine).lower(),
            num_columns=None if described is None else len(described),
            columns=columns_of((column, kind) for column, kind, _ in described or ()),
            primary_keys=None
            if described is None
            else [str(column) for column, _, key in described[:MAX_COLUMNS] if key],
        )


def placement_of(client: Any) -> Placement:
    """Any thread for the HTTP client, unless it has a session: a session runs one query at a time."""
    if _HTTP not in names_of(type(client)):
        return Placement(Place.CELL_THREAD, "nothing says that threads may share this client")
    parameters = static(client, "params")
    settings = static(client, "_client_settings")
    for known in (parameters, settings):
        if type(known) is dict and known.get("session_id"):
            return Placement(Place.CELL_THREAD, "its session runs one query at a time")
    if type(parameters) is not dict:
        return Placement(Place.CELL_THREAD, "nothing says whether it has a session")
    return Placement(Place.ANY_THREAD, "a client without session, which threads may share")


def _has_rows(result: Any) -> bool:
    return not {"read_rows", "read_bytes"} <= set(result.column_names)
