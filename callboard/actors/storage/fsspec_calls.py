"""Calls to filesystems of fsspec that end when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from callboard.actors.storage.fsspec_placement import Target
from callboard.actors.storage.ports import Stop, StorageFault

T = TypeVar("T")


def call(target: Target, method: str, *args: Any, stop: Stop, **kwargs: Any) -> Any:
    """Call a method and return or raise what it does. Blocks.

    Where the filesystem is asynchronous the work ends when nobody waits for it any more; another one cannot be told.
    """
    stop.check()
    if not target.asynchronous:
        return getattr(target.fs, method)(*args, **kwargs)
    coroutine: Callable[..., Coroutine[Any, Any, Any]] = getattr(target.fs, f"_{method}")
    return run(target.fs, lambda: coroutine(*args, **kwargs), stop)


def run(fs: Any, start: Callable[[], Coroutine[Any, Any, T]], stop: Stop) -> T:
    """Run a coroutine of an asynchronous filesystem on fsspec's thread. Blocks.

    Raises:
        Abandoned: nobody waits for it any more; the coroutine was cancelled.
    """
    if getattr(fs, "asynchronous", False):
        raise StorageFault(
            "the filesystem was made for use in asynchronous code (asynchronous=True); "
            "make one without that to browse it"
        )
    stop.check()
    future = asyncio.run_coroutine_threadsafe(start(), fs.loop)
    stop.when_set(future.cancel)
    try:
        return future.result()
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        stop.check()
        raise StorageFault("the storage's own work was cancelled") from None
