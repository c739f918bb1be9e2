"""Entries out of whatever libraries say of a file."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from callboard.actors.storage.mime import mime_type_of
from callboard.actors.storage.ports import Page, StorageFault
from callboard.messages.payloads import StorageEntry

# Those that say something of the file and nothing of the one who asks.
_METADATA: Final = (
    "ETag",
    "etag",
    "e_tag",
    "version",
    "VersionId",
    "version_id",
    "StorageClass",
    "storageClass",
    "ContentType",
    "contentType",
    "content_type",
    "mimetype",
    "islink",
)
_TIMES: Final = (
    "last_modified",
    "LastModified",
    "mtime",
    "modified",
    "updated",
    "timeModified",
    "created",
    "creation_time",
)
_MAX_TEXT: Final = 500
_MAX_SIZE: Final = 2**63


def directory_entry(path: str) -> StorageEntry:
    """Make the entry of a directory."""
    return StorageEntry(encodable(path), "directory", 0)


def encodable(text: str) -> str:
    """Return a text in which what no encoding knows is replaced: names of the system may be any bytes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def object_entry(meta: Mapping[str, Any], path: str) -> StorageEntry:
    """Make the entry of an object in an object store."""
    path = encodable(path)
    return StorageEntry(
        path,
        "object",
        size_in(meta.get("size")) or 0,
        timestamp_in(meta),
        metadata_in(meta),
        mime_type_of(path),
    )


def file_entry(info: object, path: str | None = None) -> StorageEntry | None:
    """Make the entry of what a filesystem says of a file; None if it says nothing that can be used.

    ``path`` stands in for the name it gives.
    """
    if isinstance(info, str):
        info = {"name": info}
    if not isinstance(info, Mapping):
        return None
    name = info.get("name") if path is None else path
    if not isinstance(name, str):
        return None
    name = encodable(name)
    if info.get("type") == "directory":
        return StorageEntry(name, "directory", 0, timestamp_in(info), metadata_in(info))
    return StorageEntry(
        name,
        "file",
        size_in(info.get("size")) or 0,
        timestamp_in(info),
        metadata_in(info),
        mime_type_of(name),
    )


def size_in(size: object) -> int | None:
    """Return a size in bytes, None if it is none."""
    if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _MAX_SIZE:
        return int(size)
    return None


def timestamp_in(info: Mapping[str, Any]) -> float | None:
    """Return when a file was last changed, in Unix seconds; None if that is not told."""
    for name in _TIMES:
        seconds = _seconds(info.get(name))
        if seconds is not None:
            return seconds
    return None


def _seconds(moment: object) -> float | None:
    try:
        if isinstance(moment, str):
            moment = datetime.datetime.fromisoformat(moment)
        if isinstance(moment, datetime.datetime):
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            moment = moment.timestamp()
        if isinstance(moment, int | float) and not isinstance(moment, bool):
            seconds = float(moment)
            return seconds if math.isfinite(seconds) else None
    except (ValueError, OverflowError, OSError):
        # No moment after all.
        pass
    return None


def metadata_in(info: Mapping[str, Any]) -> dict[str, object]:
    """Return what else is worth knowing of a file."""
    found: dict[str, object] = {}
    for name in _METADATA:
        value = info.get(name)
        if isinstance(value, str) and value:
            found[name] = encodable(value[:_MAX_TEXT])
        elif value is True:
            found[name] = value
    return found


def page_of(listing: object, offset: int, limit: int, skip: Iterable[str] = ()) -> Page:
    """Cut a page out of a listing that a filesystem gives as a whole; of the rest nothing is kept.

    Raises:
        StorageFault: it gave something else than a listing.
    """
    if not isinstance(listing, list | tuple):
        raise StorageFault(f"the storage answered with a {type(listing).__name__}, not a listing")
    skipped = frozenset(skip)
    usable = (info for info in listing if _is_usable(info) and not _named(info, skipped))
    page = list(islice(usable, offset, offset + limit + 1))
    entries = [entry for info in page[:limit] if (entry := file_entry(info)) is not None]
    return Page(entries, len(page) > limit)


def _is_usable(info: object) -> bool:
    return isinstance(info, str) or (
        isinstance(info, Mapping) and isinstance(info.get("name"), str)
    )


def _named(info: Any, names: frozenset[str]) -> bool:
    name = info if isinstance(info, str) else info["name"]
    return name.rstrip("/") in names
