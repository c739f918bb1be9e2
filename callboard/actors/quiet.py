"""Moments in which the kernel has nothing to do, for work that can be left for one."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

QUIET_SECONDS = 1.0
"""For how long nothing has to have been asked of the kernel; a hand that drags a slider rests less than that."""
_LOOK_SECONDS = QUIET_SECONDS / 4


@attrs.frozen
class Quiet:
    """Tells when nothing has been asked for, and nothing was under way, for `QUIET_SECONDS`. Trio thread only."""

    accepted: Callable[[], int]
    """How many commands have been accepted until now."""
    in_flight: Callable[[], int]
    """How many of them have not ended."""

    async def come(self) -> None:
        """Wait for a quiet moment, which may never come. A checkpoint."""
        before: int | None = None
        since = trio.current_time()
        while True:
            # Not so long as something is under way: whoever waits for it is about to go on.
            now = None if self.in_flight() else self.accepted()
            if now is None or now != before:
                before, since = now, trio.current_time()
            elif trio.current_time() - since >= QUIET_SECONDS:
                return
            await trio.sleep(_LOOK_SECONDS)
