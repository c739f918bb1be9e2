"""Connections of DB-API 2 (PEP 249): they run queries and have no catalog."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from callboard.engines.calls import Call
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import (
    canceller,
    cursor_canceller,
    fetch,
    in_transaction,
    is_of,
    static,
    threadsafety_of,
    undisturbed,
)
from callboard.engines.engine import Content, Engine, NoCatalog, closing
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import names_of
from callboard.engines.results import QueryResult, rows_result
from callboard.engines.statements import explained
from callboard.messages.payloads import DataTable, Schema


class DBAPIEngine(Engine):
    """A DB-API 2 connection."""

    source = "dbapi"
    has_catalog = False
    discovers = Discovery(False, False, False)

    def __init__(self, name: str, value: Any) -> None:
        dialect = static(value, "dialect")
        super().__init__(
            name, value, dialect if type(dialect) is str else "sql", placement_of(value)
        )

    def _content(self, call: Call, wanted: Wanted) -> Content:
        raise NoCatalog(self.name)

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        raise NoCatalog(self.name)

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        raise NoCatalog(self.name)

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        raise NoCatalog(self.name)

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        explain(self.value, call, query, shared=self.placement.place is Place.ANY_THREAD)

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        return execute(self.value, call, query)


def explain(connection: Any, call: Call, query: str, *, shared: bool) -> None:
    """Check a query on a connection; ``shared``: cells may be using it meanwhile."""
    with closing(connection.cursor()) as cursor:
        # What breaks off the whole connection would break off a cell's query too.
        cancel = cursor_canceller(cursor) if shared else canceller(connection)
        with call.cancelled_by(cancel):
            if shared:
                cursor.execute(explained(query))
                fetch(cursor)
                return
            with undisturbed(connection):
                cursor.execute(explained(query))
                fetch(cursor)


def execute(connection: Any, call: Call, query: str) -> QueryResult:
    """Run a query and fetch its rows, committed unless the notebook has a transaction open."""
    inside = in_transaction(connection)
    with (
        closing(connection.cursor()) as cursor,
        call.cancelled_by(canceller(connection) or cursor_canceller(cursor)),
    ):
        try:
            cursor.execute(query)
            columns, rows = fetch(cursor)
        except BaseException:
            if inside is False:
                with suppress(Exception):
                    connection.rollback()
            raise
        if not inside:
            connection.commit()
    return rows_result(columns, rows)


def placement_of(connection: Any) -> Placement:
    """Decide by what the driver says of threads, and by whether it has transactions that an error spoils."""
    if ("sqlite3", "Connection") in names_of(type(connection)):
        return _sqlite_placement(connection)
    level = threadsafety_of(type(connection))
    if level is None:
        return Placement(Place.CELL_THREAD, "its module says nothing of threads")
    if level < 2:
        return Placement(
            Place.CELL_THREAD, f"threadsafety {level}: threads may not share connections"
        )
    if is_of(connection, "psycopg", "psycopg2") and not _autocommits(connection):
        return Placement(
            Place.CELL_THREAD,
            f"threadsafety {level}, but a query that PostgreSQL refuses would spoil the cells' transaction",
        )
    return Placement(Place.ANY_THREAD, f"threadsafety {level}: threads may share connections")


def _autocommits(connection: Any) -> bool:
    try:
        return connection.autocommit is True
    except Exception:
        return False


def _sqlite_placement(connection: sqlite3.Connection) -> Placement:
    if sqlite3.threadsafety >= 2 and _passes_threads(connection):
        return Placement(
            Place.ANY_THREAD,
            "sqlite3, serialized, with check_same_thread off: threads may share it",
        )
    return Placement(Place.CELL_THREAD, "sqlite3: only the thread that made it may use it")


def _passes_threads(connection: sqlite3.Connection) -> bool:
    """Have a new thread ask for a limit, which takes no lock, to see whether sqlite3 lets it."""
    passed = []

    def ask() -> None:
        # Closed, or another thread's.
        with suppress(sqlite3.Error):
            sqlite3.Connection.getlimit(connection, sqlite3.SQLITE_LIMIT_LENGTH)
            passed.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join()
    return bool(passed)
