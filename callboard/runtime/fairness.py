"""Leaves the interpreter to other threads while one never rests."""

from __future__ import annotations

import threading
import time

import trio

EVERY_SECONDS = 0.001
"""How long a thread may go on in between."""
REST_SECONDS = 0.00005
"""How long it asks to rest, which takes the system about twice as long: enough for another thread to wake up."""


class _Rested(threading.local):
    at = 0.0


_rested = _Rested()


async def fair_checkpoint() -> None:
    """Checkpoint, and let other threads of the process go on too; for a loop that never waits for anything.

    A trio program that always has something to do lets go of CPython's interpreter lock in every pass of its
    scheduler, for a microsecond: too short for another thread to wake up, and often enough for that thread's own claim
    (``sys.setswitchinterval``) to be put off each time. A call in a thread then takes tens of milliseconds that should
    take one. This rests for about a tenth of a millisecond, at most once in each.
    """
    await trio.lowlevel.checkpoint()
    if time.perf_counter() - _rested.at >= EVERY_SECONDS:
        time.sleep(REST_SECONDS)  # noqa: ASYNC251  (blocks this thread, on purpose)
        _rested.at = time.perf_counter()
