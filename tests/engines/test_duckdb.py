"""DuckDB connections as engines."""

from __future__ import annotations

import gc
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import duckdb
import polars as pl
import pytest

from callboard.engines import (
    DEFAULT_ENGINE_NAMES,
    Discovery,
    Place,
    default_engine,
    error_text,
)
from callboard.engines.catalog_types import MAX_COLUMNS
from tests.engines.support import (
    WEIRD,
    Hold,
    columns,
    engine,
    interrupted,
    is_shared,
    shape,
)

ENDLESS = (
    "SELECT count(*) FROM range(10_000_000_000) a, range(1_000_000) b WHERE a.range + b.range < 0"
)


@pytest.fixture
def connection() -> Any:
    with duckdb.connect() as connection:
        yield connection


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_the_whole_content_is_delivered_at_once(connection: Any) -> None:
    connection.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b VARCHAR, c DECIMAL(9, 2))")
    connection.execute("CREATE INDEX by_b ON t(b)")
    connection.execute("CREATE SCHEMA more; CREATE VIEW more.v AS SELECT now() AS x, [1] AS y")
    connection.execute("ATTACH ':memory:' AS empty")
    db = engine(connection)
    found = db.connection(Discovery(False, False, False))
    assert shape(found) == {"empty": {}, "memory": {"main": ["t"], "more": ["v"]}}
    assert (found.source, found.dialect, found.name) == ("duckdb", "duckdb", "db")
    assert found.display_name == "duckdb (db)"
    assert (found.default_database, found.default_schema) == ("memory", "main")
    table = found.databases[1].schemas[0].tables[0]
    assert columns(table) == [
        ("a", "integer", "INTEGER"),
        ("b", "string", "VARCHAR"),
        ("c", "number", "DECIMAL(9,2)"),
    ]
    assert (table.primary_keys, table.indexes) == (["a"], ["by_b"])
    assert (table.num_columns, table.num_rows, table.type) == (3, None, "table")
    assert (table.source_type, table.engine) == ("connection", "db")
    view = found.databases[1].schemas[1].tables[0]
    assert view.type == "view"
    assert columns(view) == [
        ("x", "datetime", "TIMESTAMP WITH TIME ZONE"),
        ("y", "unknown", "INTEGER[]"),
    ]
    assert db.schemas("memory") == []
    assert db.tables("memory", "main") == []
    assert db.table("memory", "main", "t") is None


def test_names_come_through_as_they_are(connection: Any) -> None:
    connection.execute(f"CREATE SCHEMA {quoted(WEIRD)}")
    connection.execute(f"CREATE TABLE {quoted(WEIRD)}.{quoted(WEIRD)} ({quoted(WEIRD)} DATE)")
    found = engine(connection).connection()
    assert shape(found)["memory"] == {WEIRD: [WEIRD]}
    assert columns(found.databases[0].schemas[0].tables[0]) == [(WEIRD, "date", "DATE")]


def test_many_columns_are_counted_and_delivered_up_to_a_bound(connection: Any) -> None:
    width = MAX_COLUMNS + 5
    connection.execute(f"CREATE TABLE wide({', '.join(f'c{i} TINYINT' for i in range(width))})")
    (table,) = engine(connection).connection().databases[0].schemas[0].tables
    assert table.num_columns == width
    assert len(table.columns) == MAX_COLUMNS
    assert table.columns[-1].name == f"c{MAX_COLUMNS - 1}"


def test_a_closed_connection_has_no_content_and_refuses_queries() -> None:
    connection = duckdb.connect()
    connection.close()
    db = engine(connection)
    assert db.connection().databases == []
    with pytest.raises(Exception, match="closed"):
        db.explain("SELECT 1")


def test_the_built_in_engine_is_the_database_that_the_module_uses() -> None:
    duckdb.sql("CREATE TABLE of_the_module(a INT)")
    try:
        db = default_engine()
        assert db.name in DEFAULT_ENGINE_NAMES
        found = db.connection()
        assert found.display_name == "duckdb (In-Memory)"
        (table,) = found.databases[0].schemas[0].tables
        assert (table.name, table.source_type, table.engine) == ("of_the_module", "duckdb", None)
        assert found.databases[0].engine is None
    finally:
        duckdb.sql("DROP TABLE of_the_module")


