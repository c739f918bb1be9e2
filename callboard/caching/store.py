"""Where entries are kept."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, Protocol

import attrs


@attrs.frozen(eq=False)
class Entry:
    """What one execution came to."""

    key: str
    values: Mapping[str, Any]
    """Of a call its result, under the empty name; of a block the variables that it bound."""
    absent: tuple[str, ...] = ()
    """Names that the block may bind and did not, or deleted."""
    seconds: float = 0.0
    """How long the execution took."""


class Store(Protocol):
    """Keeps entries under their keys. All methods may be called from any thread, several at once.

    A store of an author's own may be given to ``persistent_cache``.
    """

    def get(self, key: str, names: frozenset[str], namespace: Mapping[str, Any]) -> Entry | None:
        """Return the entry of a key; None if there is none, or none that is sound and has just these names.

        Classes and functions of the notebook are found in ``namespace``.
        """

    def put(self, entry: Entry, namespace: Mapping[str, Any]) -> None:
        """Keep an entry.

        Raises:
            SaveFailed: it cannot be kept; the text says why.
        """

    def clear(self) -> int:
        """Forget all entries; return about how many bytes that frees."""

    def __len__(self) -> int:
        """How many entries there are."""


class SaveFailed(Exception):
    """An entry could not be kept. What was computed is not affected."""


def tell(text: str) -> None:
    """Say something to the notebook's author, on stderr."""
    try:
        sys.stderr.write(f"callboard cache: {text}\n")
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed or missing, and this was no more than a remark


class MemoryStore:
    """Keeps the objects themselves; beyond ``maxsize`` those that were not used for longest are let go."""

    def __init__(self, maxsize: int | None = None) -> None:
        """``maxsize`` is a number of entries, None for no bound."""
        self.maxsize = maxsize
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, key: str, names: frozenset[str] = frozenset(), namespace: Mapping[str, Any] = {}
    ) -> Entry | None:
        """Return the entry of a key."""
        entry = self._entries.get(key)
        if entry is not None and self.maxsize is not None:
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry, namespace: Mapping[str, Any] = {}) -> None:
        """Keep an entry, and let go of what is too much."""
        gone: list[Entry] = []  # outside the lock: destructors may run user code
        with self._lock:
            self._entries[entry.key] = entry
            self._entries.move_to_end(entry.key)
            while self.maxsize is not None and len(self._entries) > self.maxsize:
                gone.append(self._entries.popitem(last=False)[1])

    def resize(self, maxsize: int | None) -> None:
        """Take another bound."""
        gone: list[Entry] = []
        with self._lock:
            self.maxsize = maxsize
            while maxsize is not None and len(self._entries) > maxsize:
                gone.append(self._entries.popitem(last=False)[1])

    def clear(self) -> int:
        """Forget all entries; the bytes are an estimate that follows containers and asks arrays and tables."""
        with self._lock:
            gone = list(self._entries.values())
            self._entries.clear()
        return estimated_bytes([entry.values for entry in gone])

    def __len__(self) -> int:
        return len(self._entries)


class TieredStore:
    """Several stores, the quickest first: what only a later one has is put into those before it."""

    def __init__(self, *stores: Store) -> None:
        if not stores:
            raise ValueError("a tiered store needs at least one store")
        self.stores = stores

    def get(self, key: str, names: frozenset[str], namespace: Mapping[str, Any]) -> Entry | None:
        """Return the entry of the first store that has it."""
        for number, store in enumerate(self.stores):
            entry = store.get(key, names, namespace)
            if entry is not None:
                for earlier in self.stores[:number]:
                    try:
                        earlier.put(entry, namespace)
                    except SaveFailed:
                        pass  # it is still where it was found
                return entry
        return None

    def put(self, entry: Entry, namespace: Mapping[str, Any]) -> None:
        """Keep an entry in all stores; a failure of one is raised when all have been tried."""
        failure: SaveFailed | None = None
        for store in self.stores:
            try:
                store.put(entry, namespace)
            except SaveFailed as error:
                failure = error
        if failure is not None:
            raise failure

    def clear(self) -> int:
        """Clear all stores."""
        return sum([store.clear() for store in self.stores])

    def __len__(self) -> int:
        return max(len(store) for store in self.stores)


_VISITS = 20_000


def estimated_bytes(value: object) -> int:
    """Return about how much memory objects take, without running code of them beyond ``nbytes`` and the like.

    At most twenty thousand objects are looked at; the rest of a larger structure is left out.
    """
    seen: set[int] = set()
    pending: list[Any] = [value]
    total = 0
    while pending and len(seen) < _VISITS:
        one = pending.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        total += _own_bytes(one)
        if isinstance(one, Mapping):
            pending += [*one.keys(), *one.values()]
        elif type(one) in {list, tuple, set, frozenset}:
            pending += one
        elif type(getattr(one, "__dict__", None)) is dict:
            pending.append(vars(one))
    return total


def _own_bytes(value: Any) -> int:
    kind = type(value)
    top = kind.__module__.partition(".")[0]
    try:
        if top in {"numpy", "pyarrow"} and hasattr(kind, "nbytes"):
            return int(value.nbytes)
        if top == "polars" and hasattr(kind, "estimated_size"):
            return int(value.estimated_size())
        if top == "pandas" and hasattr(kind, "memory_usage"):
            usage = value.memory_usage(deep=False)
            return int(usage if isinstance(usage, int) else usage.sum())
        return object.__sizeof__(value) if kind.__module__ != "builtins" else sys.getsizeof(value)
    except Exception:
        return 0
