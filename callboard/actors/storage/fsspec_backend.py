"""Filesystems of fsspec."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, MutableMapping
from itertools import islice
from typing import Any, Final

import attrs

from callboard.actors.storage import s3fs_pages
from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.entries import file_entry, page_of, size_in
from callboard.actors.storage.fsspec_calls import call
from callboard.actors.storage.fsspec_http import vetted
from callboard.actors.storage.fsspec_placement import HTTP, LOCAL, S3, Target, target_of
from callboard.actors.storage.paging import Bookmarks
from callboard.actors.storage.paths import chains, check_web_path, scheme_of
from callboard.actors.storage.ports import Page, Stop, StorageFault
from callboard.actors.storage.protocols import display_name_of, protocol_of
from callboard.actors.storage.redaction import secrets_in
from callboard.engines.placement import Placement
from callboard.messages.ids import VariableName
from callboard.messages.payloads import StorageEntry, StorageNamespace

_READ_BYTES: Final = 4_000_000


@attrs.define(eq=False)
class FsspecBackend:
    """One filesystem.

    A level of S3 and of the local filesystem is read as far as the page goes. The others give a level only as a
    whole: one page is kept and the rest is dropped, unless the filesystem keeps listings itself, as its author may
    have told it to. Symbolic links are followed, as the library does: whoever owns the disk has put them there.
    """

    fs: Any
    bookmarks: Bookmarks
    policy: AddressPolicy
    target: Target = attrs.field(init=False)
    _vetted: dict[str, tuple[Target, str]] = attrs.field(factory=dict, init=False)
    """What became of addresses that a client named: one request of it needs several calls."""

    def __attrs_post_init__(self) -> None:
        self.target = target_of(self.fs)

    @property
    def placement(self) -> Placement:
        """Where calls run, and why there."""
        return self.target.placement

    @property
    def exclusive(self) -> object | None:
        """What two calls must not use at the same time, if anything."""
        return self.target.exclusive

    def secrets(self) -> Iterator[str]:
        """Name the secrets among the options of the filesystem."""
        for fs in (self.fs, self.target.fs):
            attributes = _attributes(fs)
            texts = {name: value for name, value in attributes.items() if isinstance(value, str)}
            for name in ("storage_options", "storage_args", "kwargs", "client_kwargs"):
                yield from secrets_in(attributes.get(name))
            yield from secrets_in(texts)

    def namespace(self, name: VariableName) -> StorageNamespace:
        """Describe the filesystem, from what needs none of its code."""
        kind = _static(self.target.fs, "protocol")
        if isinstance(kind, list | tuple):
            kind = kind[0] if kind else ""
        root = _static(self.fs, "root_marker")
        protocol = protocol_of(kind if isinstance(kind, str) else "", self._endpoint())
        return StorageNamespace(
            name,
            display_name_of(protocol),
            protocol,
            root if isinstance(root, str) else "",
            "fsspec",
        )

    def list_page(self, prefix: str | None, offset: int, limit: int, stop: Stop) -> Page:
        """List a part of the level below a prefix, in the order in which the filesystem gives it."""
        target, path = self._open("prefix", prefix or "", stop)
        if target.name == LOCAL:
            page = _local_page(target.fs, path, offset, limit, stop)
        elif target.name == S3 and s3fs_pages.has_pages(target.fs, path):
            page = s3fs_pages.list_page(target.fs, path, offset, limit, self.bookmarks, stop)
        else:
            page = None
        if page is None:
            page = self._whole(target, path, offset, limit, stop)
        if not target.base:
            return page
        return Page(list(_moved(page.entries, target)), page.more)

    def size(self, path: str, stop: Stop) -> int | None:
        """Ask for the size of a file."""
        target, inside = self._open("path", path, stop)
        if not path.strip("/"):
            raise StorageFault("path names no file")
        try:
            info = call(target, "info", inside, stop=stop)
        except FileNotFoundError as error:
            raise StorageFault(f"there is no file {path!r}") from error
        if not isinstance(info, dict):
            raise StorageFault(f"the storage said nothing of {path!r} that can be used")
        if info.get("type") == "directory":
            raise StorageFault(f"{path!r} is a directory")
        if target.name == LOCAL and info.get("type") != "file":
            # A pipe would be waited for without end, and a device may give without end.
            raise StorageFault(f"{path!r} is no regular file")
        return size_in(info.get("size"))

    def sign(self, path: str, seconds: float, stop: Stop) -> str | None:
        """Sign an address, if this filesystem can."""
        if self.target.name in (HTTP, LOCAL):
            return None
        target, inside = self._open("path", path, stop)
        try:
            url = target.fs.sign(inside, expiration=round(seconds))
        except NotImplementedError:
            return None
        return url if isinstance(url, str) and scheme_of(url) in ("http", "https") else None

    def read(self, path: str, max_bytes: int, size: int | None, stop: Stop) -> bytes:
        """Read a file in parts. A text that the filesystem gives instead is encoded as UTF-8."""
        target, inside = self._open("path", path, stop)
        if size == 0:
            return b""
        if target.asynchronous and target.name != HTTP and size is not None:
            chunks: Iterable[bytes] = _ranges(target, inside, min(size, max_bytes), stop)
        else:
            # Servers of the web may ignore a range, which only this way of reading bounds.
            chunks = _stream(target.fs, inside, max_bytes, stop)
        parts: list[bytes] = []
        done = 0
        for chunk in chunks:
            parts.append(chunk)
            done += len(chunk)
            stop.reached(done, size)
        return b"".join(parts)[:max_bytes]

    def _open(self, field: str, path: str, stop: Stop) -> tuple[Target, str]:
        """Check a client's path; return the filesystem for it, and the path there."""
        target = self.target
        scheme = scheme_of(path)
        if chains(path) or (scheme is not None and (target.base or scheme not in _own(target.fs))):
            raise StorageFault(f"{field} must be a path of this storage, not an address of another")
        if target.name == HTTP and not target.base:
            if not path:
                raise StorageFault(f"{field} must be an address: the web has no beginning")
            if path not in self._vetted:
                fs, address = vetted(target.fs, field, path, self.policy, stop)
                self._vetted[path] = attrs.evolve(target, fs=fs), address
            return self._vetted[path]
        if "http" in _own(target.fs):
            check_web_path(field, path)
        return target, target.inside(path)

    def _whole(self, target: Target, path: str, offset: int, limit: int, stop: Stop) -> Page:
        listing = call(target, "ls", path, stop=stop, detail=True)
        if _is_only(listing, path):
            # Perhaps it was cached when it was no directory yet.
            parent = path.rstrip("/").rpartition("/")[0]
            cache = _attributes(target.fs).get("dircache")
            if isinstance(cache, MutableMapping):
                for stale in {path, path.strip("/"), parent, parent.strip("/"), ""}:
                    cache.pop(stale, None)
            listing = call(target, "ls", path, stop=stop, detail=True)
        if target.name == HTTP and isinstance(listing, list):
            # It gives the links of a page in no order.
            listing.sort(key=lambda info: str(info["name"]))
        skip = () if _is_only(listing, path) else (path.rstrip("/"), path.strip("/"))
        return page_of(listing, offset, limit, [name for name in skip if name])

    def _endpoint(self) -> str | None:
        attributes = _attributes(self.target.fs)
        options = [attributes.get("client_kwargs"), attributes.get("storage_options")]
        found = [attributes.get("endpoint_url")]
        found += [one.get("endpoint_url") for one in options if isinstance(one, dict)]
        return next((one for one in found if isinstance(one, str) and one), None)


