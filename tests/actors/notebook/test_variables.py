"""What the list of variables says of a value."""

from __future__ import annotations

import datetime
import enum
import math
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callboard as cb
from callboard.actors.notebook.variables import class_name, describe, variable_value
from callboard.messages.ids import VariableName


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "text", "datatype"),
    [
        (None, "None", None),
        ("plain", "plain", "str"),
        ("x" * 60, "x" * 50, "str"),
        (True, "True", "bool"),
        (3, "3", "int"),
        (math.inf, "inf", "float"),
        (["a", None], "['a', None]", "list"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, 5]", "list"),
        ([1, 2, 3, 4, 5, 6], "[1, 2, ..., 5, 6]", "list"),
        (list(range(1000)), "[0, 1, ..., 998, 999]", "list"),
        ((1,), "(1,)", "tuple"),
        ((), "()", "tuple"),
        (set(), "set()", "set"),
        ({7}, "{7}", "set"),
        (frozenset({7}), "frozenset({7})", "frozenset"),
        (deque([1, 2, 3, 4, 5, 6]), "deque([1, 2, ..., 5, 6])", "deque"),
        ({"a": 1}, "{'a': 1}", "dict"),
        (
            {str(i): i for i in range(9)},
            "{'0': 0, '1': 1, ..., '7': 7, '8': 8}",
            "dict",
        ),
        (OrderedDict(a=1), "{'a': 1}", "OrderedDict"),
        (b"hi", "2 bytes: 6869", "bytes"),
        (bytes(33), f"33 bytes: {'00' * 32}...", "bytes"),
        (bytearray(), "0 bytes", "bytearray"),
        (math, "math", "module"),
        (Colour.RED, "Colour.RED", "Colour"),
        (datetime.date(2026, 8, 31), "datetime.date(2026, 8, 31)", "date"),
        (range(3), "range(0, 3)", "range"),
    ],
)
def test_a_value_is_described_briefly(value: object, text: str, datatype: str | None) -> None:
    assert describe(value) == (text, datatype)


def test_an_integer_too_long_to_print_shows_its_size() -> None:
    assert describe(10**5000) == ("int of 16610 bits", "int")


def test_each_level_shows_half_as_many_items() -> None:
    assert describe([[1, 2, 3], 4])[0] == "[[1, ..., 3], 4]"
    assert describe([[[1, 2], 3], 4])[0] == "[[[1, ...], 3], 4]"


def test_nesting_beyond_five_levels_is_left_out() -> None:
    nested: list[Any] = [0]
    for _ in range(5):
        nested = [nested]
    assert describe(nested)[0] == "[[[[[[...]]]]]]"
    assert describe(nested[0])[0] == "[[[[[0]]]]]"


def test_a_cycle_is_marked() -> None:
    ring: list[Any] = [1]
    ring.append({"ring": ring})
    assert describe(ring)[0] == "[1, {'ring': [<cycle>]}]"


def test_the_same_value_twice_is_no_cycle() -> None:
    twin = [1]
    assert describe([twin, twin])[0] == "[[1], [1]]"


class Loud(int):
    def __repr__(self) -> str:
        raise AssertionError("must not be called")


class Stamp(datetime.datetime):
    """A time of a library's own, as pandas' is."""


def test_a_number_or_time_of_a_library_shows_its_value() -> None:
    scalar = type("generic", (), {"__module__": "numpy", "item": lambda self: 2.5})
    assert describe(Loud(3)) == ("3", "Loud")
    assert describe(Stamp(2026, 8, 31)) == ("2026-08-31T00:00:00", "Stamp")
    assert describe(type("float32", (scalar,), {})()) == ("2.5", "float32")


def test_an_element_shows_its_value() -> None:
    assert describe(cb.ui.slider(0, 10, value=3)) == ("3", "Slider")
    assert describe(cb.ui.array([cb.ui.text("a")]))[0] == "['a']"


def test_other_objects_show_class_and_address_and_run_no_code_of_theirs() -> None:
    class Thing:
        def __repr__(self) -> str:
            raise AssertionError("must not be called")

    thing = Thing()
    assert describe(thing)[1] == class_name(thing)
    assert describe(thing)[0] == f"<{class_name(thing)} object at {id(thing):#x}>"


@pytest.fixture
def tables() -> types.SimpleNamespace:
    """Classes that look like those of the dataframe libraries."""

    def make(module: str, name: str, **attributes: object) -> Any:
        return type(name, (), {"__module__": module, **attributes})()

    return types.SimpleNamespace(
        frame=make("pandas.core.frame", "DataFrame", shape=(1200, 1)),
        series=make("polars.series.series", "Series", shape=(3,)),
        lazy=make("polars.lazyframe.frame", "LazyFrame"),
        array=make("numpy", "ndarray", shape=(2, 3), dtype="float64"),
        broken=make("pandas", "DataFrame"),
        unrelated=make("mine", "DataFrame", shape=(1, 1)),
    )


def test_tables_show_their_size_on_one_line(tables: types.SimpleNamespace) -> None:
    assert describe(tables.frame) == ("pandas DataFrame, 1,200 rows, 1 column", "DataFrame")
    assert describe(tables.series)[0] == "polars Series, 3 rows"
    assert describe(tables.lazy)[0] == "polars LazyFrame"
    assert describe(tables.array)[0] == "numpy ndarray, shape (2, 3), float64"
    assert describe([tables.frame])[0] == "[pandas DataFrame, 1,200 rows, 1 column]"
    assert describe(tables.broken)[0].startswith("<DataFrame object at")
    assert describe(tables.unrelated)[0].startswith("<DataFrame object at")


