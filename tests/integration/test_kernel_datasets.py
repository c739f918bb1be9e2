"""The datasets domain in a real kernel: what is bound is announced, and requests read the runs before them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from callboard.messages.commands import ListSQLTablesCommand, PreviewDatasetColumnCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    DataColumnPreviewNotification,
    DatasetsNotification,
    DataSourceConnectionsNotification,
    SQLTableListPreviewNotification,
)
from callboard.testing.driver import Driver, Heard, execute, open_driver

pytestmark = pytest.mark.slow


async def preview(kernel: Driver, table: str, column: str) -> DataColumnPreviewNotification:
    heard = await kernel.do(PreviewDatasetColumnCommand("local", "memory", table, column))
    (reply,) = heard.of(DataColumnPreviewNotification)
    return reply


async def test_what_a_cell_binds_is_announced_and_can_be_looked_into() -> None:
    async with open_driver() as kernel:
        codes = {
            "a": "import polars as pl; frame = pl.DataFrame({'x': [1, 2, 3]})",
            "b": "import sqlalchemy as sa; db = sa.create_engine('sqlite://')\n"
            "with db.begin() as c: c.exec_driver_sql('CREATE TABLE t (x)')",
            "c": "import pandas; other = pandas.DataFrame({'y': ['a', 'b']})",
        }
        kernel.post(execute(codes))
        found: dict[str, Any] = {}

        def all_told(heard: Heard) -> bool:
            for tables in heard.of(DatasetsNotification):
                found.update({table.name: table for table in tables.tables})
            for engines in heard.of(DataSourceConnectionsNotification):
                found.update({engine.name: engine for engine in engines.connections})
            return found.keys() >= {"frame", "other", "db"}

        with trio.fail_after(60):
            await kernel.until(all_told)
        assert found["frame"].num_rows == 3
        assert found["other"].columns[0].sample_values == ["a", "b"]
        assert found["db"].display_name == "sqlite (db)"
        await kernel.settle()

        reply = await preview(kernel, "other", "y")
        assert reply.stats is not None
        assert reply.stats.unique == 2
        assert "nope" in ((await preview(kernel, "nope", "y")).error or "")

        # An in-memory database of SQLite, which any other thread would find empty.
        heard = await kernel.do(
            ListSQLTablesCommand(RequestId("1"), VariableName("db"), "", "main")
        )
        (listing,) = heard.of(SQLTableListPreviewNotification)
        assert [table.name for table in listing.tables] == ["t"]
        assert kernel.restarts == 0


async def test_a_preview_reads_the_run_that_was_asked_for_before_it() -> None:
    async with open_driver() as kernel:
        await kernel.run(a="import polars as pl; frame = pl.DataFrame({'x': [1]})")
        hold = kernel.hold("gate")
        kernel.post(execute({"a": "gate()\nimport polars as pl; frame = pl.DataFrame({'x': [9]})"}))
        await hold.reached()
        asked = kernel.post(PreviewDatasetColumnCommand("local", "memory", "frame", "x"))
        hold.release()
        await asked.wait()
        (reply,) = kernel.news().of(DataColumnPreviewNotification)
        assert reply.stats is not None
        assert reply.stats.max == 9


async def test_the_built_in_database_is_announced_when_a_cell_changes_its_catalog() -> None:
    async with open_driver() as kernel:
        codes = {
            "m": "import callboard as cb",
            "t": 'cb.sql("CREATE OR REPLACE TABLE told_of AS SELECT 42 AS answer")',
        }
        kernel.post(execute(codes))

        def told(heard: Heard) -> bool:
            return any(
                table.name == "told_of"
                for told in heard.of(DataSourceConnectionsNotification)
                for connection in told.connections
                for database in connection.databases
                for schema in database.schemas
                for table in schema.tables
            )

        with trio.fail_after(60):
            await kernel.until(told)
