"""Every value has a form that JSON can hold, or an error that says why not."""

from __future__ import annotations

import json
import math
import sys
from collections import OrderedDict, UserDict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType, ModuleType
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.messages.codec import EncodeError, encode_notification
from callboard.messages.ids import CellId, FunctionCallId, UIElementId
from callboard.messages.notifications import (
    CellOpNotification,
    FunctionCallResultNotification,
    SendUIElementMessageNotification,
)
from callboard.messages.payloads import CellOutput, HumanReadableStatus
from callboard.messages.plain import MAX_DEPTH, MAX_VALUES, to_plain
from callboard.testing.strategies import json_values


def result(value: object) -> FunctionCallResultNotification:
    return FunctionCallResultNotification(FunctionCallId("f"), value, HumanReadableStatus("ok"))


def failure(value: object) -> EncodeError:
    with pytest.raises(EncodeError) as caught:
        encode_notification(result(value))
    return caught.value


class Colour(Enum):
    RED = "red"
    BLUE = 2
    NONE = None
    PAIR = (1, 2)


class Size(IntEnum):
    SMALL = 1


class Name(StrEnum):
    FIRST = "first"


class Point(namedtuple("Point", "x y")):
    __slots__ = ()


class Text(str):
    __slots__ = ()


class Plain:
    def __init__(self) -> None:
        self.shown = 1
        self._hidden = object()


class Slotted:
    __slots__ = ("_hidden", "shown", "unset")

    def __init__(self) -> None:
        self.shown = [Plain()]
        self._hidden = 2


class SlottedChild(Slotted):
    __slots__ = "own"

    def __init__(self) -> None:
        super().__init__()
        self.own = 3


@dataclass
class Data:
    a: int
    b: object = None


@attrs.frozen
class Attrs:
    a: int
    _private: int = 0


class Empty:
    def __repr__(self) -> str:
        return "<empty>"


class WithHook:
    shown = "not this"

    def _json_(self) -> object:
        return {"hook": (1, self.shown)}

    def _mime_(self) -> tuple[str, str]:
        return "text/plain", "nor this"


class WithMime:
    def _mime_(self) -> tuple[str, str]:
        return "text/html", "<b>x</b>"


@attrs.frozen
class AttrsWithMime:
    text: str

    def _mime_(self) -> tuple[str, str]:
        return "text/markdown", self.text


class BrokenHooks:
    def __init__(self) -> None:
        self.shown = 1

    def _json_(self) -> object:
        raise RuntimeError("no")

    def _mime_(self) -> object:
        return "not a pair"


class BrokenRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class BrokenAttribute:
    __slots__ = ("x",)

    def __getattribute__(self, name: str) -> object:
        if name == "x":
            raise RuntimeError("no")
        return super().__getattribute__(name)

    def __repr__(self) -> str:
        return "<broken>"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (math.nan, None),
        (math.inf, None),
        (Text("text"), "text"),
        ("\ud800", r"\ud800"),
        ((1, [2]), [1, [2]]),
        ({1}, [1]),
        (deque([1]), [1]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (b"\x00\xff", "AP8="),
        (bytearray(b"\x00"), "AA=="),
        (memoryview(b"\x00"), "AA=="),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=90), "PT90S"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Colour.BLUE, 2),
        (Colour.NONE, None),
        (Colour.PAIR, "Colour.PAIR"),
        (Size.SMALL, 1),
        (Name.FIRST, "first"),
        (Plain(), {"shown": 1}),
        (Slotted(), {"shown": [{"shown": 1}]}),
        (SlottedChild(), {"shown": [{"shown": 1}], "own": 3}),
        (Data(1, Data(2)), {"a": 1, "b": {"a": 2, "b": None}}),
        (Attrs(1, 2), {"a": 1}),
        (Empty(), "<empty>"),
        (1j, "1j"),
        (range(3), "range(0, 3)"),
        (int, "<class 'int'>"),
        (len, "<built-in function len>"),
        (math, repr(math)),
        (ValueError("no"), "ValueError('no')"),
        (WithHook(), {"hook": [1, "not this"]}),
        (WithMime(), {"mimetype": "text/html", "data": "<b>x</b>"}),
        (AttrsWithMime("*x*"), {"mimetype": "text/markdown", "data": "*x*"}),
        (BrokenHooks(), {"shown": 1}),
        (BrokenRepr(), "<BrokenRepr object, its repr failed>"),
        (BrokenAttribute(), "<broken>"),
        (WithHook, "<class '" + WithHook.__module__ + ".WithHook'>"),
    ],
)
def test_values_take_the_first_form_that_they_have(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    assert json.loads(encode_notification(result([value])))["return_value"] == [plain]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", "a"),
        (Text("a"), "a"),
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ((1, 2), "(1, 2)"),
        (Colour.RED, "red"),
        (Colour.BLUE, "2"),
        (Colour.PAIR, "Colour.PAIR"),
        (Name.FIRST, "first"),
        (date(2026, 1, 2), "2026-01-02"),
        ("\udce9", r"\udce9"),
    ],
)
def test_keys_become_text(key: object, text: str) -> None:
    assert to_plain({key: 1}) == {text: 1}
    assert json.loads(encode_notification(result({key: 1})))["return_value"] == {text: 1}