def make_hostile_class() -> type:
    """A class that answers every question with `SystemExit`, and so do its instances.

    Made in a function, since pytest asks questions of everything in a module.
    """

    class Refuser(type):
        def __getattribute__(cls, name: str) -> NoReturn:
            raise SystemExit(name)

        def __repr__(cls) -> NoReturn:
            raise SystemExit

    class Hostile(metaclass=Refuser):
        def __getattribute__(self, name: str) -> NoReturn:
            raise SystemExit(name)

        def __repr__(self) -> NoReturn:
            raise SystemExit

        def __len__(self) -> NoReturn:
            raise SystemExit

        def __iter__(self) -> NoReturn:
            raise SystemExit

        def __eq__(self, other: object) -> NoReturn:
            raise SystemExit

        def __hash__(self) -> int:
            return 1

        def __bool__(self) -> NoReturn:
            raise SystemExit

    return Hostile


class HostileList(list[Any]):
    def __len__(self) -> NoReturn:
        raise SystemExit

    def __iter__(self) -> NoReturn:
        raise SystemExit

    def __getitem__(self, index: object) -> NoReturn:
        raise SystemExit


class HostileDict(dict[Any, Any]):
    def __iter__(self) -> NoReturn:
        raise SystemExit

    def items(self) -> NoReturn:
        raise SystemExit

    def __reversed__(self) -> NoReturn:
        raise SystemExit


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> NoReturn:
        raise SystemExit

    def __len__(self) -> NoReturn:
        raise SystemExit

    def __getitem__(self, index: object) -> NoReturn:
        raise SystemExit


class HostileTable:
    __module__ = "pandas"

    @property
    def shape(self) -> NoReturn:
        raise KeyError("shape")


HostileTable.__qualname__ = "DataFrame"

# Hypothesis looks at the values it makes, which a hostile one does not stand: so it makes recipes
LEAVES: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "number": lambda: -1.5,
    "huge": lambda: 10**6000,
    "text": lambda: "text \ud800" * 20,
    "bytes": lambda: bytes(range(99)),
    "hostile": lambda: make_hostile_class()(),
    "hostile class": make_hostile_class,
    "hostile text": lambda: HostileText("abc"),
    "hostile table": HostileTable,
    "slice": lambda: slice(make_hostile_class()(), None),
    "element": lambda: cb.ui.dropdown(["a"]),
}
CONTAINERS: dict[str, Callable[[list[object]], object]] = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "dict": lambda items: dict(enumerate(items)),
    "hostile list": HostileList,
    "hostile dict": lambda items: HostileDict(enumerate(items)),
}
recipes: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(sorted(LEAVES)),
    lambda inner: st.tuples(st.sampled_from(sorted(CONTAINERS)), st.lists(inner, max_size=9)),
    max_leaves=40,
)


def cook(recipe: Any) -> object:
    if isinstance(recipe, str):
        return LEAVES[recipe]()
    kind, parts = recipe
    return CONTAINERS[kind]([cook(part) for part in parts])


@given(recipes)
def test_describing_never_raises_and_stays_short(recipe: Any) -> None:
    text, datatype = describe(cook(recipe))
    assert type(text) is str
    text.encode()
    assert (datatype is None) == (recipe == "none")
    assert len(text) < 4000


def test_a_container_with_a_hostile_item_shows_the_others() -> None:
    text, _ = describe([1, make_hostile_class()(), 3])
    assert text.startswith("[1, <Hostile object at ")
    assert text.endswith(", 3]")


def test_the_methods_of_a_subclass_are_not_run() -> None:
    assert describe(HostileList([1, 2])) == ("[1, 2]", "HostileList")
    assert describe(HostileDict(a=1)) == ("{'a': 1}", "HostileDict")
    assert describe(HostileText("abc")) == ("abc", "HostileText")


def test_a_container_that_changes_while_it_is_read_is_still_described() -> None:
    numbers: set[object] = {1}

    class Shape:
        def __iter__(self) -> Iterator[int]:
            numbers.add(len(numbers) + 1)
            return iter((1,))

    numbers.add(type("DataFrame", (), {"__module__": "pandas", "shape": Shape()})())
    assert describe(numbers)[1] == "set"


def test_an_interrupt_is_not_swallowed() -> None:
    class Shape:
        def __iter__(self) -> NoReturn:
            raise KeyboardInterrupt

    table = type("DataFrame", (), {"__module__": "pandas", "shape": Shape()})()
    with pytest.raises(KeyboardInterrupt):
        describe(table)


def test_the_entry_of_a_variable_has_its_name_text_and_type() -> None:
    entry = variable_value(VariableName("x"), [1])
    assert (entry.name, entry.value, entry.datatype) == ("x", "[1]", "list")


def test_describing_a_large_container_does_not_read_all_of_it() -> None:
    big = list(range(sys.maxunicode))
    assert describe(big)[0] == f"[0, 1, ..., {sys.maxunicode - 2}, {sys.maxunicode - 1}]"
