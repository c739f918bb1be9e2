"""Leaves the interpreter to other threads while one never rests."""

from __future__ import annotations

import time

import trio

EVERY_SECONDS = 0.001
"""How long a thread may go on in between."""
REST_SECONDS = 0.00005
"""How long it rests: as long as it takes the system to wake another thread up."""

_rested = 0.0


async def fair_checkpoint() -> None:
    """Checkpoint, and let other threads of the process go on too; for a loop that never waits for anything.

    A trio program that always has something to do lets go of CPython's interpreter lock in every pass of its
    scheduler, for a microsecond: too short for another thread to wake up, and often enough for that thread's own claim
    (``sys.setswitchinterval``) to be put off each time. A call in a thread then takes tens of milliseconds that should
    take one. This rests for 50 µs, but not more often than once in a millisecond.
    """
    global _rested
    await trio.lowlevel.checkpoint()
    if time.perf_counter() - _rested >= EVERY_SECONDS:
        time.sleep(REST_SECONDS)  # noqa: ASYNC251  (blocks this thread, on purpose)
        _rested = time.perf_counter()
