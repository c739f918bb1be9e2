"""Placeholders of a query: what is one, and that putting something in moves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.sqlparse import fill, is_blank, mask, placeholders

ODD_TEXTS = st.text(alphabet="ab1 {}'\"`$-/*\n,:.;[]()\\é", max_size=60)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("select {a}, { b } from {t.u}", ["a", "b", "t.u"]),
        ("select {d['k']} where x = {f(1)}", ["d['k']", "f(1)"]),
        ("select {x!r}", ["x"]),
        ("select '{a}', \"{b}\", `{c}` -- {d}\n/* {e} */ {f}", ["f"]),
        ("select $${a}$$, $tag${b} $$ {c}$tag$, $1, {d}", ["d"]),
        ("select {'a': 1}, {a: 1}, {}", []),
        ("select 'it''s {a}' || {b}", ["b"]),
        ("select '{a}", []),
    ],
)
def test_what_stands_outside_quotes_and_is_an_expression_is_a_placeholder(
    query: str, found: list[str]
) -> None:
    assert [placeholder.expression for placeholder in placeholders(query)] == found


def test_only_a_plain_name_names_a_variable() -> None:
    assert [placeholder.name for placeholder in placeholders("{a} {b.c}")] == ["a", None]


@given(ODD_TEXTS)
def test_masking_moves_no_character_that_it_leaves(query: str) -> None:
    masked = mask(query)
    assert len(masked) == len(query)
    hidden = {at for each in placeholders(query) for at in range(each.start, each.end)}
    for at, (before, after) in enumerate(zip(query, masked, strict=True)):
        if at not in hidden or before == "\n":
            assert before == after
    assert placeholders(masked) == ()


@given(ODD_TEXTS)
def test_filling_replaces_the_placeholders_and_nothing_else(query: str) -> None:
    assert fill(query, lambda placeholder: query[placeholder.start : placeholder.end]) == query


@pytest.mark.parametrize("query", ["", " \n;", "-- only\n/* comments */ ;", "/* open"])
def test_white_space_comments_and_semicolons_are_blank(query: str) -> None:
    assert is_blank(query)


@pytest.mark.parametrize("query", ["select 1", "'-- text'", "/* a */ b"])
def test_anything_else_is_not_blank(query: str) -> None:
    assert not is_blank(query)
