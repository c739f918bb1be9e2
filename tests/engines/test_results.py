"""Results of queries in every format."""

from __future__ import annotations

import decimal
import sys
import uuid
from typing import Any

import pytest

from callboard.actors.packages.missing import missing_from_error
from callboard.engines import MissingLibraries
from callboard.engines.results import FORMATS, NO_ROWS, Conversion, QueryResult, rows_result


def test_a_statement_without_rows_is_none_in_every_format() -> None:
    for format in FORMATS:
        assert NO_ROWS.to(format) is None
        assert rows_result([], []).to(format) is None


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="'csv'"):
        NO_ROWS.to("csv")  # type: ignore[arg-type]


def test_one_error_names_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = QueryResult(
        ("a",),
        lambda: "native",
        Conversion(("polars_of_test", "pyarrow_of_test"), lambda: "polars"),
        Conversion(("pandas_of_test",), lambda: "pandas"),
    )
    for format in ("auto", "polars", "lazy-polars"):
        with pytest.raises(MissingLibraries) as caught:
            result.to(format)
        assert caught.value.libraries == ("polars_of_test", "pyarrow_of_test")
        assert isinstance(caught.value, ImportError)
        assert missing_from_error(caught.value) >= {"polars_of_test", "pyarrow_of_test"}
    with pytest.raises(MissingLibraries, match="'pandas' needs pandas_of_test"):
        result.to("pandas")
    assert result.to("native") == "native"


def test_pandas_stands_in_for_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    result = QueryResult(
        ("a",),
        lambda: "native",
        Conversion(("polars",), lambda: "polars"),
        Conversion(("sqlite3",), lambda: "pandas"),
    )
    assert result.to() == "pandas"
    with pytest.raises(MissingLibraries):
        result.to("polars")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 3], [1, None, 3]),
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, "x", None, b"y"], ["1", "x", None, "b'y'"]),
        ([uuid.UUID(int=1)], [str(uuid.UUID(int=1))]),
        ([decimal.Decimal("1.5"), None], [decimal.Decimal("1.5"), None]),
        ([2**70], [str(2**70)]),
        ([None, None], [None, None]),
    ],
)
def test_columns_of_mixed_values_become_frames(values: list[Any], expected: list[Any]) -> None:
    rows = [(value, 1) for value in values]
    frame = rows_result(["a", "b"], rows).to("polars")
    assert [str(value) for value in frame["a"].to_list()] == [str(value) for value in expected]
    assert frame["b"].to_list() == [1] * len(values)


def test_repeated_names_are_numbered_in_frames_alone() -> None:
    result = rows_result(["a", "a", "a_1"], [(1, 2, 3)])
    assert result.columns == ("a", "a", "a_1")
    assert result.to("polars").columns == ["a", "a_2", "a_1"]
    assert result.to("native") == [(1, 2, 3)]
    assert result.to("polars").shape == (1, 3)
    assert rows_result(["a"], []).to("polars").shape == (0, 1)
