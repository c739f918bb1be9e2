"""Garbage that Python finds only by looking through the whole heap, looked for when nobody waits.

A full collection stops every thread of the process: 30 to 50 ms with the usual libraries loaded, in which a slider
stands still. Python starts one by counting allocations, so it comes while somebody is at work.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import attrs
import trio

from callboard.actors.quiet import Quiet

MIDDLE_COLLECTIONS: Final = 30
"""After how many collections of the middle generation Python looks through everything, in a kernel's process.

Its own figure is 10. That many more survive in cyclic garbage if nobody ever rests: some 200,000 objects.
"""
SHARE: Final = 0.01
"""How much of the time may go into full collections at quiet moments."""
REST: Final = 5.0
"""Seconds between two looks for a quiet moment."""


@contextmanager
def full_collections_put_off() -> Iterator[None]:
    """Have Python start full collections less often in the block, and none for what has been loaded before it."""
    young, middle, full = gc.get_threshold()
    # Pythons that look through everything little by little have a zero there, and no such pause.
    if 0 < full < MIDDLE_COLLECTIONS:
        gc.set_threshold(young, middle, MIDDLE_COLLECTIONS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(young, middle, full)


@attrs.define(eq=False)
class Sweeper:
    """Looks through the whole heap at quiet moments, on the thread of the notebook's code.

    There, for destructors of the notebook's objects run as they are found. Left out while there is little to find, and
    where the notebook has switched the collector off.
    """

    submit: Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
    """Has a job carried out on the thread of the notebook's code."""
    quiet: Quiet

    async def run(self) -> None:
        """Collect at quiet moments; for ever."""
        while True:
            await self.quiet.come()
            seconds = await self._sweep() if _is_due() else 0.0
            await trio.sleep(max(REST, seconds / SHARE))

    async def _sweep(self) -> float:
        swept = trio.Event()
        token = trio.lowlevel.current_trio_token()
        took = 0.0

        async def job() -> None:
            nonlocal took
            before = time.perf_counter()
            try:
                gc.collect()
            finally:
                took = time.perf_counter() - before
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(swept.set)

        self.submit(job)
        await swept.wait()
        return took


def _is_due() -> bool:
    """Say whether Python would have looked through everything if its own figure held."""
    return gc.isenabled() and gc.get_count()[2] > 10
