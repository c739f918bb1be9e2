"""What arrays and tables are told apart by."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.caching.content import Hasher

np: Any = importlib.import_module("numpy")
pl: Any = importlib.import_module("polars")
pa: Any = importlib.import_module("pyarrow")


def digest(value: object) -> bytes:
    return Hasher().digest(value)


def test_how_an_array_lies_in_memory_does_not_matter() -> None:
    array = np.arange(24).reshape(4, 6)
    spaced = np.zeros((4, 12), array.dtype)
    spaced[:, ::2] = array
    for other in (array.copy(), np.asfortranarray(array), spaced[:, ::2], array[::-1][::-1]):
        assert digest(other) == digest(array)


@pytest.mark.parametrize("shape", [(1_000_000,), (1000, 1001), (7, 200_000), (50, 40, 501)])
def test_how_a_large_array_lies_in_memory_does_not_matter(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype="f8").reshape(shape)
    spaced = np.repeat(array, 2, axis=-1)[..., ::2]
    for other in (np.asfortranarray(array), spaced, array[::-1].copy()[::-1]):
        assert digest(other) == digest(array)
    other = array.copy(order="F")
    other[(-1,) * len(shape)] += 1
    assert digest(other) != digest(array)


def test_shape_type_and_every_value_of_an_array_count() -> None:
    base = np.arange(6)
    others = [
        base.reshape(2, 3),
        base.reshape(3, 2),
        base.astype("float64"),
        base.astype("int32"),
        base.astype(">i8"),
        base.view("M8[ns]"),
        base.view("m8[ns]"),
        base + 1,
        base[:5],
        np.array(0),
        np.int64(0),
        np.zeros(0),
        np.zeros((0, 3)),
        np.array(["a", "b"]),
        np.array(["a", "c"]),
        np.array(["a", None], object),
        np.array(["b", None], object),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.array([(1, 2.0)], [("a", "i4"), ("c", "f8")]),
        np.ma.array([1, 2], mask=[0, 1]),
        np.ma.array([1, 2], mask=[1, 0]),
        np.dtype("f4"),
        np.random.default_rng(1),
        np.random.default_rng(2),
    ]
    assert len({digest(each) for each in [base, *others]}) == len(others) + 1


@given(st.lists(st.floats(width=32), max_size=20), st.integers(1, 5))
def test_arrays_are_equal_if_their_bytes_are(numbers: list[float], columns: int) -> None:
    array = np.array(numbers, "f4")
    assert digest(array.copy()) == digest(array)
    if len(numbers) % columns == 0 and numbers:
        table = array.reshape(-1, columns)
        assert digest(np.asfortranarray(table)) == digest(table)


def frames() -> list[Any]:
    pd: Any = importlib.import_module("pandas")
    base = pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.0, None, 3.0],
            "s": ["x", None, "z"],
            "o": [[1], {"a": 2}, None],
            "c": pd.Categorical(["u", "v", "u"]),
            "n": pd.array([1, None, 3], "Int64"),
            "t": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
            "z": pd.to_datetime(["2020-01-01", "2020-01-02", None]).tz_localize("UTC"),
            "p": pd.period_range("2020", periods=3, freq="M"),
            "v": pd.interval_range(0, 3),
            "a": pd.array([1, 2, None], "int64[pyarrow]"),
        }
    )
    return [pd, base]


@pytest.mark.slow
def test_pandas_frames_count_by_content() -> None:
    pd, base = frames()
    apart = pd.concat([base[[name]] for name in base.columns], axis=1)  # other blocks inside
    assert digest(base.copy()) == digest(base) == digest(apart)
    changed = []
    for name in base.columns:
        other = base.copy()
        other[name] = other[name].iloc[[1, 0, 2]].array
        changed.append(other)
    changed += [
        base.rename(columns={"i": "j"}),
        base.set_index("i"),
        base.set_index(["i", "s"]),
        base.iloc[:2],
        base[base.columns[::-1]],
        base["i"],
        base["i"].rename("k"),
        base.index,
        base.columns,
        pd.Index([0, 1, 2]),
        pd.DataFrame(),
    ]
    assert len({digest(each) for each in [base, *changed]}) == len(changed) + 1


@pytest.mark.slow
def test_what_lies_under_a_mask_does_not_matter() -> None:
    pd, _ = frames()
    one, other = (pd.array([1, value, 3], "Int64") for value in (5, 7))
    one[1] = other[1] = None
    assert digest(pd.Series(one)) == digest(pd.Series(other))


def test_polars_frames_count_by_content_and_not_by_chunks() -> None:
    base = pl.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.0, None, 3.0],
            "s": ["x", None, "a longer text than fits"],
            "l": [[1], [], None],
            "d": [{"a": 1}, {"a": 2}, None],
            "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
            "b": [True, None, False],
        }
    )
    assert digest(pl.concat([base[:1], base[1:]], rechunk=False)) == digest(base)
    assert digest(base.clone()) == digest(base)
    changed = [base.with_columns(pl.col(name).reverse()) for name in base.columns if name != "c"]
    changed += [base.rename({"i": "j"}), base[:2], base["i"], base["i"].cast(pl.Int32), base.lazy()]
    assert len({digest(each) for each in [base, *changed]}) == len(changed) + 1


def test_arrow_tables_count_by_content_and_not_by_chunks_or_offsets() -> None:
    base = pa.table(
        {
            "i": [1, 2, 3, 4],
            "s": ["a", "b", "c", "d"],
            "n": [1, None, 3, None],
            "l": [[1], [2, 3], [], None],
            "b": [True, False, True, True],
            "x": pa.array([b"1", b"2", b"3", b"4"], pa.large_binary()),
        }
    )
    divided = pa.concat_tables([base.slice(0, 1), base.slice(1, 2), base.slice(3)])
    longer = pa.concat_tables([base.slice(2), base, base])
    assert digest(divided) == digest(base)
    assert digest(longer.slice(2, 4).select(["i", "n"])) == digest(base.select(["i", "n"]))
    order = pa.array([1, 0, 2, 3])
    changed = [base.set_column(k, n, base[n].take(order)) for k, n in enumerate(base.column_names)]
    changed += [base.slice(1), base.rename_columns(list("jsnlbx")), base["i"], base.schema]
    assert len({digest(each) for each in [base, *changed]}) == len(changed) + 1


@given(st.lists(st.integers(-3, 3) | st.none(), max_size=12), st.integers(0, 12))
@settings(deadline=None)
def test_arrow_and_polars_columns_are_equal_if_their_values_are(
    values: list[int | None], cut: int
) -> None:
    make: list[Callable[[list[int | None]], Any]] = [
        lambda part: pa.array(part, pa.int64()),
        lambda part: pl.Series("x", part, pl.Int64),
    ]
    whole, series = (one(values) for one in make)
    divided = pa.chunked_array([make[0](values[:cut]), make[0](values[cut:])])
    assert digest(divided) == digest(pa.chunked_array([whole]))
    assert digest(series) == digest(make[1](values[:cut]).append(make[1](values[cut:])))


def test_no_library_is_loaded_for_a_value_that_is_not_of_it() -> None:
    script = (
        "import sys\n"
        "from callboard.caching.content import Hasher\n"
        "class A: pass\n"
        "Hasher().digest([A(), A, len, {1: A()}])\n"
        "print(*sorted({'numpy', 'pandas', 'polars', 'pyarrow', 'redis'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize("size", [3, 3_000_000])
def test_one_changed_number_is_seen(size: int) -> None:
    array = np.zeros(size)
    before = digest(array)
    array[size // 2] = 1e-300
    assert digest(array) != before