def test_a_key_without_text_is_described() -> None:
    assert to_plain({BrokenRepr(): 1}) == {"<BrokenRepr object, its repr failed>": 1}


def test_a_container_that_contains_itself_is_an_error_with_its_place() -> None:
    rows: list[object] = [1, 2]
    rows.append({"self": rows})
    error = failure(rows)
    assert error.path == "return_value[2].self"
    assert error.reason == "contains itself"
    assert str(error) == "return_value[2].self: contains itself"


def test_objects_that_refer_to_each_other_are_an_error() -> None:
    parent, child = Plain(), Plain()
    parent.child, child.parent = child, parent  # type: ignore[attr-defined]
    error = failure(parent)
    assert error.path == "return_value.child.parent"


def test_a_hook_that_returns_its_owner_is_an_error() -> None:
    class Selfish:
        def _json_(self) -> object:
            return self

    assert failure(Selfish()).reason == "contains itself"


def test_a_hook_that_never_ends_is_an_error() -> None:
    class Endless:
        def _json_(self) -> object:
            return [Endless()]

    assert f"more than {MAX_DEPTH} levels" in failure(Endless()).reason


def test_a_value_nested_too_deeply_is_an_error() -> None:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    assert f"more than {MAX_DEPTH} levels" in failure(value).reason


def test_running_out_of_stack_is_an_error() -> None:
    def deeper(value: object) -> object:
        try:
            return deeper(value)
        except RecursionError:
            return to_plain(value)

    with pytest.raises(EncodeError, match="nested too deeply"):
        deeper([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]])


def test_shared_parts_are_written_each_time() -> None:
    part = [1]
    assert to_plain([part, part]) == [[1], [1]]


def test_sharing_that_explodes_when_written_out_is_an_error_in_good_time() -> None:
    value: object = "x"
    for _ in range(60):
        value = [value, value]
    assert failure(value).reason == f"more than {MAX_VALUES} values"


def test_the_copy_shares_nothing_with_the_value() -> None:
    value: dict[str, Any] = {"a": [1]}
    plain = to_plain(value)
    value["a"].append(2)
    assert plain == {"a": [1]}


def test_a_dict_may_change_while_its_values_are_converted() -> None:
    value: dict[str, object] = {}

    class Meddler:
        def _json_(self) -> object:
            value[f"k{len(value)}"] = 1
            return 0

    value["a"] = Meddler()
    assert to_plain(value) == {"a": 0}


@settings(deadline=None)
@given(json_values())
def test_json_values_stay_as_they_are(value: object) -> None:
    assert to_plain(value) == value


