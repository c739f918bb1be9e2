"""What a kind of storage has to offer, and what passes between it and the domain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from callboard.engines.calls import Progress, nobody
from callboard.engines.placement import Placement
from callboard.messages.ids import VariableName
from callboard.messages.payloads import StorageEntry, StorageNamespace


class StorageFault(Exception):
    """What was asked of a storage cannot be done; the text is for the one who asked."""


class Abandoned(Exception):
    """Nobody waits for the work any more; it ends here."""


class Stop:
    """Tells a thread that nobody waits for its work any more, and those who wait how far it is. For any thread."""

    def __init__(self, progress: Progress = nobody) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._stopped = False
        self._callbacks: list[Callable[[], object]] = []

    def set(self) -> None:
        """Say that nobody waits; call what is to be called then."""
        with self._lock:
            self._stopped = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_set(self, callback: Callable[[], object]) -> None:
        """Have something called, from whatever thread says that nobody waits; at once if that was said."""
        with self._lock:
            if not self._stopped:
                self._callbacks.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raise `Abandoned` if nobody waits."""
        if self._stopped:
            raise Abandoned

    def reached(self, done: int, total: int | None) -> None:
        """Say how many bytes of how many have been read; raise `Abandoned` if nobody waits."""
        self.check()
        self._progress(done, total)


@attrs.frozen
class Page:
    """Consecutive entries of one level, and whether others follow."""

    entries: list[StorageEntry]
    more: bool


class Backend(Protocol):
    """One storage object of the notebook, seen through its library.

    Every method but `secrets` blocks, runs in the thread that ``placement`` says, and raises whatever the library
    raises, or `StorageFault`. Paths are as in the entries that it lists.
    """

    @property
    def placement(self) -> Placement:
        """Where calls run, and why there."""

    @property
    def exclusive(self) -> object | None:
        """What two calls must not use at the same time, if anything."""

    def secrets(self) -> Iterable[str]:
        """Name the secrets that the object holds, such as keys and tokens. Quick."""

    def namespace(self, name: VariableName) -> StorageNamespace:
        """Describe the storage. Asks no server."""

    def list_page(self, prefix: str | None, offset: int, limit: int, stop: Stop) -> Page:
        """List a part of the level below a prefix: at most ``limit`` entries from the ``offset``-th on."""

    def size(self, path: str, stop: Stop) -> int | None:
        """Return the size of a file in bytes, None where that is not known beforehand."""

    def sign(self, path: str, seconds: float, stop: Stop) -> str | None:
        """Make an address at which anybody can get a file for a while; None where there are no such addresses."""

    def read(self, path: str, max_bytes: int, size: int | None, stop: Stop) -> bytes:
        """Read a file from its beginning, at most so many bytes. ``size``: what `size` said of it."""
