"""The cache domain: what the caches of the notebook's code did, and emptying them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs

from callboard.actors.requests import Request
from callboard.caching.registry import Totals
from callboard.engines.calls import Progress
from callboard.messages.commands import ClearCacheCommand, GetCacheInfoCommand
from callboard.messages.notifications import CacheClearedNotification, CacheInfoNotification

COMMANDS = (ClearCacheCommand, GetCacheInfoCommand)


class CachesView(Protocol):
    """The caches of one kernel, from any thread, while cells use them."""

    def totals(self) -> Totals:
        """Sum up what they did; blocks for as long as the disk takes."""

    def clear(self, reached: Progress) -> int:
        """Empty them, keep their counters, and return the bytes freed; blocks for as long as the disk takes.

        ``reached`` is told how many files are gone.
        """


@attrs.define(eq=False)
class CacheAnswers:
    """Answers for all caches of the notebook: named or not, bound to a variable or not, in memory or in files.

    Neither command touches a variable, so neither waits for a cell. Given up midway, clearing goes on in its thread,
    and what it leaves is as good as what it found.
    """

    caches: CachesView

    def reads(self, command: ClearCacheCommand | GetCacheInfoCommand) -> Iterable[str]:
        """Name no variable."""
        return ()

    async def answer(
        self, request: Request[ClearCacheCommand | GetCacheInfoCommand]
    ) -> CacheClearedNotification | CacheInfoNotification:
        """Empty the caches, or say what they did."""
        # One at a time, so that no two look at files that the other removes.
        if isinstance(request.command, ClearCacheCommand):
            progress = request.progress("files")
            freed = await request.call(lambda: self.caches.clear(progress), exclusive=self.caches)
            return CacheClearedNotification(bytes_freed=freed)
        totals = await request.call(self.caches.totals, exclusive=self.caches)
        return CacheInfoNotification(
            hits=totals.hits,
            misses=totals.misses,
            time=totals.time_saved,
            disk_to_free=totals.disk_to_free,
            disk_total=totals.disk_total,
        )
