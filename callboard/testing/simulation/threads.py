"""Threads of a simulation: tasks that take virtual time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

import attrs
import trio
from outcome import Outcome, capture

T = TypeVar("T")


@attrs.define(eq=False)
class SimulatedThreads:
    """Runs the blocking calls of domains one after another, each after a while. A ``ThreadPool``."""

    rng: Random
    slowest: float = 0.2
    """Virtual seconds that a call takes at most."""
    running: int = 0

    def start(
        self, function: Callable[[], T], deliver: Callable[[Outcome[T]], object], name: str
    ) -> None:
        """Run a function at some time within the next moments."""
        seconds = self.rng.uniform(0, self.slowest)
        self.running += 1

        async def run() -> None:
            try:
                await trio.sleep(seconds)
                deliver(capture(function))
            finally:
                self.running -= 1

        trio.lowlevel.spawn_system_task(run, name=name)
