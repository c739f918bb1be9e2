"""Cached functions."""

from __future__ import annotations

import functools
import inspect
import time
import types
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from callboard.caching.codes import read_code
from callboard.caching.keys import CallKeys, KeyMaker
from callboard.caching.registry import CacheInfo, current_caches, maxsize_of
from callboard.caching.sharing import Tasks, Threads
from callboard.caching.store import Entry, MemoryStore, SaveFailed, tell

if TYPE_CHECKING:
    from callboard.caching.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

_RESULT = frozenset({""})


class CachedFunction(Generic[P, R]):
    """A function that is not called again for what it was called for before. Any thread.

    Concurrent equal calls share one execution. What a call raises is not kept.
    """

    _is_callboard_cache = True
    __wrapped__: Callable[P, R]
    __name__: str
    __qualname__: str

    def __init__(self, function: Any, settings: Settings) -> None:
        """Raises TypeError for what is no function of Python, or a generator: the author's fault."""
        self._binding = type(function) if isinstance(function, classmethod | staticmethod) else None
        inner = function.__func__ if self._binding is not None else function
        if not isinstance(inner, types.FunctionType):
            raise TypeError(f"{settings.what} caches functions, not {type(inner).__name__}")
        if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
            raise TypeError(
                f"{inner.__qualname__}() is a generator, which can be used up only once; cache a list of its values"
            )
        functools.update_wrapper(self, inner)
        self.misses = 0
        self.last_hash: str | None = None
        """The key of the last call: a prefix that says what it goes by, and a hash."""
        caches, context = current_caches()
        maker = KeyMaker(context, pin_modules=settings.pin_modules)
        self._keys = CallKeys(inner, maker)
        self._namespace = inner.__globals__
        name = settings.name or inner.__name__
        identity = (
            "function",
            inner.__qualname__,
            settings.identity(name, self._namespace),
            read_code(inner.__code__, maker.rename).digest,
        )
        self._slot = caches.slot(
            self,
            inner.__code__.co_filename,
            identity,
            lambda: settings.make_store(name, self._namespace, caches.files),
            context,
        )
        store = self._slot.store
        if isinstance(store, MemoryStore) and store.maxsize != settings.maxsize:
            store.resize(settings.maxsize)
        self._threads = Threads()
        self._tasks: Tasks | None = None
        if inspect.iscoroutinefunction(inner):
            self._tasks = Tasks()
            self._mark_as_coroutine_function()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns for these arguments.

        Raises:
            Unkeyable: an argument, or something the function refers to, cannot be told from others by content.
        """
        if self._tasks is not None:
            return self._call_async(args, kwargs)  # type: ignore[return-value]
        key = self._keys.key(args, kwargs)
        self.last_hash = key
        entry = self._lookup(key)
        if entry is None:
            entry, computed = self._threads.run(key, lambda: self._compute(key, args, kwargs))
            if not computed:
                self._slot.hit(0.0)
        result: R = entry.values[""]
        return result

    async def _call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = self._keys.key(args, kwargs)
        self.last_hash = key
        entry = self._lookup(key)
        if entry is None:
            assert self._tasks is not None
            entry, computed = await self._tasks.run(
                key, lambda: self._compute_async(key, args, kwargs)
            )
            if not computed:
                self._slot.hit(0.0)
        return entry.values[""]

    def _lookup(self, key: str) -> Entry | None:
        started = time.perf_counter()
        entry = self._slot.store.get(key, _RESULT, self._namespace)
        if entry is not None:
            self._slot.hit(entry.seconds - (time.perf_counter() - started))
        return entry

    def _compute(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        entry = self._lookup(key)
        if entry is not None:
            return entry  # another thread was done with it just now
        self._slot.missed(self)
        function: Callable[..., Any] = self.__wrapped__
        started = time.perf_counter()
        result = function(*args, **kwargs)
        return self._keep(key, result, time.perf_counter() - started)

    async def _compute_async(
        self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Entry:
        self._slot.missed(self)
        function: Callable[..., Coroutine[Any, Any, Any]] = self.__wrapped__  # type: ignore[assignment]
        started = time.perf_counter()
        result = await function(*args, **kwargs)
        return self._keep(key, result, time.perf_counter() - started)

    def _keep(self, key: str, result: object, seconds: float) -> Entry:
        entry = Entry(key, {"": result}, seconds=seconds)
        save(self._slot.store, entry, self._namespace, f"{self.__qualname__}()")
        return entry

    def cache_info(self) -> CacheInfo:
        """Return what the cache did. Hits and time saved are kept when the cell of the function runs again."""
        slot = self._slot
        return CacheInfo(
            slot.hits, self.misses, maxsize_of(slot.store), len(slot.store), slot.time_saved
        )

    def cache_clear(self) -> None:
        """Forget all results; what was counted stays."""
        self._slot.store.clear()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if self._binding is classmethod:
            return types.MethodType(self, type(instance) if owner is None else owner)
        if instance is None or self._binding is staticmethod:
            return self
        return types.MethodType(self, instance)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<cached {self.__wrapped__!r}>"

    def _mark_as_coroutine_function(self) -> None:
        mark: Any = getattr(inspect, "markcoroutinefunction", None)  # 3.12
        if mark is not None:
            mark(self)
        else:
            import asyncio.coroutines

            self._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)


def save(store: Any, entry: Entry, namespace: dict[str, Any], what: str) -> None:
    """Put an entry into a store; that it cannot be kept is told of, and is no failure of what was computed."""
    try:
        store.put(entry, namespace)
    except SaveFailed as error:
        tell(f"what {what} came to was not saved: {error}")
    except Exception as error:
        # A store of the author's own.
        tell(f"what {what} came to was not saved: {type(error).__name__}: {error}")
