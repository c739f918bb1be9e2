"""Pages of a level as S3 itself gives them, where fsspec's way would read the level as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from callboard.actors.storage.entries import directory_entry, file_entry
from callboard.actors.storage.fsspec_calls import run
from callboard.actors.storage.paging import Bookmarks
from callboard.actors.storage.ports import Page, Stop
from callboard.messages.payloads import StorageEntry

_AT_A_TIME: Final = 1000
"""What S3 gives at most."""


def has_pages(fs: Any, path: str) -> bool:
    """Whether a level can be had in pages: a bucket or what is below it, without versions."""
    return (
        bool(path.strip("/"))
        and not getattr(fs, "version_aware", False)
        and callable(getattr(fs, "_call_s3", None))
        and callable(getattr(fs, "split_path", None))
    )


def list_page(
    fs: Any, path: str, offset: int, limit: int, bookmarks: Bookmarks, stop: Stop
) -> Page | None:
    """Read one page with as few requests as S3 needs for it; None if there is no such level. Blocks.

    A page that begins where an earlier one ended goes on from there; any other is counted from the beginning, a
    thousand entries at a time, of which only the page is kept.
    """
    return run(fs, lambda: _read_page(fs, path, offset, limit, bookmarks, stop), stop)


async def _read_page(
    fs: Any, path: str, offset: int, limit: int, bookmarks: Bookmarks, stop: Stop
) -> Page | None:
    bucket, key, _ = fs.split_path(path.rstrip("/"))
    prefix = f"{key}/" if key else ""
    token = bookmarks.get(fs, path, offset) if offset else None
    skip = 0 if token is not None else offset
    entries: list[StorageEntry] = []
    exists = offset > 0 or not prefix
    while True:
        stop.check()
        wanted = skip or limit - len(entries)
        answer = await fs._call_s3(
            "list_objects_v2",
            Bucket=bucket,
            Prefix=prefix,
            Delimiter="/",
            MaxKeys=min(_AT_A_TIME, wanted),
            **({"ContinuationToken": token} if token else {}),
            **(getattr(fs, "req_kw", None) or {}),
        )
        found, count = _entries_of(answer, bucket, prefix)
        exists = exists or count > 0
        if skip:
            skip -= len(found)
        else:
            entries += found
        token = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
        if token is None:
            return Page(entries, False) if exists else None
        if len(entries) >= limit:
            bookmarks.put(fs, path, offset + len(entries), token)
            return Page(entries, True)


def _entries_of(
    answer: Mapping[str, Any], bucket: str, prefix: str
) -> tuple[list[StorageEntry], int]:
    """Return the entries of an answer, without the marker of the level itself, and how many it had with that."""
    directories = [
        directory_entry(f"{bucket}/{common['Prefix'].rstrip('/')}")
        for common in answer.get("CommonPrefixes") or ()
    ]
    objects = answer.get("Contents") or ()
    files = [
        entry
        for info in objects
        if info["Key"] != prefix
        and (entry := file_entry({**info, "size": info.get("Size")}, f"{bucket}/{info['Key']}"))
    ]
    return directories + files, len(directories) + len(objects)
