"""What a function does: its code, and everything of its surroundings that the code refers to."""

from __future__ import annotations

import builtins
import types
from typing import TYPE_CHECKING, Any

from callboard.caching.codes import read_code
from callboard.caching.modules import is_installed, version_of

if TYPE_CHECKING:
    from callboard.caching.content import Hasher

_MISSING = object()
_CONSTANT = frozenset({int, float, str, bytes, bool, complex, type(None)})


def function_digest(hasher: Hasher, function: types.FunctionType) -> bytes:
    """Return the digest of a function: by its name if it is installed, else of all that it does."""
    if is_foreign(function):
        return _foreign_digest(hasher, function)
    return Environment(function, hasher, with_defaults=True).digest(hasher)


def is_foreign(function: types.FunctionType) -> bool:
    """Whether a function comes from Python or an installed package."""
    name = function.__globals__.get("__name__")
    return isinstance(name, str) and is_installed(name)


def _foreign_digest(hasher: Hasher, function: types.FunctionType) -> bytes:
    code = function.__code__
    module = str(function.__globals__["__name__"])
    version = version_of(module) if hasher.pin_modules else ""
    name = (module, code.co_qualname, version)
    if "<" not in code.co_qualname:
        return hasher.combine("foreign", name)
    # One that another function made, such as a decorator: what it was made for is what matters.
    held = [_content(cell) for cell in function.__closure__ or ()]
    return hasher.combine(
        "foreign",
        name,
        read_code(code, hasher.rename).digest,
        [hasher.digest(value) for value in held if value is not _MISSING],
        hasher.digest(function.__defaults__),
        hasher.digest(function.__kwdefaults__),
    )


class Environment:
    """A function with the functions that it refers to, directly or not, and the values that all of them need.

    What cannot change without being bound anew is looked at once: ``is_current`` finds out by identity whether it
    still is what it was. Values that can change in place, the *leaves*, count with their content each time.
    """

    __slots__ = ("_bindings", "_codes", "base", "leaves")

    def __init__(
        self, function: types.FunctionType, hasher: Hasher, *, with_defaults: bool = False
    ) -> None:
        """``with_defaults``: default arguments count too; not for a call, whose arguments hold them."""
        self._bindings: list[tuple[dict[str, Any], str, object]] = []
        self._codes: list[tuple[types.FunctionType, types.CodeType]] = []
        self.leaves: list[tuple[dict[str, Any] | types.CellType, str]] = []
        """Where each is found, and its name."""
        parts: list[object] = []
        numbers: dict[types.FunctionType, int] = {function: 0}
        queue = [function]
        for each in queue:
            reading = read_code(each.__code__, hasher.rename)
            self._codes.append((each, each.__code__))
            parts.append(reading.digest)
            if with_defaults or each is not function:
                given = (each.__defaults__, each.__kwdefaults__)
                if any(given):
                    name = f"the default arguments of {each.__qualname__}"
                    self.leaves.append(({name: given}, name))
            namespace = each.__globals__
            for name in reading.globals:
                value = namespace.get(name, _MISSING)
                parts.append(hasher.rename(name))
                parts.append(self._note(name, value, namespace, hasher, numbers, queue))
            for name, cell in zip(each.__code__.co_freevars, each.__closure__ or (), strict=True):
                parts.append(name)
                parts.append(self._note(name, _content(cell), cell, hasher, numbers, queue))
        self.base = hasher.combine("function", parts)
        """The digest of all but the leaves."""

    def _note(
        self,
        name: str,
        value: object,
        place: dict[str, Any] | types.CellType,
        hasher: Hasher,
        numbers: dict[types.FunctionType, int],
        queue: list[types.FunctionType],
    ) -> object:
        kind = type(value)
        inner = getattr(value, "__wrapped__", None) if _is_cached(value) else value
        part: object
        if isinstance(place, types.CellType) and kind is not types.FunctionType:
            # Cells can be rebound unseen; constants in them cost next to nothing.
            self.leaves.append((place, name))
            return ("leaf",)
        if value is _MISSING:
            part = ("builtin", hasattr(builtins, name))
        elif kind in _CONSTANT:
            part = ("constant", value)
        elif type(inner) is types.FunctionType and not is_foreign(inner):
            if inner not in numbers:
                numbers[inner] = len(numbers)
                queue.append(inner)
            part = ("function", numbers[inner])
        elif kind is types.ModuleType and is_installed(value.__name__):  # type: ignore[attr-defined]
            part = ("module", hasher.digest(value))
        else:
            self.leaves.append((place, name))
            return ("leaf",)
        if isinstance(place, dict):
            self._bindings.append((place, name, value))
        return part

    def is_current(self) -> bool:
        """Whether every name is bound to what it was bound to, and every function has the code it had."""
        for namespace, name, value in self._bindings:
            if namespace.get(name, _MISSING) is not value:
                return False
        return all(function.__code__ is code for function, code in self._codes)

    def digest(self, hasher: Hasher) -> bytes:
        """Return the digest as of now.

        Raises:
            Unkeyable: a value that the function refers to cannot be told from others.
        """
        if not self.leaves:
            return self.base
        found: list[bytes] = []
        for place, name in self.leaves:
            if isinstance(place, dict):
                value = place.get(name, _MISSING)
                missing = value is _MISSING
                found.append(b"" if missing else hasher.of_global(name, value, place))
            else:
                value = _content(place)
                found.append(b"" if value is _MISSING else _of_cell(hasher, name, value))
        return hasher.combine("environment", self.base, found)


def _of_cell(hasher: Hasher, name: str, value: object) -> bytes:
    from callboard.caching.content import Unkeyable

    try:
        return hasher.digest(value)
    except Unkeyable as error:
        raise Unkeyable(f"the closed-over variable {name!r}: {error}") from None


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return _MISSING


def _is_cached(value: object) -> bool:
    return getattr(type(value), "_is_callboard_cache", False) is True
