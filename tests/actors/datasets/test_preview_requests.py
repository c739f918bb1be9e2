"""The command ``preview-dataset-column``, on real libraries."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from callboard.actors.datasets.answers import DatasetsAnswers
from callboard.actors.requests import Refused
from callboard.engines import Place
from callboard.messages.commands import PreviewDatasetColumnCommand
from callboard.messages.payloads import ColumnStats
from callboard.testing.requests import DirectRequest
from tests.actors.datasets.frames import LIBRARIES, make
from tests.actors.datasets.support import Abandoning, preview

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]

PLACES = {
    "polars": [Place.ANY_THREAD],
    "polars-lazy": [Place.ANY_THREAD],
    "pyarrow": [Place.ANY_THREAD],
    # A snapshot of the column, then its summary.
    "pandas": [Place.CELL_THREAD, Place.ANY_THREAD],
    "duckdb": [Place.CELL_THREAD],
    # Its backend is asked for, and has a cursor for this.
    "ibis": [Place.ANY_THREAD, Place.ANY_THREAD],
}


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_dataframe_is_read_where_its_library_says(library: str) -> None:
    reply, places = await preview("frame", "integer", {"frame": make(library)})
    assert (reply.table_name, reply.error) == ("frame", None)
    assert reply.stats is not None
    assert reply.stats.max == 50
    assert reply.chart_spec is not None
    assert reply.chart_code is not None
    assert "from_native(frame)" in reply.chart_code
    assert places == PLACES[library]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_missing_column_gets_empty_statistics(library: str) -> None:
    reply, _ = await preview("frame", "nowhere", {"frame": make(library)})
    assert (reply.stats, reply.error, reply.chart_spec) == (ColumnStats(), None, None)


async def test_a_missing_variable_and_one_that_is_no_table_are_refused_by_name() -> None:
    with pytest.raises(Refused, match="'frame'"):
        await preview("frame", "x", {})
    for value in (3, None, "text", [1], {"x": [1]}, make):
        with pytest.raises(Refused, match=r"column 'x' was not found.*'thing'"):
            await preview("thing", "x", {"thing": value})


@pytest.mark.parametrize("source", ["connection", "catalog"])
async def test_previews_of_connections_and_catalogs_are_not_supported(source: str) -> None:
    with pytest.raises(Refused, match=f"{source} are not supported"):
        await preview("t", "x", {"t": make("polars")}, source=source)


async def test_a_snapshot_of_pandas_is_not_touched_by_later_changes() -> None:
    queries = importlib.import_module("callboard.actors.datasets.queries")
    frame = make("pandas")
    snapshot = queries.snapshot_of_pandas(frame, "integer")
    frame.loc[:, "integer"] = 0
    frame["integer"] = 7
    assert list(snapshot.columns) == ["integer"]
    assert snapshot["integer"].tolist() == [1, 2, 3, 4, 50]


async def test_pandas_columns_of_odd_names_are_found_by_their_text() -> None:
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.DataFrame([[1, 2, 3, 4]], columns=[0, ("a", "b"), "twice", "twice"])
    for name, value in {"0": 1, '["a", "b"]': 2, "twice": 3}.items():
        reply, _ = await preview("frame", name, {"frame": frame})
        assert reply.stats is not None
        assert reply.stats.max == value


async def test_an_ibis_table_that_only_its_own_connection_sees_is_read_between_cells() -> None:
    ibis: Any = importlib.import_module("ibis")
    backend = ibis.duckdb.connect()
    backend.con.execute("CREATE TEMP TABLE hidden AS SELECT 7 AS x")
    reply, places = await preview("frame", "x", {"frame": backend.table("hidden", database="main")})
    assert reply.stats is not None
    assert reply.stats.max == 7
    assert places[-1] is Place.CELL_THREAD


@pytest.fixture
def duckdb() -> Iterator[Any]:
    module: Any = importlib.import_module("duckdb")
    connection = module.connect(":default:")
    connection.execute("""
        CREATE SCHEMA "my.schema";
        CREATE TABLE "my.schema"."a ""table"" 🦆" AS
            SELECT range AS x, range % 2 = 0 AS flag, 't' || range % 20 AS text, [range] AS list,
                TIMESTAMP '2020-01-01' + INTERVAL (range) HOUR AS moment,
                (range % 4)::DECIMAL(5, 2) AS price
            FROM range(1000);
        CREATE TABLE plain AS SELECT 5 AS x, NULL::INT AS "a ""b";
        CREATE TABLE empty_one (x INT);
    """)
    yield connection
    connection.execute("""
        DROP SCHEMA "my.schema" CASCADE; DROP TABLE plain; DROP TABLE empty_one;
        DROP TABLE IF EXISTS temp.mine;
    """)


QUALIFIED = 'memory."my.schema"."a ""table"" 🦆"'


async def test_a_table_of_duckdb_is_read_on_a_cursor_of_its_own(duckdb: Any) -> None:
    pending = duckdb.execute("SELECT range FROM range(10)")
    reply, places = await preview("a table", "x", {}, source="duckdb", qualified=QUALIFIED)
    assert reply.table_name == QUALIFIED
    assert places == [Place.ANY_THREAD, Place.ANY_THREAD]
    assert reply.error is None
    assert reply.stats is not None
    assert (reply.stats.total, reply.stats.unique, reply.stats.nulls) == (1000, 1000, 0)
    assert (reply.stats.p5, reply.stats.p95, reply.stats.median) == (50, 949, 499.5)
    assert reply.chart_spec is not None
    assert reply.chart_code is None
    assert len(pending.fetchall()) == 10, "the notebook's own result is whole"


async def test_the_types_of_duckdb_have_their_statistics(duckdb: Any) -> None:
    found = {}
    for column in ("flag", "text", "list", "moment", "price"):
        reply, _ = await preview("t", column, {}, source="duckdb", qualified=QUALIFIED)
        assert reply.stats is not None
        found[column] = reply.stats
    assert (found["flag"].true, found["flag"].false) == (500, 500)
    assert (found["text"].total, found["text"].unique, found["text"].nulls) == (1000, 20, 0)
    assert (found["list"].total, found["list"].unique) == (1000, 1000)
    assert found["moment"].max == "2020-02-11T15:00:00"
    assert (found["price"].mean, found["price"].unique) == (1.5, 4)


async def test_an_unqualified_name_is_looked_up_in_the_default_schema(duckdb: Any) -> None:
    reply, _ = await preview("plain", "x", {}, source="duckdb")
    assert reply.table_name == "plain"
    assert reply.stats is not None
    assert reply.stats.max == 5


async def test_a_variable_of_the_kernel_is_no_table(duckdb: Any) -> None:
    for name in ("reply", "relation", "connection", "native", "parts"):
        with pytest.raises(Refused, match=name):
            await preview(name, "x", {}, source="duckdb")


async def test_a_temporary_table_is_read_between_cells(duckdb: Any) -> None:
    duckdb.execute("CREATE TEMP TABLE mine AS SELECT 3 AS x")
    reply, places = await preview("mine", "x", {}, source="duckdb", qualified="temp.main.mine")
    assert reply.stats is not None
    assert reply.stats.max == 3
    assert places[-1] is Place.CELL_THREAD


@pytest.mark.parametrize(
    ("table", "column", "why"),
    [
        ("plain", "y", "no column 'y'"),
        ("nowhere", "x", "nowhere"),
        ("a.b", "x", "2 parts"),
        ("memory.main.plain; DROP TABLE plain", "x", "does not exist"),
        ('memory.main."', "x", "quoted"),
        ("", "x", "empty"),
        ("memory.main.🦆\n", "x", "does not exist"),
    ],
)
async def test_what_duckdb_has_not_is_refused(
    duckdb: Any, table: str, column: str, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await preview(table, column, {}, source="duckdb")
    assert duckdb.execute("SELECT count(*) FROM plain").fetchall() == [(1,)]


async def test_duckdb_columns_of_odd_names_and_empty_tables_are_answered(duckdb: Any) -> None:
    reply, _ = await preview("plain", 'a "b', {}, source="duckdb")
    assert reply.stats is not None
    assert (reply.stats.nulls, reply.chart_spec) == (1, None)
    assert reply.error is not None
    reply, _ = await preview("empty_one", "x", {}, source="duckdb")
    assert (reply.stats, reply.error) == (None, "the table is empty")


async def test_without_duckdb_there_is_no_table_and_it_is_not_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "duckdb", raising=False)
    with pytest.raises(Refused, match="not imported duckdb"):
        await preview("t", "x", {}, source="duckdb")
    assert "duckdb" not in sys.modules


ENDLESS = """
    SELECT sum(a.range * b.range % 7) AS x FROM range(10000000) a, range(10000000) b
