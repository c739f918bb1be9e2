"""Column previews that ask a DuckDB connection, which can be told to break a query off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import attrs

from callboard.actors.datasets.columns import STEPS, Preview, preview_column
from callboard.engines.calls import Interrupted
from callboard.engines.statements import quoted


@attrs.define(eq=False)
class CursorPreview:
    """The preview of a column of a relation, made on a cursor of its own or on the connection itself.

    Call it on the thread that the connection may be used on, once.
    """

    connection: Any
    relation: Callable[[Any], Any]
    """Makes the relation, given the connection to make it on."""
    column: str
    variable: str | None = None
    is_database: bool = True
    private: bool = True
    """Whether on a cursor of its own, which sees neither temporary tables nor registered dataframes."""
    _running: Any = None
    _interrupted: bool = False
    _steps: int = 0
    """How many have been done."""

    def __call__(self) -> Preview:
        """Make the preview."""
        connection = self.connection.cursor() if self.private else self.connection
        if self.private:
            _have_progress_measured(connection)
        self._running = connection
        try:
            relation = self.relation(connection)
            if self._interrupted:
                raise Interrupted("interrupted")
            return preview_column(
                relation,
                self.column,
                variable=self.variable,
                is_database=self.is_database,
                reached=self._reached,
            )
        finally:
            self._running = None
            if self.private:
                connection.close()

    def _reached(self, steps: int) -> None:
        self._steps = steps
        if self._interrupted:
            raise Interrupted("interrupted")

    def percent(self) -> int:
        """Return how much has been done, as far as the database says. From any thread, at once."""
        connection, share = self._running, 0.0
        if connection is not None and self.private:
            with contextlib.suppress(Exception):
                # It may be closed by now, or too old to say. Before a query it says -1.
                share = min(max(connection.query_progress(), 0.0), 100.0)
        return int((100 * self._steps + share) / STEPS)

    def interrupt(self) -> None:
        """Break the query off. From any thread, at once."""
        self._interrupted = True
        connection = self._running
        if connection is not None:
            with contextlib.suppress(Exception):
                # It may be closed by now.
                connection.interrupt()


def _have_progress_measured(cursor: Any) -> None:
    """Have DuckDB say how far the queries of a cursor are, and print nothing of it."""
    for setting in ("enable_progress_bar_print = false", "enable_progress_bar = true"):
        with contextlib.suppress(Exception):  # it does not know it; then the steps have to do
            cursor.execute(f"SET {setting}")


def table_named(parts: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return what makes the relation of a table whose name has one part or three."""

    def relation(connection: Any) -> Any:
        name = parts
        if len(parts) == 1:
            # Qualified, lest DuckDB takes a Python variable of that name for the table.
            ((database, schema),) = connection.execute(
                "SELECT current_database(), current_schema()"
            ).fetchall()
            name = (database, schema, *parts)
        return connection.sql(f"SELECT * FROM {quoted(*name)}")  # noqa: S608 - quoted

    return relation