def test_other_threads_look_in_while_a_cell_runs_a_query(
    connection: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    hold = Hold()
    connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    connection.create_function("hold", hold, ["BIGINT"], "BIGINT")
    db = engine(connection)
    assert db.placement.place is Place.ANY_THREAD
    assert not is_shared(db, connection)
    running = cell.submit(lambda: connection.execute("SELECT hold(a) FROM t").fetchall())

    def look() -> Future[object]:
        def act() -> None:
            assert shape(db.connection()) == {"memory": {"main": ["t"]}}
            db.explain("SELECT a FROM t")
            with pytest.raises(duckdb.Error):
                db.explain("SELECT nothing FROM t")
            db.interrupt()

        return worker.submit(act)

    assert hold.during(running, look) == [(1,)]


def test_looking_in_leaves_an_unfinished_result_and_a_transaction_alone(connection: Any) -> None:
    connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(10_000)")
    connection.execute("BEGIN; DELETE FROM t WHERE a = 0")
    connection.execute("SELECT a FROM t ORDER BY a")
    assert connection.fetchone() == (1,)
    db = engine(connection)
    assert shape(db.connection()) == {"memory": {"main": ["t"]}}
    with pytest.raises(duckdb.Error):
        db.explain("SELECT nothing")
    assert connection.fetchone() == (2,)
    assert len(connection.fetchall()) == 9997
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(9999,)]


@pytest.mark.parametrize("query", ["", "  -- nothing", ";", "ATTACH 'x.db' AS x", "USE memory"])
def test_what_duckdb_runs_and_does_not_explain_counts_as_valid(connection: Any, query: str) -> None:
    engine(connection).explain(query)


def test_checking_a_query_runs_nothing(connection: Any) -> None:
    connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    db = engine(connection)
    db.explain("DELETE FROM t; DROP TABLE t")
    db.explain("EXPLAIN ANALYZE DELETE FROM t")
    db.explain("CREATE TABLE u(a INT)")
    db.explain("/* ; */ SELECT ';' FROM t; DELETE FROM t")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    assert shape(db.connection()) == {"memory": {"main": ["t"]}}


def test_a_check_and_a_query_see_the_dataframes_of_the_notebook(connection: Any) -> None:
    db = engine(connection)
    variables = {"frame": pl.DataFrame({"x": [1, 2, 3]}), "query": pl.DataFrame({"y": [7]})}
    db.explain("SELECT x FROM frame", variables)
    with pytest.raises(duckdb.Error):
        db.explain("SELECT z FROM frame", variables)
    with pytest.raises(duckdb.Error):
        db.explain("SELECT x FROM frame")
    assert db.execute("SELECT sum(x) AS s FROM frame", variables).to("polars").rows() == [(6,)]
    assert db.execute("FROM query", variables).to("native").fetchall() == [(7,)]
    assert shape(db.connection()) == {"memory": {}}
    variables.clear()
    gc.collect()
    with pytest.raises(duckdb.Error):
        db.execute("SELECT * FROM frame")


def test_a_table_of_the_database_goes_before_a_dataframe_of_its_name(connection: Any) -> None:
    connection.execute("CREATE TABLE frame AS SELECT 'table' AS x")
    frame = pl.DataFrame({"x": ["frame"]})
    result = engine(connection).execute("FROM frame", {"frame": frame})
    assert result.to("polars")["x"].to_list() == ["table"]


def test_a_query_runs_on_the_connection_itself(connection: Any) -> None:
    connection.execute("CREATE TEMP TABLE mine AS SELECT 1 AS a")
    db = engine(connection)
    assert db.execute("SELECT a FROM mine").columns == ("a",)
    assert db.execute("CREATE TABLE made(a INT)").to() is None
    assert db.execute("INSERT INTO made VALUES (1), (2)").to("native") is None
    assert db.execute("INSERT INTO made VALUES (3) RETURNING a").to("native").fetchall() == [(3,)]
    assert db.execute("SET threads = 2").to("pandas") is None
    assert db.execute("-- nothing").to() is None
    assert db.execute("SHOW TABLES").to("polars").height == 2
    assert db.execute("UPDATE made SET a = 0; SELECT sum(a) AS s FROM made").to().rows() == [(0,)]


def test_a_result_comes_in_every_format(connection: Any) -> None:
    result = engine(connection).execute("SELECT 1 AS a, 'x' AS b")
    assert result.columns == ("a", "b")
    assert isinstance(result.to(), pl.DataFrame)
    assert isinstance(result.to("lazy-polars"), pl.LazyFrame)
    assert result.to("pandas").shape == (1, 2)


def test_a_running_query_can_be_interrupted(connection: Any, cell: ThreadPoolExecutor) -> None:
    db = engine(connection)
    raised = interrupted(db, lambda: cell.submit(lambda: db.execute(ENDLESS).to("polars")))
    assert isinstance(raised, duckdb.InterruptException)
    assert "nterrupt" in error_text(raised)
    assert db.execute("SELECT 1 AS a").to("polars").rows() == [(1,)]


@pytest.mark.slow
def test_a_thousand_tables_are_listed(connection: Any) -> None:
    connection.execute("BEGIN")
    for number in range(1_000):
        connection.execute(f"CREATE TABLE t{number}(a INT)")
    connection.execute("COMMIT")
    (schema,) = engine(connection).connection().databases[0].schemas
    assert len(schema.tables) == 1_000
    assert all(len(table.columns) == 1 for table in schema.tables)
