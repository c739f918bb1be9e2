"""Functions of elements, called by the page."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import gc
import subprocess
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.ui import Function, UIElement
from callboard.ui.arguments import snake_case, structure
from callboard.ui.functions import BadArguments

if TYPE_CHECKING:
    from tests.ui.conftest import FakeCell


class Order(enum.Enum):
    UP = "up"
    DOWN = "down"


@attrs.frozen
class Span:
    first_day: datetime.date
    last_day: datetime.date | None = None


@attrs.frozen
class Search:
    query: str
    page_size: int = 10
    min_score: float = 0.0
    exact: bool = False
    order: Order = Order.UP
    span: Span | None = None
    tags: list[str] = attrs.field(factory=list)
    filters: dict[str, Any] = attrs.field(factory=dict)
    at: datetime.datetime | None = None
    every: datetime.time | None = None


@dataclasses.dataclass
class Point:
    x_pos: float
    y_pos: float = 0.0


class Searchable(UIElement[None]):
    __slots__ = ()
    _tag = "searchable"

    def __init__(self, *functions: Function) -> None:
        super().__init__(None, functions=functions)


def call(function: Function, sent: dict[str, object], cell: FakeCell) -> object:
    element = Searchable(function)
    found = cell.registry.functions.find(element.element_id, function.name)
    assert found is not None
    return found(sent)


def test_a_function_is_found_under_its_element_and_name(cell: FakeCell) -> None:
    search = Function("search", lambda: "found")
    element = Searchable(search, Function("other", lambda: "other"))
    found = cell.registry.functions.find(element.element_id, "search")
    assert found is not None
    assert (found.namespace, found.cell_id, found.function) == ("c-0", "c", search)
    assert found({}) == "found"
    assert cell.registry.functions.find("c-0", "nothing") is None
    assert cell.registry.functions.find("c-1", "search") is None


def test_a_function_goes_away_with_its_element(cell: FakeCell) -> None:
    element = Searchable(Function("search", lambda: None))
    del element
    gc.collect()
    assert cell.registry.functions.find("c-0", "search") is None


def test_a_function_of_an_element_made_outside_any_cell_says_so(cell: FakeCell) -> None:
    cell.cell_id = None
    element = Searchable(Function("search", lambda: None))
    found = cell.registry.functions.find(element.element_id, "search")
    assert found is not None
    assert found.cell_id is None


def test_a_copy_of_an_element_has_its_functions(cell: FakeCell) -> None:
    element = Searchable(Function("search", lambda: "found"))
    clone = element._clone()
    found = cell.registry.functions.find(clone.element_id, "search")
    assert found is not None
    assert found({}) == "found"


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="searchable: functions has two of the same name"):
        Searchable(Function("a", lambda: 1), Function("a", lambda: 2))


def test_arguments_are_converted_to_the_declared_class(cell: FakeCell) -> None:
    sent: dict[str, object] = {
        "query": "q",
        "pageSize": 20.0,
        "min_score": 1,
        "exact": True,
        "order": "down",
        "span": {"firstDay": "2026-08-31", "_hidden": 1},
        "tags": ["a"],
        "filters": {"camelCase": 1, "_kept": 2},
        "at": "2026-08-31T12:30:00+02:00",
        "every": "12:30",
        "_internal": 1,
    }
    assert call(Function("f", lambda args: args, Search), sent, cell) == Search(
        query="q",
        page_size=20,
        min_score=1.0,
        exact=True,
        order=Order.DOWN,
        span=Span(datetime.date(2026, 8, 31)),
        tags=["a"],
        filters={"camelCase": 1, "_kept": 2},
        at=datetime.datetime.fromisoformat("2026-08-31T12:30:00+02:00"),
        every=datetime.time(12, 30),
    )


def test_a_dataclass_can_declare_the_arguments(cell: FakeCell) -> None:
    assert call(Function("f", lambda args: args, Point), {"xPos": 1}, cell) == Point(1.0)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "query: missing"),
        ({"query": "q", "pagesize": 1}, "unknown argument pagesize"),
        ({"query": "q", "pageSize": 1, "page_size": 2}, "argument page_size given twice"),
        ({"query": 3}, "query: expected a string, not int"),
        ({"query": None}, "query: expected a string, not null"),
        ({"query": "q", "pageSize": 1.5}, "page_size: expected an integer, not 1.5"),
        ({"query": "q", "pageSize": "1"}, "page_size: expected an integer, not str"),
        ({"query": "q", "pageSize": True}, "page_size: expected an integer, not bool"),
        ({"query": "q", "minScore": "1"}, "min_score: expected a number, not str"),
        ({"query": "q", "exact": 1}, "exact: expected true or false, not int"),
        ({"query": "q", "order": "sideways"}, "order: 'sideways' is not a valid Order"),
        (
            {"query": "q", "span": {"firstDay": "soon"}},
            "span.first_day: expected an ISO date, not 'soon'",
        ),
        ({"query": "q", "span": {"firstDay": 3}}, "span.first_day: expected an ISO date, not int"),
        ({"query": "q", "span": {}}, "span.first_day: missing"),
        ({"query": "q", "span": 3}, "span: expected an object for Span, not int"),
        ({"query": "q", "tags": ["a", 1]}, "tags[1]: expected a string, not int"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_place_and_reason(
    cell: FakeCell, sent: dict[str, object], message: str
) -> None:
    with pytest.raises(BadArguments) as caught:
        call(Function("f", lambda args: args, Search), sent, cell)
    assert str(caught.value) == message


def test_every_mistake_is_told(cell: FakeCell) -> None:
    with pytest.raises(BadArguments) as caught:
        structure({"pageSize": "1", "more": 2}, Search)
    for part in ("unknown argument more", "query: missing", "page_size: expected"):
        assert part in str(caught.value)


def test_a_function_without_arguments_is_given_none(cell: FakeCell) -> None:
    function = Function("f", lambda: "called")
    assert call(function, {"_internal": 1}, cell) == "called"
    with pytest.raises(BadArguments, match="takes no arguments, got query"):
        call(function, {"query": "q"}, cell)


async def test_an_async_function_gives_what_is_to_be_awaited(cell: FakeCell) -> None:
    async def search(args: Point) -> float:
        return args.x_pos

    result = call(Function("f", search, Point), {"x_pos": 3}, cell)
    assert isinstance(result, Awaitable)
    assert await result == 3.0


def test_what_a_function_raises_is_its_own(cell: FakeCell) -> None:
    def fail(args: Point) -> None:
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        call(Function("f", fail, Point), {"x_pos": 3}, cell)


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("query", "query"),
        ("pageSize", "page_size"),
        ("page_size", "page_size"),
        ("maxHTTPSize", "max_http_size"),
        ("rowID", "row_id"),
        ("x1", "x1"),
        ("level2Name", "level2_name"),
        ("PascalCase", "pascal_case"),
    ],
)
def test_keys_become_snake_case(camel: str, snake: str) -> None:
    assert snake_case(camel) == snake


@given(st.from_regex(r"[a-z]+(_[a-z]{2,})*", fullmatch=True))
def test_every_snake_case_name_can_be_sent_in_camel_case(name: str) -> None:
    first, *rest = name.split("_")
    assert snake_case(first + "".join(word.capitalize() for word in rest)) == name


def test_cattrs_is_loaded_by_the_first_call_only() -> None:
    script = """
import sys, attrs, callboard as cb
from callboard.ui.functions import FunctionRegistry
@attrs.frozen
class Args:
    a: int
element = cb.ui.UIElement(None, functions=[cb.ui.Function("f", lambda args: args.a, Args)])
found = FunctionRegistry(lambda _: element).find("id", "f")
assert "cattrs" not in sys.modules
assert found({"a": 1}) == 1
assert "cattrs" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
