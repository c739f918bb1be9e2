"""DB-API 2 connections as engines: sqlite3, and connections by what their modules say."""

from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from callboard.engines import NoCatalog, Place, error_text
from tests.engines.support import Hold, engine, interrupted, is_shared

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def connection() -> Any:
    made = sqlite3.connect(":memory:", check_same_thread=False)
    yield made
    made.close()


def test_the_connection_is_described_without_a_catalog(connection: Any) -> None:
    db = engine(connection)
    found = db.connection()
    assert (found.source, found.dialect, found.name) == ("dbapi", "sql", "db")
    assert (found.display_name, found.databases) == ("db", [])
    assert (found.default_database, found.default_schema) == (None, None)
    assert not db.has_catalog
    for ask in (
        lambda: db.schemas("x"),
        lambda: db.tables("x", "y"),
        lambda: db.table("x", "y", "z"),
    ):
        with pytest.raises(NoCatalog, match=r"db .dbapi. does not support catalog operations"):
            ask()


def test_the_dialect_is_what_the_connection_says() -> None:
    class Connection(sqlite3.Connection):
        dialect = "sqlite"

    made = sqlite3.connect(":memory:", factory=Connection)
    assert engine(made).connection().dialect == "sqlite"
    made.close()


def test_sqlite_is_used_by_other_threads_only_if_it_lets_them(
    cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    own = cell.submit(sqlite3.connect, ":memory:").result()
    shared = sqlite3.connect(":memory:", check_same_thread=False)
    # Whoever recognises it, its maker included.
    for thread in (cell, worker):
        assert thread.submit(engine, own).result().placement.place is Place.CELL_THREAD
        assert thread.submit(engine, shared).result().placement.place is Place.ANY_THREAD
    assert is_shared(engine(shared), shared)
    with pytest.raises(sqlite3.ProgrammingError, match="thread"):
        worker.submit(engine(own).explain, "SELECT 1").result()
    assert cell.submit(engine(own).explain, "SELECT 1").result() is None
    cell.submit(own.close).result()
    shared.close()
    assert engine(shared).placement.place is Place.CELL_THREAD
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        engine(shared).explain("SELECT 1")


def test_other_threads_check_while_a_cell_runs_a_query(
    connection: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    hold = Hold()
    connection.execute("CREATE TABLE t AS SELECT 1 AS a UNION SELECT 2")
    connection.execute("INSERT INTO t VALUES (3)")
    assert connection.in_transaction
    rows = connection.execute("SELECT a FROM t ORDER BY a")
    assert next(rows) == (1,)
    connection.create_function("hold", 1, hold)
    db = engine(connection)
    running = cell.submit(lambda: connection.execute("SELECT hold(a) FROM t LIMIT 1").fetchall())
    assert hold.reached.wait(30)
    # Both wait for sqlite3's mutex, and an interrupt of the check is none of the query.
    check = worker.submit(db.explain, "SELECT a FROM t")
    db.interrupt()
    assert not running.done()
    hold.released.set()
    assert running.result(30) == [(1,)]
    assert check.result(30) is None
    with pytest.raises(sqlite3.OperationalError):
        db.explain("SELECT b FROM t")
    assert connection.in_transaction
    assert list(rows) == [(2,), (3,)]


def test_checking_a_query_runs_nothing(connection: Any) -> None:
    connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    db = engine(connection)
    db.explain("DELETE FROM t")
    db.explain("EXPLAIN QUERY PLAN SELECT a FROM t")
    db.explain("DROP TABLE t; SELECT ")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    assert not connection.in_transaction


def test_a_statement_is_committed_unless_the_notebook_has_a_transaction_open(
    tmp_path: Path,
) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    other = sqlite3.connect(tmp_path / "x.db")
    count = "SELECT count(*) FROM t"
    db = engine(connection)
    assert db.execute("CREATE TABLE t(a)").to() is None
    assert db.execute("INSERT INTO t VALUES (1)").to() is None
    assert other.execute(count).fetchall() == [(1,)]
    connection.execute("INSERT INTO t VALUES (2)")
    assert db.execute("INSERT INTO t VALUES (3)").to() is None
    with pytest.raises(sqlite3.OperationalError):
        db.execute("INSERT INTO nowhere VALUES (3)")
    assert other.execute(count).fetchall() == [(1,)]
    assert db.execute(count).to("native") == [(3,)]
    connection.rollback()
    assert db.execute(count).to("native") == [(1,)]
    connection.close()
    other.close()


def test_a_running_query_can_be_interrupted(connection: Any, cell: ThreadPoolExecutor) -> None:
    db = engine(connection)
    raised = interrupted(db, lambda: cell.submit(db.execute, ENDLESS))
    assert isinstance(raised, sqlite3.OperationalError)
    assert "interrupted" in error_text(raised)
    db.interrupt()
    assert db.execute("SELECT 1").to("native") == [(1,)]


class Cursor:
    description = (("a",),)

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def execute(self, query: str) -> None:
        self.connection.log.append(query)

    def fetchall(self) -> list[tuple[int]]:
        return [(1,)]

    def close(self) -> None:
        raise RuntimeError("cursors cannot be closed")


class Connection:
    def __init__(self) -> None:
        self.log: list[str] = []

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        self.log.append("commit")

    def rollback(self) -> None:
        self.log.append("rollback")

    def close(self) -> None:
        self.log.append("close")


@pytest.mark.parametrize(
    ("level", "place"),
    [
        (0, Place.CELL_THREAD),
        (1, Place.CELL_THREAD),
        (2, Place.ANY_THREAD),
        (3, Place.ANY_THREAD),
        (None, Place.CELL_THREAD),
        ("3", Place.CELL_THREAD),
    ],
)
def test_the_module_of_a_driver_says_whether_threads_may_share_connections(
    monkeypatch: pytest.MonkeyPatch, level: object, place: Place
) -> None:
    package, module = ModuleType("driver_of_test"), ModuleType("driver_of_test.inner")
    if level is not None:
        package.threadsafety = level  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    kind: Any = type("Connection", (Connection,), {"__module__": module.__name__})
    connection = kind()
    db = engine(connection)
    assert db.placement.place is place
    assert is_shared(db, connection)
    assert db.execute("SELECT 1").to("native") == [(1,)]
    db.explain("SELECT 2; DELETE")
    assert connection.log == ["SELECT 1", "commit", "EXPLAIN SELECT 2"]
