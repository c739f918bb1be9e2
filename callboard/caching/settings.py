"""What was asked for when a cache was made."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import attrs

from callboard.caching.files import FileOps, FileStore, default_folder
from callboard.caching.store import MemoryStore, Store


@attrs.frozen
class Settings:
    """How a cache is to be."""

    what: str
    """The name of what made it, such as ``cb.cache``."""
    name: str | None = None
    pin_modules: bool = False
    maxsize: int | None = None
    persistent: bool = False
    save_path: str | None = None
    method: str = "pickle"
    store: Store | Callable[[str], Store] | None = None
    given: object = None
    """What the author gave for a store: it tells stores apart."""

    def make_store(self, name: str, namespace: dict[str, Any], files: FileOps) -> Store:
        """Make the store of one cache of this name, for a notebook."""
        if not self.persistent:
            return MemoryStore(self.maxsize)
        if callable(self.store):
            return self.store(name)
        if self.store is not None:
            return self.store
        return FileStore(self._folder(namespace), name, self.method, files)

    def identity(self, name: str, namespace: dict[str, Any]) -> Hashable:
        """Return what makes a store another one."""
        if not self.persistent:
            return ("memory",)
        if self.store is not None:
            return ("store", name, id(self.given))
        return ("files", name, self._folder(namespace), self.method)

    def _folder(self, namespace: dict[str, Any]) -> str:
        return self.save_path or default_folder(namespace)
