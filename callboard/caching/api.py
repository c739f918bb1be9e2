"""What notebook authors call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

import attrs

from callboard.caching.blocks import Cache
from callboard.caching.encoding import method_of
from callboard.caching.functions import CachedFunction
from callboard.caching.redis import RedisStore
from callboard.caching.settings import Settings
from callboard.caching.store import Store

P = ParamSpec("P")
R = TypeVar("R")


@overload
def cache(function: Callable[P, R], /, *, pin_modules: bool = False) -> CachedFunction[P, R]: ...
@overload
def cache(name: str | None = None, *, pin_modules: bool = False) -> Cache: ...
def cache(name: Any = None, *, pin_modules: bool = False) -> Any:
    """Keep results in memory, without a bound, for as long as the code and its inputs stay the same.

    As a decorator of functions, methods and coroutine functions, with or without parentheses::

        @cb.cache
        def total(frame, column): ...

    or around statements at the top level of a cell, whose variables it keeps::

        with cb.cache("model"):
            model = train(data)

    A result is found again if the code of the function or block (comments and layout aside), the arguments, and all
    that the code refers to are equal by content: numbers, texts, containers, arrays, tables, functions and classes by
    their code, modules by name (with ``pin_modules`` by version too), elements by value, objects by what ``pickle``
    would save of them or by what their method ``__cache_key__`` returns. What has no content to go by, such as a
    connection, counts as the code of the cells that made it. Results are shared, not copied: do not change them.

    Running the defining cell again keeps what is cached. ``cache_info()``, ``cache_clear()`` and ``last_hash`` are on
    the function, and on what ``with ... as`` gives.

    Raises:
        Unkeyable: when called, for a value that cannot be told from others.
    """
    return _made(Settings("cb.cache", pin_modules=bool(pin_modules)), name)


@overload
def lru_cache(
    function: Callable[P, R], /, *, maxsize: int = 128, pin_modules: bool = False
) -> CachedFunction[P, R]: ...
@overload
def lru_cache(
    name: str | None = None, *, maxsize: int = 128, pin_modules: bool = False
) -> Cache: ...
def lru_cache(name: Any = None, *, maxsize: int = 128, pin_modules: bool = False) -> Any:
    """Keep the ``maxsize`` results that were used last in memory; -1 for no bound. Otherwise as ``cache``."""
    if isinstance(name, int) and not isinstance(name, bool):  # @lru_cache(10), as with functools
        name, maxsize = None, name
    if type(maxsize) is not int or maxsize == 0 or maxsize < -1:
        raise ValueError(
            f"lru_cache: maxsize must be a positive number, or -1 for no bound, not {maxsize!r}"
        )
    bound = None if maxsize == -1 else maxsize
    return _made(Settings("cb.lru_cache", pin_modules=bool(pin_modules), maxsize=bound), name)


@overload
def persistent_cache(
    function: Callable[P, R],
    /,
    *,
    save_path: str | os.PathLike[str] | None = None,
    method: str = "pickle",
    store: Any = None,
    pin_modules: bool = False,
) -> CachedFunction[P, R]: ...
@overload
def persistent_cache(
    name: str | None = None,
    *,
    save_path: str | os.PathLike[str] | None = None,
    method: str = "pickle",
    store: Any = None,
    pin_modules: bool = False,
) -> Cache: ...
def persistent_cache(
    name: Any = None,
    *,
    save_path: str | os.PathLike[str] | None = None,
    method: str = "pickle",
    store: Any = None,
    pin_modules: bool = False,
) -> Any:
    """Keep results in files, so that they are there when the notebook is opened again. Otherwise as ``cache``.

    By default they are in ``__callboard__/cache`` beside the notebook, each in a file of its own below the name of the
    cache, which is the function's if none is given. ``save_path`` is another folder. ``method`` is ``"pickle"`` or
    ``"json"``, for values that are the same after JSON. ``store`` is where they are kept instead: a client of Redis, a
    ``Store``, or a function that makes one for a name.

    **Trust the folder as you trust the notebook**: files of the method ``"pickle"`` can run any code when they are
    read. A file that is damaged, cut short or not the expected one counts as missing. If a result cannot be saved the
    code goes on, and a message on stderr says why.

    Raises:
        ValueError: ``save_path`` and ``store`` are both given, or there is no such method.
    """
    if save_path is not None and store is not None:
        raise ValueError("persistent_cache: give save_path or store, not both")
    method_of(method)
    settings = Settings(
        "cb.persistent_cache",
        pin_modules=bool(pin_modules),
        persistent=True,
        save_path=None if save_path is None else os.fspath(save_path),
        method=method,
        store=_store(store, method),
        given=store,
    )
    return _made(settings, name)


def _store(store: Any, method: str) -> Store | Callable[[str], Store] | None:
    if (
        store is None
        or callable(store)
        or all(hasattr(store, each) for each in ("get", "put", "clear", "__len__"))
    ):
        found: Store | Callable[[str], Store] | None = store
        return found
    if any(base.__module__.partition(".")[0] == "redis" for base in type(store).__mro__):
        return lambda name: RedisStore(store, name, method=method)
    raise TypeError(
        f"persistent_cache: store must be a Redis client, a Store or a function that makes one, not "
        f"{type(store).__name__}"
    )


def _made(settings: Settings, name: Any) -> Any:
    if name is None or isinstance(name, str):
        return Cache(attrs.evolve(settings, name=name))
    if callable(name) or isinstance(name, classmethod | staticmethod):
        return CachedFunction(name, settings)
    raise TypeError(f"{settings.what}: expected a function or a name, not {type(name).__name__}")
