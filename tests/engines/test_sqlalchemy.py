"""SQLAlchemy engines on SQLite, in a file and in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event, pool

from callboard.engines import Discovery, Place, engine_of, error_text
from tests.engines.support import (
    WEIRD,
    Hold,
    columns,
    engine,
    interrupted,
    is_shared,
    shape,
)

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
FULL = Discovery(True, True, True)


@pytest.fixture
def in_file(tmp_path: Path) -> Iterator[Any]:
    made = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    yield made
    made.dispose()


@pytest.fixture
def in_memory() -> Iterator[Any]:
    made = sqlalchemy.create_engine("sqlite://")
    yield made
    made.dispose()


def run(db: Any, *statements: str) -> None:
    with db.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_content_is_delivered_as_deep_as_asked(in_file: Any) -> None:
    run(
        in_file,
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b VARCHAR(9), c NUMERIC(9, 2), d TIMESTAMP, e JSON)",
        "CREATE INDEX by_b ON t(b)",
        "CREATE VIEW v AS SELECT a FROM t",
    )
    db = engine(in_file)
    found = db.connection()
    assert (found.source, found.dialect) == ("sqlalchemy", "sqlite")
    assert found.display_name == "sqlite (db)"
    name = str(in_file.url.database)
    assert (found.default_database, found.default_schema) == (name, "main")
    assert shape(found) == {name: {"main": ["t", "v"]}}
    table, view = found.databases[0].schemas[0].tables
    assert (table.columns, table.num_columns, table.type) == ([], None, "table")
    assert view.type == "view"
    assert shape(db.connection(Discovery(schemas=False))) == {name: {}}
    assert shape(db.connection(Discovery(tables=False))) == {name: {"main": []}}
    table = db.connection(FULL).databases[0].schemas[0].tables[0]
    assert columns(table) == [
        ("a", "integer", "INTEGER"),
        ("b", "string", "VARCHAR(9)"),
        ("c", "number", "NUMERIC(9, 2)"),
        ("d", "datetime", "TIMESTAMP"),
        ("e", "unknown", "JSON"),
    ]


def test_parts_are_looked_up_on_request(in_file: Any) -> None:
    run(
        in_file,
        f"CREATE TABLE {quoted(WEIRD)}({quoted(WEIRD)} INTEGER PRIMARY KEY, b TEXT)",
        f"CREATE INDEX by_b ON {quoted(WEIRD)}(b)",
        f"CREATE VIEW v AS SELECT b FROM {quoted(WEIRD)}",
    )
    db = engine(in_file)
    assert [(schema.name, schema.tables) for schema in db.schemas("x")] == [("main", [])]
    assert [(table.name, table.columns) for table in db.tables("x", "main")] == [
        (WEIRD, []),
        ("v", []),
    ]
    assert db.tables("x", "") == db.tables("x", "main")
    table = db.table("x", "main", WEIRD)
    assert table is not None
    assert columns(table) == [(WEIRD, "integer", "INTEGER"), ("b", "string", "TEXT")]
    assert (table.primary_keys, table.indexes, table.num_columns) == ([WEIRD], ["by_b"], 2)
    view = db.table("x", "main", "v")
    assert view is not None
    assert view.type == "view"
    assert db.table("x", "main", "nothing") is None
    assert db.table("x", "main", "t'; DROP TABLE v; --") is None
    assert db.schemas("x", ["main"]) == []
    assert db.tables("x", "main", ["main"]) == []
    assert db.table("x", "main", "v", ["main"]) is None


def test_ten_thousand_tables_are_listed_by_a_few_queries(in_file: Any) -> None:
    # One CREATE TABLE each would take a minute.
    run(
        in_file,
        "CREATE TABLE t0(a)",
        "PRAGMA writable_schema = ON",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
        "INSERT INTO sqlite_master SELECT 'table', 't' || i, 't' || i, "
        "(SELECT rootpage FROM sqlite_master), 'CREATE TABLE t' || i || '(a)' FROM n",
    )
    in_file.dispose()
    queries: list[str] = []
    raw = in_file.raw_connection()
    raw.dbapi_connection.set_trace_callback(queries.append)
    raw.close()
    assert len(engine(in_file).tables("x", "main")) == 10_000
    assert 0 < len(queries) < 10


@pytest.mark.parametrize(
    ("url", "options", "place", "reason"),
    [
        ("sqlite:///{}/x.db", {}, Place.ANY_THREAD, "QueuePool"),
        ("sqlite:///{}/x.db", {"poolclass": pool.NullPool}, Place.ANY_THREAD, "NullPool"),
        ("sqlite:///{}/x.db", {"poolclass": pool.StaticPool}, Place.CELL_THREAD, "StaticPool"),
        (
            "sqlite:///{}/x.db",
            {"poolclass": pool.SingletonThreadPool},
            Place.CELL_THREAD,
            "SingletonThreadPool",
        ),
        (
            "sqlite:///{}/x.db",
            {"poolclass": pool.AssertionPool},
            Place.CELL_THREAD,
            "AssertionPool",
        ),
        ("sqlite:///{}/x.db", {"creator": lambda: None}, Place.CELL_THREAD, "code of the notebook"),
        ("sqlite://", {}, Place.CELL_THREAD, "in-memory"),
        ("sqlite:///:memory:", {}, Place.CELL_THREAD, "in-memory"),
        (
            "sqlite:///file:x?mode=memory&uri=true",
            {"poolclass": pool.QueuePool},
            Place.CELL_THREAD,
            "in-memory",
        ),
        ("sqlite://", {"poolclass": pool.QueuePool}, Place.CELL_THREAD, "in-memory"),
        ("sqlite://", {"poolclass": pool.NullPool}, Place.CELL_THREAD, "in-memory"),
        ("sqlite://", {"poolclass": pool.StaticPool}, Place.CELL_THREAD, "in-memory"),
    ],
)
def test_the_pool_decides_which_threads_may_use_an_engine(
    tmp_path: Path, url: str, options: dict[str, Any], place: Place, reason: str
) -> None:
    made: Any = sqlalchemy.create_engine(url.format(tmp_path), **options)
    db = engine(made)
    assert db.placement.place is place
    assert reason in db.placement.reason
    assert is_shared(db, made) is (place is Place.CELL_THREAD)
    made.dispose()


def test_an_engine_with_options_is_as_safe_as_the_one_it_is_made_of(
    in_file: Any, in_memory: Any
) -> None:
    for made, place in ((in_file, Place.ANY_THREAD), (in_memory, Place.CELL_THREAD)):
        db = engine(made.execution_options(isolation_level="AUTOCOMMIT"))
        assert db.placement.place is place
        assert db.execute("CREATE TABLE t(a)").to() is None
        assert [table.name for table in db.tables("", "main")] == ["t"]


@pytest.mark.parametrize("name", ["connect", "before_cursor_execute", "do_connect"])
def test_an_engine_that_calls_code_of_the_notebook_is_used_on_its_thread(
    in_file: Any, name: str
) -> None:
    event.listen(in_file, name, lambda *_: None)
    for made in (in_file, in_file.execution_options(isolation_level="AUTOCOMMIT")):
        db = engine(made)
        assert db.placement.place is Place.CELL_THREAD
        assert "listens" in db.placement.reason


def test_other_threads_look_in_while_a_cell_runs_a_query(
    in_file: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    hold = Hold()
    run(in_file, "CREATE TABLE t AS SELECT 1 AS a")

    def query() -> object:
        with in_file.connect() as connection:
            connection.connection.create_function("hold", 1, hold)
            return connection.exec_driver_sql("SELECT hold(a) FROM t").fetchall()

    db = engine(in_file)

    def look() -> Future[object]:
        def act() -> None:
            assert [table.name for table in db.tables("", "main")] == ["t"]
            assert shape(db.connection()).popitem()[1] == {"main": ["t"]}
            db.explain("SELECT a FROM t")
            db.interrupt()

        return worker.submit(act)

    assert hold.during(cell.submit(query), look) == [(1,)]


@pytest.mark.parametrize("poolclass", [None, pool.StaticPool])
def test_an_in_memory_database_is_the_cells_own_one_its_transaction_included(
    cell: ThreadPoolExecutor, poolclass: Any
) -> None:
    options = {"connect_args": {"check_same_thread": True}}
    made: Any = sqlalchemy.create_engine(
        "sqlite://", **options, **({"poolclass": poolclass} if poolclass else {})
    )
    db = engine(made)

    def begin() -> Any:
        run(made, "CREATE TABLE t(a)")
        connection = made.connect()
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        return connection

    def look() -> None:
        assert [table.name for table in db.tables("", "main")] == ["t"]
        assert shape(db.connection()) == {":memory:": {"main": ["t"]}}
        table = db.table("", "main", "t")
        assert table is not None
        db.explain("SELECT a FROM t")
        with pytest.raises(Exception, match="no such column"):
            db.explain("SELECT b FROM t")
        assert db.execute("SELECT a FROM t").to("native") == [(1,)]
        assert db.execute("INSERT INTO t VALUES (2)").to() is None

    def end(connection: Any) -> object:
        found = connection.exec_driver_sql("SELECT a FROM t").fetchall()
        connection.rollback()
        assert connection.exec_driver_sql("SELECT a FROM t").fetchall() == []
        connection.close()
        made.dispose()
        return found

    connection = cell.submit(begin).result()
    cell.submit(look).result()
    assert cell.submit(end, connection).result() == [(1,), (2,)]


def test_a_failing_statement_leaves_no_transaction_open(in_memory: Any) -> None:
    db = engine(in_memory)
    db.execute("CREATE TABLE t(a PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        db.execute("INSERT INTO t VALUES (2), (1)")
    with in_memory.connect() as connection:
        assert not connection.connection.dbapi_connection.in_transaction


def test_functions_that_the_notebook_gave_a_shared_connection_stay(in_memory: Any) -> None:
    db = engine(in_memory)
    with in_memory.connect() as connection:
        connection.connection.create_function("regexp", 2, lambda a, b: 42)
        assert db.tables("", "main") == []
        assert connection.exec_driver_sql("SELECT 'a' REGEXP 'b'").scalar() == 42


def test_a_statement_outside_a_transaction_is_committed(in_file: Any, in_memory: Any) -> None:
    for made in (in_file, in_memory):
        db = engine(made)
        assert db.execute("CREATE TABLE t(a)").to() is None
        assert db.execute("INSERT INTO t VALUES ('10:30 :x 5%')").to("native") is None
        result = db.execute("SELECT a AS x, a AS x FROM t WHERE a LIKE '%:30%'")
        assert result.columns == ("x", "x")
        assert result.to("native") == [("10:30 :x 5%", "10:30 :x 5%")]
        with made.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1


def test_checking_a_query_runs_nothing(in_file: Any) -> None:
    run(in_file, "CREATE TABLE t AS SELECT 1 AS a")
    db = engine(in_file)
    db.explain("DELETE FROM t; DROP TABLE t")
    db.explain("EXPLAIN QUERY PLAN DELETE FROM t")
    assert db.execute("SELECT count(*) FROM t").to("native") == [(1,)]


@pytest.mark.parametrize("act", ["explain", "execute"])
def test_errors_are_the_drivers_and_the_engine_goes_on(in_file: Any, act: str) -> None:
    db = engine(in_file)
    with pytest.raises(sqlalchemy.exc.OperationalError, match="no such table: nowhere"):
        getattr(db, act)("SELECT * FROM nowhere")
    assert db.execute("SELECT 1").to("native") == [(1,)]


def test_a_database_that_cannot_be_opened_has_no_content(tmp_path: Path) -> None:
    made: Any = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/nowhere/x.db")
    db = engine(made)
    assert db.connection().databases == []
    with pytest.raises(sqlalchemy.exc.OperationalError):
        db.tables("", "main")


def test_passwords_of_a_url_stay_out_of_errors() -> None:
    error = ValueError("cannot connect to postgresql+psycopg://me:hunter22@db.example/x")
    assert "hunter22" not in error_text(error)
    assert "db.example" in error_text(error)


def test_a_running_query_can_be_interrupted(in_file: Any, cell: ThreadPoolExecutor) -> None:
    db = engine(in_file)
    raised = interrupted(db, lambda: cell.submit(db.execute, ENDLESS))
    assert isinstance(raised, sqlalchemy.exc.OperationalError)
    assert db.execute("SELECT 1").to("native") == [(1,)]


def test_an_interrupt_without_a_call_under_way_hits_nothing(
    in_memory: Any, cell: ThreadPoolExecutor
) -> None:
    db = engine(in_memory)
    done = threading.Event()

    def query() -> object:
        with in_memory.connect() as connection:
            connection.connection.create_function("tell", 0, lambda: done.wait(30))
            return connection.exec_driver_sql("SELECT tell()").fetchall()

    running = cell.submit(query)
    db.interrupt()
    done.set()
    assert running.result(30) == [(1,)]
    cell.submit(in_memory.dispose).result()


def test_a_connection_of_an_engine_is_none_itself(in_file: Any) -> None:
    with in_file.connect() as connection:
        assert engine_of("x", connection) is None
