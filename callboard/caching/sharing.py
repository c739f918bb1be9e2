"""Equal calls that come while one of them is under way wait for it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from callboard.caching.store import Entry

if TYPE_CHECKING:
    import asyncio

_SLICE = 0.05
"""Seconds; an interrupt of a thread lands only when it is not inside a wait."""


class _Flight:
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.entry: Entry | None = None


class _Depth(threading.local):
    value = 0


_depth = _Depth()


class Threads:
    """Lets one thread compute what several ask for. Whoever computes something waits for nobody, so none is stuck."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.Lock()

    def run(self, key: str, compute: Callable[[], Entry]) -> tuple[Entry, bool]:
        """Return the entry, and whether it was computed here; raises what ``compute`` does, for its caller alone."""
        while True:
            mine = _Flight()
            try:
                # Inside, as an interrupt may land anywhere.
                with self._lock:
                    flight = self._flights.setdefault(key, mine)
                if flight is mine or _depth.value:
                    return self._compute(mine, compute), True
            finally:
                mine.landed.set()
                self._drop(key, mine)
            while not flight.landed.wait(_SLICE):
                pass
            if flight.entry is not None:
                return flight.entry, False
            self._drop(key, flight)

    @staticmethod
    def _compute(flight: _Flight, compute: Callable[[], Entry]) -> Entry:
        _depth.value += 1
        try:
            flight.entry = compute()
        finally:
            _depth.value -= 1
        return flight.entry

    def _drop(self, key: str, flight: _Flight) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


_computing: ContextVar[frozenset[tuple[int, str]]] = ContextVar(
    "callboard_cache_computing", default=frozenset()
)


class Tasks:
    """Lets one task of an event loop compute what several of it ask for."""

    def __init__(self) -> None:
        self._flights: weakref.WeakKeyDictionary[Any, dict[str, asyncio.Future[Entry | None]]] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()

    async def run(self, key: str, compute: Callable[[], Awaitable[Entry]]) -> tuple[Entry, bool]:
        """Return the entry, and whether it was computed here.

        An exception is raised for all that waited. If the one that computes is cancelled or interrupted, another one
        computes instead. Under another event loop than asyncio's nothing is shared.
        """
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return await compute(), True
        with self._lock:
            flights = self._flights.setdefault(loop, {})
        mark = (id(self), key)
        while True:
            flight = flights.get(key)
            if flight is not None:
                if mark in _computing.get():  # it would wait for itself
                    return await compute(), True
                # Shielded, as the future is everybody's.
                entry = await asyncio.shield(flight)
                if entry is not None:
                    return entry, False
                continue
            flight = loop.create_future()
            token = _computing.set(_computing.get() | {mark})
            try:
                flights[key] = flight
                entry = await compute()
                flight.set_result(entry)
                return entry, True
            except Exception as error:
                flight.set_exception(error)
                flight.exception()  # it is raised here; that nobody else waits is no mistake
                raise
            finally:
                _computing.reset(token)
                if flights.get(key) is flight:
                    del flights[key]
                if not flight.done():
                    flight.set_result(None)
