"""How far a request is that takes long, told to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs
import trio

EVERY_SECONDS = 0.5
"""How long nothing is told at first, and between two times: what is quick is not worth a word."""


@attrs.define(eq=False)
class Progress:
    """Takes what a call has done so far, as often as the call likes, and tells it now and then.

    Made on the trio thread; to be called from any one thread.
    """

    tell: Callable[[int, int | None], object]
    """Called on the trio thread with how much was done, and of how much if that is known."""
    _clock: Callable[[], float] = attrs.field(init=False)
    _token: trio.lowlevel.TrioToken = attrs.field(
        factory=trio.lowlevel.current_trio_token, init=False
    )
    _told_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._clock = trio.lowlevel.current_clock().current_time
        self._told_at = self._clock()

    def __call__(self, done: int, total: int | None = None) -> None:
        """Take note of it. Quick, waits for nothing, never raises."""
        now = self._clock()
        if now - self._told_at >= EVERY_SECONDS:
            self._told_at = now
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self.tell, done, total)
