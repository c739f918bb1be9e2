"""One level out of the recursive, ordered listing of an object store, without reading what lies below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

Meta = Mapping[str, Any]
OpenStream = Callable[[str | None], Iterable[Iterable[Meta]]]
"""Lists everything behind a key, in the order of keys, in chunks."""

LAST: Final = "\U0010ffff"
"""Sorts behind everything that a key is likely to hold."""

SKIP_AFTER: Final = 1000
"""Objects of one directory in a row after which the rest of it is skipped: as many as stores list at a time."""

_MAX_CHECKS: Final = 20


@attrs.frozen
class Mark:
    """Where a scan can go on: behind a key, and inside of which directory that is."""

    after: str
    directory: str | None


@attrs.frozen
class Found:
    """A directory (no ``meta``) or an object of the level, and where to go on behind it."""

    path: str
    meta: Meta | None
    mark: Mark


def scan_level(
    open_stream: OpenStream,
    base: str,
    mark: Mark | None = None,
    *,
    is_directory: Callable[[str], bool] = lambda path: False,
    skip_after: int = SKIP_AFTER,
) -> Iterator[Found]:
    """Yield what is directly below ``base`` (empty, or ending in a slash), each directory once, in the order of keys.

    Holds one chunk at a time. A directory with many objects is left by listing anew behind it. ``is_directory`` is
    asked of a few empty objects: the marker of an empty folder looks like one.
    """
    after = mark.after if mark is not None else None
    directory = mark.directory if mark is not None else None
    checks = 0
    while True:
        in_a_row = 0
        skip: str | None = None
        for chunk in open_stream(after):
            for meta in chunk:
                path = meta["path"]
                if not path.startswith(base) or path == base:
                    continue
                head, slash, _ = path[len(base) :].partition("/")
                if not head:
                    continue
                found = base + head
                if slash:
                    in_a_row = in_a_row + 1 if found == directory else 1
                else:
                    in_a_row = 0
                    if not meta.get("size") and checks < _MAX_CHECKS and found != directory:
                        checks += 1
                        slash = "/" if is_directory(found) else ""
                    if not slash:
                        yield Found(found, meta, Mark(path, directory))
                        continue
                if found != directory:
                    directory = found
                    yield Found(found, None, Mark(_end_of(found), found))
            if in_a_row >= skip_after and directory is not None and after != _end_of(directory):
                skip = _end_of(directory)
                break
        if skip is None:
            return
        after = skip


def _end_of(directory: str) -> str:
    return f"{directory}/{LAST}"
