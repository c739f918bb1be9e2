"""Cached ``with`` blocks: what they need, what they bind, and leaving out their bodies."""

from __future__ import annotations

import ast
import dis
import linecache
import os
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import attrs

from callboard.caching.codes import read_code, reads_and_stores
from callboard.caching.functions import CachedFunction, save
from callboard.caching.keys import KeyMaker, Kind, strongest, text_of
from callboard.caching.registry import CacheInfo, Slot, current_caches, maxsize_of
from callboard.caching.skipping import BodySkip, BodySkipped
from callboard.caching.store import Entry, MemoryStore

if TYPE_CHECKING:
    from callboard.authoring.context import CellContext
    from callboard.caching.settings import Settings

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

P = ParamSpec("P")
R = TypeVar("R")


class BlockError(RuntimeError):
    """A ``with`` block that cannot be cached where or as it stands: the notebook author's fault."""


@attrs.frozen
class _Body:
    """The body of one ``with`` statement, as in its source."""

    digest: bytes
    needs: tuple[str, ...]
    binds: frozenset[str]
    target: str | None
    """The name behind ``as``."""


@attrs.frozen(eq=False)
class _Source:
    """The source of some compiled code."""

    code: CodeType
    """Kept, or another one might get its id."""
    entries: Mapping[int, tuple[ast.With, ast.withitem]]
    """Where in the code which items of ``with`` statements are entered."""
    names: frozenset[str]
    """All names in the code."""
    bodies: dict[int, _Body] = attrs.field(factory=dict)
    """Those that were read, by where they are entered."""


_KEPT = 128
_sources: OrderedDict[int, _Source] = OrderedDict()
_lock = threading.Lock()


