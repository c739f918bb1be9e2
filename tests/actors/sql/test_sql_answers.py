"""validate-sql against real databases."""

from __future__ import annotations

import pickle
import sqlite3
import sys
from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa
import trio

from callboard.actors.sql import SQLAnswers
from callboard.actors.sql.answers import Prepare
from callboard.engines.placement import Place
from callboard.messages.commands import ValidateSQLCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import ValidateSQLResultNotification
from callboard.testing.requests import DirectRequest

BUILT_IN = "__callboard_duckdb"


def command(
    query: str, engine: str | None = None, *, only_parse: bool = False, dialect: str | None = None
) -> ValidateSQLCommand:
    name = None if engine is None else VariableName(engine)
    return ValidateSQLCommand(RequestId("r"), query, only_parse, name, dialect)


async def answer(
    sent: ValidateSQLCommand, variables: Mapping[str, object] | None = None
) -> ValidateSQLResultNotification:
    return await carry_out(DirectRequest(sent, variables or {}))


async def carry_out(request: DirectRequest[Any]) -> ValidateSQLResultNotification:
    reply = await SQLAnswers().answer(request)
    assert reply is not None
    assert reply.request_id == "r"
    return reply


async def failure(
    query: str, engine: str = BUILT_IN, variables: Mapping[str, object] | None = None
) -> str | None:
    """What the engine has against a query; None if it takes it."""
    reply = await answer(command(query, engine), variables)
    assert reply.error is None
    assert reply.validate_result is not None
    assert reply.validate_result.success is (reply.validate_result.error_message is None)
    return reply.validate_result.error_message


# Parsing alone.


async def test_parsing_needs_a_dialect() -> None:
    reply = await answer(command("select 1", only_parse=True))
    assert reply.error is not None
    assert "dialect" in reply.error
    assert reply.parse_result is None
    assert reply.validate_result is None


async def test_a_dialect_that_no_parser_knows_is_named() -> None:
    reply = await answer(command("select 1", only_parse=True, dialect="klingon"))
    assert reply.error is not None
    assert "'klingon'" in reply.error
    assert reply.parse_result is None


async def test_a_missing_parser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    reply = await answer(command("select 1", only_parse=True, dialect="duckdb"))
    assert reply.error is not None
    assert "sqlglot" in reply.error
    assert await failure("select 1") is None


@pytest.mark.parametrize(
    "dialect", ["DuckDB (In-Memory)", "postgresql", "sqlite", "mysql", "mssql"]
)
async def test_only_parsing_touches_no_engine(dialect: str) -> None:
    request = DirectRequest(
        command("select {x} frm frm t", "con", only_parse=True, dialect=dialect)
    )
    reply = await carry_out(request)
    assert request.places == [Place.ANY_THREAD]
    assert reply.error is None
    assert reply.validate_result is None
    assert reply.parse_result is not None
    (error,) = reply.parse_result.errors
    assert (error.line, error.column, error.severity) == (1, 15, "error")


# Which engine.


async def test_a_check_needs_an_engine() -> None:
    reply = await answer(command("select 1"))
    assert reply.error is not None
    assert "engine" in reply.error
    assert reply.parse_result is None
    assert reply.validate_result is None


@pytest.mark.parametrize("variables", [{}, {"con": 3}], ids=["no variable", "no database"])
async def test_an_engine_that_is_not_found_is_named(variables: dict[str, object]) -> None:
    reply = await answer(command("select 1", "con"), variables)
    assert reply.error is not None
    assert "'con'" in reply.error
    assert "not found" in reply.error
    assert reply.parse_result is None
    assert reply.validate_result is None


@pytest.mark.parametrize("name", [BUILT_IN, "__marimo_duckdb"])
async def test_the_built_in_engine_is_no_variable(name: str) -> None:
    reply = await answer(command("select 1", name))
    assert reply.error is None
    assert reply.parse_result is not None
    assert reply.parse_result.success
    assert reply.validate_result is not None
    assert reply.validate_result.success


async def test_what_it_may_read_is_named_beforehand() -> None:
    sql = SQLAnswers()
    assert {"con", "x", "df"} <= set(sql.reads(command("select {x} from df", "con")))
    assert BUILT_IN not in set(sql.reads(command("select {x} from df", BUILT_IN)))
    assert list(sql.reads(command("select {x}", "con", only_parse=True))) == []
    assert list(sql.reads(command("select {x}"))) == []


# What DuckDB has to say.


@pytest.fixture
def con() -> Any:
    connection = duckdb.connect()
    connection.execute("create table t (a int)")
    yield connection
    connection.close()


async def test_a_query_of_what_is_there_passes_and_another_does_not(con: Any) -> None:
    assert await failure("select a from t", "con", {"con": con}) is None
    text = await failure("select b from t", "con", {"con": con})
    assert text is not None
    assert "b" in text
    assert "EXPLAIN" not in text


async def test_the_caret_points_at_what_it_did_in_the_query_as_sent(con: Any) -> None:
    text = await failure("select a frm frm t", "con", {"con": con})
    assert text is not None
    *_, line, caret = text.split("\n")
    assert line == "LINE 1: select a frm frm t"
    assert line[caret.index("^") :].startswith("frm t")


async def test_nothing_is_run(con: Any) -> None:
    for query in ("insert into t values (1)", "create table u (x int)", "drop table t"):
        assert await failure(query, "con", {"con": con}) is None
    assert con.execute("select count(*) from t").fetchall() == [(0,)]


