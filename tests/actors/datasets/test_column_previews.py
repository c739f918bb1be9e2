"""Statistics and charts of real dataframes of every library."""

from __future__ import annotations

import ast
import datetime as dt
import importlib
import json
import math
import statistics
import subprocess
import sys
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callboard.actors.datasets.charts import MAX_BINS
from callboard.actors.datasets.columns import NoSuchColumn, Preview, preview_column
from callboard.messages.payloads import ColumnStats
from tests.actors.datasets.frames import DATA, LIBRARIES, make

pytestmark = [
    pytest.mark.slow,
    # Ibis asks DuckDB in a way that DuckDB has come to advise against.
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]


def pyarrow() -> Any:
    return importlib.import_module("pyarrow")


def preview(frame: object, column: str) -> Preview:
    return preview_column(frame, column, variable="frame")


def stats(frame: object, column: str) -> ColumnStats:
    found = preview(frame, column).stats
    assert found is not None
    return found


def drawn(found: Preview) -> list[dict[str, Any]]:
    assert found.chart_spec is not None, found.error
    rows: list[dict[str, Any]] = json.loads(found.chart_spec)["data"]["values"]
    return rows


@pytest.fixture(scope="module", params=LIBRARIES)
def frame(request: pytest.FixtureRequest) -> Any:
    return make(request.param)


def test_numbers_have_their_statistics(frame: Any) -> None:
    found = stats(frame, "integer")
    assert attrs.evolve(found, std=None) == ColumnStats(
        total=5, nulls=0, min=1, max=50, mean=12.0, median=3.0, p5=1, p25=2, p75=4, p95=50
    )
    assert isinstance(found.min, int)
    assert found.std == pytest.approx(statistics.stdev([1, 2, 3, 4, 50]))
    found = stats(frame, "number")
    assert (found.total, found.nulls, found.min, found.max) == (5, 1, -4.0, 3.5)
    assert found.mean == pytest.approx(0.875)
    assert (found.p5, found.p95) == (-4.0, 3.5)


def test_texts_are_counted(frame: Any) -> None:
    assert stats(frame, "text") == ColumnStats(total=5, nulls=1, unique=3)


def test_truth_values_are_counted(frame: Any) -> None:
    assert stats(frame, "flag") == ColumnStats(total=5, nulls=0, true=4, false=1)


def test_points_in_time_have_extremes(frame: Any) -> None:
    found = stats(frame, "moment")
    assert (found.total, found.nulls) == (5, 1)
    assert (found.min, found.max) == ("2020-01-01T12:00:00", "2022-01-01T00:00:00")
    assert found.mean in {None, "2021-01-31T21:00:00"}


def test_every_type_has_a_chart_and_the_code_draws_the_same(frame: Any) -> None:
    for column in DATA:
        found = preview(frame, column)
        assert found.error is None
        assert found.chart_spec is not None
        assert found.chart_code is not None
        shown = json.loads(found.chart_spec)
        rows = shown.pop("data")["values"]
        names: dict[str, Any] = {"frame": frame}
        exec(found.chart_code, names)
        again = json.loads(names["_chart"].to_json())
        (again_rows,) = again.pop("datasets").values()
        del again["data"], again["config"]
        schemas = [chart.pop("$schema").rpartition("/") for chart in (again, shown)]
        assert schemas[0][0] == schemas[1][0], "both are vega-lite"
        assert schemas[0][2].startswith(schemas[1][2].removesuffix("json")), "of one version"
        assert again == shown
        assert sum(row["rows"] for row in rows) == sum(row["rows"] for row in again_rows)
        for one, other in zip(rows, again_rows, strict=True):
            assert one.keys() == other.keys()
            for key, value in one.items():
                if key in {"start", "end"} and isinstance(value, str):
                    assert dt.datetime.fromisoformat(other[key]).isoformat() == value
                else:
                    assert other[key] == pytest.approx(value)
        assert all(name.startswith("_") for name in names if name not in {"frame"})


def test_a_missing_column_is_told_apart(frame: Any) -> None:
    with pytest.raises(NoSuchColumn):
        preview(frame, "nowhere")


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_empty_table_is_an_error_without_statistics(library: str) -> None:
    empty = make(library, {"x": []}, pyarrow().schema([("x", pyarrow().int64())]))
    assert preview(empty, "x") == Preview(error="the table is empty")