def _local_page(fs: Any, path: str, offset: int, limit: int, stop: Stop) -> Page | None:
    """Read a directory as far as the page goes; None if it is none."""
    try:
        scan = os.scandir(fs._strip_protocol(path))
    except NotADirectoryError:
        return None
    entries: list[StorageEntry] = []
    with scan:
        for item in islice(scan, offset, None):
            stop.check()
            if len(entries) == limit:
                return Page(entries, True)
            try:
                info = fs.info(item)
                if info.get("islink") and item.is_dir():
                    info["type"] = "directory"
            except OSError:
                # It has gone, or may not be looked at; its name is still there to be counted.
                info = {"name": fs._strip_protocol(item.path)}
            entry = file_entry(info)
            if entry is not None:
                entries.append(entry)
    return Page(entries, False)


def _ranges(target: Target, path: str, end: int, stop: Stop) -> Iterator[bytes]:
    for start in range(0, end, _READ_BYTES):
        yield call(
            target, "cat_file", path, start=start, end=min(start + _READ_BYTES, end), stop=stop
        )


def _stream(fs: Any, path: str, max_bytes: int, stop: Stop) -> Iterator[bytes]:
    missing = max_bytes
    with fs.open(path, "rb") as file:
        while missing > 0:
            stop.check()
            part = file.read(min(missing, _READ_BYTES))
            if isinstance(part, str):
                part = part.encode("utf-8")
            if not isinstance(part, bytes | bytearray | memoryview):
                raise StorageFault(f"the storage gave a {type(part).__name__} for a file's content")
            if not part:
                return
            yield bytes(part)
            missing -= len(part)


def _moved(entries: Iterable[StorageEntry], target: Target) -> Iterator[StorageEntry]:
    for entry in entries:
        path = target.outside(entry.path)
        if path is not None:
            yield attrs.evolve(entry, path=path)


def _is_only(listing: object, path: str) -> bool:
    """Whether a listing has nothing but the listed path itself."""
    if not isinstance(listing, list) or len(listing) != 1 or not path.strip("/"):
        return False
    only = listing[0]
    name = only.get("name") if isinstance(only, dict) else only
    return isinstance(name, str) and name.strip("/") == path.strip("/")


def _own(fs: Any) -> tuple[str, ...]:
    """Return the schemes of a filesystem's own addresses."""
    protocol = _static(fs, "protocol")
    if isinstance(protocol, str):
        return (protocol,)
    if isinstance(protocol, list | tuple):
        return tuple(one for one in protocol if isinstance(one, str))
    return ()


def _static(fs: Any, name: str) -> object:
    return inspect.getattr_static(fs, name, None)


def _attributes(fs: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(fs, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}
