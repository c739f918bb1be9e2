from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.datasets.sql_names import MalformedName, split_name
from callboard.engines.statements import quoted

parts = st.text(min_size=1)


@given(st.one_of(st.tuples(parts), st.tuples(parts, parts, parts)))
def test_a_quoted_name_comes_apart_as_it_was_put_together(name: tuple[str, ...]) -> None:
    assert split_name(quoted(*name)) == name


@given(st.lists(st.text("abc äß🦆\n;-", min_size=1), min_size=3, max_size=3))
def test_parts_without_quotes_and_dots_need_no_quotes(name: list[str]) -> None:
    assert split_name(".".join(name)) == tuple(name)


@given(st.text('a."', max_size=12))
def test_any_text_is_a_name_of_one_or_three_parts_or_malformed(text: str) -> None:
    try:
        name = split_name(text)
    except MalformedName:
        return
    assert len(name) in {1, 3}
    assert all(name)
    assert split_name(quoted(*name)) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a.b", "2 parts"),
        ("a.b.c.d", "4 parts"),
        ("a..c", "empty"),
        ('a.b."c', "quoted"),
        ('a.b."c"d', "quoted"),
        ('a.b.c"d', "quoted"),
        ("x" * 100_000 + ".y", "…"),
    ],
)
def test_a_malformed_name_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(MalformedName, match=why) as refusal:
        split_name(text)
    assert len(str(refusal.value)) < 400
