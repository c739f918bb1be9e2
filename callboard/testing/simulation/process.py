"""The process around a simulation: what must not interfere with it, and what it must not leave behind."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {"PATH": "/simulated/bin", "SIMULATED_KEY": "simulated value"}
"""The environment variables of every simulation, which names of secrets are told of."""


@contextmanager
def same_everywhere() -> Iterator[None]:
    """Have the process the same environment variables wherever it runs."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def resources() -> dict[str, set[str]]:
    """Name what this process holds: its threads and its file descriptors."""
    descriptors = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    return {
        "thread": {f"{thread.name} {thread.ident}" for thread in threading.enumerate()},
        "descriptor": descriptors,
    }


def leaked(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """Say what is held after and was not before."""
    return [f"{kind} {one}" for kind in before for one in sorted(after[kind] - before[kind])]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector from deciding when objects die, and failures that are meant out of the log."""
    collecting = gc.isenabled()
    gc.disable()
    logger = logging.getLogger("callboard")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
        if collecting:
            gc.enable()
