"""Databases at work for the code of cells, and how an interrupt breaks them off."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import attrs

from callboard.authoring.queries import RunningQuery
from callboard.messages.ids import CellId

_SQLITE_INTERRUPT = 9


@attrs.define(eq=False)
class RunningQueries:
    """The queries that the notebook's code is waiting for. For any thread."""

    _queries: dict[RunningQuery, CellId | None] = attrs.field(factory=dict, init=False)

    def started(self, query: RunningQuery, cell_id: CellId | None) -> None:
        """Take note of a query that is about to run for the code of a cell."""
        self._queries[query] = cell_id

    def ended(self, query: RunningQuery) -> None:
        """Forget a query."""
        self._queries.pop(query, None)

    def interrupt(self, thread_id: int, cell_id: CellId | None) -> None:
        """Break off what a thread waits for, and what other threads wait for on behalf of a cell."""
        for query, owner in tuple(self._queries.items()):
            if query.thread_id == thread_id or (cell_id is not None and owner == cell_id):
                query.interrupt()


def interrupt_connections(values: Iterable[object]) -> None:
    """Tell all connections among some values, and DuckDB's own, to break off what they are doing.

    These are DuckDB's and sqlite3's, to which an interrupt does nothing when they are at rest. For any thread; returns
    at once.
    """
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None:
        _interrupt(duckdb)
    kinds = _class("duckdb", "DuckDBPyConnection") + _class("sqlite3", "Connection")
    for value in values:
        if issubclass(type(value), kinds):
            _interrupt(value)


def _interrupt(connection: Any) -> None:
    # One that is closed has nothing to break off.
    with suppress(Exception):
        connection.interrupt()


def is_broken_off(error: BaseException) -> bool:
    """Tell whether an error of a run that was interrupted is what a database made of the interrupt.

    Runs no code of the error. DuckDB has other errors than its own for that, depending on how far a query has come.
    """
    kind = type(error)
    if issubclass(kind, _class("duckdb", "Error")):
        return True
    if kind is RuntimeError and "duckdb" in sys.modules:
        # What DuckDB makes of the KeyboardInterrupt of a signal that it finds on the main thread.
        return error.args == ("Query interrupted",)
    if issubclass(kind, _class("sqlite3", "OperationalError")):
        return vars(error).get("sqlite_errorcode") == _SQLITE_INTERRUPT
    return False


def _class(module: str, name: str) -> tuple[type[Any], ...]:
    """The class of a library that is loaded, for ``issubclass``."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) else ()
