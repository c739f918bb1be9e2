"""The commands that list what engines contain, on real engines."""

from __future__ import annotations

import importlib
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import trio

from callboard.actors.datasets.answers import DatasetsAnswers
from callboard.actors.requests import Refused
from callboard.engines import Discovery
from callboard.messages.codec import encode_notification
from callboard.messages.commands import (
    ListDataSourceConnectionCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewSQLTableCommand,
)
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    DataSourceConnectionsNotification,
    SQLSchemaListPreviewNotification,
    SQLTableListPreviewNotification,
    SQLTablePreviewNotification,
)
from callboard.messages.payloads import DataSourceConnection, SQLMetadata, SQLSchemaListMetadata
from callboard.testing.requests import DirectRequest
from tests.actors.datasets.support import Abandoning

pytestmark = pytest.mark.slow

NAMES = ["plain", 'qu"oted', "dot.ted", "new\nline", "🦆", "it's", "semi;colon --"]
ID = RequestId("r1")
DB = VariableName("db")


async def answer(command: Any, *, depth: Discovery | None = None, **variables: object) -> Any:
    answers = DatasetsAnswers(lambda: depth or Discovery())
    assert list(answers.reads(command)) == ["db"]
    return await answers.answer(DirectRequest(command, variables))


@pytest.fixture
def engine() -> Iterator[Any]:
    sqlalchemy = importlib.import_module("sqlalchemy")
    made = sqlalchemy.create_engine(
        "sqlite://", poolclass=sqlalchemy.pool.StaticPool, connect_args={"check_same_thread": False}
    )
    with made.begin() as connection:
        for name in NAMES:
            quoted = name.replace('"', '""')
            connection.exec_driver_sql(
                f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY, "a ""b" TEXT, price REAL)'
            )
    yield made
    made.dispose()


async def test_schemas_tables_and_a_table_are_listed(engine: Any) -> None:
    reply = await answer(ListSQLSchemasCommand(ID, DB, ""), db=engine)
    assert isinstance(reply, SQLSchemaListPreviewNotification)
    assert (reply.request_id, reply.error) == (ID, None)
    assert reply.metadata == SQLSchemaListMetadata("db", "", [])
    assert [schema.name for schema in reply.schemas] == ["main"]
    assert [schema.tables for schema in reply.schemas] == [[]]

    reply = await answer(ListSQLTablesCommand(ID, DB, "", "main"), db=engine)
    assert isinstance(reply, SQLTableListPreviewNotification)
    assert reply.metadata == SQLMetadata("db", "", "main", [])
    assert sorted(table.name for table in reply.tables) == sorted(NAMES)
    assert all(table.columns == [] for table in reply.tables)

    for name in NAMES:
        reply = await answer(PreviewSQLTableCommand(ID, DB, "", "main", name), db=engine)
        assert isinstance(reply, SQLTablePreviewNotification)
        assert reply.table is not None, name
        assert [(column.name, column.type) for column in reply.table.columns] == [
            ("id", "integer"),
            ('a "b', "string"),
            ("price", "number"),
        ]
        assert reply.table.primary_keys == ["id"]
        assert (reply.table.name, reply.table.engine) == (name, "db")


async def test_an_engine_is_described_as_deep_as_the_user_wants(engine: Any) -> None:
    shallow = Discovery(False, False, False)
    reply = await answer(ListDataSourceConnectionCommand(DB), depth=shallow, db=engine)
    assert isinstance(reply, DataSourceConnectionsNotification)
    (connection,) = reply.connections
    assert (connection.source, connection.dialect) == ("sqlalchemy", "sqlite")
    assert (connection.name, connection.display_name) == ("db", "sqlite (db)")
    assert not any(database.schemas for database in connection.databases)
    reply = await answer(
        ListDataSourceConnectionCommand(DB), depth=Discovery(True, True, True), db=engine
    )
    (database,) = reply.connections[0].databases
    (schema,) = database.schemas
    assert sorted(table.name for table in schema.tables) == sorted(NAMES)
    assert all(len(table.columns) == 3 for table in schema.tables)


