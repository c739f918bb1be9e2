"""Entries as bytes, and back: nothing is read that is not exactly what was written."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import pickle
import types
from collections.abc import Callable, Mapping
from typing import Any

from callboard.caching.store import Entry, SaveFailed

MAGIC = b"callboard-cache 1 "
_LINE = 256


class Unsound(Exception):
    """Bytes that are no entry, not the one that was asked for, or damaged; the text says which."""


class Method:
    """How values become bytes."""

    def __init__(
        self,
        name: str,
        dump: Callable[[dict[str, Any], Mapping[str, Any]], bytes],
        load: Callable[[memoryview, Mapping[str, Any]], Any],
    ) -> None:
        self.name = name
        self.dump = dump
        self.load = load

    def encode(self, entry: Entry, namespace: Mapping[str, Any]) -> list[bytes]:
        """Return the pieces of a file.

        Raises:
            SaveFailed: the values have no such form.
        """
        try:
            payload = self.dump(dict(entry.values), namespace)
        except SaveFailed:
            raise
        except Exception as error:
            raise SaveFailed(f"{type(error).__name__}: {error}") from error
        about = {
            "key": entry.key,
            "method": self.name,
            "names": sorted(entry.values),
            "absent": sorted(entry.absent),
            "seconds": entry.seconds,
        }
        head = json.dumps(about).encode() + b"\n"
        digest = hashlib.sha256(head)
        digest.update(payload)
        size = len(head) + len(payload)
        return [MAGIC + f"{digest.hexdigest()} {size}\n".encode(), head, payload]

    def decode(
        self, data: bytes, key: str, names: frozenset[str], namespace: Mapping[str, Any]
    ) -> Entry:
        """Return the entry in a file.

        Raises:
            Unsound: the file is not the entry of the key, with these names.
        """
        end = data.find(b"\n", 0, _LINE)
        if not data.startswith(MAGIC) or end < 0:
            raise Unsound("it was not written by this version of callboard")
        try:
            digest, size = data[len(MAGIC) : end].decode("ascii").split(" ")
            expected = int(size)
        except ValueError:
            raise Unsound("its first line is damaged") from None
        rest = memoryview(data)[end + 1 :]
        if len(rest) != expected:
            raise Unsound(f"it holds {len(rest)} bytes and should hold {expected}")
        if hashlib.sha256(rest).hexdigest() != digest:
            raise Unsound("its content is damaged")
        middle = data.index(b"\n", end + 1)
        about = json.loads(data[end + 1 : middle])
        if about["key"] != key or about["method"] != self.name:
            raise Unsound(f"it is the entry of {about['key']!r} as {about['method']}")
        if names != {*about["names"], *about["absent"]}:
            raise Unsound("it holds other variables")
        try:
            values = self.load(rest[middle - end :], namespace)
        except Exception as error:
            raise Unsound(
                f"its values cannot be made again: {type(error).__name__}: {error}"
            ) from error
        if type(values) is not dict or sorted(values) != about["names"]:
            raise Unsound("its values are not those it names")
        return Entry(key, values, tuple(about["absent"]), float(about["seconds"]))


def _load_pickle(data: memoryview, namespace: Mapping[str, Any]) -> Any:
    return _Unpickler(io.BytesIO(data), namespace).load()


def _dump_pickle(values: dict[str, Any], namespace: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, namespace).dump(values)
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """Writes classes and functions of the notebook by their name in it, and modules by theirs."""

    def __init__(self, file: io.BytesIO, namespace: Mapping[str, Any]) -> None:
        super().__init__(file, protocol=5)
        self._namespace = namespace

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.ModuleType:
            return importlib.import_module, (value.__name__,)
        if kind is types.FunctionType or issubclass(kind, type):
            name = value.__qualname__
            if value.__module__ == self._namespace.get("__name__") and name.isidentifier():
                if self._namespace.get(name) is not value:
                    raise SaveFailed(f"{name} is not, or no longer, a variable of the notebook")
                return of_notebook, (name,)
        elif any(base.__module__ == "callboard.ui.element" for base in kind.__mro__):
            raise SaveFailed("an element belongs to the run that made it; make it outside")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, namespace: Mapping[str, Any]) -> None:
        super().__init__(file)
        self._namespace = namespace

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == of_notebook.__name__:
            return self._namespace.__getitem__
        return super().find_class(module, name)


def of_notebook(name: str) -> Any:
    """Stand for a variable of the notebook in a pickle."""
    raise pickle.UnpicklingError(f"{name} is a variable of a notebook")


def _dump_json(values: dict[str, Any], namespace: Mapping[str, Any]) -> bytes:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    if not _same(json.loads(text), values):
        raise SaveFailed("these values are not the same after JSON; use method='pickle'")
    return text.encode("utf-8", "surrogatepass")


def _load_json(data: memoryview, namespace: Mapping[str, Any]) -> Any:
    return json.loads(bytes(data).decode("utf-8", "surrogatepass"))


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)


METHODS = {
    "pickle": Method("pickle", _dump_pickle, _load_pickle),
    "json": Method("json", _dump_json, _load_json),
}


def method_of(name: str) -> Method:
    """Return a method by its name.

    Raises:
        ValueError: there is none; the caller's fault.
    """
    if name not in METHODS:
        raise ValueError(
            f"persistent_cache: method must be one of {', '.join(METHODS)}, not {name!r}"
        )
    return METHODS[name]
