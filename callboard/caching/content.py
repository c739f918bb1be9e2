"""Digests of values by their content: equal in every process for equal content, and quick for large data."""

from __future__ import annotations

import copyreg
import hashlib
import marshal
import sys
import types
from collections.abc import Callable
from itertools import chain
from typing import Any

from callboard.caching.bulk import bulk_digest
from callboard.caching.codes import Rename, as_it_is, read_code

LEAVES = frozenset({int, float, str, bytes, bool, complex, type(None)})
"""Types whose values ``marshal`` tells apart exactly."""
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_DEEP = 100
"""How far containers may be nested to be taken as a whole; what is deeper, or holds itself, is taken apart."""
_MANY = 100_000
"""Containers that may be found in one value before it matters whether they are the same ones again and again."""

Handler = Callable[["Hasher", Any], bytes]


class Unkeyable(TypeError):
    """A value that a cache should tell from others by its content, and cannot: the notebook author's fault.

    Give its class a ``__cache_key__`` method that returns what it stands for, or leave it out of the arguments.
    """


def is_plain(value: object) -> bool | None:
    """Whether a value consists of nothing but builtin numbers, texts, bytes, None and containers of these.

    Such a value can be written down by ``marshal`` as a whole. Exact types only: subclasses may behave differently,
    and ``marshal`` would take anything with a buffer for bytes. None says that it is plain as far as one has looked,
    but holds the same containers so often that to write it down might never end.
    """
    kind = type(value)
    if kind in LEAVES:
        return True
    if kind not in _CONTAINERS:
        return False
    level: list[Any] = [value]
    met = 0
    for _ in range(_DEEP):
        dicts = [each for each in level if type(each) is dict]
        others = [each for each in level if type(each) is not dict] if dicts else level

        def inside(others: list[Any] = others, dicts: list[Any] = dicts) -> chain[Any]:
            return chain(
                chain.from_iterable(others),
                chain.from_iterable(dicts),
                chain.from_iterable(map(dict.values, dicts)),
            )

        kinds = set(map(type, inside())) - LEAVES
        if not kinds:
            return True
        if not kinds <= _CONTAINERS:
            return False
        level = [each for each in inside() if type(each) in _CONTAINERS]
        met += len(level)
        if met > _MANY and len(set(map(id, level))) * 2 < len(level):
            return None
    return None


class Hasher:
    """Makes digests, of 32 bytes each. Any thread, but one call at a time; make one for each key.

    The order of a dictionary counts, as whoever is given one can see it; that of a set does not. Of arrays and tables
    only the content counts, not how it lies in memory.
    """

    def __init__(
        self,
        rename: Rename = as_it_is,
        *,
        pin_modules: bool = False,
        made_by: Callable[[str, dict[str, Any], Hasher], bytes | None] | None = None,
    ) -> None:
        self.rename = rename
        self.pin_modules = pin_modules
        self.made_by = made_by
        """Gives a digest of the code behind a global name, for a value that has no content to go by."""
        self._active: dict[int, int] = {}
        self._known: dict[int, bytes] = {}
        self._kept: list[object] = []
        self._cycles = 0
        self._apart = False

    def digest(self, value: Any) -> bytes:
        """Return the digest of a value.

        Raises:
            Unkeyable: there is no telling what it consists of.
        """
        if type(value) in LEAVES or not self._apart:
            plain = is_plain(value)
            if plain:
                return hashlib.sha256(marshal.dumps(value, 2)).digest()
            self._apart = plain is None
        place = id(value)
        known = self._known.get(place)
        if known is not None:
            return known
        if place in self._active:
            self._cycles += 1
            return self.combine("cycle", len(self._active) - self._active[place])
        self._active[place] = len(self._active)
        cycles = self._cycles
        try:
            made = handler_of(type(value))(self, value)
        except RecursionError:
            raise Unkeyable(f"{_described(value)} is nested too deeply for a cache key") from None
        finally:
            del self._active[place]
        if cycles == self._cycles:
            self._known[place] = made
            self._kept.append(value)  # or something else might get its id
        return made

    def combine(self, *parts: Any) -> bytes:
        """Return the digest of parts that are plain; unlike that of any value that is."""
        return hashlib.sha256(b"*" + marshal.dumps(parts, 2)).digest()

    def of_global(self, name: str, value: object, namespace: dict[str, Any]) -> bytes:
        """Return the digest of the value of a global variable, or else of the code that made it.

        Raises:
            Unkeyable: neither can be told.
        """
        try:
            return self.digest(value)
        except Unkeyable as error:
            made = None if self.made_by is None else self.made_by(name, namespace, self)
            if made is None:
                raise Unkeyable(
                    f"the variable {self.rename(name)!r}: {error}, and no cell binds it just once"
                ) from None
            return made

    def all(self, values: Any) -> list[bytes]:
        """Return the digests of several values, in their order."""
        return [self.digest(value) for value in values]


def handler_of(kind: type) -> Handler:
    """Return what makes digests of the instances of a type. Libraries are looked at only if they are loaded."""
    found = _handlers.get(kind)
    if found is None:
        found = _find(kind)
        if len(_handlers) < 1000 and not _is_heap_local(kind):
            _handlers[kind] = found
    return found


def _is_heap_local(kind: type) -> bool:
    """Whether a class may come and go with cells; such are not remembered, so as not to keep them alive."""
    module = sys.modules.get(kind.__module__)
    return getattr(module, kind.__name__, None) is not kind or kind.__module__ == "__main__"