@pytest.mark.parametrize("library", ["polars", "pandas", "duckdb", "ibis"])
def test_names_that_are_syntax_elsewhere_are_names(library: str) -> None:
    names = ["a.b", "a:b", "a[0]", "a b\nc", "🦆", "{x}", "value", "rows"]
    frame = make(library, {name: [1, 2, place] for place, name in enumerate(names, 3)})
    for place, name in enumerate(names, 3):
        found = preview(frame, name)
        assert found.stats is not None
        assert found.stats.max == place
        assert sum(row["rows"] for row in drawn(found)) == 3
        assert found.chart_code is not None
        ast.parse(found.chart_code)


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b"])
def test_a_name_with_a_quote_or_backslash_has_statistics_and_an_error(name: str) -> None:
    found = preview(make("polars", {name: [1, 2]}), name)
    assert found.error is not None
    assert found.stats is not None
    assert found.stats.max == 2
    assert found.chart_spec is None


@pytest.mark.parametrize("library", LIBRARIES)
def test_of_many_texts_the_ten_most_frequent_are_drawn(library: str) -> None:
    texts = [f"t{n:02}" for n in range(30) for _ in range(n + 1)]
    rows = drawn(preview(make(library, {"x": texts}), "x"))
    assert rows == [{"value": f"t{n:02}", "rows": n + 1} for n in range(29, 19, -1)]
    rows = drawn(preview(make(library, {"x": texts[:55]}), "x"))
    assert len(rows) == 10


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_large_column_needs_neither_a_renderer_nor_its_rows_in_the_chart(library: str) -> None:
    found = preview(make(library, {"x": list(range(100_000))}), "x")
    assert found.missing_packages is None
    rows = drawn(found)
    assert len(rows) <= MAX_BINS + 1
    assert sum(row["rows"] for row in rows) == 100_000


def test_a_column_among_twenty_thousand_is_found_without_asking_for_the_others_types() -> None:
    arrow = pyarrow()
    ones = arrow.array([1, 2])
    names = [f"c{n}" for n in range(20_000)]
    wide = arrow.Table.from_arrays([ones] * len(names), names=names)
    assert stats(wide, "c19999").max == 2


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_but_nulls_has_counts_and_no_chart(library: str) -> None:
    for kind in (pyarrow().int64(), pyarrow().float64(), pyarrow().string()):
        frame = make(library, {"x": [None, None]}, pyarrow().schema([("x", kind)]))
        found = preview(frame, "x")
        assert found.stats is not None
        assert (found.stats.total, found.stats.nulls, found.error) == (2, 2, None)
        assert found.chart_spec is None


