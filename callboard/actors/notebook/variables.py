"""The text of a variable's value, for the list of variables.

Made after every run for every variable, so it is short, looks at few items of large values, and
runs as little code of the value's class as it can.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from callboard.messages.ids import VariableName
from callboard.messages.payloads import VariableValue
from callboard.ui.element import UIElement

_MAX_TEXT = 50
_MAX_BYTES = 32
_MAX_ITEMS = 5
_MAX_DEPTH = 5

_SELF_EXPLAINING = frozenset(
    {
        bool,
        int,
        float,
        complex,
        range,
        slice,
        type(Ellipsis),
        type(NotImplemented),
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        fractions.Fraction,
        pathlib.PosixPath,
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        pathlib.WindowsPath,
        uuid.UUID,
    }
)
"""Exact types with a repr of the standard library's own."""

_SUBCLASSED: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (int, int.__repr__),
    (float, float.__repr__),
    (complex, complex.__repr__),
    (datetime.datetime, datetime.datetime.isoformat),
    (datetime.date, datetime.date.isoformat),
)
"""How to show a value of a subclass, such as numpy's and pandas's, without running code of it."""

_name_of_class: Callable[[type], str] = type.__dict__["__name__"].__get__
_module_of_class: Callable[[type], object] = type.__dict__["__module__"].__get__
_bases_of_class: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def variable_value(name: VariableName, value: object) -> VariableValue:
    """The entry of one variable in the list. Never raises."""
    text, datatype = describe(value)
    return VariableValue(name, text, datatype)


def describe(value: object) -> tuple[str, str | None]:
    """A short text of a value and the name of its type; None has the text ``None`` and no type.

    A string is its own text, up to 50 characters. Containers show up to 5 items, larger ones the
    first 2 and the last 2, and half as many on each level below, to a depth of 5. An element shows
    its value, a dataframe its size, a module its name. Never raises, whatever the value does.
    """
    if value is None:
        return "None", None
    try:
        datatype = class_name(value)
        if issubclass(type(value), str):
            text = _cut(str.__str__(value), _MAX_TEXT)
            # a lone surrogate is something that no message can carry
            return text.encode(errors="backslashreplace").decode(), datatype
        return _Describer().describe(value, 0), datatype
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"<{class_name(error)} while describing it>", class_name(value)


def class_name(value: object) -> str:
    """The name of the class of a value; runs no code of it, not even of its metaclass."""
    return _name_of_class(type(value))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most]