async def test_variables_stand_for_their_placeholders_and_missing_ones_are_no_error(
    con: Any,
) -> None:
    query = "select {column}, '{no}' from {table} where a = {missing} limit {n}"
    variables = {"con": con, "column": "a", "table": "t", "n": 3}
    assert await failure(query, "con", variables) is None
    text = await failure(query, "con", {**variables, "table": "nowhere"})
    assert text is not None
    assert "name {table} does not exist" in text


async def test_the_text_of_an_object_is_made_on_the_cell_thread(con: Any) -> None:
    class Column:
        def __str__(self) -> str:
            return "a"

    request = DirectRequest(command("select {c} from t", "con"), {"con": con, "c": Column()})
    reply = await carry_out(request)
    assert reply.validate_result is not None
    assert reply.validate_result.success
    assert Place.CELL_THREAD in request.places


async def test_an_object_without_a_text_is_a_placeholder_like_a_missing_one(con: Any) -> None:
    class Silent:
        def __str__(self) -> str:
            raise ValueError("no text")

    variables = {"con": con, "c": Silent()}
    assert await failure("select {c} from t", "con", variables) is None


@pytest.mark.parametrize("engine", [BUILT_IN, "con"])
async def test_dataframes_of_the_notebook_are_tables(engine: str, con: Any) -> None:
    variables = {"con": con, "df": pl.DataFrame({"x": [1]}), "number": 3}
    assert await failure("with a as (from df) select x from a", engine, variables) is None
    text = await failure("select y from df", engine, variables)
    assert text is not None
    assert "y" in text
    text = await failure("select x from number", engine, variables)
    assert text is not None
    assert "number" in text


async def test_relations_of_the_notebook_are_tables(con: Any) -> None:
    variables = {"con": con, "relation": con.sql("from t")}
    assert await failure("select a from relation", "con", variables) is None
    assert await failure("select b from relation", "con", variables) is not None


@pytest.mark.parametrize("query", ["", "  \n", "-- select", "/* nothing */ ;"])
async def test_a_blank_query_is_valid(query: str, con: Any) -> None:
    assert await failure(query, "con", {"con": con}) is None


async def test_what_is_wrong_is_found_by_parser_and_engine_alike(con: Any) -> None:
    reply = await answer(command("select\n {x} from", "con"), {"con": con})
    assert reply.parse_result is not None
    assert not reply.parse_result.success
    assert reply.parse_result.errors[0].line == 2
    assert reply.validate_result is not None
    assert not reply.validate_result.success


async def test_a_closed_connection_fails_the_check(con: Any) -> None:
    con.close()
    text = await failure("select 1", "con", {"con": con})
    assert text is not None
    assert "closed" in text.lower()


# Other engines.


async def test_sqlite_is_asked_with_placeholders_quoted() -> None:
    con = sqlite3.connect(":memory:", check_same_thread=False)
    con.execute("create table t (a int)")
    variables = {"con": con, "x": 3}
    assert await failure("select a from t where a = {x} or a = '{x}'", "con", variables) is None
    reply = await answer(command("select a frm nowhere frm", "con"), variables)
    assert reply.parse_result is not None
    assert not reply.parse_result.success
    text = await failure("select a from nowhere", "con", variables)
    assert text == "no such table: nowhere"
    con.close()


async def test_sqlalchemy_is_asked_and_its_errors_show_the_database_s_own_words() -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (a int)"))
    variables = {"engine": engine}
    assert await failure("select a from t where a = {x}", "engine", variables) is None
    assert await failure("select nope from t", "engine", variables) == "no such column: nope"
    reply = await answer(command("select a frm frm t", "engine"), variables)
    assert reply.parse_result is not None
    assert not reply.parse_result.success
    engine.dispose()


async def test_secrets_in_what_the_database_says_are_not_told(con: Any) -> None:
    variables = {"con": con, "url": '"postgres://me:hunter22@host/db"'}
    text = await failure("select 1 from {url}", "con", variables)
    assert text is not None
    assert "postgres://" in text
    assert "hunter22" not in text


async def test_what_the_request_raises_is_told() -> None:
    class Broken(DirectRequest[ValidateSQLCommand]):
        async def variable(self, name: str) -> object:
            raise ValueError("the variable's password=hunter22 is odd")

    reply = await carry_out(Broken(command("select 1", "con")))
    assert reply.error is not None
    assert "odd" in reply.error
    assert "hunter22" not in reply.error


async def test_the_parser_is_there_before_the_first_query_once_a_notebook_has_an_engine() -> None:
    answers = SQLAnswers()
    request = DirectRequest(Prepare(frozenset({"con"})))
    assert await answers.answer(request) is None
    assert request.places == [], "a slider may be in somebody's hand just now"
    (load,) = request.later
    code = "import sys, pickle; pickle.load(sys.stdin.buffer)(); print('sqlglot' in sys.modules)"
    shown = await trio.run_process(
        [sys.executable, "-c", code], stdin=pickle.dumps(load), capture_stdout=True
    )
    assert shown.stdout.split() == [b"True"]

    load()
    second = DirectRequest(Prepare(frozenset({"other"})))
    await answers.answer(second)
    assert second.later == [], "it is loaded once"


async def test_the_value_of_a_placeholder_is_not_in_what_is_wrong_with_the_query() -> None:
    con = duckdb.connect()
    variables = {"con": con, "token": "canary-9f31", "n": 7}
    reply = await answer(command("SELECT * FROM nope LIMIT {token} + {n}", "con"), variables)
    assert reply.validate_result is not None
    assert not reply.validate_result.success
    told = str(reply.validate_result.error_message)
    assert "canary" not in told
    assert "{token}" in told
