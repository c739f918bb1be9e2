"""All caches of one kernel, whatever holds them and whether or not they have a name."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import attrs

from callboard.authoring.context import CellContext, current_context
from callboard.caching.files import FileOps, FileStore, RealFileOps
from callboard.caching.store import MemoryStore, Store, TieredStore

_KEPT = 64
"""Slots that are kept for caches that are not there now: their cell may be about to make them again."""


class CacheInfo(NamedTuple):
    """What a cache did."""

    hits: int
    misses: int
    maxsize: int | None
    """Entries it may hold; None for no bound."""
    currsize: int
    """Entries it holds."""
    time_saved: float
    """Seconds that hits saved: what computing took at first, less what loading took."""


class Slot:
    """A store with what was won by it. It outlives the function it was made for while the code stays the same."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hits = 0
        self.time_saved = 0.0
        self.generation = 0
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.lasting = False
        """Whether it is of a block of a script, which may come to it again at any time."""
        self._lock = threading.Lock()

    def missed(self, user: User) -> None:
        """Count a miss of a function."""
        with self._lock:
            user.misses += 1

    def hit(self, saved: float) -> None:
        """Count a hit that saved some seconds."""
        with self._lock:
            self.hits += 1
            if saved > 0:
                self.time_saved += saved


class User(Protocol):
    """A cached function or block."""

    misses: int


@attrs.frozen
class Totals:
    """What all caches of a kernel came to."""

    hits: int
    misses: int
    time_saved: float
    disk_to_free: int
    """Bytes of the files that clearing removes."""
    disk_total: int
    """Bytes of all cache files in the folders that are used, other notebooks' and other names' included."""


class Caches:
    """The caches of one kernel. Any thread."""

    def __init__(self) -> None:
        self.files: FileOps = RealFileOps()
        """What file stores that are made from now on ask of the file system; for tests of what becomes of faults."""
        self._lock = threading.RLock()
        self._slots: OrderedDict[tuple[str, Hashable], Slot] = OrderedDict()
        self._users: weakref.WeakSet[User] = weakref.WeakSet()
        self._runs: dict[str, tuple[weakref.ref[CellContext], int]] = {}

    def slot(
        self,
        user: User,
        where: str,
        identity: Hashable,
        make_store: Callable[[], Store],
        context: CellContext | None,
        *,
        of_block: bool = False,
    ) -> Slot:
        """Return the slot of a cache: that of an earlier run of its cell if its identity is the same.

        ``where`` is the file name of the code that makes it.
        """
        key = (where, identity)
        gone: list[Slot] = []  # let go of outside the lock: destructors may run user code
        with self._lock:
            generation = self._generation(where, context, gone)
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = Slot(make_store())
                slot.lasting = of_block and context is None
            slot.generation = generation
            self._slots.move_to_end(key)
            slot.users.add(user)
            if of_block and context is not None:
                # A block is over in no time; its cell may come to it again for as long as it is there.
                slot.users.add(context)
            self._users.add(user)
            # But for those that the cell which runs now left, and may be about to come to.
            orphans = [
                one for one, each in self._slots.items() if not each.users and one[0] != where
            ]
            for one in orphans[: max(0, len(orphans) - _KEPT)]:
                gone.append(self._slots.pop(one))
        return slot

    def _generation(self, where: str, context: CellContext | None, gone: list[Slot]) -> int:
        """The number of the run of a cell; with a new one, what the run before the last left is let go of."""
        if context is None or not where.endswith(f"cell {context.cell_id}>"):
            return self._runs[where][1] if where in self._runs else 0
        run, number = self._runs.get(where, (None, 0))
        if run is not None and run() is context:
            return number
        number += 1
        self._runs[where] = (weakref.ref(context), number)
        for key, slot in tuple(self._slots.items()):
            if key[0] == where and not slot.users and slot.generation < number - 1:
                gone.append(self._slots.pop(key))
        return number

    def _all(self) -> tuple[list[Slot], list[User]]:
        with self._lock:
            return list(self._slots.values()), list(self._users)

    def totals(self) -> Totals:
        """Sum up what the caches did, and look at their files; takes as long as the disk does."""
        slots, users = self._all()
        # What nobody can use any more is kept in case, but is no cache.
        live = [slot for slot in slots if slot.users or slot.lasting]
        files = self._file_stores(slots)
        roots = {store.root: store for store in files}
        sizes = {path: size for store in files for path, size in store.removable()}
        return Totals(
            hits=sum(slot.hits for slot in live),
            misses=sum(user.misses for user in users),
            time_saved=sum(slot.time_saved for slot in live),
            disk_to_free=sum(sizes.values()),
            disk_total=sum(store.bytes_in_root() for store in roots.values()),
        )

    def clear(self, reached: Callable[[int, None], object] = lambda _removed, _total: None) -> int:
        """Empty all caches and keep what they counted; returns about how many bytes that frees.

        A store that fails is left as it is, and the others are emptied. ``reached`` is told how many files are gone,
        of nobody knows how many.
        """
        removed = itertools.count(1)
        freed = 0
        cleared: set[int] = set()
        for slot in self._all()[0]:
            if id(slot.store) in cleared:
                continue
            cleared.add(id(slot.store))
            with suppress(Exception):  # an author's own store, or a server that is gone
                freed += _clear(slot.store, lambda: reached(next(removed), None))
        return freed

    @staticmethod
    def _file_stores(slots: list[Slot]) -> list[FileStore]:
        found: list[FileStore] = []
        pending: list[object] = [slot.store for slot in slots]
        while pending:
            store = pending.pop()
            if isinstance(store, FileStore):
                found.append(store)
            elif isinstance(store, TieredStore):
                pending += store.stores
        return found


def _clear(store: Store, on_removed: Callable[[], object]) -> int:
    # What an author has put in the place of our own way of clearing is called as any store is.
    if isinstance(store, TieredStore) and type(store).clear is TieredStore.clear:
        return sum([_clear(each, on_removed) for each in store.stores])
    if isinstance(store, FileStore) and type(store).clear is FileStore.clear:
        return store.clear(on_removed)
    return store.clear()


_process_wide = Caches()
_by_kernel: weakref.WeakKeyDictionary[object, Caches] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def caches_of(kernel: object | None) -> Caches:
    """Return the caches of a kernel, known by the registry of its elements; None stands for code outside of any."""
    if kernel is None:
        return _process_wide
    with _lock:
        caches = _by_kernel.get(kernel)
        if caches is None:
            caches = _by_kernel[kernel] = Caches()
        return caches


def current_caches() -> tuple[Caches, CellContext | None]:
    """Return the caches that running code belongs to, and its cell."""
    context = current_context.get()
    return caches_of(None if context is None else context.registry), context


def maxsize_of(store: Store) -> int | None:
    """Return how many entries a store may hold."""
    return store.maxsize if isinstance(store, MemoryStore) else None
