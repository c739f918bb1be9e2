"""The way from other threads to the trio thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import trio

from callboard.runtime.errors import Closed

T = TypeVar("T")

_BATCH = 256
"""How many items one visit to the trio thread delivers, so that a flood leaves room for others."""

_PATIENCE = 1.0
"""How many seconds a thread waits for room before it looks whether the trio run is still there."""


class Ingress(Generic[T]):
    """Hands items from any thread to a function on the trio thread, in order.

    Make it on the trio thread. One wake-up of the trio loop serves all items that gather until it
    runs, which is what makes many small items cheap. `sink` is called once per item, outside any
    task; it must not block, and what it raises is counted in `errors` and otherwise ignored.
    """

    def __init__(self, sink: Callable[[T], None], capacity: int | None = None) -> None:
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity of an ingress must be at least 1, not {capacity}")
        self.capacity = capacity
        self.delivered = 0
        self.wakes = 0
        self.errors = 0
        self.last_error: Exception | None = None
        self._sink = sink
        self._token = trio.lowlevel.current_trio_token()
        self._trio_thread = threading.get_ident()
        self._items: deque[T] = deque()
        self._room = threading.Condition()  # reentrant: a destructor may put while this thread does
        self._scheduled = False
        self._held = False
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Queue an item for the sink. From any thread; FIFO over all of them.

        From another thread than trio's it blocks while ``capacity`` items are outstanding. That
        wait is a plain one on a condition, so that a KeyboardInterrupt breaks it; the item is not
        queued then. On the trio thread it never blocks and may exceed the capacity, because only
        this thread could make room.

        Raises `Closed` after `close` or once the trio run is over: the caller's fault.
        """
        with self._room:
            if self.capacity is not None and threading.get_ident() != self._trio_thread:
                while len(self._items) >= self.capacity and not self._closed:
                    if self._held and not self._scheduled:
                        self._schedule()  # only a delivery makes room
                    if not self._room.wait(_PATIENCE):
                        self._check_alive()
            if self._closed:
                raise Closed("ingress is closed")
            self._items.append(item)
            if not (self._scheduled or self._held):
                self._schedule()

    def hold(self) -> None:
        """Let items gather without waking the trio thread, until `release`. From any thread.

        Each wake-up makes the threads pass the interpreter lock to and fro. Whoever is about to
        put a few items in a row, and sees to it that they do not gather for long, spares them that.
        """
        self._held = True

    def release(self) -> None:
        """Deliver what has gathered since `hold`, and what is put from now on. From any thread.

        Raises `Closed` if the trio run is over.
        """
        with self._room:
            self._release()

    def flush(self) -> bool:
        """Deliver what has gathered, now; whether there was anything. On the trio thread."""
        batch = self._take()
        self._hand_over(batch)
        if len(batch) == _BATCH:
            with self._room:
                if self._items and not self._scheduled:
                    self._schedule()
        return bool(batch)

    def close(self) -> None:
        """Take no more items and wake the threads that wait for room; what is queued is delivered.

        On the trio thread, or from another one.
        """
        with self._room:
            self._closed = True
            self._room.notify_all()
            with suppress(Closed):  # nobody is left to deliver to
                self._release()

    def _release(self) -> None:
        self._held = False
        if self._items and not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._run_soon(self._deliver)
        self._scheduled = True
        self.wakes += 1

    def _check_alive(self) -> None:
        """Nothing moves: a trio run that ended without `close` will never make room."""
        self._run_soon(_nothing)

    def _run_soon(self, function: Callable[[], None]) -> None:
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError as error:
            self._closed = True
            self._items.clear()
            self._room.notify_all()
            raise Closed("the trio run that would take it is over") from error

    def _deliver(self) -> None:
        self._hand_over(self._take())
        with self._room:
            self._scheduled = False
            if self._items:
                self._schedule()

    def _take(self) -> list[T]:
        # All at once: taken one by one, each could cost a switch between the threads.
        with self._room:
            batch = [self._items.popleft() for _ in range(min(_BATCH, len(self._items)))]
            if self.capacity is not None and len(self._items) <= self.capacity // 2:
                self._room.notify_all()
        return batch

    def _hand_over(self, batch: list[T]) -> None:
        for item in batch:
            try:
                self._sink(item)
            except Exception as error:
                self.errors += 1
                self.last_error = error
            else:
                self.delivered += 1


def _nothing() -> None:
    pass
