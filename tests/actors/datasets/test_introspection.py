"""What is announced after runs."""

from __future__ import annotations

import importlib
import socket
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.datasets.answers import DatasetsAnswers
from callboard.actors.datasets.frames import frame_kind
from callboard.actors.datasets.introspection import Introspect, interesting
from callboard.actors.requests import NamesConflation
from callboard.engines import DEFAULT_ENGINE_NAME, Place
from callboard.messages.commands import DiscoverDataSourcesCommand
from callboard.messages.ids import RequestId
from callboard.messages.notifications import (
    DatasetsNotification,
    DataSourceConnectionsNotification,
)
from callboard.messages.payloads import DataSourceConnection, DataTable
from callboard.runtime import Ledger, Mailbox, Ref
from callboard.testing.requests import DirectRequest
from tests.actors.datasets.frames import DATA, LIBRARIES, make
from tests.actors.datasets.support import Abandoning

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


async def told(patience: float = 10.0, **variables: object) -> DirectRequest[Introspect]:
    names = frozenset({*variables, "vanished"})
    request = Abandoning(Introspect(names), variables)
    answers = DatasetsAnswers(patience=patience)
    assert answers.reads(request.command) == names
    assert await answers.answer(request) is None
    return request


def tables(request: DirectRequest[Introspect]) -> dict[str, DataTable]:
    return {
        table.name: table
        for notification in request.told
        if isinstance(notification, DatasetsNotification)
        for table in notification.tables
    }


def engines(request: DirectRequest[Introspect]) -> dict[str, DataSourceConnection]:
    return {
        connection.name: connection
        for notification in request.told
        if isinstance(notification, DataSourceConnectionsNotification)
        for connection in notification.connections
    }


@pytest.mark.slow
async def test_dataframes_of_every_library_are_announced() -> None:
    frames = {library.replace("-", "_"): make(library) for library in LIBRARIES}
    request = await told(**frames, other=3)
    assert all(isinstance(each, DatasetsNotification) for each in request.told)
    assert all(each.clear_channel is None for each in request.told)  # type: ignore[union-attr]
    found = tables(request)
    assert found.keys() == frames.keys()
    for name, table in found.items():
        lazy = name in {"polars_lazy", "duckdb", "ibis"}
        assert (table.source_type, table.source, table.variable_name) == ("local", "memory", name)
        assert (table.num_rows, table.num_columns) == (None if lazy else 5, 5)
        assert [(column.name, column.type) for column in table.columns] == [
            ("number", "number"),
            ("integer", "integer"),
            ("text", "string"),
            ("flag", "boolean"),
            ("moment", "datetime"),
        ]
        assert all(column.external_type for column in table.columns)
        for column in table.columns:
            if lazy:
                assert column.sample_values == []
            elif column.name == "moment":
                assert column.sample_values == ["2020-01-01T12:00:00", "2021-01-01T00:00:00", None]
            else:
                assert column.sample_values == list(DATA[column.name][:3])
    # What is in memory and immutable does not wait for what is read between cells.
    assert sorted(request.places) == [Place.ANY_THREAD, Place.ANY_THREAD, Place.CELL_THREAD]


@pytest.mark.slow
async def test_a_frame_that_cannot_be_described_does_not_hide_the_others() -> None:
    polars = importlib.import_module("polars")
    broken = polars.LazyFrame({"x": [1]}).select("nowhere")
    found = tables(await told(broken=broken, fine=make("polars-lazy"), twice=make("polars")))
    assert found.keys() == {"fine", "twice"}


@pytest.mark.slow
async def test_odd_pandas_frames_are_described() -> None:
    pandas: Any = importlib.import_module("pandas")
    frame = pandas.DataFrame([[1, "a" * 500, object()]], columns=["twice", "twice", 3])
    (table,) = tables(await told(frame=frame, nothing=3)).values()
    assert [column.name for column in table.columns] == ["twice", "twice", "3"]
    assert [column.sample_values for column in table.columns] == [
        [1],
        ["a" * 199 + "…"],
        ["<builtins.object>"],
    ]
    (table,) = tables(await told(frame=pandas.DataFrame())).values()
    assert (table.num_rows, table.num_columns, table.columns) == (0, 0, [])


