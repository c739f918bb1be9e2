"""Checking a query sends one harmless statement."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.engines.statements import explained, first_statement, only_reads, quoted


@pytest.mark.parametrize(
    ("query", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1; DROP TABLE t", "SELECT 1"),
        (" ;; SELECT 1; DROP", " SELECT 1"),
        ("SELECT ';' ; DROP", "SELECT ';' "),
        ("SELECT 'it''s;' ; DROP", "SELECT 'it''s;' "),
        ('SELECT ";""" ; DROP', 'SELECT ";""" '),
        ("SELECT `;` ; DROP", "SELECT `;` "),
        ("SELECT E'\\';' ; DROP", "SELECT E'\\';' "),
        ("SELECT '\\'; DROP", "SELECT '\\'"),
        ("SELECT $$;$$ ; DROP", "SELECT $$;$$ "),
        ("SELECT $a$;$$;$a$ ; DROP", "SELECT $a$;$$;$a$ "),
        ("SELECT a$b$c ; DROP $b$", "SELECT a$b$c "),
        ("-- ; comment\nSELECT 1; DROP", "-- ; comment\nSELECT 1"),
        ("/* ; /* ; */ ; */ SELECT 1; DROP", "/* ; /* ; */ ; */ SELECT 1"),
        ("SELECT 1 -- ; DROP", "SELECT 1 -- ; DROP"),
        ("SELECT '; DROP", "SELECT '; DROP"),
        ("/* ; DROP", "/* ; DROP"),
        ("", ""),
        ("-- nothing", "-- nothing"),
    ],
)
def test_the_first_statement_ends_at_the_first_semicolon_that_is_one(
    query: str, statement: str
) -> None:
    assert first_statement(query) == statement


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("SELECT 1", "EXPLAIN SELECT 1"),
        ("explain select 1", "EXPLAIN select 1"),
        ("EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN DELETE FROM t"),
        ("EXPLAIN ANALYSE VERBOSE DELETE FROM t", "EXPLAIN DELETE FROM t"),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", "EXPLAIN DELETE FROM t"),
        ("EXPLAIN (SELECT 1)", "EXPLAIN (SELECT 1)"),
        ("EXPLAIN QUERY PLAN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1"),
        ("-- x\n/* y */ EXPLAIN SELECT 1; DROP", "EXPLAIN -- x\n/* y */ SELECT 1"),
        ("SELECT explained FROM t", "EXPLAIN SELECT explained FROM t"),
        ("explained", "EXPLAIN explained"),
    ],
)
def test_a_check_explains_once_and_never_analyses(query: str, sent: str) -> None:
    assert explained(query) == sent


@given(
    st.lists(
        st.sampled_from(
            ["'", '"', "`", ";", "--", "\n", "/*", "*/", "$$", "$a$", "a", "\\", "E'", " "]
        )
    ).map("".join)
)
def test_whatever_is_sent_is_a_beginning_of_the_query_without_its_empty_statements(
    query: str,
) -> None:
    assert first_statement(query) in query
    assert not explained(query)[len("EXPLAIN ") :].startswith("EXPLAIN")


@given(st.text(min_size=1).filter(lambda name: "\0" not in name and name.isprintable()))
def test_quoted_names_are_those_names(name: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE {quoted('main', name)}(a)")
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [(name,)]
    connection.close()


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("SELECT 1", True),
        ("-- x\n with a as (select 1) from a", True),
        ("WITH a AS (DELETE FROM t RETURNING a) SELECT * FROM a", False),
        ("INSERT INTO t VALUES (1) RETURNING a", False),
        ("CALL something()", False),
        ("", False),
    ],
)
def test_what_surely_only_reads_is_known_by_its_words(query: str, reads: bool) -> None:
    assert only_reads(query) is reads