anything = st.recursive(
    st.one_of(
        st.none(),
        st.floats(),
        st.text(st.characters()),
        st.binary(),
        st.dates(),
        st.complex_numbers(),
        st.builds(Plain),
        st.just(object()),
    ),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.binary()), inner
        )
        | st.builds(Data, st.integers(), inner)
        | st.tuples(inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(anything)
def test_whatever_is_finite_can_be_written(value: object) -> None:
    data = json.loads(encode_notification(result(value)), parse_constant=pytest.fail)
    assert data["return_value"] == to_plain(value)


def test_rich_outputs_and_messages_are_converted_too() -> None:
    bundle: dict[str, object] = {"text/plain": AttrsWithMime("x"), "n": math.nan}
    output = CellOutput("output", "application/vnd.marimo+mimebundle", bundle)
    data = json.loads(encode_notification(CellOpNotification(CellId("a"), output=output)))
    assert data["output"]["data"] == {"text/plain": to_plain(AttrsWithMime("x")), "n": None}
    message = SendUIElementMessageNotification(UIElementId("a-0"), {"m": {1}}, [b"\x00"])
    data = json.loads(encode_notification(message))
    assert (data["message"], data["buffers"]) == ({"m": [1]}, ["AA=="])


def library(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> ModuleType:
    """A library under its real name, as far as values are recognised by it."""
    module = ModuleType(name)
    for member, value in members.items():
        if isinstance(value, type):
            value.__module__ = f"{name}.core"
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class DType:
    def __init__(self, kind: str) -> None:
        self.kind = kind


class NdArray:
    def __init__(self, items: list[Any], size: int | None = None, kind: str = "f") -> None:
        self.items = items
        self.size = len(items) if size is None else size
        self.dtype = DType(kind)

    def tolist(self) -> list[Any]:
        return self.items


class Generic:
    def __init__(self, item: Any, kind: str = "f") -> None:
        self.value = item
        self.dtype = DType(kind)

    def item(self) -> Any:
        return self.value

    def __float__(self) -> float:
        return 0.5

    def __str__(self) -> str:
        return str(self.value)


def test_arrays_become_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    library(
        monkeypatch, "numpy", ndarray=NdArray, generic=Generic, isnat=lambda v: v.value == "NaT"
    )
    assert to_plain(NdArray([1.5, math.nan, [2]])) == [1.5, None, [2]]
    assert to_plain(Generic(7)) == 7
    assert to_plain(Generic(Generic(7))) == 0.5
    assert to_plain(Generic("2026-01-02", "M")) == "2026-01-02"
    assert to_plain(Generic("NaT", "M")) is None
    assert failure([NdArray([], size=MAX_VALUES + 1)]).path == "return_value[0]"


class Frame:
    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = columns

    @property
    def size(self) -> int:
        return sum(map(len, self.columns.values()))

    height = size
    width = 1

    def to_dict(self, orient: str = "", *, as_series: bool = True) -> dict[str, list[Any]]:
        assert orient == "list" or not as_series
        return self.columns


class Column:
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    @property
    def size(self) -> int:
        return len(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def tolist(self) -> list[Any]:
        return self.items

    to_list = tolist


def test_pandas_values_become_lists_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Index(Column):
        pass

    class Timestamp(datetime):
        pass

    class Timedelta(timedelta):
        def isoformat(self) -> str:
            return "P1D"

    class Missing:
        pass

    class NotATime(datetime):
        pass

    missing, not_a_time = Missing(), NotATime(1, 1, 1)
    Missing.__module__ = NotATime.__module__ = "pandas.core"
    library(
        monkeypatch,
        "pandas",
        DataFrame=type("DataFrame", (Frame,), {}),
        Series=type("Series", (Column,), {}),
        Index=Index,
        Timestamp=Timestamp,
        Timedelta=Timedelta,
        NaT=not_a_time,
        NA=missing,
    )
    pandas: Any = sys.modules["pandas"]
    frame = pandas.DataFrame({"a": [1, missing], "b": [not_a_time, Timestamp(2026, 1, 2)]})
    assert to_plain(frame) == {"a": [1, None], "b": [None, "2026-01-02T00:00:00"]}
    assert to_plain(pandas.Series([1, 2])) == [1, 2]
    assert to_plain(Index([1])) == [1]
    assert to_plain(Timedelta(days=1)) == "P1D"


def test_polars_values_become_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    library(
        monkeypatch,
        "polars",
        DataFrame=type("DataFrame", (Frame,), {}),
        Series=type("Series", (Column,), {}),
    )
    polars: Any = sys.modules["polars"]
    assert to_plain(polars.DataFrame({"a": [1, math.inf]})) == {"a": [1, None]}
    assert to_plain(polars.Series([Colour.RED])) == ["red"]


def test_no_library_is_imported_for_the_sake_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        __module__ = "numpy.core"

        def __repr__(self) -> str:
            return "<foreign>"

    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    assert to_plain(Foreign()) == "<foreign>"
    assert "numpy" not in sys.modules