@pytest.mark.slow
async def test_a_frame_of_very_many_columns_is_cut_and_says_so() -> None:
    arrow: Any = importlib.import_module("pyarrow")
    column = arrow.array([1])
    wide = arrow.Table.from_arrays([column] * 20_000, names=[f"c{n}" for n in range(20_000)])
    (table,) = tables(await told(wide=wide)).values()
    assert table.num_columns == 20_000
    assert len(table.columns) == 10_000
    assert table.columns[0].sample_values == [1]


@pytest.mark.slow
async def test_engines_that_can_be_used_alike_are_announced_together() -> None:
    duckdb = importlib.import_module("duckdb")
    with (
        closing(duckdb.connect()) as one,
        closing(duckdb.connect()) as two,
        closing(sqlite3.connect(":memory:", check_same_thread=False)) as three,
    ):
        one.execute("CREATE TABLE t (x INT)")
        request = await told(one=one, two=two, three=three, four=4)
    assert len(request.told) == len(set(request.places))
    found = engines(request)
    assert {name: each.display_name for name, each in found.items()} == {
        "one": "duckdb (one)",
        "two": "duckdb (two)",
        "three": "three",
    }
    assert {name: len(each.databases) for name, each in found.items()} == {
        "one": 1,
        "two": 1,
        "three": 0,
    }


@pytest.mark.slow
async def test_the_built_in_duckdb_is_announced_by_its_name() -> None:
    duckdb: Any = importlib.import_module("duckdb")
    connection = duckdb.connect(":default:")
    connection.execute("CREATE TABLE announced (x INT)")
    try:
        request = Abandoning(Introspect(frozenset({DEFAULT_ENGINE_NAME})))
        await DatasetsAnswers().answer(request)
    finally:
        connection.execute("DROP TABLE announced")
    (found,) = engines(request).values()
    assert (found.name, found.display_name) == (DEFAULT_ENGINE_NAME, "duckdb (In-Memory)")
    tables = [
        table for each in found.databases for schema in each.schemas for table in schema.tables
    ]
    assert "announced" in [table.name for table in tables]


class Busy(Abandoning):
    """A request to a kernel whose cell thread is busy at first."""

    async def call(self, function: Any, place: Place = Place.ANY_THREAD, **options: Any) -> Any:
        if place is Place.CELL_THREAD:
            await trio.sleep(1.5)
            assert self.told, "what needs no cell thread is told while cells run"
        return await super().call(function, place, **options)


@pytest.mark.slow
async def test_what_is_used_between_cells_is_waited_for_and_holds_nothing_else_up() -> None:
    sqlalchemy = importlib.import_module("sqlalchemy")
    memory = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    variables = {"memory": memory, "pandas": make("pandas"), "polars": make("polars")}
    request = Busy(Introspect(frozenset(variables)), variables)
    await DatasetsAnswers(patience=1).answer(request)
    assert [len(found.databases) for found in engines(request).values()] == [1]
    assert tables(request).keys() == {"pandas", "polars"}
    memory.dispose()


@pytest.mark.slow
async def test_a_lazy_frame_that_hangs_hides_no_other() -> None:
    polars: Any = importlib.import_module("polars")
    io: Any = importlib.import_module("polars.io.plugins")
    over = threading.Event()

    def schema() -> Any:
        over.wait(100)
        return {"x": polars.Int64}

    hung = io.register_io_source(lambda *_: iter([]), schema=schema)
    try:
        with trio.fail_after(60):
            request = await told(patience=2, hung=hung, fine=make("polars"))
    finally:
        over.set()
    assert tables(request).keys() == {"fine"}


