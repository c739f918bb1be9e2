from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.datasets.primitives import MAX_TEXT, primitive

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.builds(object),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.text(), inner)
    ),
    max_leaves=10,
)


@settings(max_examples=50)
@given(values)
def test_any_value_becomes_one_that_json_holds_and_of_bounded_size(value: object) -> None:
    plain = primitive(value)
    assert type(plain) in {str, int, float, bool, type(None)}
    assert len(json.dumps(plain)) <= 12 * MAX_TEXT
    assert plain == plain, "NaN is null"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3, tzinfo=UTC), "2020-01-02T03:00:00+00:00"),
        (time(1, 2), "01:02:00"),
        (timedelta(days=1), "1 day, 0:00:00"),
        (Decimal("1.5"), 1.5),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"a\xff", "a\\xff"),
        ([1, {"a": (None, date(2020, 1, 2))}], '[1, {"a": [null, "2020-01-02"]}]'),
        (float("nan"), None),
        ("x" * 5000, "x" * (MAX_TEXT - 1) + "…"),
    ],
)
def test_values_read_as_what_they_stand_for(value: object, plain: object) -> None:
    assert primitive(value) == plain


def test_no_code_of_a_foreign_class_runs() -> None:
    class Trap:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        def __str__(self) -> str:
            raise AssertionError

        __repr__ = __str__

    class Text(str):
        def __len__(self) -> int:
            raise AssertionError

    assert "Trap" in str(primitive(Trap()))
    assert "Text" in str(primitive(Text("x")))


def test_a_value_that_contains_itself_has_an_end() -> None:
    value: list[object] = []
    value += [value] * 3
    assert "…" in str(primitive(value))
