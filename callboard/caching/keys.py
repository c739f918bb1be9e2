"""Keys of cache entries: what a call or a block is told from all others by."""

from __future__ import annotations

import enum
import hashlib
import inspect
import marshal
import os
import tokenize
import types
from typing import TYPE_CHECKING, Any

from callboard.caching.codes import as_it_is, binds_once, read_source
from callboard.caching.content import LEAVES, Hasher, Unkeyable, is_plain
from callboard.caching.environment import Environment

if TYPE_CHECKING:
    from callboard.authoring.context import CellContext
    from callboard.caching.codes import Rename

_LENGTH = 48
"""Hexadecimal digits of a key: 192 bits."""
_MISSING = object()


class Kind(enum.StrEnum):
    """What a key goes by; the prefix of its text, and of the file that holds the entry."""

    PURE = "P_"
    """Code alone: a function without arguments, or a block that needs no value."""
    CONTENT = "C_"
    """Code and the content of values."""
    EXECUTION = "E_"
    """For some value the code of the cells that made it, and the elements they read."""
    CONTEXT = "X_"
    """As ``EXECUTION``, where the cell of the function or block made such a value itself."""
    DEFERRED = "D_"
    """Made by no version of callboard so far; such files belong to a cache all the same."""
    UNKNOWN = "U_"
    """For some value the text of the script that made it, where no kernel knows of cells."""


class KeyMaker:
    """Makes the hashers for one cached function or block, and takes note of what a key came to go by."""

    def __init__(self, context: CellContext | None, *, pin_modules: bool) -> None:
        self._context = context
        self._pin_modules = pin_modules
        self.rename: Rename = getattr(context, "plain_name", as_it_is)

    def hasher(self) -> tuple[Hasher, list[Kind]]:
        """Return a hasher for one key, and where it notes what it resorted to."""
        kinds: list[Kind] = []

        def made_by(name: str, namespace: dict[str, Any], hasher: Hasher) -> bytes | None:
            found = self._made_by(name, namespace, hasher)
            if found is None:
                return None
            kinds.append(found[0])
            return found[1]

        return Hasher(self.rename, pin_modules=self._pin_modules, made_by=made_by), kinds

    def _made_by(
        self, name: str, namespace: dict[str, Any], hasher: Hasher
    ) -> tuple[Kind, bytes] | None:
        if self._context is None:
            text = _script_text(namespace.get("__file__"))
            if text is None or not binds_once(text, name):
                return None
            return Kind.UNKNOWN, hasher.combine("script", name, read_source(text))
        knows = getattr(self._context, "made_by", None)
        cells = None if knows is None else knows(name)
        plain = hasher.rename(name)
        if not cells or sum(binds_once(cell.code, plain) for cell in cells) != 1:
            return None
        elements: dict[str, bytes] = {}
        for cell in cells:
            for ref in cell.refs:
                value = namespace.get(ref)
                if _is_input(value):
                    elements[hasher.rename(ref)] = hasher.digest(value)
        codes = sorted(read_source(cell.code) for cell in cells)
        own = any(cell.cell_id == self._context.cell_id for cell in cells)
        kind = Kind.CONTEXT if own else Kind.EXECUTION
        return kind, hasher.combine("cells", plain, codes, sorted(elements.items()))


def text_of(kind: Kind, digest: bytes) -> str:
    """Return a key as text: safe as part of a file name."""
    return f"{kind.value}{digest.hex()[:_LENGTH]}"


def strongest(kinds: list[Kind], otherwise: Kind) -> Kind:
    """Return the kind of a key that resorted to these."""
    for kind in (Kind.UNKNOWN, Kind.CONTEXT, Kind.EXECUTION):
        if kind in kinds:
            return kind
    return otherwise


def _is_input(value: object) -> bool:
    kind = type(value)
    if hasattr(kind, "__cache_key__"):
        return True
    return any(
        base.__module__ == "callboard.ui.element" and base.__qualname__ == "UIElement"
        for base in kind.__mro__
    )


def _script_text(file: object) -> str | None:
    if not isinstance(file, str) or not os.path.isfile(file):
        return None
    try:
        with tokenize.open(file) as script:
            return script.read()
    except (OSError, SyntaxError, UnicodeError):
        return None


class CallKeys:
    """Makes the keys of the calls of one function. Any thread."""

    def __init__(self, function: types.FunctionType, maker: KeyMaker) -> None:
        self.function = function
        self._maker = maker
        self._environment: Environment | None = None
        self._signature = inspect.signature(function, follow_wrapped=False)
        self._simple = _simple_parameters(self._signature)
        self._kind = Kind.CONTENT if self._signature.parameters else Kind.PURE
        self._prefix = self._kind.value

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of a call.

        Raises:
            Unkeyable: an argument, or a value that the function refers to, cannot be told from others.
            TypeError: the arguments do not fit the function; as a call of it would say.
        """
        values = self._bound(args, kwargs)
        environment = self._environment
        hasher: Hasher | None = None
        kinds: list[Kind] = []
        if environment is None or not environment.is_current():
            hasher, kinds = self._maker.hasher()
            environment = self._environment = Environment(self.function, hasher)
        if environment.leaves or not (all(map(_is_leaf, map(type, values))) or is_plain(values)):
            if hasher is None:
                hasher, kinds = self._maker.hasher()
            arguments = self._arguments(values, hasher)
            code = environment.digest(hasher)
            kind = Kind.CONTENT if environment.leaves else self._kind
            return text_of(strongest(kinds, kind), hasher.combine("call", code, arguments))
        written = marshal.dumps(values, 2)
        return self._prefix + hashlib.sha256(environment.base + written).hexdigest()[:_LENGTH]

    def _arguments(self, values: tuple[Any, ...], hasher: Hasher) -> list[bytes]:
        found: list[bytes] = []
        for number, value in enumerate(values):
            try:
                found.append(hasher.digest(value))
            except Unkeyable as error:
                made = self._by_name(value, hasher)
                if made is None:
                    name = list(self._signature.parameters)[number]
                    raise Unkeyable(
                        f"{self.function.__qualname__}() cannot be cached by its argument {name!r}: {error}"
                    ) from None
                found.append(made)
        return found

    def _by_name(self, value: object, hasher: Hasher) -> bytes | None:
        """The code behind an argument that is the value of a global variable."""
        namespace = self.function.__globals__
        for name, each in tuple(namespace.items()):
            if each is value and hasher.made_by is not None:
                return hasher.made_by(name, namespace, hasher)
        return None

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The values of all parameters in their order, defaults included."""
        names = self._simple
        if names is not None:
            if not kwargs and len(args) == len(names):
                return args
            values = list(args)
            used = 0
            defaults = self.function.__defaults__ or ()
            first = len(names) - len(defaults)
            for number in range(len(args), len(names)):
                value = kwargs.get(names[number], _MISSING)
                if value is not _MISSING:
                    used += 1
                elif number >= first:
                    value = defaults[number - first]
                else:
                    break
                values.append(value)
            if len(values) == len(names) and used == len(kwargs):
                return tuple(values)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())


_is_leaf = LEAVES.__contains__


def _simple_parameters(signature: inspect.Signature) -> tuple[str, ...] | None:
    """The names of the parameters, if every one of them can be given by its place as well as by its name."""
    parameters = signature.parameters.values()
    if all(each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for each in parameters):
        return tuple(signature.parameters)
    return None
