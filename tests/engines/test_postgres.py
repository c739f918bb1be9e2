"""Engines on a real PostgreSQL: SQLAlchemy, psycopg and ADBC."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy

from callboard.engines import Discovery, Place, is_engine_type
from tests.engines.support import WEIRD, columns, engine, interrupted, is_shared, shape

pytestmark = pytest.mark.slow  # starts a server

SETUP = """
    CREATE TABLE t(
        a INTEGER PRIMARY KEY, b TEXT, c TIMESTAMPTZ, d INTERVAL, e JSONB, f INT[], g NUMERIC(9, 2), h BOOLEAN, i UUID
    );
    CREATE INDEX by_b ON t(b);
    CREATE SCHEMA more;
    CREATE VIEW more.v AS SELECT a FROM t;
    CREATE MATERIALIZED VIEW more.m AS SELECT a FROM t;
"""
COLUMNS = [
    ("a", "integer"),
    ("b", "string"),
    ("c", "datetime"),
    ("d", "datetime"),
    ("e", "unknown"),
    ("f", "unknown"),
    ("g", "number"),
    ("h", "boolean"),
    ("i", "string"),
]
LOCK = "SELECT pg_advisory_lock(7)"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def url(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(SETUP)
        connection.execute(f"CREATE TABLE {quoted(WEIRD)}({quoted(WEIRD)} DATE PRIMARY KEY)")
    return postgres_url


@pytest.fixture
def pooled(url: str) -> Iterator[Any]:
    made = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    yield made
    made.dispose()


@pytest.fixture
def connection(url: str) -> Iterator[Any]:
    with psycopg.connect(url) as connection:
        yield connection


@pytest.fixture
def adbc(url: str) -> Iterator[Any]:
    dbapi: Any = importlib.import_module("adbc_driver_postgresql.dbapi")
    with dbapi.connect(url) as connection:
        yield connection


@pytest.fixture
def lock(url: str) -> Iterator[Any]:
    """Hold an advisory lock, so that a query that wants it waits."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LOCK)
        yield connection


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_sqlalchemy_lists_what_the_database_has(pooled: Any, url: str) -> None:
    db = engine(pooled)
    found = db.connection()
    assert (found.dialect, found.default_database, found.default_schema) == (
        "postgresql",
        name_of(url),
        "public",
    )
    assert shape(found) == {name_of(url): {"more": ["m", "v"], "public": ["t", WEIRD]}}
    assert [table.type for table in db.tables("", "more")] == ["view", "view"]
    table = db.table("", "public", "t")
    assert table is not None
    assert [column[:2] for column in columns(table)] == COLUMNS
    assert (table.primary_keys, table.indexes) == (["a"], ["by_b"])
    weird = db.table("", "public", WEIRD)
    assert weird is not None
    assert (columns(weird), weird.primary_keys) == ([(WEIRD, "date", "DATE")], [WEIRD])
    full = db.connection(Discovery(columns=True)).databases[0].schemas[1].tables[0]
    assert columns(full) == columns(table)


