"""Garbage that Python finds only by looking through the whole heap, looked for when nobody waits.

A full collection stops every thread of the process: 30 to 50 ms with the usual libraries loaded, in which a slider
stands still. Python starts one by counting allocations, so it comes while somebody is at work.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

from callboard.actors.host import BetweenCells
from callboard.actors.quiet import Quiet

MIDDLE_COLLECTIONS: Final = 30
"""After how many collections of the middle generation Python may look through everything, in a kernel's process.

Its own figure is 10. In the further 20 about 170,000 objects more may gather in cyclic garbage where nobody ever rests.
"""
DUE: Final = 10
"""After how many of them there is a quiet sweep, unless the last ones found little."""
LITTLE: Final = 1000
"""Objects. A sweep that finds fewer makes the next one wait for twice as many collections of the middle generation."""
RARELY: Final = 640
"""How many of those it waits for at most."""
SHARE: Final = 0.01
"""How much of the time may go into sweeps."""
REST: Final = 5.0
"""Seconds between two looks for a quiet moment."""
PATIENCE: Final = 2.0
"""Seconds that a sweep may take; then a destructor that it runs is interrupted."""

_log = logging.getLogger(__name__)


@contextmanager
def full_collections_put_off() -> Iterator[Callable[[], None]]:
    """Have Python start full collections less often in the block, and none for what has been loaded before it.

    Gives what ends that early.
    """
    young, middle, full = gc.get_threshold()

    def put_back() -> None:
        gc.unfreeze()
        gc.set_threshold(young, middle, full)

    # Pythons that look through everything little by little have a zero there, and no such pause.
    if 0 < full < MIDDLE_COLLECTIONS:
        gc.set_threshold(young, middle, MIDDLE_COLLECTIONS)
    gc.freeze()
    try:
        yield put_back
    finally:
        put_back()


@attrs.define(eq=False)
class Sweeper:
    """Looks through the whole heap at quiet moments, on the thread of the notebook's code.

    There, for destructors of the notebook's objects run as they are found, and are interrupted after `PATIENCE`.
    Left out where the notebook has switched the collector off, and done less often where there is little to find.
    """

    host: BetweenCells
    quiet: Quiet
    _due: int = attrs.field(default=DUE, init=False)

    async def run(self) -> None:
        """Collect at quiet moments; for ever."""
        while True:
            await self.quiet.come()
            seconds = 0.0
            if gc.isenabled() and gc.get_count()[2] > self._due:
                seconds = await self._sweep()
            await trio.sleep(max(REST, seconds / SHARE))

    async def _sweep(self) -> float:
        """Collect, unless the moment is over by the time that it can be done; return the seconds it took."""
        accepted = self.quiet.accepted()
        took = 0.0

        def collect() -> None:
            nonlocal took
            if self.quiet.accepted() != accepted:
                return
            before = time.perf_counter()
            found = gc.collect()
            took = time.perf_counter() - before
            self._due = min(2 * self._due, RARELY) if found < LITTLE else DUE

        try:
            await self.host.between_cells(collect, limit=PATIENCE)
        except Exception as error:
            _log.warning("garbage was not looked for to the end: %s", type(error).__name__)
            return PATIENCE
        return took
