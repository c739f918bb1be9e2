"""Arbitrary Python values to what JSON can hold."""

from __future__ import annotations

import inspect
import math
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import ModuleType, NoneType
from typing import Any
from uuid import UUID

import attrs
import msgspec

from callboard.messages.wire import SHAPES, Shape

MAX_DEPTH = 128
"""Containers and objects within each other."""
MAX_VALUES = 1_000_000
"""Items of containers, in all. A structure that shares parts can be far larger written out."""

_NOTHING = object()
_AS_THEY_ARE = frozenset({NoneType, bool, int})


@attrs.define(eq=False)
class EncodeError(Exception):
    """A value has no wire form; the fault of whoever made the value.

    ``path`` says where in it, such as ``return_value.rows[3]``; None: in no place in particular.
    """

    reason: str
    path: str | None = None

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"

    def within(self, step: str) -> EncodeError:
        """Say that the value is part of a larger one."""
        if self.path is None:
            self.path = step
        else:
            self.path = step + (self.path if self.path.startswith("[") else f".{self.path}")
        return self


def to_plain(value: object) -> object:
    """Copy a value into strings, numbers, booleans, None, lists and dicts with string keys.

    What JSON cannot hold is converted: its own ``_json_()``, its own ``_mime_()``, arrays and
    dataframes of numpy, pandas and polars as lists, enums as their value, other objects as their
    public attributes, else as their ``repr``. A hook that raises counts as absent. Messages become
    what they look like on the wire.

    This calls code of the value's class: call it on the thread that such code belongs on.

    Raises:
        EncodeError: the value contains itself, is nested too deeply or is too large.
    """
    try:
        return Lowering().lower(value)
    except RecursionError:
        raise EncodeError("nested too deeply") from None


