"""Stores of obstore.

They may be used by any thread: the library is native code that takes what it needs from the store, releases the
interpreter and does the work on threads of its own. Only a store whose credentials come from code of the notebook
is used on the cell thread, as that code is called along the way.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from callboard.actors.storage.entries import directory_entry, object_entry, size_in
from callboard.actors.storage.level_scan import Found, Mark, Meta, scan_level
from callboard.actors.storage.local_directory import local_page
from callboard.actors.storage.paging import Bookmarks
from callboard.actors.storage.ports import Page, Stop, StorageFault
from callboard.actors.storage.protocols import display_name_of, protocol_of
from callboard.actors.storage.recognition import belongs_to, name_of
from callboard.actors.storage.redaction import secrets_in
from callboard.engines.placement import Place, Placement
from callboard.messages.ids import VariableName
from callboard.messages.payloads import StorageEntry, StorageNamespace

_PACKAGES: Final = frozenset({"obstore"})
_KINDS: Final = {
    "S3Store": "s3",
    "GCSStore": "gcs",
    "AzureStore": "azure",
    "HTTPStore": "http",
    "LocalStore": "file",
    "MemoryStore": "memory",
}
_ORDERED: Final = frozenset({"S3Store", "GCSStore"})
"""Their servers list in the order of keys, and can begin anywhere."""
_SIGNING: Final = frozenset({"S3Store", "GCSStore", "AzureStore"})
_READ_BYTES: Final = 4_000_000
_LIST_CHUNK: Final = 1000

_THREAD_SAFE: Final = Placement(
    Place.ANY_THREAD, "obstore: native code on threads of its own, which any thread may call"
)
_OWN_CREDENTIALS: Final = Placement(
    Place.CELL_THREAD, "obstore: its credentials come from code of the notebook"
)
_DERIVED: Final = Placement(
    Place.CELL_THREAD, "obstore: a class of the notebook, of which nothing is known"
)


@attrs.define(eq=False)
class ObstoreBackend:
    """One store. S3, Google and local stores are read as far as the page goes.

    Azure, memory and HTTP stores give a level only as a whole: one page is kept and the rest is dropped at once, but
    the library holds all of it for a moment. Symbolic links of a local store are followed, as the library does:
    whoever owns the disk has put them there.
    """

    store: Any
    bookmarks: Bookmarks
    placement: Placement = attrs.field(init=False)
    exclusive: object | None = attrs.field(init=False)
    _kind: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kind = next(
            (
                name
                for module, name in map(name_of, type(self.store).__mro__)
                if module == "obstore._store"
            ),
            "",
        )
        self.placement = _placement(self.store)
        self.exclusive = None if self.placement is _THREAD_SAFE else self.store

    def secrets(self) -> Iterable[str]:
        """Name the secrets of the store's configuration."""
        return secrets_in([self._option("config"), self._option("client_options"), self._url()])

    def namespace(self, name: VariableName) -> StorageNamespace:
        """Describe the store."""
        config = self._config()
        endpoint = config.get("endpoint") or self._url()
        protocol = protocol_of(_KINDS.get(self._kind, self._kind), endpoint or None)
        root = self._prefix() or str(
            config.get("bucket") or config.get("container_name") or self._url() or ""
        )
        return StorageNamespace(name, display_name_of(protocol), protocol, root, "obstore")

    def list_page(self, prefix: str | None, offset: int, limit: int, stop: Stop) -> Page:
        """List a part of the level below a prefix: within a page, directories come first."""
        level = (prefix or "").strip("/")
        if self._kind in _ORDERED and not self._is_directory_bucket():
            page = self._scan(level, offset, limit, stop)
        elif self._kind == "LocalStore":
            page = local_page(self._directory(level), level, offset, limit, stop)
        else:
            page = self._whole(level, offset, limit)
        if not page.entries and not offset and level and not self._exists(level):
            raise StorageFault(f"there is nothing under the prefix {prefix!r}")
        return page

    def size(self, path: str, stop: Stop) -> int | None:
        """Ask for the size of an object."""
        try:
            meta = self._library().head(self.store, self._object(path))
        except FileNotFoundError as error:
            raise StorageFault(f"there is no object {path!r}") from error
        return size_in(meta.get("size"))

    def sign(self, path: str, seconds: float, stop: Stop) -> str | None:
        """Sign an address, if this kind of store can."""
        if self._kind not in _SIGNING:
            return None
        url = self._library().sign(
            self.store, "GET", self._object(path), datetime.timedelta(seconds=seconds)
        )
        return url if isinstance(url, str) else None

    def read(self, path: str, max_bytes: int, size: int | None, stop: Stop) -> bytes:
        """Read an object; what lies behind the end of the part is not fetched."""
        try:
            result = self._library().get(self.store, self._object(path))
        except FileNotFoundError as error:
            raise StorageFault(f"there is no object {path!r}") from error
        chunks: list[bytes] = []
        missing = max_bytes
        for chunk in result.stream(min_chunk_size=min(max_bytes, _READ_BYTES)):
            part = bytes(chunk)[:missing]
            chunks.append(part)
            missing -= len(part)
            stop.reached(max_bytes - missing, size)
            if missing <= 0:
                break
        return b"".join(chunks)

    def _scan(self, level: str, offset: int, limit: int, stop: Stop) -> Page:
        library = self._library()

        def open_stream(after: str | None) -> Iterator[list[Meta]]:
            for chunk in library.list(
                self.store, level or None, offset=after, chunk_size=_LIST_CHUNK
            ):
                stop.check()
                yield chunk

        def is_directory(path: str) -> bool:
            stop.check()
            return any(
                True for chunk in library.list(self.store, path, chunk_size=1) for _ in chunk
            )

        mark: Mark | None = self.bookmarks.get(self.store, level, offset) if offset else None
        skip = 0 if mark is not None else offset
        base = f"{level}/" if level else ""
        page: list[Found] = []
        for found in scan_level(open_stream, base, mark, is_directory=is_directory):
            if skip:
                skip -= 1
                continue
            if len(page) == limit:
                self.bookmarks.put(self.store, level, offset + limit, page[-1].mark)
                return Page(_entries(page), True)
            page.append(found)
        return Page(_entries(page), False)

    def _whole(self, level: str, offset: int, limit: int) -> Page:
        listing = self._library().list_with_delimiter(self.store, level or None)
        prefixes: list[str] = listing["common_prefixes"]
        objects: list[Meta] = listing["objects"]
        entries = [directory_entry(path) for path in prefixes[offset : offset + limit]]
        count = len(prefixes)
        for meta in objects:
            if meta["path"].strip("/") == level:
                # The marker of the folder itself.
                continue
            if offset <= count < offset + limit:
                entries.append(object_entry(meta, meta["path"]))
            elif count >= offset + limit:
                break
            count += 1
        else:
            return Page(entries, count > offset + limit)
        return Page(entries, True)

    def _exists(self, level: str) -> bool:
        if self._kind == "LocalStore":
            return os.path.isdir(self._directory(level))
        return any(
            True for chunk in self._library().list(self.store, level, chunk_size=1) for _ in chunk
        )

    def _directory(self, level: str) -> str:
        return os.path.join(self._prefix() or "/", level)

    def _is_directory_bucket(self) -> bool:
        # S3 Express lists in no order.
        return str(self._config().get("bucket") or "").endswith("--x-s3")

    def _object(self, path: str) -> str:
        if not path.strip("/"):
            raise StorageFault("path names no object")
        return path

    def _prefix(self) -> str:
        prefix = self._option("prefix")
        return "" if prefix is None else str(prefix)

    def _url(self) -> str:
        return str(self._option("url") or "") if self._kind == "HTTPStore" else ""

    def _config(self) -> dict[str, Any]:
        config = self._option("config")
        return config if isinstance(config, dict) else {}

    def _option(self, name: str) -> Any:
        try:
            # What the library itself says: a class of the notebook may have put code in its place.
            return getattr(_native(self.store), name).__get__(self.store)
        except AttributeError:
            return None

    def _library(self) -> Any:
        return sys.modules["obstore"]


def _native(store: Any) -> type:
    for base in type(store).__mro__:
        if name_of(base)[0] == "obstore._store":
            return base
    raise AttributeError("no store of obstore")


def _placement(store: Any) -> Placement:
    if not belongs_to(type(store), _PACKAGES):
        return _DERIVED
    provider = getattr(store, "credential_provider", None)
    if provider is not None and not belongs_to(type(provider), _PACKAGES):
        return _OWN_CREDENTIALS
    return _THREAD_SAFE


def _entries(page: list[Found]) -> list[StorageEntry]:
    directories = [directory_entry(found.path) for found in page if found.meta is None]
    objects = [object_entry(found.meta, found.path) for found in page if found.meta is not None]
    return directories + objects
