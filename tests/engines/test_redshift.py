"""Redshift connections by their documented shape: psycopg's in their clothes, on PostgreSQL with Redshift's views."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import psycopg
import pytest

from callboard.engines import Discovery, Place
from tests.engines.support import WEIRD, columns, engine, is_shared, shape

pytestmark = pytest.mark.slow  # starts a server

VIEWS = """
    CREATE VIEW svv_redshift_databases AS SELECT current_database()::text AS database_name;
    CREATE VIEW svv_all_schemas AS
        SELECT catalog_name::text AS database_name, schema_name::text FROM information_schema.schemata;
    CREATE VIEW svv_all_tables AS
        SELECT table_catalog::text AS database_name, table_schema::text AS schema_name, table_name::text,
               CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS table_type
        FROM information_schema.tables WHERE table_name NOT LIKE 'svv_%';
    CREATE VIEW svv_all_columns AS
        SELECT table_catalog::text AS database_name, table_schema::text AS schema_name, table_name::text,
               column_name::text, ordinal_position, data_type::text
        FROM information_schema.columns WHERE table_name NOT LIKE 'svv_%';
    CREATE TABLE t(a INTEGER, b CHARACTER VARYING(9), c TIMESTAMP, PRIMARY KEY (b, a));
    CREATE VIEW v AS SELECT a FROM t;
    CREATE SCHEMA more;
"""


class Cursor:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.paramstyle = "named"

    def execute(self, operation: str, args: Any = None) -> Cursor:
        assert args is None or self.paramstyle == "format"
        self._cursor.execute(operation, args)
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    def fetchall(self) -> Any:
        return tuple(self._cursor.fetchall())

    def close(self) -> None:
        self._cursor.close()


class Connection:
    """A connection as redshift_connector has it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.info.transaction_status)

    def cursor(self) -> Cursor:
        return Cursor(self._connection.cursor())

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def connection(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    library = ModuleType("redshift_connector")
    library.threadsafety = 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redshift_connector", library)
    clothes = {"__module__": "redshift_connector.core", "__qualname__": "Connection"}
    kind: Any = type("Connection", (Connection,), clothes)
    quoted = '"' + WEIRD.replace('"', '""') + '"'
    with psycopg.connect(postgres_url) as inner:
        inner.execute(VIEWS)
        inner.execute(f"CREATE TABLE more.{quoted}({quoted} BOOLEAN)")
        inner.commit()
        yield kind(inner)


def test_schemas_and_tables_are_listed_by_redshifts_views(connection: Any) -> None:
    db = engine(connection)
    found = db.connection()
    (name,) = shape(found)
    assert (found.source, found.dialect) == ("redshift", "redshift")
    assert found.display_name == "redshift (db)"
    assert (found.default_database, found.default_schema) == (name, "public")
    assert shape(found) == {name: {"more": [], "public": []}}
    assert shape(db.connection(Discovery(tables=True))) == {
        name: {"more": [WEIRD], "public": ["t", "v"]}
    }
    assert shape(db.connection(Discovery(schemas="auto"))) == {name: {}}
    full = db.connection(Discovery(True, True, True)).databases[0].schemas[1].tables[0]
    assert full.num_columns == 3
    assert [schema.name for schema in db.schemas(name)] == ["more", "public"]
    assert [(table.name, table.type) for table in db.tables(name, "public")] == [
        ("t", "table"),
        ("v", "view"),
    ]
    table = db.table(name, "public", "t")
    assert table is not None
    assert columns(table) == [
        ("a", "integer", "integer"),
        ("b", "string", "character varying"),
        ("c", "datetime", "timestamp without time zone"),
    ]
    assert table.primary_keys == ["b", "a"]
    assert columns(db.table(name, "more", WEIRD)) == [(WEIRD, "boolean", "boolean")]
    assert db.table(name, "public", "t' OR 'a' = 'a") is None


def test_a_connection_is_used_on_the_cells_thread_and_its_transaction_left_alone(
    connection: Any, cell: ThreadPoolExecutor
) -> None:
    db = engine(connection)
    assert db.placement.place is Place.CELL_THREAD
    assert "threadsafety 1" in db.placement.reason
    assert is_shared(db, connection)

    def look() -> None:
        assert len(db.connection().databases) == 1
        db.explain("DELETE FROM t; DROP TABLE t")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            db.explain("SELECT nothing FROM t")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            db.explain("SELECT 'x'::int")

    cell.submit(look).result()
    assert not connection.in_transaction
    cell.submit(connection.cursor().execute, "INSERT INTO t VALUES (1, 'x')").result()
    cell.submit(look).result()
    assert connection.in_transaction
    assert db.execute("SELECT a FROM t").to("native") == ((1,),)
    connection.rollback()
    assert db.execute("INSERT INTO t VALUES (2, 'y')").to() is None
    connection.rollback()
    assert db.execute("SELECT a FROM t").to("native") == ((2,),)
