"""ADBC connections on SQLite."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callboard.engines import Discovery, Place
from tests.engines.support import WEIRD, columns, engine, is_shared, shape

pytestmark = pytest.mark.slow  # pyarrow takes seconds to import


@pytest.fixture
def connection() -> Iterator[Any]:
    dbapi: Any = importlib.import_module("adbc_driver_sqlite.dbapi")
    with dbapi.connect("file::memory:") as connection:
        yield connection


def run(connection: Any, *statements: str) -> None:
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    connection.commit()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_content_is_listed_by_arrow(connection: Any) -> None:
    run(
        connection,
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL)",
        "CREATE VIEW v AS SELECT a FROM t",
        f"CREATE TABLE {quoted(WEIRD)}({quoted(WEIRD)} DATE)",
        r'CREATE TABLE "back\slash"(a)',
    )
    db = engine(connection)
    assert db.dialect == "sql"
    found = db.connection()
    assert (found.source, found.dialect, found.display_name) == ("adbc", "sqlite", "sqlite (db)")
    names = [r"back\slash", "t", WEIRD, "v"]
    assert shape(found) == {"main": {"": names}}
    assert (found.default_database, found.default_schema) == ("main", None)
    assert db.schemas("main") == []
    listed = db.tables("main", "")
    assert [table.name for table in listed] == names
    assert [table.type for table in listed] == ["table", "table", "table", "view"]
    assert [table.columns for table in listed] == [[], [], [], []]
    table = db.table("main", "", "t")
    assert table is not None
    assert columns(table) == [
        ("a", "integer", "INTEGER"),
        ("b", "string", "TEXT"),
        ("c", "number", "REAL"),
    ]
    assert (table.primary_keys, table.num_columns, table.source) == (["a"], 3, "sqlite")
    assert columns(db.table("main", "", WEIRD)) == [(WEIRD, "date", "DATE")]
    assert columns(db.table("main", "", r"back\slash")) == [("a", "string", "")]
    for missing in ("_", "%", "nothing"):
        assert db.table("main", "", missing) is None
    assert db.tables("main", "other") == []
    assert db.tables("main", "", ["main"]) == []
    full = db.connection(Discovery(columns=True))
    assert columns(full.databases[0].schemas[0].tables[1]) == columns(table)
    assert shape(db.connection(Discovery(tables=False))) == {"main": {"": []}}


def test_a_connection_is_used_on_the_cells_thread_between_its_queries(
    connection: Any, cell: ThreadPoolExecutor
) -> None:
    db = engine(connection)
    assert db.placement.place is Place.CELL_THREAD
    assert "threadsafety 1" in db.placement.reason
    assert is_shared(db, connection)
    run(connection, "CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2")

    def begin() -> Any:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO t VALUES (3)")
        cursor.execute("SELECT a FROM t")
        assert cursor.fetchone() == (1,)
        return cursor

    def look() -> None:
        assert [table.name for table in db.tables("main", "")] == ["t"]
        db.explain("DELETE FROM t; DROP TABLE t")
        with pytest.raises(Exception, match="nothing_like_it"):
            db.explain("SELECT nothing_like_it FROM t")
        db.interrupt()

    def end(cursor: Any) -> object:
        rest = cursor.fetchall()
        cursor.close()
        connection.rollback()
        return rest

    cursor = cell.submit(begin).result()
    cell.submit(look).result()
    assert cell.submit(end, cursor).result() == [(2,), (3,)]
    assert db.execute("SELECT count(*) AS n FROM t").to("native").to_pylist() == [{"n": 2}]


def test_results_come_as_arrow_and_changes_last(connection: Any) -> None:
    db = engine(connection)
    assert db.execute("CREATE TABLE t(a INTEGER)").to() is None
    assert db.execute("INSERT INTO t VALUES (1)").to("pandas") is None
    connection.rollback()
    result = db.execute("SELECT a, a FROM t")
    assert result.columns == ("a", "a")
    assert result.to("polars").rows() == [(1, 1)]
    assert result.to("polars").columns == ["a", "a_1"]
    assert result.to("pandas").shape == (1, 2)
    assert result.to("native").num_rows == 1


def test_a_closed_connection_has_no_content(connection: Any) -> None:
    connection.close()
    db = engine(connection)
    assert db.connection().databases == []
    with pytest.raises(Exception, match=r"\w"):
        db.tables("main", "")