class Block:
    """One use of a cache as a ``with`` statement: the variables the block binds are kept.

    If they are known the body is left out, with all it would do, and they are bound to what they were. Cell thread.
    """

    misses = 0
    """A block counts none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.hit = False
        """Whether the body was left out."""
        self.last_hash: str | None = None
        """The key: a prefix that says what it goes by, and a hash."""
        self._slot: Slot | None = None
        self._skip: BodySkip | None = None
        self._started = 0.0
        self._places: dict[str, str] = {}
        self._namespace: dict[str, Any] = {}
        self._binds: frozenset[str] = frozenset()

    def enter(self, frame: FrameType) -> None:
        """Begin the statement whose code runs in a frame.

        Raises:
            BlockError: it is not at the top level of a cell or script, or has no source.
            Unkeyable: a value that it needs cannot be told from others.
        """
        namespace = self._namespace = frame.f_globals
        if frame.f_locals is not namespace:
            raise BlockError(
                f"with {self._settings.what}(): a cached block has to be at the top level of a cell, not inside of "
                f"{frame.f_code.co_name}; there, decorate a function instead"
            )
        body, names = _body_of(frame)
        self._binds = body.binds
        caches, context = current_caches()
        self._places = {name: _place(name, names, context) for name in (*body.needs, *body.binds)}
        maker = KeyMaker(context, pin_modules=self._settings.pin_modules)
        name = self._settings.name or ""
        if self._settings.persistent and not name:
            raise BlockError(
                f"with {self._settings.what}(...): a block needs a name to be saved under"
            )
        self._slot = caches.slot(
            self,
            frame.f_code.co_filename,
            ("with", name, self._settings.identity(name, namespace), body.digest),
            lambda: self._settings.make_store(name, namespace, caches.files),
            context,
            of_block=True,
        )
        store = self._slot.store
        if isinstance(store, MemoryStore) and store.maxsize != self._settings.maxsize:
            store.resize(self._settings.maxsize)
        key = self.last_hash = self._key(body, maker)
        started = time.perf_counter()
        entry = store.get(key, body.binds, namespace)
        self.hit = entry is not None
        if entry is None:
            self._started = time.perf_counter()
            return
        for each, value in entry.values.items():
            namespace[self._places[each]] = value
        for each in entry.absent:
            namespace.pop(self._places[each], None)
        self._slot.hit(entry.seconds - (time.perf_counter() - started))
        if body.target is not None:
            namespace[_place(body.target, names, context)] = self
        self._skip = BodySkip(frame)

    def start(self) -> None:
        """Leave the body out, if it is to be: the last thing before ``__enter__`` returns."""
        if self._skip is not None:
            self._skip.start()

    def exit(self, error: BaseException | None) -> bool:
        """End the statement; returns whether the exception is ours and is over with it."""
        skip, self._skip = self._skip, None
        if skip is not None:
            skip.stop()
            return isinstance(error, BodySkipped)
        if error is None:
            self._keep(time.perf_counter() - self._started)
        return False

    def _keep(self, seconds: float) -> None:
        assert self._slot is not None
        assert self.last_hash is not None
        namespace = self._namespace
        binds = [name for name in self._places if name in self._binds]
        values = {
            name: namespace[self._places[name]] for name in binds if self._places[name] in namespace
        }
        absent = tuple(name for name in binds if name not in values)
        # Classes and functions that the block itself makes would not be there when it is left out.
        made = {self._places[each] for each in values}
        before = {name: value for name, value in namespace.items() if name not in made}
        entry = Entry(self.last_hash, values, absent, seconds)
        save(self._slot.store, entry, before, f"the block {self._settings.name or ''!r}")

    def _key(self, body: _Body, maker: KeyMaker) -> str:
        hasher, kinds = maker.hasher()
        values: list[tuple[str, bytes]] = []
        for name in body.needs:
            place = self._places[name]
            if place in self._namespace:
                values.append(
                    (name, hasher.of_global(place, self._namespace[place], self._namespace))
                )
        kind = strongest(kinds, Kind.CONTENT if values else Kind.PURE)
        return text_of(kind, hasher.combine("block", body.digest, values))

    def cache_info(self) -> CacheInfo:
        """Return what the cache did; a block counts no misses."""
        slot = self._slot
        if slot is None:
            return CacheInfo(0, 0, self._settings.maxsize, 0, 0.0)
        return CacheInfo(slot.hits, 0, maxsize_of(slot.store), len(slot.store), slot.time_saved)

    def cache_clear(self) -> None:
        """Forget what was kept; what was counted stays."""
        if self._slot is not None:
            self._slot.store.clear()


def _place(name: str, names: frozenset[str], context: CellContext | None) -> str:
    """The name in the namespace of a name in the source: a kernel gives private ones of a cell a prefix."""
    global_name = getattr(context, "global_name", None)
    if global_name is None:
        return name
    mangled: str = global_name(name)
    return mangled if mangled in names else name


def _body_of(frame: FrameType) -> tuple[_Body, frozenset[str]]:
    """The body of the statement that a frame is entering, and all names in the code around it."""
    code = frame.f_code
    with _lock:
        source = _sources.get(id(code))
    if source is None or source.code is not code:
        source = _read_source(code, frame.f_globals)
        with _lock:
            _sources[id(code)] = source
            while len(_sources) > _KEPT:
                _sources.popitem(last=False)
    body = source.bodies.get(frame.f_lasti)
    if body is None:
        if frame.f_lasti not in source.entries:
            raise BlockError("a cached block has to be a with statement, entered by nothing else")
        body = _read_body(code.co_filename, *source.entries[frame.f_lasti])
        source.bodies[frame.f_lasti] = body
    return body, source.names


def _read_source(code: CodeType, namespace: dict[str, Any]) -> _Source:
    filename = code.co_filename
    text = "".join(linecache.getlines(filename, namespace))
    if not text:
        raise BlockError("a cached block needs its source, and Python has none for this code")
    tree = ast.parse(text)
    if os.path.isfile(filename):
        compiled = compile(tree, filename, "exec", _FLAGS, dont_inherit=True)
        if compiled.co_code != code.co_code:
            raise BlockError(f"{filename} has changed since this code was loaded")
    return _Source(code, _entries(code, tree), frozenset(_all_names(code)))


def _read_body(filename: str, statement: ast.With, item: ast.withitem) -> _Body:
    target = item.optional_vars
    if target is not None and not isinstance(target, ast.Name):
        raise BlockError("with cb.cache() as ...: a cached block can be bound to a plain name only")
    try:
        module = ast.Module(statement.body, [])
        body = compile(module, filename, "exec", _FLAGS, dont_inherit=True)
    except SyntaxError as error:
        raise BlockError(f"a cached block has to stand by itself: {error.msg}") from None
    needs, binds = reads_and_stores(body)
    return _Body(
        read_code(body).digest,
        tuple(sorted(needs)),
        frozenset(binds),
        None if target is None else target.id,
    )


def _entries(code: CodeType, tree: ast.Module) -> dict[int, tuple[ast.With, ast.withitem]]:
    """Where a code object enters the items of its ``with`` statements."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    by_item = {_span(item.context_expr): (node, item) for node in statements for item in node.items}
    by_statement = {_span(node): node for node in statements}
    found: dict[int, tuple[ast.With, ast.withitem]] = {}
    met: Counter[_Span] = Counter()
    for one in dis.get_instructions(code):
        place = one.positions
        if place is None:
            continue
        here = (place.lineno, place.end_lineno, place.col_offset, place.end_col_offset)
        if here in by_item:  # from 3.13 on
            found[one.offset] = by_item[here]
        elif one.opname == "BEFORE_WITH" and here in by_statement:
            # Of a statement that is compiled twice, such as in a finally, the items come twice too.
            node = by_statement[here]
            found[one.offset] = node, node.items[met[here] % len(node.items)]
            met[here] += 1
    return found


_Span = tuple[int | None, int | None, int | None, int | None]


def _span(node: ast.With | ast.expr) -> _Span:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _all_names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _all_names(constant)
    return names


class Cache:
    """A cache that is yet to be put to use: as the decorator of functions, or in a ``with`` statement."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._blocks: list[Block] = []

    def __call__(self, function: Callable[P, R]) -> CachedFunction[P, R]:
        """Cache a function."""
        return CachedFunction(function, self._settings)

    def __enter__(self) -> Block:
        block = Block(self._settings)
        block.enter(sys._getframe(1))
        self._blocks.append(block)
        block.start()
        return block

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return self._blocks.pop().exit(error)