def test_sqlalchemy_is_looked_into_by_other_threads_while_a_cell_runs_a_query(
    pooled: Any, lock: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    db = engine(pooled)
    assert db.placement.place is Place.ANY_THREAD

    def query() -> object:
        with pooled.begin() as connection:
            connection.exec_driver_sql("INSERT INTO t(a) VALUES (1)")
            connection.exec_driver_sql(LOCK)
            return connection.exec_driver_sql("SELECT a FROM t").fetchall()

    running = cell.submit(query)
    assert len(worker.submit(db.tables, "", "public").result(30)) == 2
    worker.submit(db.explain, "SELECT a FROM t").result(30)
    with pytest.raises(sqlalchemy.exc.ProgrammingError):
        worker.submit(db.explain, "SELECT nothing FROM t").result(30)
    db.interrupt()
    assert not running.done()
    lock.execute("SELECT pg_advisory_unlock(7)")
    assert running.result(30) == [(1,)]


@pytest.mark.parametrize("kind", ["pooled", "connection", "adbc"])
def test_a_running_query_can_be_interrupted(
    kind: str, cell: ThreadPoolExecutor, request: pytest.FixtureRequest
) -> None:
    value = request.getfixturevalue(kind)
    db = engine(value)
    raised = interrupted(db, lambda: cell.submit(db.execute, "SELECT pg_sleep(50)"))
    assert raised is not None
    assert "cancel" in str(raised).lower()
    assert db.execute("SELECT 1 AS x").columns == ("x",)


def test_a_schema_that_cannot_be_looked_into_hides_no_other(
    pooled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sqlalchemy.Inspector.get_table_names

    def forbidden(self: Any, schema: str | None = None) -> Any:
        if schema == "more":
            self.bind.exec_driver_sql("SELECT 1 / 0")
        return names(self, schema=schema)

    monkeypatch.setattr(sqlalchemy.Inspector, "get_table_names", forbidden)
    (schemas,) = shape(engine(pooled).connection()).values()
    assert schemas == {"more": [], "public": ["t", WEIRD]}


def test_a_connection_to_be_awaited_is_no_engine() -> None:
    assert not is_engine_type(psycopg.AsyncConnection)


def test_psycopg_is_used_on_the_cells_thread_unless_it_commits_by_itself(connection: Any) -> None:
    db = engine(connection)
    assert db.placement.place is Place.CELL_THREAD
    assert "transaction" in db.placement.reason
    connection.autocommit = True
    db = engine(connection)
    assert db.placement.place is Place.ANY_THREAD
    assert "threadsafety 2" in db.placement.reason
    assert is_shared(db, connection)


def test_psycopg_is_asked_by_other_threads_while_a_cell_runs_a_query(
    connection: Any, lock: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    connection.autocommit = True
    db = engine(connection)
    running = cell.submit(lambda: connection.execute(LOCK + "::text, 1").fetchall())
    # psycopg has the check wait its turn; an interrupt of it is none of the cell's query.
    while lock.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount == 0:
        pass
    check = worker.submit(db.explain, "SELECT a FROM t")
    db.interrupt()
    lock.execute("SELECT pg_advisory_unlock(7)")
    assert running.result(30) == [("", 1)]
    assert check.result(30) is None


def test_checking_a_query_spoils_no_transaction_and_leaves_none_open(connection: Any) -> None:
    db = engine(connection)
    idle = psycopg.pq.TransactionStatus.IDLE
    db.explain("SELECT a FROM t")
    assert connection.info.transaction_status == idle
    with pytest.raises(psycopg.errors.UndefinedColumn):
        db.explain("SELECT nothing FROM t")
    assert connection.info.transaction_status == idle
    connection.execute("INSERT INTO t(a) VALUES (1)")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        db.explain("SELECT nothing FROM t")
    db.explain("SELECT a FROM t")
    db.explain("DELETE FROM t; COMMIT; DROP TABLE t")
    db.explain("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t")
    db.explain("SELECT $x$;$x$, E'\\';' FROM t WHERE b LIKE '%s'; DROP TABLE t")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    connection.commit()
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_psycopg_statements_are_committed_unless_a_transaction_is_open(connection: Any) -> None:
    db = engine(connection)
    assert db.execute("INSERT INTO t(a) VALUES (1)").to() is None
    connection.rollback()
    assert db.execute("SELECT a FROM t").to("native") == [(1,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        db.execute("SELECT * FROM nowhere")
    with connection.transaction(force_rollback=True):
        assert db.execute("INSERT INTO t(a) VALUES (2)").to() is None
    assert db.execute("SELECT '5%' AS x FROM t").to("native") == [("5%",)]


def test_values_that_dataframes_do_not_know_become_text(connection: Any) -> None:
    result = engine(connection).execute(
        "SELECT '0b0e5d5e-0000-0000-0000-000000000000'::uuid AS u, 1.50::numeric AS n, "
        '\'{"a": [1, "x"]}\'::jsonb AS j, NULL AS z, ARRAY[1, 2] AS l, '
        "now() - now() AS i, '10.0.0.1'::inet AS ip"
    )
    frame = result.to("polars")
    assert frame.height == 1
    assert frame["u"].to_list() == ["0b0e5d5e-0000-0000-0000-000000000000"]
    assert float(frame["n"][0]) == 1.5
    assert result.to("pandas").shape == (1, 7)


def test_adbc_lists_what_the_database_has(adbc: Any, url: str) -> None:
    db = engine(adbc)
    assert db.placement.place is Place.CELL_THREAD
    assert "threadsafety 1" in db.placement.reason
    found = db.connection()
    name = name_of(url)
    assert (found.source, found.dialect) == ("adbc", "postgresql")
    assert (found.default_database, found.default_schema) == (name, "public")
    assert shape(found)[name] == {"more": ["m", "v"], "public": ["t", WEIRD]}
    assert [table.type for table in db.tables(name, "more")] == ["view", "view"]
    assert [table.name for table in db.tables(name, "public")] == ["t", WEIRD]
    table = db.table(name, "public", "t")
    assert table is not None
    assert [column[:2] for column in columns(table)] == COLUMNS
    assert table.primary_keys == ["a"]
    assert columns(db.table(name, "public", WEIRD)) == [(WEIRD, "date", "date")]
    assert db.table(name, "public", "_") is None
    assert db.table(name, "p%", "t") is None
    assert shape(db.connection(Discovery(schemas=False)))[name] == {}


def test_an_adbc_check_spoils_no_transaction(adbc: Any) -> None:
    db = engine(adbc)
    assert db.execute("INSERT INTO t(a) VALUES (1)").to() is None
    with adbc.cursor() as cursor:
        cursor.execute("INSERT INTO t(a) VALUES (2)")
        with pytest.raises(Exception, match="nothing"):
            db.explain("SELECT nothing FROM t")
        db.explain("DELETE FROM t; DROP TABLE t")
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(2,)]
        adbc.rollback()
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(1,)]
    assert db.execute("SELECT a FROM t").to("polars").rows() == [(1,)]
