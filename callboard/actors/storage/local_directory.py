"""Directories of the system, read as far as a page goes: their library would read them as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

from callboard.actors.storage.entries import directory_entry, object_entry
from callboard.actors.storage.ports import Page, Stop
from callboard.messages.payloads import StorageEntry


def local_page(directory: str, level: str, offset: int, limit: int, stop: Stop) -> Page:
    """Read one page of a directory, directories before files; empty if there is no such directory. Blocks.

    ``level`` is the path of the directory in its store. The order is that of the system, which is the same as long as
    nothing changes.
    """
    try:
        page = list(islice(_items(directory, stop), offset, offset + limit + 1))
    except (FileNotFoundError, NotADirectoryError):
        return Page([], False)
    return Page([_entry(item, level) for item in page[:limit]], len(page) > limit)


def _items(directory: str, stop: Stop) -> Iterator[os.DirEntry[str]]:
    for wanted in (True, False):
        with os.scandir(directory) as items:
            for item in items:
                stop.check()
                if _is_directory(item) is wanted:
                    yield item


def _is_directory(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:
        # A symbolic link to itself.
        return False


def _entry(item: os.DirEntry[str], level: str) -> StorageEntry:
    path = f"{level}/{item.name}" if level else item.name
    if _is_directory(item):
        return directory_entry(path)
    try:
        status = item.stat()
    except OSError:
        # It has gone, leads nowhere or may not be looked at.
        return object_entry({}, path)
    return object_entry({"size": status.st_size, "last_modified": status.st_mtime}, path)