def _find(kind: type) -> Handler:
    if getattr(kind, "__cache_key__", None) is not None:
        return _by_own_key
    if issubclass(kind, type):
        return _class
    if issubclass(kind, types.ModuleType):
        return _module
    for base in kind.__mro__:
        special = _special(base.__module__, base.__qualname__)
        if special is not None:
            handler, exact = special
            if not exact or base is kind:
                return handler
    return _by_parts


def _special(module: str, name: str) -> tuple[Handler, bool] | None:
    top = module.partition(".")[0]
    if top in {"numpy", "pandas", "polars", "pyarrow"}:
        from callboard.caching import tables

        return tables.special(top, name)
    if module == "callboard.ui.element" and name == "UIElement":
        return _element, False
    if module == "callboard.caching.functions" and name == "CachedFunction":
        return _cached_function, False
    return None


def _by_own_key(hasher: Hasher, value: Any) -> bytes:
    try:
        key = value.__cache_key__()
    except Exception as error:
        raise Unkeyable(f"the __cache_key__ of {_described(value)} raised {error!r}") from error
    return hasher.combine("own", _qualified(type(value)), hasher.digest(key))


def _element(hasher: Hasher, element: Any) -> bytes:
    # Not its public value: the cell that made an element may not read that, but may well key by it.
    return hasher.combine("element", element._tag, hasher.digest(element._value))


def _cached_function(hasher: Hasher, cached: Any) -> bytes:
    return hasher.digest(cached.__wrapped__)


def _sequence(hasher: Hasher, value: Any) -> bytes:
    return hasher.combine(type(value).__name__, hasher.all(value))


def _set(hasher: Hasher, value: Any) -> bytes:
    return hasher.combine(type(value).__name__, sorted(hasher.all(value)))


def _dict(hasher: Hasher, value: dict[Any, Any]) -> bytes:
    return hasher.combine("dict", hasher.all(value), hasher.all(value.values()))


def _bytes_like(hasher: Hasher, value: Any) -> bytes:
    if type(value) is memoryview:
        data = value if value.c_contiguous else memoryview(value.tobytes())
        layout: tuple[object, ...] = (value.format, value.shape)
        return hasher.combine("memoryview", layout, bulk_digest(data.cast("B")))
    return hasher.combine(type(value).__name__, bulk_digest(memoryview(value)))


def _function(hasher: Hasher, function: types.FunctionType) -> bytes:
    from callboard.caching.environment import function_digest

    return function_digest(hasher, function)


def _builtin(hasher: Hasher, function: Any) -> bytes:
    owner = function.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return hasher.combine("builtin", function.__module__, function.__qualname__)
    return hasher.combine("builtin", function.__qualname__, hasher.digest(owner))


def _method(hasher: Hasher, method: Any) -> bytes:
    return hasher.combine("method", hasher.digest(method.__func__), hasher.digest(method.__self__))


def _code(hasher: Hasher, code: types.CodeType) -> bytes:
    return hasher.combine("code", read_code(code, hasher.rename).digest)


def _module(hasher: Hasher, module: types.ModuleType) -> bytes:
    from callboard.caching.modules import module_digest

    return module_digest(hasher, module)


def _class(hasher: Hasher, kind: type) -> bytes:
    from callboard.caching.modules import class_digest

    return class_digest(hasher, kind)


def _descriptor(hasher: Hasher, value: Any) -> bytes:
    return hasher.combine(type(value).__name__, hasher.digest(value.__func__))


def _property(hasher: Hasher, value: property) -> bytes:
    return hasher.combine("property", hasher.all((value.fget, value.fset, value.fdel)))


def _named(hasher: Hasher, value: Any) -> bytes:
    return hasher.combine("named", _qualified(type(value)), value.__qualname__)


def _by_parts(hasher: Hasher, value: Any) -> bytes:
    """Take an object apart as ``pickle`` would, without writing it down."""
    kind = type(value)
    try:
        reduce = copyreg.dispatch_table.get(kind)
        parts = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise Unkeyable(f"{_described(value)} cannot be told apart by content: {error}") from error
    if isinstance(parts, str):
        return hasher.combine("global", _qualified(kind), parts)
    if not isinstance(parts, tuple) or not 2 <= len(parts) <= 6:
        raise Unkeyable(f"{_described(value)} cannot be told apart by content")
    function, arguments, state, items, pairs = [*parts, None, None, None][:5]
    # Of the class too: the function that makes an object may know nothing of it.
    return hasher.combine(
        "object",
        hasher.digest(kind),
        hasher.digest(function),
        hasher.digest(arguments),
        hasher.digest(state),
        [] if items is None else hasher.all(items),
        [] if pairs is None else [hasher.digest(pair) for pair in pairs],
    )


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _described(value: object) -> str:
    kind = type(value)
    return f"an object of type {_qualified(kind)}"


_handlers: dict[type, Handler] = {
    list: _sequence,
    tuple: _sequence,
    dict: _dict,
    set: _set,
    frozenset: _set,
    bytearray: _bytes_like,
    memoryview: _bytes_like,
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: _method,
    types.CodeType: _code,
    types.ModuleType: _module,
    type: _class,
    classmethod: _descriptor,
    staticmethod: _descriptor,
    property: _property,
    types.WrapperDescriptorType: _named,
    types.MethodDescriptorType: _named,
    types.ClassMethodDescriptorType: _named,
    types.GetSetDescriptorType: _named,
    types.MemberDescriptorType: _named,
}
