"""ClickHouse: embedded, and by the client of servers (on the embedded one, and by the shape of its HTTP client)."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callboard.engines import Discovery, Place, engine_of
from tests.engines.support import WEIRD, columns, engine, interrupted, is_shared, shape

pytestmark = pytest.mark.slow  # chdb takes seconds to load


@pytest.fixture(scope="module")
def embedded() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chdb: Any = importlib.import_module("chdb")
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


@pytest.fixture
def client(embedded: Any) -> Iterator[Any]:
    clickhouse: Any = importlib.import_module("clickhouse_connect")
    made = clickhouse.get_client(dsn="chdb://memory")
    name = WEIRD.replace("`", "\\`")
    made.command("CREATE DATABASE more")
    made.command(
        f"CREATE TABLE more.`{name}`(a Int64, `{name}` Nullable(String), c Array(Int8), d DateTime64(3), "
        "e Decimal(10, 2), f LowCardinality(String)) ENGINE = MergeTree ORDER BY a"
    )
    made.command("CREATE VIEW more.v AS SELECT 1 AS x")
    yield made
    made.command("DROP DATABASE more")
    made.close()


def test_an_embedded_clickhouse_has_an_empty_catalog(embedded: Any) -> None:
    db = engine(embedded)
    found = db.connection()
    assert (found.source, found.dialect) == ("clickhouse", "clickhouse")
    assert (found.display_name, found.databases) == ("clickhouse (db)", [])
    assert db.schemas("default") == []
    assert db.tables("default", "") == []
    assert db.table("default", "", "t") is None


def test_an_embedded_clickhouse_is_used_on_the_cells_thread(
    embedded: Any, cell: ThreadPoolExecutor
) -> None:
    db = engine(embedded)
    assert db.placement.place is Place.CELL_THREAD
    assert is_shared(db, embedded)
    cursor = embedded.cursor()
    cell.submit(cursor.execute, "SELECT number FROM numbers(3)").result()
    assert cell.submit(cursor.fetchone).result() == (0,)
    cell.submit(db.explain, "SELECT 1 AS a; DROP DATABASE default").result()
    with pytest.raises(Exception, match="nothing_like_it"):
        cell.submit(db.explain, "SELECT nothing_like_it").result()
    assert list(cell.submit(cursor.fetchall).result()) == [(1,), (2,)]


def test_queries_of_an_embedded_clickhouse(embedded: Any) -> None:
    db = engine(embedded)
    assert db.execute("CREATE TABLE t(a Int64) ENGINE = Memory").to() is None
    assert db.execute("INSERT INTO t VALUES (7)").to("pandas") is None
    result = db.execute("SELECT a, 'x' AS b FROM t")
    assert result.columns == ("a", "b")
    assert result.to("polars").rows() == [(7, "x")]
    assert result.to("native").num_rows == 1
    db.execute("DROP TABLE t")


def test_a_server_is_listed_by_its_system_tables(client: Any) -> None:
    db = engine(client)
    found = db.connection()
    assert (found.source, found.dialect) == ("clickhouse", "clickhouse")
    assert (found.display_name, found.default_database) == ("clickhouse (db)", "default")
    assert shape(found) == {"default": {"": []}, "more": {"": []}}
    full = db.connection(Discovery(True, True, True))
    assert shape(full)["more"] == {"": ["v", WEIRD]}
    assert len(full.databases[1].schemas[0].tables[1].columns) == 6
    assert db.schemas("more") == []
    assert [(table.name, table.type) for table in db.tables("more", "")] == [
        ("v", "view"),
        (WEIRD, "table"),
    ]
    table = db.table("more", "", WEIRD)
    assert table is not None
    assert columns(table) == [
        ("a", "integer", "Int64"),
        (WEIRD, "string", "Nullable(String)"),
        ("c", "unknown", "Array(Int8)"),
        ("d", "datetime", "DateTime64(3)"),
        ("e", "number", "Decimal(10, 2)"),
        ("f", "string", "LowCardinality(String)"),
    ]
    assert (table.primary_keys, table.num_columns) == (["a"], 6)
    assert db.table("more", "", "nothing") is None
    assert db.tables("more", "", ["x"]) == []


def test_queries_of_a_server(client: Any) -> None:
    db = engine(client)
    assert db.placement.place is Place.CELL_THREAD
    assert is_shared(db, client)
    db.explain("SELECT x FROM more.v; DROP DATABASE more")
    with pytest.raises(Exception, match="nothing_like_it"):
        db.explain("SELECT nothing_like_it FROM more.v")
    assert db.execute("CREATE TABLE more.w(a Int64) ENGINE = Memory").to() is None
    result = db.execute("SELECT x, 'y' AS y FROM more.v")
    assert result.columns == ("x", "y")
    assert result.to("polars").rows() == [(1, "y")]
    assert result.to("native").result_rows == [(1, "y")]


class Client:
    """As much as the documentation says of an HTTP client: one that holds queries until they are killed."""

    def __init__(self, **params: str) -> None:
        self.params = params
        self.killed = threading.Event()
        self.asked: list[dict[str, Any]] = []

    def query(self, query: str, parameters: Any = None, settings: Any = None) -> Any:
        self.asked.append({"query": query, "settings": settings})
        assert self.killed.wait(30)
        raise RuntimeError(f"query {settings['query_id']} was killed")

    def command(self, query: str) -> None:
        if self.asked[-1]["settings"]["query_id"] in query:
            self.killed.set()


def of_module(base: type, module: str, name: str, *bases: type) -> Any:
    return type(name, (base, *bases), {"__module__": module, "__qualname__": name})


def http_client(**params: str) -> Any:
    root = of_module(object, "clickhouse_connect.driver.client", "Client")
    return of_module(Client, "clickhouse_connect.driver.httpclient", "HttpClient", root)(**params)


def test_an_http_client_without_session_is_used_by_other_threads(
    cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    made = http_client()
    db = engine(made)
    assert db.placement.place is Place.ANY_THREAD
    assert not is_shared(db, made)
    # The cell's own query has no part in what is killed.
    running = cell.submit(made.query, "SELECT 1", None, {"query_id": "the cell's"})
    raised = interrupted(db, lambda: worker.submit(db.tables, "x", ""))
    assert "was killed" in str(raised)
    assert made.asked[-1]["settings"]["query_id"] in str(raised)
    assert running.exception(30) is not None


def test_an_http_client_with_a_session_is_used_on_the_cells_thread() -> None:
    made = http_client(session_id="7")
    db = engine(made)
    assert db.placement.place is Place.CELL_THREAD
    assert "session" in db.placement.reason
    assert is_shared(db, made)


def test_a_client_to_be_awaited_is_no_engine() -> None:
    root = of_module(object, "clickhouse_connect.driver.client", "Client")
    kind = of_module(Client, "clickhouse_connect.driver.asyncclient", "AsyncClient", root)
    assert engine_of("x", kind()) is None
