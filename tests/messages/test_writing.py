"""What is written without being converted is what it would be if it were."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.messages.codec import encode_notification
from callboard.messages.commands import StopKernelCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    CellOpNotification,
    DatasetsNotification,
    DataSourceConnectionsNotification,
    Notification,
    SQLTableListPreviewNotification,
    StorageEntriesNotification,
)
from callboard.messages.payloads import (
    Database,
    DataSourceConnection,
    DataTable,
    DataTableColumn,
    Schema,
    SQLMetadata,
    StorageEntry,
)
from callboard.messages.plain import MAX_DEPTH, MAX_VALUES, WRITTEN_ALIKE, EncodeError, to_plain
from callboard.messages.wire import DIRECT, LISTING
from callboard.messages.writing import PIECE, SMALL, is_large, write
from callboard.testing.strategies import notifications

each_class = settings(max_examples=15, deadline=None)
LISTINGS = sorted(LISTING, key=lambda cls: cls.__name__)


def reference(value: object) -> bytes:
    return msgspec.json.encode(to_plain(value))


def end(function: Callable[[object], bytes], value: object) -> object:
    try:
        return function(value)
    except EncodeError as error:
        return error.reason, error.path


class Kind(Enum):
    NAMED = "named"
    PAIR = (1, 2)


@attrs.frozen
class Hooked:
    inner: object

    def _json_(self) -> object:
        return {"hooked": self.inner}


scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
)
"""Values of the types that are left as they are."""
others = st.one_of(
    st.sampled_from([Kind.NAMED, Kind.PAIR, msgspec.UNSET, StopKernelCommand(), 1j, deque([1])])
)
tables = st.builds(
    DataTable,
    st.just("duckdb"),
    st.text(max_size=3),
    st.text(max_size=3),
    st.none() | st.integers(),
    st.just(7),
    st.none(),
    st.lists(
        st.builds(
            DataTableColumn,
            st.text(max_size=3),
            st.just("unknown"),
            st.just("t"),
            st.lists(scalars),
        ),
        max_size=3,
    ),
)
anything = st.recursive(
    scalars | others | tables,
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.text(max_size=3) | st.integers(), inner),
        st.tuples(inner, inner),
        st.builds(Hooked, inner),
        st.builds(StorageEntry, st.just("p"), st.just("file"), st.just(1), st.none(), inner),
    ),
    max_leaves=30,
)


@pytest.mark.parametrize("cls", LISTINGS)
def test_what_lists_things_is_written_the_same_to_the_byte(cls: type[Notification]) -> None:
    @each_class
    @given(notifications(cls))
    def same(notification: Notification) -> None:
        assert write(notification) == reference(notification)
        if cls not in DIRECT | {CellOpNotification}:
            assert encode_notification(notification) == reference(notification)

    same()


@settings(deadline=None)
@given(st.lists(scalars))
def test_types_that_are_left_alone_are_written_as_what_they_become(values: list[Any]) -> None:
    assert {type(value) for value in values} <= WRITTEN_ALIKE
    assert write(values) == reference(values)


@settings(deadline=None, max_examples=200)
@given(anything, st.sampled_from([1, 2, 3, 5, PIECE]))
def test_whatever_is_in_it_a_value_is_written_the_same(value: object, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callboard.messages.writing.PIECE", piece)
        assert write(value) == reference(value)


def many_tables(count: int, columns: int = 0) -> list[DataTable]:
    return [
        DataTable(
            source_type="connection",
            source="duckdb",
            name=f"table_{number}",
            num_rows=None,
            num_columns=None,
            variable_name=None,
            columns=[
                DataTableColumn(f"c{column}", "string", "VARCHAR", [number, "é", None, 1.5])
                for column in range(columns)
            ],
            engine=VariableName("engine"),
            indexes=[],
        )
        for number in range(count)
    ]


def connections(schemas: list[Schema]) -> Notification:
    database = Database("memory", "duckdb", schemas, VariableName("engine"))
    return DataSourceConnectionsNotification(
        [DataSourceConnection("duckdb", "duckdb", "engine", "duckdb (engine)", [database])]
    )


def listing(tables: list[DataTable]) -> SQLTableListPreviewNotification:
    return SQLTableListPreviewNotification(
        RequestId("r"), SQLMetadata("engine", "memory", "main"), tables
    )


def entries(count: int) -> StorageEntriesNotification:
    page = [
        StorageEntry(f"{n}", "file", n, 1.5, {"etag": f"{n}", "storage class": [n]}, None)
        for n in range(count)
    ]
    return StorageEntriesNotification(RequestId("r"), page, VariableName("s"))


LARGE = [
    listing(many_tables(5000)),
    listing(many_tables(300, columns=30)),
    listing(many_tables(1, columns=5000)),
    connections([Schema(f"s{n}", many_tables(50, columns=2)) for n in range(100)]),
    connections([Schema("main", many_tables(PIECE))]),
    entries(1000),
    DatasetsNotification(
        [attrs.evolve(table, primary_keys=["k"] * 1000) for table in many_tables(20)]
    ),
]


@pytest.mark.parametrize("notification", LARGE)
def test_what_is_written_in_pieces_is_the_same(notification: Notification) -> None:
    assert encode_notification(notification) == reference(notification)


def test_no_piece_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = msgspec.json.Encoder().encode
    texts: list[tuple[int, bytes]] = []

    def noted(value: object) -> bytes:
        texts.append((len(texts), encode(value)))
        return texts[-1][1]

    monkeypatch.setattr("callboard.messages.writing._encode", noted)
    data = write(listing(many_tables(5000)))
    *pieces, (_, last) = texts
    assert last is data
    assert len(pieces) >= 5000 // PIECE
    assert max(text.count(b'"source_type"') for _, text in pieces) <= PIECE


@pytest.mark.parametrize("odd", [Kind.NAMED, Hooked([1]), "\ud800", {1: 2}, 1j, date(2026, 1, 2)])
def test_one_value_of_another_kind_changes_nothing_about_the_others(odd: object) -> None:
    tables = many_tables(1000, columns=2)
    tables[500].columns[1].sample_values.append(odd)
    data = encode_notification(listing(tables))
    assert data == reference(listing(tables))
    assert json.loads(data)["tables"][500]["columns"][1]["sample_values"][-1] == to_plain(odd)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def endless() -> object:
    rows: list[object] = [1, 2]
    rows.append({"self": rows})
    return rows


@pytest.mark.parametrize(
    "value",
    [
        nested(MAX_DEPTH),
        nested(MAX_DEPTH + 1),
        nested(100_000),
        [nested(MAX_DEPTH - 1), nested(MAX_DEPTH)],
        endless(),
        [[1] * (MAX_VALUES // 10)] * 9,
        [[1] * (MAX_VALUES // 10)] * 10,
        {"a": {str(n): [n] for n in range(1000)}, "b": [1] * MAX_VALUES},
        [*entries(3).entries, StorageEntry("p", "file", 1, metadata={"rows": endless()})],
        [nested(MAX_DEPTH - 3), *many_tables(2, columns=2)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_limits_and_what_is_said_of_them_are_the_same(value: object) -> None:
    assert end(write, value) == end(reference, value)


@pytest.mark.parametrize("cls", LISTINGS)
def test_an_example_of_a_listing_is_small(cls: type[Notification]) -> None:
    @each_class
    @given(notifications(cls))
    def small(notification: Notification) -> None:
        assert not is_large(notification)

    small()


def by_name(tables: list[DataTable]) -> dict[str, DataTable]:
    return {table.name: table for table in tables}


@pytest.mark.parametrize(
    ("value", "large"),
    [
        ([1] * SMALL, False),
        ([1] * (SMALL + 1), True),
        ([[1] * 100] * 100, True),
        ({str(n): [n] for n in range(SMALL)}, True),
        ("x" * 1_000_000, True),
        ([b"x" * 10_000] * 100, True),
        (
            [date(2026, 1, 1), time(), datetime(2026, 1, 1), timedelta(), Decimal(1), UUID(int=1)],
            False,
        ),
        ([Hooked(1)], True),
        (endless(), True),
        # A table is worth eleven values, and one in the list.
        (many_tables(SMALL // 12), False),
        (many_tables(SMALL // 11 + 1), True),
        (by_name(many_tables(SMALL // 12)), False),
        (by_name(many_tables(SMALL // 11 + 1)), True),
    ],
)
def test_large_is_what_takes_long_or_may(value: object, large: bool) -> None:
    assert is_large(value) is large
