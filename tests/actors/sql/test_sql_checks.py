"""What checking a query comes to, apart from asking anybody."""

from __future__ import annotations

import sys

import pytest

from callboard.actors.sql.checks import MOST_NAMES, names_in, parse, tables_in, without_explain


def test_a_query_is_parsed_in_the_first_dialect_that_is_known() -> None:
    query = "select top 3 * from t"
    right = parse(query, "sql", None, "mssql")
    assert right.dialect == "tsql"
    assert right.result is not None
    assert right.result.success
    wrong = parse(query, "duckdb", "mssql")
    assert wrong.result is not None
    assert not wrong.result.success
    assert parse(query, "sql", "klingon").result is None


def test_placeholders_and_words_may_be_variables_and_quoted_texts_may_not() -> None:
    names = names_in("select {a}, 'b', {c.d} from df join \"Other\" -- f\n")
    assert {"a", "df", "Other"} <= set(names)
    assert {"b", "f"}.isdisjoint(names)


def test_the_names_of_a_huge_query_are_bounded() -> None:
    query = "select " + ", ".join(f"c{number}" for number in range(5 * MOST_NAMES))
    assert len(names_in(query)) == MOST_NAMES


@pytest.mark.parametrize("parser", [True, False])
def test_tables_are_those_among_the_names(parser: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not parser:
        monkeypatch.setitem(sys.modules, "sqlglot", None)
    query = "select x from df join other on true join s.t on true"
    assert tables_in(query, {"df", "x", "select"}) == ("df",)


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        (
            'Parser Error: near "frm"\n\nLINE 1: EXPLAIN select a frm\n                         ^',
            "select a frm",
            'Parser Error: near "frm"\n\nLINE 1: select a frm\n                 ^',
        ),
        (
            "LINE 2:  frm frm\n              ^",
            "select a\n frm frm",
            "LINE 2:  frm frm\n              ^",
        ),
        ("cannot EXPLAIN select 1", "select 1", "cannot select 1"),
        ("LINE 1: explain selec\n     ^", "explain selec", "LINE 1: explain selec\n     ^"),
        (
            "(driver) no such table\n[SQL: EXPLAIN select 1]\n(Background on this error at: x)",
            "select 1",
            "(driver) no such table",
        ),
        ("explained nothing", "select 1", "explained nothing"),
    ],
)
def test_errors_do_not_show_the_word_that_the_check_put_in(
    text: str, query: str, shown: str
) -> None:
    assert without_explain(text, query) == shown
