"""Values of data as primitives that JSON can hold, made without running code of the notebook's."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

MAX_TEXT: Final = 1000
"""Characters of one value; longer ones are cut."""
MAX_ITEMS: Final = 100
"""Items of a nested value, over all levels; further ones are left out."""

# Descriptors of type itself: a metaclass cannot put code of its own in their way.
_MODULE: Final = type.__dict__["__module__"]
_QUALNAME: Final = type.__dict__["__qualname__"]

Primitive = str | int | float | bool | None

_TEMPORAL: Final = frozenset({date, datetime, time})


def primitive(value: object) -> Primitive:
    """Return a value as JSON can hold it; of an object of a foreign class only the name of the class.

    Nested values become JSON text.
    """
    cls = type(value)
    if value is None or cls is bool:
        return value  # type: ignore[return-value]
    if cls is float:
        return value if value == value else None  # type: ignore[return-value]
    if cls is int:
        # Some clients, and Python itself, refuse integers of thousands of digits.
        return value if value.bit_length() <= 1024 else hex(value)[:MAX_TEXT]  # type: ignore
    if cls is str:
        return cut(value)  # type: ignore[arg-type]
    if cls in _TEMPORAL:
        return value.isoformat()  # type: ignore
    if cls is timedelta or cls is UUID:
        return str(value)
    if cls is Decimal:
        return None if value.is_nan() else float(value)  # type: ignore
    if cls is bytes:
        return cut(value[:MAX_TEXT].decode(errors="backslashreplace"))  # type: ignore[index]
    if cls in {list, tuple, dict}:
        return cut(json.dumps(_Nested().lower(value), ensure_ascii=False))
    return _of_library(value)


def label(name: object) -> str:
    """Return the name of a column as it is shown, and asked for; pandas allows names that are no strings."""
    return cut(str(primitive(name)))


def cut(text: str, length: int = MAX_TEXT) -> str:
    """Shorten a text to what is worth showing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _of_library(value: Any) -> Primitive:
    """Return scalars of numpy and pandas as what they stand for."""
    cls = type(value)
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None:
        if value is getattr(pandas, "NaT", value) or value is getattr(pandas, "NA", value):
            return None
        if cls is getattr(pandas, "Timestamp", None):
            return str(value.isoformat())
        if cls is getattr(pandas, "Timedelta", None):
            return str(value)
    numpy: Any = sys.modules.get("numpy")
    generic = None if numpy is None else getattr(numpy, "generic", None)
    if generic is not None and issubclass(cls, generic):
        if value.dtype.kind in "mM":
            return None if numpy.isnat(value) else str(value)
        if value.dtype.kind in "biufSU":
            return primitive(value.item())
    return cut(f"<{_MODULE.__get__(cls)}.{_QUALNAME.__get__(cls)}>")


class _Nested:
    """One walk through a nested value, which may be deep, large or contain itself."""

    def __init__(self) -> None:
        self.room = MAX_ITEMS

    def lower(self, value: object, depth: int = 0) -> object:
        if depth > 8:
            return "…"
        if type(value) is dict:
            items = list(value.items())[: max(self.room, 0)]
            self.room -= len(items)
            return {str(primitive(key)): self.lower(item, depth + 1) for key, item in items}
        if type(value) is list or type(value) is tuple:
            head = value[: max(self.room, 0)]
            self.room -= len(head)
            return [self.lower(item, depth + 1) for item in head]
        return primitive(value)
