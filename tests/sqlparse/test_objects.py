"""What a text of SQL makes and needs."""

from __future__ import annotations

import pytest

from callboard.sqlparse import changes_catalog, use_of


def shown(query: str) -> tuple[list[str], list[str]]:
    use = use_of(query)
    return (
        [f"{made.kind} {'.'.join(made.parts)}" for made in use.makes],
        [f"{needed.kind} {'.'.join(needed.parts)}" for needed in use.needs],
    )


@pytest.mark.parametrize(
    ("query", "makes", "needs"),
    [
        ("create or replace table t as select * from df", ["table t"], ["table df"]),
        ("create view v as select * from a.b.t", ["view v"], ["table a.b.t"]),
        ("create table s.t (x int)", ["table s.t"], ["schema s"]),
        ("create schema s; create table s.t (x int)", ["schema s", "table s.t"], []),
        ("create schema c.s", ["schema c.s"], ["catalog c"]),
        ("attach 'dir/data.db' as c (type sqlite)", ["catalog c"], []),
        ("attach 'dir/data.db'", ["catalog data"], []),
        ("detach c", [], ["catalog c"]),
        ("use c.s", [], ["schema c.s"]),
        ("drop schema s cascade", [], ["schema s"]),
        ("drop table t", [], ["table t"]),
        ("insert into t select * from u", [], ["table t", "table u"]),
        ("update t set x = 1", [], ["table t"]),
        ("alter table t add column x int", [], ["table t"]),
        ("copy t to 'x.csv'", [], ["table t"]),
        ("create index i on t (x)", [], ["table t"]),
        ("explain analyze select * from t", [], ["table t"]),
        ("from t", [], ["table t"]),
        ("pivot t on a using sum(b)", [], ["table t"]),
        ("select (select max(x) from w)", [], ["table w"]),
        ("create macro f() as table select * from z", [], []),
        ("from read_csv('x')", [], []),
    ],
)
def test_statements_make_and_need(query: str, makes: list[str], needs: list[str]) -> None:
    assert shown(query) == (makes, needs)


@pytest.mark.parametrize(
    ("query", "needs"),
    [
        ("with a as (select * from b) select * from a", ["table b"]),
        ("with a as (select * from b), b as (select 1) select * from a, b", ["table b"]),
        ("with recursive r as (select 1 union all select * from r) select * from r", []),
        ("with t as (select * from t) select * from t", ["table t"]),
        ("select * from (with a as (select 1) select * from a), a", ["table a"]),
        ("with A as (select 1) select * from a", []),
        ("with a as (select 1) select * from main.a", ["table main.a"]),
    ],
)
def test_names_of_common_table_expressions_count_only_where_they_hold(
    query: str, needs: list[str]
) -> None:
    assert shown(query)[1] == needs


def test_a_table_that_the_text_makes_first_is_no_need_of_it() -> None:
    assert shown("create table T (x int); select * from t")[1] == []
    assert shown("select * from t; create table t (x int)")[1] == ["table t"]


def test_a_temporary_table_is_known_as_such() -> None:
    (made,) = use_of("create temp table t (x int)").makes
    assert made.temporary


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("CREATE TABLE t (x int)", True),
        ("select 1; attach 'x'", True),
        ("detach x", True),
        ("alter table t drop x", True),
        ("select created from t", False),
    ],
)
def test_statements_that_change_the_catalog_are_recognised(query: str, changes: bool) -> None:
    assert changes_catalog(query) is changes