@attrs.define(eq=False)
class Lowering:
    """One walk through a value."""

    _room: int = MAX_VALUES
    """How many more values there may be."""
    _open: set[int] = attrs.field(factory=set)
    """The identities of the containers and objects that the walk is inside of."""

    def lower(self, value: object) -> object:
        cls = type(value)
        if cls is str:
            return _text(value)  # type: ignore[arg-type]
        if cls in _AS_THEY_ARE:
            return value
        if cls is float:
            return value if math.isfinite(value) else None  # type: ignore[arg-type]
        identity = id(value)
        if identity in self._open:
            raise EncodeError("contains itself")
        if len(self._open) >= MAX_DEPTH:
            raise EncodeError(f"nested more than {MAX_DEPTH} levels deep")
        self._open.add(identity)
        try:
            return self._lower_compound(value)
        finally:
            self._open.discard(identity)

    def _lower_compound(self, value: object) -> object:
        shape = SHAPES.get(type(value))
        if shape is not None:
            return self._message(value, shape)
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._sequence(value)
        builtin = _builtin(value)
        if builtin is not _NOTHING:
            return builtin
        for convert in _CHAIN:
            converted = _attempt(convert, value)
            if converted is not _NOTHING:
                return self.lower(converted)
        return _text(_description(value))

    def _message(self, value: object, shape: Shape) -> object:
        plain: dict[str, object] = {}
        if shape.tag is not None:
            plain[shape.tag[0]] = shape.tag[1]
        for attribute, key in shape.keys:
            item = getattr(value, attribute)
            if item is not msgspec.UNSET:
                try:
                    plain[key] = self.lower(item)
                except EncodeError as error:
                    raise error.within(key) from None
        return plain

    def _mapping(self, value: Mapping[object, object]) -> object:
        self._take(len(value))
        plain: dict[str, object] = {}
        # A copy, since a conversion may run code that changes the mapping.
        for key, item in list(value.items()):
            name = key if type(key) is str and key.isascii() else key_text(key)
            if type(item) in _AS_THEY_ARE:
                plain[name] = item
                continue
            try:
                plain[name] = self.lower(item)
            except EncodeError as error:
                raise error.within(name) from None
        return plain

    def _sequence(self, value: Iterable[object]) -> object:
        items = list(value)
        self._take(len(items))
        plain: list[object] = []
        for item in items:
            if type(item) in _AS_THEY_ARE:
                plain.append(item)
                continue
            try:
                plain.append(self.lower(item))
            except EncodeError as error:
                raise error.within(f"[{len(plain)}]") from None
        return plain

    def _take(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise EncodeError(f"more than {MAX_VALUES} values")


def _attempt(convert: Callable[[object], object], value: object) -> object:
    try:
        return convert(value)
    except EncodeError:
        raise
    except Exception:
        # Code of the value's class; what it cannot do, the next way may.
        return _NOTHING


def key_text(key: object) -> str:
    """Return the text for a dict key: as JSON writes a scalar, else its ``str``."""
    if isinstance(key, Enum):
        key = key.value if isinstance(key.value, str | int | float) else str(key)
    if isinstance(key, str):
        return _text(str.__str__(key))
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    try:
        return _text(str(key))
    except Exception:
        return _text(_description(key))


def _text(value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # Lone surrogates, as from undecodable file names: shown, not lost.
        return value.encode(errors="backslashreplace").decode()
    return value


def _builtin(value: object) -> object:
    """Convert what has one obvious form, subclasses included."""
    if isinstance(value, str):
        return _text(str.__str__(value))
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value) if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    if type(value) in _MSGSPEC:
        return msgspec.to_builtins(value)
    return _NOTHING


_MSGSPEC = frozenset({date, datetime, time, timedelta, Decimal, UUID})

WRITTEN_ALIKE: frozenset[type] = frozenset({NoneType, bool, int, float, str, bytes}) | _MSGSPEC
"""Values of exactly these types are written the same as what they become here.

Text with lone surrogates, which is no Unicode, is not written at all.
"""


def _own_json(value: object) -> object:
    hook = getattr(type(value), "_json_", None)
    return _NOTHING if hook is None else hook(value)


def _own_mime(value: object) -> object:
    hook = getattr(type(value), "_mime_", None)
    if hook is None:
        return _NOTHING
    mimetype, data = hook(value)
    return {"mimetype": mimetype, "data": data}


def _of_library(value: object, library: str) -> Any:
    """Return a library's module if the value's class, or one it derives from, is from there.

    Looks only at what is imported already: otherwise no such value can exist.
    """
    if any(base.__module__.partition(".")[0] == library for base in type(value).__mro__):
        return sys.modules.get(library)
    return None


def _require_room(count: int) -> None:
    if count > MAX_VALUES:
        raise EncodeError(f"more than {MAX_VALUES} values")


def _numpy(value: Any) -> object:
    numpy = _of_library(value, "numpy")
    if numpy is None:
        return _NOTHING
    if isinstance(value, numpy.ndarray):
        _require_room(value.size)
        if value.dtype.kind in "mM":
            texts = value.astype(str).astype(object)
            texts[numpy.isnat(value)] = None
            return texts.tolist()
        return value.tolist()
    if isinstance(value, numpy.generic):
        if value.dtype.kind in "mM":
            return None if numpy.isnat(value) else str(value)
        item = value.item()
        return float(item) if isinstance(item, numpy.generic) else item
    return _NOTHING


def _pandas(value: Any) -> object:
    pandas = _of_library(value, "pandas")
    if pandas is None:
        return _NOTHING
    if value is pandas.NaT or value is pandas.NA:
        return None
    if isinstance(value, pandas.Timestamp | pandas.Timedelta):
        return value.isoformat()
    if isinstance(value, pandas.DataFrame):
        _require_room(value.size)
        return value.to_dict("list")
    if isinstance(value, pandas.Series | pandas.Index):
        _require_room(value.size)
        return value.tolist()
    return _NOTHING


def _polars(value: Any) -> object:
    polars = _of_library(value, "polars")
    if polars is None:
        return _NOTHING
    if isinstance(value, polars.DataFrame):
        _require_room(value.height * value.width)
        return value.to_dict(as_series=False)
    if isinstance(value, polars.Series):
        _require_room(len(value))
        return value.to_list()
    return _NOTHING


def _enum(value: object) -> object:
    if not isinstance(value, Enum):
        return _NOTHING
    # A member without a scalar value is known by its name only.
    return value.value if isinstance(value.value, str | int | float | None) else str(value)


def _temporal(value: object) -> object:
    return value.isoformat() if isinstance(value, date | time) else _NOTHING


def _mapping(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else _NOTHING


def _attributes(value: object) -> object:
    if isinstance(value, type | ModuleType) or inspect.isroutine(value):
        return _NOTHING
    names: dict[str, None] = {}
    for base in reversed(type(value).__mro__):
        slots = base.__dict__.get("__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
    names |= dict.fromkeys(getattr(value, "__dict__", ()))
    public = {
        name: getattr(value, name)
        for name in names
        if not name.startswith("_") and hasattr(value, name)
    }
    return public or _NOTHING


_CHAIN: tuple[Callable[[object], object], ...] = (
    _own_json,
    _own_mime,
    _numpy,
    _pandas,
    _polars,
    _enum,
    _temporal,
    _mapping,
    _attributes,
)


def _description(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__qualname__} object, its repr failed>"
