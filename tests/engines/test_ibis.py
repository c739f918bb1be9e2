"""Ibis backends: on DuckDB, and on SQLite for all others."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from callboard.engines import Discovery, Place, engine_of
from tests.engines.support import WEIRD, Hold, columns, engine, is_shared, shape

pytestmark = [
    pytest.mark.slow,  # ibis takes seconds to import
    pytest.mark.filterwarnings(
        "ignore:The 'future.infer_string' option"
    ),  # asked by ibis of pandas
]


@pytest.fixture(scope="module")
def ibis() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("ibis")


@pytest.fixture
def on_duckdb(ibis: Any) -> Iterator[Any]:
    backend = ibis.duckdb.connect()
    yield backend
    backend.disconnect()


@pytest.fixture
def on_sqlite(ibis: Any) -> Iterator[Any]:
    backend = ibis.sqlite.connect()
    yield backend
    backend.disconnect()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def run(backend: Any, *statements: str) -> None:
    for statement in statements:
        backend.raw_sql(statement).close() if backend.name == "sqlite" else backend.con.execute(
            statement
        )


def test_a_backend_on_duckdb_is_listed(on_duckdb: Any) -> None:
    run(
        on_duckdb,
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b STRUCT(x INTEGER))",
        f"CREATE SCHEMA more; CREATE VIEW more.{quoted(WEIRD)} AS SELECT a FROM t",
    )
    db = engine(on_duckdb)
    found = db.connection()
    assert (found.source, found.dialect, found.display_name) == ("ibis", "duckdb", "duckdb (db)")
    assert (found.default_database, found.default_schema) == ("memory", "main")
    assert shape(found) == {"memory": {"main": ["t"], "more": [WEIRD]}}
    assert found.databases[0].schemas[0].tables[0].columns == []
    assert shape(db.connection(Discovery(schemas=False))) == {"memory": {}}
    assert [schema.name for schema in db.schemas("memory")] == ["main", "more"]
    assert [table.name for table in db.tables("memory", "more")] == [WEIRD]
    table = db.table("memory", "main", "t")
    assert table is not None
    assert columns(table) == [
        ("a", "integer", "INTEGER"),
        ("b", "unknown", "STRUCT(x INTEGER)"),
    ]
    assert table.primary_keys == ["a"]
    assert db.table("memory", "main", "nothing") is None
    assert db.schemas("memory", ["main"]) == []


def test_other_threads_look_into_a_backend_on_duckdb_while_a_cell_runs_a_query(
    on_duckdb: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    hold = Hold()
    run(on_duckdb, "CREATE TABLE t AS SELECT 1 AS a")
    on_duckdb.con.create_function("hold", hold, ["BIGINT"], "BIGINT")
    db = engine(on_duckdb)
    assert db.placement.place is Place.ANY_THREAD
    assert not is_shared(db, on_duckdb)
    running = cell.submit(lambda: on_duckdb.raw_sql("SELECT hold(a) FROM t").fetchall())

    def look() -> Future[object]:
        def act() -> None:
            assert shape(db.connection()) == {"memory": {"main": ["t"]}}
            assert db.table("memory", "main", "t") is not None
            db.explain("SELECT a FROM t")
            with pytest.raises(Exception, match="nothing"):
                db.explain("SELECT nothing FROM t")
            db.interrupt()

        return worker.submit(act)

    assert hold.during(running, look) == [(1,)]


def test_queries_of_a_backend_on_duckdb_run_on_its_connection(on_duckdb: Any) -> None:
    db = engine(on_duckdb)
    assert db.execute("CREATE TEMP TABLE t AS SELECT 7 AS a").to() is None
    result = db.execute("SELECT a FROM t")
    assert result.columns == ("a",)
    assert result.to("polars").rows() == [(7,)]
    assert result.to("pandas").shape == (1, 1)


def test_any_other_backend_is_used_on_the_cells_thread(
    on_sqlite: Any, cell: ThreadPoolExecutor
) -> None:
    run(
        on_sqlite,
        f"CREATE TABLE t(a INTEGER, {quoted(WEIRD)} TEXT)",
        "INSERT INTO t VALUES (1, 'x')",
    )
    db = engine(on_sqlite)
    assert db.placement.place is Place.CELL_THREAD
    assert is_shared(db, on_sqlite)
    found = db.connection()
    assert (found.source, found.dialect) == ("ibis", "sqlite")
    assert shape(found) == {"": {"main": ["t"]}}
    assert [schema.name for schema in db.schemas("")] == ["main"]
    assert [table.name for table in db.tables("", "main")] == ["t"]
    assert columns(db.table("", "main", "t")) == [
        ("a", "integer", "int64"),
        (WEIRD, "string", "string"),
    ]
    assert db.table("", "main", "nothing") is None
    full = db.connection(Discovery(columns=True)).databases[0].schemas[0].tables[0]
    assert full.num_columns == 2
    db.explain("DELETE FROM t; DROP TABLE t")
    with pytest.raises(Exception, match="nothing_like_it"):
        db.explain("SELECT nothing_like_it FROM t")
    assert db.execute("INSERT INTO t VALUES (2, 'y')").to() is None
    result = db.execute("SELECT a FROM t ORDER BY a")
    assert result.columns == ("a",)
    assert result.to("polars").rows() == [(1,), (2,)]
    assert result.to("pandas").shape == (2, 1)
    assert result.to("native").count().execute() == 2


def test_an_expression_is_no_engine(ibis: Any, on_duckdb: Any) -> None:
    for value in (ibis, ibis._, ibis._.a.b, ibis.duckdb, ibis.memtable({"a": [1]})):
        assert engine_of("x", value) is None