@pytest.mark.slow
async def test_an_engine_that_hangs_is_announced_empty_and_holds_nobody_up() -> None:
    sqlalchemy = importlib.import_module("sqlalchemy")
    duckdb = importlib.import_module("duckdb")
    with socket.create_server(("127.0.0.1", 0)) as server, closing(duckdb.connect()) as fine:
        port = server.getsockname()[1]
        hung = sqlalchemy.create_engine(f"postgresql+psycopg://ada:secret@127.0.0.1:{port}/x")
        with trio.fail_after(60):
            request = await told(patience=2, hung=hung, fine=fine, frame=make("polars"))
    assert tables(request).keys() == {"frame"}
    found = engines(request)
    assert {name: len(each.databases) for name, each in found.items()} == {"fine": 1, "hung": 0}
    assert "secret" not in repr(request.told)


@pytest.mark.slow
async def test_a_variable_that_a_cell_is_to_bind_again_holds_the_others_up_for_a_moment_only() -> (
    None
):
    class Waiting(Abandoning):
        async def variable(self, name: str) -> object:
            if name == "slow":
                await trio.sleep_forever()
            return await super().variable(name)

    request = Waiting(Introspect(frozenset({"slow", "frame"})), {"frame": make("polars")})
    with trio.fail_after(60):
        await DatasetsAnswers(wait=0.5).answer(request)
    assert tables(request).keys() == {"frame"}


async def test_nothing_of_interest_tells_nothing() -> None:
    request = await told(a=1, b="x", c=sqlite3)
    assert (request.told, request.places) == ([], [])


@pytest.mark.slow
def test_dataframes_and_engines_are_interesting_and_nothing_else_is() -> None:
    for library in LIBRARIES:
        assert interesting(type(make(library))), library
    pandas: Any = importlib.import_module("pandas")

    class Mine(pandas.DataFrame):  # type: ignore[misc]
        pass

    assert interesting(Mine)
    assert interesting(sqlite3.Connection)
    for value in (1, "x", [], {}, sqlite3, pandas, pandas.Series(dtype=float), object(), Mine):
        assert not interesting(type(value)), value


def test_to_be_interesting_runs_no_code_of_the_class() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise AssertionError(name)

        def __hash__(cls) -> int:
            raise AssertionError

        def __eq__(cls, other: object) -> bool:
            raise AssertionError

        def __instancecheck__(cls, other: object) -> bool:
            raise AssertionError

    class Trap(metaclass=Meta):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    for _ in range(2):
        assert not interesting(type(Trap()))
    assert frame_kind(type(Trap())) is None


def test_to_ask_again_whether_a_class_is_interesting_is_cheap() -> None:
    interesting(dict)
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        for _ in range(1000):
            interesting(dict)
        best = min(best, time.thread_time() - start)
    assert best / 1000 < 50e-6


@settings(max_examples=50)
@given(st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), min_size=1))
def test_waiting_introspections_become_one_with_all_their_names(
    posts: list[frozenset[str]],
) -> None:
    conflation = NamesConflation(Introspect, 64)
    merged = Introspect(posts[0])
    for names in posts[1:]:
        assert conflation.key(merged) == conflation.key(Introspect(names))
        merged = conflation.merge(merged, Introspect(names))
    assert merged.names == frozenset().union(*posts)
    assert conflation.size(merged) == len(merged.names)


async def test_a_mailbox_merges_introspections_and_leaves_commands_alone() -> None:
    mailbox: Mailbox[Any] = Mailbox("datasets", 8, conflation=NamesConflation(Introspect, 3))
    command = DiscoverDataSourcesCommand(RequestId("1"))
    ref = Ref(mailbox, Ledger().account("datasets"))
    for message in (
        Introspect(frozenset("a")),
        Introspect(frozenset("bc")),
        # One name too many for one message.
        Introspect(frozenset("de")),
        command,
        Introspect(frozenset("f")),
    ):
        ref.tell(message)
    received = [envelope.message for envelope in mailbox.drain_nowait()]
    assert received == [
        Introspect(frozenset("abc")),
        Introspect(frozenset("de")),
        command,
        Introspect(frozenset("f")),
    ]