async def test_while_schemas_are_looked_into_it_is_told_how_many_have_been(engine: Any) -> None:
    with engine.connect() as connection:
        for number in range(3):
            connection.exec_driver_sql(f"ATTACH ':memory:' AS part_{number}")
    answers = DatasetsAnswers(lambda: Discovery(True, True, True))
    request = DirectRequest[Any](ListDataSourceConnectionCommand(DB), {"db": engine})
    reply: Any = await answers.answer(request)
    assert len(reply.connections[0].databases[0].schemas) == 4
    assert request.steps == [("schemas", done, 4) for done in range(4)]


async def test_an_invalid_configuration_is_as_none_and_the_log_says_so(
    engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answers = DatasetsAnswers(lambda: Discovery.of({"auto_discover_tables": "often"}))
    request = DirectRequest[Any](ListDataSourceConnectionCommand(DB), {"db": engine})
    reply: Any = await answers.answer(request)
    assert len(reply.connections[0].databases) == 1
    assert "auto_discover_tables" in caplog.text


async def test_an_engine_that_only_runs_queries_is_answered_for() -> None:
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        reply = await answer(ListDataSourceConnectionCommand(DB), db=connection)
        (found,) = reply.connections
        assert found == DataSourceConnection("dbapi", found.dialect, "db", "db", [])
        for command in (
            ListSQLSchemasCommand(ID, DB, "main"),
            ListSQLTablesCommand(ID, DB, "main", "main"),
            PreviewSQLTableCommand(ID, DB, "main", "main", "t"),
        ):
            with pytest.raises(Refused, match="'db' does not support catalog operations"):
                await answer(command, db=connection)


async def test_duckdb_is_described_whole_and_lists_nothing_by_parts() -> None:
    duckdb = importlib.import_module("duckdb")
    with closing(duckdb.connect()) as connection:
        connection.execute("CREATE TABLE t (x INT)")
        reply = await answer(
            ListDataSourceConnectionCommand(DB),
            depth=Discovery(False, False, False),
            db=connection,
        )
        (found,) = reply.connections
        assert (found.default_database, found.default_schema) == ("memory", "main")
        (database,) = found.databases
        assert [table.name for schema in database.schemas for table in schema.tables] == ["t"]
        reply = await answer(ListSQLSchemasCommand(ID, DB, "memory"), db=connection)
        assert (reply.schemas, reply.error) == ([], None)
        reply = await answer(ListSQLTablesCommand(ID, DB, "memory", "main"), db=connection)
        assert (reply.tables, reply.error) == ([], None)
        reply = await answer(PreviewSQLTableCommand(ID, DB, "memory", "main", "t"), db=connection)
        assert (reply.table, reply.error) == (None, None)
    reply = await answer(ListDataSourceConnectionCommand(DB), db=connection)
    assert reply.connections[0].databases == []


async def test_nested_schemas_are_listed_by_their_path(tmp_path: Any) -> None:
    sql = importlib.import_module("pyiceberg.catalog.sql")
    catalog = sql.SqlCatalog(
        "c", uri="sqlite:///" + str(tmp_path / "c.db"), warehouse=str(tmp_path)
    )
    catalog.create_namespace(("top",))
    catalog.create_namespace(("top", "inner"))
    catalog.create_namespace(("top", "inner", "third"))
    reply = await answer(ListSQLSchemasCommand(ID, DB, "top"), db=catalog)
    assert [schema.name for schema in reply.schemas] == ["inner"]
    command = ListSQLSchemasCommand(ID, DB, "top", ["inner"])
    reply = await answer(command, db=catalog)
    assert reply.metadata == SQLSchemaListMetadata("db", "top", ["inner"])
    assert [schema.name for schema in reply.schemas] == ["third"]
    catalog.close()


COMMANDS = [
    ListSQLSchemasCommand(ID, DB, "d"),
    ListSQLTablesCommand(ID, DB, "d", "s"),
    PreviewSQLTableCommand(ID, DB, "d", "s", "t"),
    ListDataSourceConnectionCommand(DB),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
async def test_a_missing_variable_and_one_that_is_no_engine_are_refused_by_name(
    command: Any,
) -> None:
    with pytest.raises(Refused, match="'db'"):
        await answer(command)
    for value in (3, None, sqlite3, sqlite3.Connection, object(), {"cursor": 1}):
        with pytest.raises(Refused, match="engine 'db' was not found"):
            await answer(command, db=value)


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a PostgreSQL server that accepts and says nothing, with a password."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        port = server.getsockname()[1]
        yield f"postgresql+psycopg://ada:hunter2hunter2@127.0.0.1:{port}/sales"


async def test_an_engine_that_hangs_is_left_when_the_request_is_cancelled(silent: str) -> None:
    engine = importlib.import_module("sqlalchemy").create_engine(silent)
    request = Abandoning(ListSQLSchemasCommand(ID, DB, ""), {"db": engine})
    with trio.move_on_after(0.3) as scope:
        await DatasetsAnswers().answer(request)
    assert scope.cancelled_caught


async def test_an_engine_that_raises_is_refused_with_its_text_and_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"postgresql+psycopg://ada:hunter2hunter2@127.0.0.1:{port}/sales"
    engine = importlib.import_module("sqlalchemy").create_engine(url)
    for command in COMMANDS[:3]:
        with pytest.raises(Refused) as refusal:
            await answer(command, db=engine)
        assert str(port) in str(refusal.value)
        chain: BaseException | None = refusal.value
        while chain is not None:
            assert "hunter2" not in repr(chain)
            chain = chain.__cause__ or chain.__context__
    reply = await answer(COMMANDS[3], db=engine)
    assert [found.databases for found in reply.connections] == [[]]


async def test_whatever_an_engine_raises_becomes_a_refusal() -> None:
    sqlalchemy = importlib.import_module("sqlalchemy")

    class Odd(BaseException):
        def __str__(self) -> str:
            raise RuntimeError

    raised: list[BaseException] = [
        SystemExit(3),
        KeyboardInterrupt(),
        RecursionError("deep"),
        Odd(),
        ValueError("x" * 100_000),
        ValueError("password=hunter2hunter2"),
    ]
    for error in raised:

        def connect(error: BaseException = error) -> Any:
            raise error

        engine = sqlalchemy.create_engine("sqlite://", creator=connect)
        with pytest.raises(Refused) as refusal:
            await answer(COMMANDS[0], db=engine)
        assert 0 < len(str(refusal.value)) <= 1000
        assert "hunter2" not in str(refusal.value)


class Nonsense:
    """Looks like an ADBC connection, and answers everything with what is none."""

    def adbc_get_objects(self, **options: object) -> Any:
        return 3

    def adbc_get_table_schema(self, *names: object, **options: object) -> Any:
        return {"columns": object()}

    def adbc_get_info(self) -> Any:
        return [None]

    def cursor(self) -> Any:
        return self

    def execute(self, query: str) -> Any:
        return "rows"

    def fetchall(self) -> Any:
        return object()

    fetch_arrow_table = fetchall

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


async def outcome(command: Any, db: object) -> bytes:
    """The reply on the wire, or the text of the refusal; anything else that is raised is a defect."""
    try:
        return encode_notification(await answer(command, db=db))
    except Refused as refusal:
        return str(refusal).encode()


async def test_an_engine_that_returns_nonsense_is_answered_for() -> None:
    for command in COMMANDS:
        assert await outcome(command, Nonsense())
    reply = await answer(COMMANDS[3], db=Nonsense())
    (found,) = reply.connections
    assert (found.name, found.databases) == ("db", [])
    assert encode_notification(reply)


async def test_a_closed_connection_is_answered_for() -> None:
    duckdb = importlib.import_module("duckdb")
    connection = duckdb.connect()
    connection.close()
    reply = await answer(COMMANDS[3], db=connection)
    assert [found.databases for found in reply.connections] == [[]]
    connection = sqlite3.connect(":memory:")
    connection.close()
    reply = await answer(COMMANDS[3], db=connection)
    assert [found.display_name for found in reply.connections] == ["db"]