"""


async def cancelled(command: PreviewDatasetColumnCommand, **variables: object) -> None:
    request = Abandoning(command, variables)
    with trio.move_on_after(1) as scope:
        await DatasetsAnswers().answer(request)
    assert scope.cancelled_caught
    assert await trio.to_thread.run_sync(request.ended.wait, 20)


async def test_a_cancelled_preview_breaks_its_query_off(duckdb: Any) -> None:
    duckdb.execute(f"CREATE VIEW endless AS {ENDLESS}")
    try:
        await cancelled(PreviewDatasetColumnCommand("duckdb", "memory", "endless", "x"))
        assert duckdb.execute("SELECT 1").fetchall() == [(1,)]
    finally:
        duckdb.execute("DROP VIEW endless")


async def test_a_cancelled_preview_of_a_relation_gives_the_cell_thread_back() -> None:
    connection = importlib.import_module("duckdb").connect()
    command = PreviewDatasetColumnCommand("local", "memory", "relation", "x")
    await cancelled(command, relation=connection.sql(ENDLESS))
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()


async def test_a_preview_says_how_far_it_is_and_duckdb_how_far_a_query_is(
    duckdb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callboard.actors.datasets.previews.EVERY_SECONDS", 0.01)
    bars = (
        "SELECT value FROM duckdb_settings() WHERE name LIKE 'enable_progress_bar%' ORDER BY name"
    )
    before = duckdb.execute(bars).fetchall()
    duckdb.execute("CREATE TABLE large AS SELECT hash(range) % 4000000 AS x FROM range(5000000)")
    try:
        request = DirectRequest(PreviewDatasetColumnCommand("duckdb", "memory", "large", "x"), {})
        await DatasetsAnswers().answer(request)
        assert duckdb.execute(bars).fetchall() == before, "of the notebook's own connection"
    finally:
        duckdb.execute("DROP TABLE large")
    told = [done for _, done, _ in request.steps]
    assert {(unit, total) for unit, _, total in request.steps} == {("percent", 100)}
    assert set(told) - {0, 25, 50, 75, 100}, "more than whole steps"
    assert told[-1] >= 50
    assert max(told) <= 100


@pytest.mark.parametrize("library", ["polars", "pyarrow", "pandas"])
async def test_a_preview_of_a_dataframe_says_which_steps_are_done(library: str) -> None:
    command = PreviewDatasetColumnCommand("local", "memory", "frame", "integer")
    request = DirectRequest(command, {"frame": make(library)})
    await DatasetsAnswers().answer(request)
    assert request.steps == [("percent", done, 100) for done in (25, 50, 75)]
