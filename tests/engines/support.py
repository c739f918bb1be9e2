"""Helpers for the tests of engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from callboard.engines import Engine, Interrupted, engine_of
from callboard.messages.payloads import DataSourceConnection, DataTable

T = TypeVar("T")

WEIRD = 'we"ird\n.ta`ble 🐝'
"""A name of a table that has to be quoted with care."""


def engine(value: object, name: str = "db") -> Engine:
    """Recognise a value that is an engine."""
    found = engine_of(name, value)
    assert found is not None
    return found


def shape(connection: DataSourceConnection) -> dict[str, dict[str, list[str]]]:
    """Name the tables of a connection by database and schema."""
    return {
        database.name: {
            schema.name: [table.name for table in schema.tables] for schema in database.schemas
        }
        for database in connection.databases
    }


def columns(table: DataTable | None) -> list[tuple[str, str, str]]:
    """Name the columns of a table with both their types."""
    assert table is not None
    return [(column.name, column.type, column.external_type) for column in table.columns]


def is_shared(engine: Engine, value: object) -> bool:
    """Tell whether calls of an engine must not overlap with others that use the same object."""
    return engine.exclusive is value


class Hold:
    """A function for databases to call in the middle of a query, which waits until it is released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, value: int = 1) -> int:
        self.reached.set()
        assert self.released.wait(30)
        return value

    def during(self, query: Future[T], act: Callable[[], Future[object]]) -> T:
        """Act while the query is held, then let it go on and return what it gave."""
        try:
            assert self.reached.wait(30)
            act().result(30)
            assert not query.done()
        finally:
            self.released.set()
        return query.result(30)


def interrupted(engine: Engine, begin: Callable[[], Future[object]]) -> BaseException | None:
    """Interrupt a call in the middle of its query, and return what the driver made of that."""
    for _ in range(100):
        call = begin()
        while not wait([call], timeout=0.05).done:
            engine.interrupt()
        raised = call.exception()
        # Else the interrupt came before the query began.
        if not isinstance(raised, Interrupted):
            return raised
    raise AssertionError("the query never begins")
