"""Parsing a query: where it is wrong, in the text that was given."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.sqlparse import ParserMissing, known_dialect, parse_errors

ITEMS = st.sampled_from(
    [
        "a",
        "12.5",
        "'{no} -- text'",
        '"{neither}"',
        "{x}",
        "{ a_rather_long_name }",
        "{d['k']}",
        "{x!r}",
        "f({y}, 1)",
        "'é' || {z}",
        "{a\n.b}",
    ]
)
GAPS = st.sampled_from([" ", "\n", "\n\n  ", " -- {a} remark\n", " /* {b}\n */ "])
DIALECTS = ("duckdb", "postgres", "sqlite", "mysql", "bigquery", "snowflake", "tsql")


def place(text: str, offset: int) -> tuple[int, int]:
    """The line (from 1) and the column (from 0) of a character."""
    before = text[:offset].split("\n")
    return len(before), len(before[-1])


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(DIALECTS),
    st.lists(st.tuples(ITEMS, GAPS), min_size=1, max_size=6),
    st.sampled_from(["t", "{t}", "{s}.{t}"]),
    GAPS,
    st.booleans(),
)
def test_the_reported_place_is_that_of_the_wrong_character_in_the_query_as_given(
    dialect: str, items: list[tuple[str, str]], table: str, gap: str, behind: bool
) -> None:
    listed = ",".join(f"{gap}{item}" for item, gap in items)
    good = f"select{gap}{listed}{gap}from {table}{gap}where {{a}} ="
    query = f"{good}{gap}= {{b}}{gap if behind else ''}"
    assert parse_errors(f"{good}{gap}1", dialect) == []
    (error,) = parse_errors(query, dialect)
    assert (error.line, error.column) == place(query, len(good) + len(gap))


@settings(deadline=None, max_examples=40)
@given(st.text(alphabet="select from,'\"{}ab1();\n=*", max_size=50), st.sampled_from(DIALECTS))
def test_every_reported_place_is_in_the_query_whatever_it_is(query: str, dialect: str) -> None:
    for prefix in ("", "select "):
        text = prefix + query
        lines = text.split("\n")
        for error in parse_errors(text, dialect):
            assert 1 <= error.line <= len(lines)
            assert 0 <= error.column <= len(lines[error.line - 1])


@pytest.mark.parametrize(
    "query",
    [
        "select {a}, b from {t} where x in {values} limit {n}",
        "from t select a where d > interval {n} day",
        "with a as (select 1) select * from a",
        "select {'a': {x}}, [1, 2], x::int",
        "(select 1) union all (select {x})",
        "values (1, {x})",
        "",
        "-- nothing\n;",
        "select 1; select 2;",
    ],
)
def test_a_right_query_has_no_errors(query: str) -> None:
    assert parse_errors(query, "duckdb") == []


@pytest.mark.parametrize("query", ["copy nonsense nonsense", "create 12 12", "pragma ("])
def test_what_is_no_query_counts_as_valid(query: str) -> None:
    assert parse_errors(query, "duckdb") == []


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_open_quote_is_reported_where_it_begins(quote: str) -> None:
    query = f"select {{x}},\n  {quote}abc"
    (error,) = parse_errors(query, "duckdb")
    assert (error.line, error.column) == (2, 2)
    assert quote in error.message


def test_each_wrong_statement_has_an_error_of_its_own() -> None:
    query = "select 1;\nselect {x} from;\nselect 3 3 3"
    places = [(error.line, error.column) for error in parse_errors(query, "duckdb")]
    assert places == [(2, 11), (3, 9)]


def test_dialects_differ_in_what_is_right() -> None:
    query = "select top 3 * from t"
    assert parse_errors(query, "tsql") == []
    assert parse_errors(query, "duckdb") != []


def test_messages_show_nothing_of_the_parser_itself() -> None:
    for query in ("select 1 from", "select 1 where x = = 2"):
        (error,) = parse_errors(query, "duckdb")
        assert "<" not in error.message


def test_deep_nesting_is_an_error_and_not_a_crash() -> None:
    (error,) = parse_errors("select " + "(" * 5000 + "1" + ")" * 5000, "duckdb")
    assert "nested" in error.message


def test_the_parser_writes_nothing_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="sqlglot"):
        parse_errors("with a as (select 1) explain select 1; call f()", "duckdb")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("DuckDB (In-Memory)", "duckdb"),
        ("PostgreSQL", "postgres"),
        ("postgresql+psycopg", "postgres"),
        ("mssql", "tsql"),
        ("mariadb", "mysql"),
        ("sqlite", "sqlite"),
        ("sql", None),
        ("", None),
        ("klingon", None),
    ],
)
def test_dialects_are_known_by_the_names_that_engines_use(
    given_name: str, name: str | None
) -> None:
    assert known_dialect(given_name) == name


def test_a_missing_parser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(ParserMissing, match="sqlglot") as raised:
        parse_errors("select 1", "duckdb")
    assert raised.value.name == "sqlglot"
