"""A limit for queries that have none."""

from __future__ import annotations

import sys

import pytest

from callboard.sqlparse import limited


@pytest.mark.parametrize(
    ("query", "with_limit"),
    [
        ("select 1", "select 1\nLIMIT 7"),
        ("select 1; -- done\n;", "select 1\nLIMIT 7"),
        ("select ';' -- done", "select ';'\nLIMIT 7"),
        ("from t", "from t\nLIMIT 7"),
        (
            "with a as (select 1 limit 1) select * from a",
            "with a as (select 1 limit 1) select * from a\nLIMIT 7",
        ),
        ("select * from (select 1 limit 3)", "select * from (select 1 limit 3)\nLIMIT 7"),
        ("select 1 union all select 2", "select 1 union all select 2\nLIMIT 7"),
        (
            "create table t (x int); select * from t",
            "create table t (x int); select * from t\nLIMIT 7",
        ),
    ],
)
def test_a_query_without_a_limit_of_its_own_gets_one(query: str, with_limit: str) -> None:
    assert limited(query, "duckdb", 7) == with_limit


@pytest.mark.parametrize(
    "query",
    [
        "select 1 limit 3",
        "(select 1 limit 3)",
        "select 1 union all select 2 limit 1",
        "insert into t select 1",
        "create table t as select 1",
        "explain select 1",
        "select 1; create table t (x int)",
        "",
        "selec nonsense",
    ],
)
def test_anything_else_stays_as_it_is(query: str) -> None:
    assert limited(query, "duckdb", 7) == query


def test_dialects_without_a_limit_at_the_end_are_left_alone() -> None:
    assert limited("select * from t", "mssql", 7) == "select * from t"
    with_format = "select 1 format JSON"
    assert limited(with_format, "clickhouse", 7) == with_format


def test_without_a_parser_any_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    assert limited("select 1;", "duckdb", 7) == "select 1\nLIMIT 7"
    for query in ("select * from (select 1 limit 3)", "insert into t values (1)", ""):
        assert limited(query, "duckdb", 7) == query
