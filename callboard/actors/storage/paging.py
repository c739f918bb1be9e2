"""Pages of a listing: what may be asked for, and how the next one is called."""

from __future__ import annotations

import re
import threading
import weakref
from collections import OrderedDict
from typing import Any, Final

import attrs

from callboard.actors.storage.ports import StorageFault

MAX_LIMIT: Final = 1000
"""Entries of one page; a larger limit is cut to this, and the listing goes on with the next page."""
MAX_OFFSET: Final = 100_000_000

_TOKEN: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


@attrs.frozen
class Window:
    """Which part of a listing is asked for: at most ``limit`` entries from the ``offset``-th on."""

    offset: int
    limit: int

    def next_token(self, count: int, more: bool) -> str | None:
        """Name the page behind one with ``count`` entries; None behind the last one."""
        return str(self.offset + count) if more and count else None


def window_of(limit: int, page_token: str | None) -> Window:
    """Read what a client asks for.

    Raises:
        StorageFault: it makes no sense; the text names the field.
    """
    if limit < 1:
        raise StorageFault(f"limit must be at least 1, not {_cut(str(limit))}")
    offset = 0
    if page_token is not None:
        if not _TOKEN.fullmatch(page_token) or int(page_token) > MAX_OFFSET:
            raise StorageFault(
                f"pageToken must be the token of a page before, a whole number up to {MAX_OFFSET}, "
                f"not {_cut(page_token)!r}"
            )
        offset = int(page_token)
    return Window(offset, min(limit, MAX_LIMIT))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


class Bookmarks:
    """Remembers where pages ended, so that the next one need not be counted from the beginning.

    A mark is whatever the backend can go on from. Bounded: the marks unused for longest are forgotten, which costs
    time and nothing else. Any thread may use it. Keeps no storage alive.
    """

    def __init__(self, max_marks: int = 500) -> None:
        self._max_marks = max_marks
        self._lock = threading.Lock()
        self._marks: OrderedDict[tuple[int, str, int], tuple[weakref.ref[Any], Any]] = OrderedDict()

    def put(self, store: object, level: str, offset: int, mark: object) -> None:
        """Remember how to go on at the ``offset``-th entry of a level."""
        try:
            holder = weakref.ref(store)
        except TypeError:
            return
        with self._lock:
            key = (id(store), level, offset)
            self._marks[key] = (holder, mark)
            self._marks.move_to_end(key)
            if len(self._marks) > self._max_marks:
                self._marks.popitem(last=False)

    def get(self, store: object, level: str, offset: int) -> Any:
        """Return the mark for going on at the ``offset``-th entry of a level, None if it is not known."""
        with self._lock:
            key = (id(store), level, offset)
            found = self._marks.get(key)
            if found is None or found[0]() is not store:
                return None
            self._marks.move_to_end(key)
            return found[1]