class _Describer:
    """One description: knows the containers it is in, to notice cycles."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def describe(self, value: object, depth: int) -> str:
        try:
            return self._describe(value, type(value), depth)
        except KeyboardInterrupt:
            raise
        except BaseException:  # code of the value's class, or another thread changing it
            return _class_and_address(value)

    def _describe(self, value: Any, kind: type, depth: int) -> str:
        if value is None:
            return "None"
        if kind is int and value.bit_length() > 512:
            return f"int of {value.bit_length()} bits"
        if kind in _SELF_EXPLAINING:
            return _cut(repr(value), 2 * _MAX_TEXT)
        if issubclass(kind, str):
            return repr(_cut(str.__str__(value), _MAX_TEXT))
        if issubclass(kind, (bytes, bytearray)):
            return _bytes(value, bytes if issubclass(kind, bytes) else bytearray)
        for base, opening, closing in _CONTAINERS:
            if issubclass(kind, base):
                return self._container(value, base, opening, closing, depth)
        if issubclass(kind, UIElement):
            return self.describe(object.__getattribute__(value, "_value"), depth)
        if issubclass(kind, types.ModuleType):
            return str.__str__(types.ModuleType.__getattribute__(value, "__name__"))
        if issubclass(kind, enum.Enum):
            return f"{class_name(value)}.{object.__getattribute__(value, '_name_')}"
        for base, text in _SUBCLASSED:
            if issubclass(kind, base):
                return _cut(text(value), 2 * _MAX_TEXT)
        return _table(value, kind) or _class_and_address(value)

    def _container(self, value: Any, base: Any, opening: str, closing: str, depth: int) -> str:
        if id(value) in self._open:
            return f"{opening}<cycle>{closing}"
        size = base.__len__(value)
        if size == 0:
            return _EMPTY.get(base, opening + closing)
        if depth >= _MAX_DEPTH:
            return f"{opening}...{closing}"
        self._open.add(id(value))
        try:
            shown = [
                "..." if item is _LEFT_OUT else self._item(item, base is dict, depth + 1)
                for item in _ends(value, base, size, max(1, _MAX_ITEMS >> depth))
            ]
        finally:
            self._open.discard(id(value))
        comma = "," if base is tuple and size == 1 else ""
        return f"{opening}{', '.join(shown)}{comma}{closing}"

    def _item(self, item: Any, pair: bool, depth: int) -> str:
        if pair:
            return f"{self.describe(item[0], depth)}: {self.describe(item[1], depth)}"
        return self.describe(item, depth)


_LEFT_OUT = object()
# the methods of the built-in class are called, so that those of a subclass do not run
_CONTAINERS: tuple[tuple[type, str, str], ...] = (
    (list, "[", "]"),
    (tuple, "(", ")"),
    (dict, "{", "}"),
    (set, "{", "}"),
    (frozenset, "frozenset({", "})"),
    (deque, "deque([", "])"),
)
_EMPTY = {set: "set()", frozenset: "frozenset()"}


def _ends(value: Any, base: Any, size: int, most: int) -> Iterator[object]:
    """All items of a small container, the first and last ones of a larger."""
    items = dict.items(value) if base is dict else value
    forward = iter(items) if base is dict else base.__iter__(items)
    if size <= most:
        yield from forward
        return
    head, tail = max(1, most // 2), most // 2
    yield from islice(forward, head)
    yield _LEFT_OUT
    if base in (set, frozenset):  # no order, hence no end
        yield from islice(forward, tail)
    elif base in (list, tuple):
        for i in range(size - tail, size):
            yield base.__getitem__(items, i)
    else:
        backward = reversed(items) if base is dict else base.__reversed__(items)
        yield from reversed(list(islice(backward, tail)))


def _bytes(value: Any, base: Any) -> str:
    size = base.__len__(value)
    start = base.__getitem__(value, slice(0, _MAX_BYTES)).hex()
    more = "..." if size > _MAX_BYTES else ""
    return f"{size} {'byte' if size == 1 else 'bytes'}: {start}{more}" if size else "0 bytes"


_TABLE_LIBRARIES = frozenset({"cudf", "modin", "numpy", "pandas", "polars", "pyarrow"})
_TABLES = frozenset(
    {"DataFrame", "LazyFrame", "RecordBatch", "Series", "Table", "generic", "ndarray"}
)


def _table(value: Any, kind: type) -> str | None:
    """One line about a dataframe, an array or a scalar of one; None if it is nothing like that."""
    for base in _bases_of_class(kind):
        module = _module_of_class(base)
        library = module.partition(".")[0] if type(module) is str else ""
        name = _name_of_class(base)
        if library in _TABLE_LIBRARIES and name in _TABLES:
            break
    else:
        return None
    if name == "generic":
        return repr(value.item())
    if name == "LazyFrame":  # counting its rows would compute it
        return f"{library} {name}"
    shape = tuple(int(n) for n in value.shape)
    if name == "ndarray":
        return f"{library} {name}, shape {shape}, {value.dtype}"
    sizes = [
        f"{n:,} {noun}{'' if n == 1 else 's'}"
        for n, noun in zip(shape, ("row", "column"), strict=False)
    ]
    return ", ".join((f"{library} {name}", *sizes))


def _class_and_address(value: object) -> str:
    return f"<{class_name(value)} object at {id(value):#x}>"
