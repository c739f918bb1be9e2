"""SQL without a kernel, and what a running cell hears of it."""

from __future__ import annotations

import importlib
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import attrs
import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

import callboard as cb
from callboard.actors.packages.missing import missing_from_error
from callboard.authoring import context as contexts
from callboard.authoring.queries import RunningQuery, interruptible
from callboard.engines import MissingLibraries

pd: Any = importlib.import_module("pandas")

numbers = pl.DataFrame({"n": [1, 2, 3]})


@attrs.define(eq=False)
class Cell:
    """As much of a running cell as a query asks for."""

    shown: list[object] = attrs.field(factory=list)
    running: list[RunningQuery] = attrs.field(factory=list)
    ended: int = 0

    def append_output(self, value: object) -> None:
        self.shown.append(value)

    def query_started(self, query: RunningQuery) -> None:
        self.running.append(query)

    def query_ended(self, query: RunningQuery) -> None:
        self.running.remove(query)
        self.ended += 1


@pytest.fixture
def cell() -> Iterator[Cell]:
    fake: Any = Cell()
    with contexts.installed(fake):
        yield fake


@pytest.fixture
def con() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t as select 1 as a, 'x' as b union all select 2, 'y'")
    yield connection
    connection.close()


def test_a_query_gives_a_dataframe_of_polars() -> None:
    rows = cb.sql("select 1 as a, 'x' as b")
    assert isinstance(rows, pl.DataFrame)
    assert rows.rows(named=True) == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        (None, pl.DataFrame),
        ("auto", pl.DataFrame),
        ("polars", pl.DataFrame),
        ("lazy-polars", pl.LazyFrame),
        ("pandas", pd.DataFrame),
        ("native", duckdb.DuckDBPyRelation),
    ],
)
def test_every_format_gives_what_it_says(format: Any, kind: type) -> None:
    assert isinstance(cb.sql("select 1 as a", format=format), kind)


def test_the_variables_of_the_caller_are_tables() -> None:
    local = pd.DataFrame({"n": [10]})
    assert local is not None
    rows = cb.sql("select sum(n) as s from (from numbers union all from local)")
    assert rows["s"].to_list() == [16]


def test_a_module_s_own_variables_are_tables_and_no_others() -> None:
    names: dict[str, Any] = {"cb": cb, "df": pl.DataFrame({"a": [5]})}
    exec("rows = cb.sql('select a from df')", names)
    assert names["rows"]["a"].to_list() == [5]
    with pytest.raises(duckdb.CatalogException):
        exec("cb.sql('from numbers')", names)


@pytest.mark.parametrize("query", ["", "  \n", "-- nothing"])
def test_an_empty_query_gives_nothing(query: str) -> None:
    assert cb.sql(query) is None


def test_statements_without_rows_give_nothing() -> None:
    with duckdb.connect() as engine:
        assert cb.sql("create table t (a int)", engine=engine) is None
        assert cb.sql("insert into t values (1), (2)", engine=engine) is None
        assert cb.sql("from t", engine=engine)["a"].to_list() == [1, 2]


def test_an_engine_of_another_kind_runs_the_query(con: sqlite3.Connection) -> None:
    rows = cb.sql("select * from t order by a", engine=con)
    assert rows.rows() == [(1, "x"), (2, "y")]
    assert cb.sql("select count(*) as n from t", engine=con, format="pandas")["n"][0] == 2
    engine = sa.create_engine("sqlite://")
    cb.sql("create table u (a int)", engine=engine)
    cb.sql("insert into u values (7)", engine=engine)
    assert cb.sql("select a from u", engine=engine)["a"].to_list() == [7]
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"query": 3}, TypeError, "query"),
        ({"query": "select 1", "format": "arrow"}, ValueError, "format"),
        ({"query": "select 1", "engine": 3}, TypeError, "engine"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        cb.sql(**arguments)


def test_all_missing_libraries_are_listed_and_nothing_has_run(
    monkeypatch: pytest.MonkeyPatch, con: sqlite3.Connection
) -> None:
    for name in ("duckdb", "polars", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibraries) as raised:
        cb.sql("select 1", format="polars")
    assert raised.value.libraries == ("duckdb", "polars")
    assert missing_from_error(raised.value) == {"duckdb", "polars"}
    with pytest.raises(MissingLibraries) as raised:
        cb.sql("insert into t values (3, 'z')", engine=con)
    assert raised.value.libraries == ("polars",)
    assert con.execute("select count(*) from t").fetchall() == [(2,)]


def test_pandas_serves_where_polars_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    assert isinstance(cb.sql("select 1 as a"), pd.DataFrame)


def test_the_environment_limits_queries_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_SQL_DEFAULT_LIMIT", "2")
    assert cb.sql("from numbers -- all").height == 2
    assert cb.sql("from numbers limit 3").height == 3
    monkeypatch.setenv("CALLBOARD_SQL_DEFAULT_LIMIT", "many")
    with pytest.raises(ValueError, match="CALLBOARD_SQL_DEFAULT_LIMIT"):
        cb.sql("from numbers")


def test_in_a_cell_the_rows_are_shown_unless_told_not_to(cell: Cell) -> None:
    rows = cb.sql("select 1 as a")
    assert cell.shown == [rows]
    cb.sql("select 1 as a", output=False)
    cb.sql("")
    assert cell.shown == [rows]


def test_in_a_script_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    cb.sql("select 1 as a")
    assert capsys.readouterr().out == ""


def test_the_cell_knows_of_a_query_while_it_runs_only(cell: Cell, con: sqlite3.Connection) -> None:
    seen: list[int] = []
    con.create_function("look", 0, lambda: seen.append(len(cell.running)))
    cb.sql("select look()", engine=con)
    assert seen == [1]
    with pytest.raises(sqlite3.OperationalError):
        cb.sql("select nope", engine=con)
    assert cell.running == []
    assert cell.ended == 2


FOREVER = "with recursive r(x) as (select 1 union all select x + 1 from r) select count(*) from r"


def test_interrupting_the_query_breaks_off_the_database(
    cell: Cell, con: sqlite3.Connection
) -> None:
    con.create_function("ready", 0, lambda: cell.running[0].interrupt())
    with pytest.raises(KeyboardInterrupt):
        cb.sql(f"select ready(), ({FOREVER})", engine=con)
    assert cb.sql("select 1 as a", engine=con)["a"].to_list() == [1]


def test_an_interrupt_that_comes_too_early_for_the_database_is_repeated(cell: Cell) -> None:
    calls: list[float] = []
    broken = threading.Event()

    def interrupt() -> None:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise RuntimeError("nothing runs yet")
        broken.set()

    def work() -> None:
        with interruptible(interrupt):
            cell.running[0].interrupt()
            assert broken.wait(10)
            raise OSError("broken off")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(calls) >= 2


def test_an_interrupt_behind_the_end_of_a_query_does_nothing(cell: Cell) -> None:
    calls: list[str] = []
    with interruptible(lambda: calls.append("hit")):
        (query,) = cell.running
    query.interrupt()
    assert calls == []
    assert not query.interrupted
