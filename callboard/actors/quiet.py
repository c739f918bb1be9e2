"""Moments in which the kernel has nothing to do, for work that can be left for one."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

QUIET_SECONDS = 1.0
"""For how long nothing has to have been asked of the kernel; a hand that drags a slider rests less than that."""


@attrs.frozen
class Quiet:
    """Tells when nothing has been asked for `QUIET_SECONDS` and nothing is under way. Trio thread only."""

    accepted: Callable[[], int]
    """How many commands have been accepted until now."""
    in_flight: Callable[[], int]
    """How many of them have not ended."""

    async def come(self) -> None:
        """Wait for a quiet moment, which may never come. A checkpoint."""
        before = -1
        while (accepted := self.accepted()) != before or self.in_flight():
            before = accepted
            await trio.sleep(QUIET_SECONDS)