@pytest.mark.parametrize("library", ["polars", "polars-lazy", "pyarrow", "duckdb", "ibis"])
def test_nan_is_no_number_and_infinities_are_no_bins(library: str) -> None:
    frame = make(library, {"x": [1.0, 2.0, math.nan, math.inf, -math.inf, None]})
    found = preview(frame, "x")
    assert found.stats is not None
    assert (found.stats.min, found.stats.max) == (-math.inf, math.inf)
    assert found.stats.nulls == 1
    assert sum(row["rows"] for row in drawn(found)) == 2


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("decimal128(9, 2)", [Decimal("1.50"), Decimal("2.25"), None]),
        ("date32", [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
        ("time64[us]", [dt.time(1), dt.time(2), None]),
        ("duration[us]", [dt.timedelta(1), dt.timedelta(2), None]),
        ("timestamp[us, UTC]", [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 3),
        ("binary", [b"a", b"b", None]),
        ("list", [[1], [1], None]),
        ("struct", [{"a": 1}, {"a": None}, None]),
        ("null", [None, None, None]),
        ("uint64", [2**64 - 1, 0, None]),
        ("int64", [-(2**63), 2**63 - 1, None]),
        ("double", [1e308, -1e308, 5e-324]),
    ],
)
def test_no_type_of_column_fails(library: str, type_name: str, values: list[Any]) -> None:
    pa = pyarrow()
    types = {
        "decimal128(9, 2)": pa.decimal128(9, 2),
        "date32": pa.date32(),
        "time64[us]": pa.time64("us"),
        "duration[us]": pa.duration("us"),
        "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
        "binary": pa.binary(),
        "list": pa.list_(pa.int64()),
        "struct": pa.struct([("a", pa.int64())]),
        "null": pa.null(),
        "uint64": pa.uint64(),
        "int64": pa.int64(),
        "double": pa.float64(),
    }
    found = preview(make(library, {"x": values}, pa.schema([("x", types[type_name])])), "x")
    assert found.stats is not None
    # What a library cannot compute gives empty statistics; none of these here lacks more than that.
    assert found.stats.total in {3, None}
    json.dumps(attrs.asdict(found.stats))  # primitives only
    if found.chart_spec is not None:
        assert sum(row["rows"] for row in drawn(found)) <= 3


def test_pandas_columns_of_python_objects_run_none_of_their_code() -> None:
    pandas = importlib.import_module("pandas")

    class Trap:
        def __hash__(self) -> int:
            raise AssertionError

        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __str__ = __repr__ = __hash__  # type: ignore[assignment]

    frame = pandas.DataFrame({"x": pandas.Series([Trap(), None, Trap()], dtype=object)})
    assert stats(frame, "x") == ColumnStats(total=3, nulls=1)


@pytest.mark.parametrize("stage", ["column_stats", "plan_chart"])
def test_a_panic_of_a_native_library_costs_what_it_was_to_compute(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    panic = importlib.import_module("polars").exceptions.PanicException

    def fail(*args: object, **options: object) -> None:
        raise panic("at src/lib.rs")

    monkeypatch.setattr(f"callboard.actors.datasets.columns.{stage}", fail)
    found = preview(make("polars"), "integer")
    if stage == "column_stats":
        assert found.stats == ColumnStats()
        assert found.chart_spec is not None
    else:
        assert found.stats is not None
        assert found.stats.max == 50
        assert (found.chart_spec, found.chart_code) == (None, None)
        assert found.error == "the chart could not be made (PanicException)"


def test_without_altair_there_are_statistics_and_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    found = preview(make("polars"), "integer")
    assert found.missing_packages == ["altair"]
    assert found.error == "altair must be installed"
    assert found.stats is not None
    assert found.stats.max == 50


def test_without_narwhals_both_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = make("polars")
    monkeypatch.setitem(sys.modules, "altair", None)
    monkeypatch.setitem(sys.modules, "narwhals", None)
    found = preview(frame, "integer")
    assert found == Preview(
        error="narwhals and altair must be installed", missing_packages=["narwhals", "altair"]
    )


def nearest(values: list[Any], q: float) -> set[Any]:
    """The values whose place is as near to ``q`` as any; of two equally near ones libraries take either."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    return {
        ordered[round(place)],
        ordered[math.floor(place + 0.5)],
        ordered[math.ceil(place - 0.5)],
    }


@example("pandas", [None, 1])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(LIBRARIES),
    st.lists(st.none() | st.integers(-(10**6), 10**6), min_size=1, max_size=40),
)
def test_the_statistics_of_integers_are_those_of_python(
    library: str, values: list[int | None]
) -> None:
    schema = pyarrow().schema([("x", pyarrow().int64())])
    found = preview(make(library, {"x": values}, schema), "x")
    present = [value for value in values if value is not None]
    assert found.stats is not None
    assert (found.stats.total, found.stats.nulls) == (len(values), values.count(None))
    if not present:
        return
    assert found.stats.min == min(present)
    assert found.stats.max == max(present)
    assert found.stats.mean == pytest.approx(statistics.fmean(present))
    assert found.stats.median == pytest.approx(statistics.median(present))
    for name, q in {"p5": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95}.items():
        assert getattr(found.stats, name) in nearest(present, q), name
    rows = drawn(found)
    assert sum(row["rows"] for row in rows) == len(present)
    for row in rows:
        inside = [value for value in present if row["start"] <= value < row["end"]]
        assert len(inside) == row["rows"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(LIBRARIES),
    st.lists(st.none() | st.text("ab🦆\n'\"\\\0", max_size=3), min_size=1, max_size=40),
)
def test_the_counts_of_texts_are_those_of_python(library: str, values: list[str | None]) -> None:
    if library == "ibis" or library == "duckdb":
        values = [value and value.replace("\0", "") for value in values]
    schema = pyarrow().schema([("x", pyarrow().string())])
    found = preview(make(library, {"x": values}, schema), "x")
    present = [value for value in values if value is not None]
    assert found.stats == ColumnStats(
        total=len(values), nulls=values.count(None), unique=len(set(present))
    )
    if present:
        for row in drawn(found):
            assert present.count(row["value"]) == row["rows"]


def test_a_chart_is_drawn_without_loading_altair() -> None:
    code = (
        "import sys, polars\n"
        "from callboard.actors.datasets.columns import preview_column\n"
        "found = preview_column(polars.DataFrame({'n': [1, 2, 2]}), 'n', variable='frame')\n"
        "print(found.chart_spec is not None, 'altair' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.split() == ["True", "False"]
