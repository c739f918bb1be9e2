"""Threads in virtual time, and their faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
import trio
from outcome import Outcome, capture

from callboard.testing.faults.catalogue import Point
from callboard.testing.faults.injection import Faults

T = TypeVar("T")


@attrs.define(eq=False)
class SimulatedThreads:
    """A ``ThreadPool`` whose threads are tasks: each works for some virtual seconds, then does all at once.

    A thread hangs or is late until the faults are over (`Faults.end`), or cannot be started, as the plan says.
    ``domain`` is the one that faults have to be aimed at.
    """

    nursery: trio.Nursery
    faults: Faults
    domain: str
    seconds: float = 0.01
    """How long a thread works."""
    working: int = attrs.field(default=0, init=False)
    """How many threads work or hang."""
    most: int = attrs.field(default=0, init=False)
    """How many did at most."""

    def start(
        self, function: Callable[[], T], deliver: Callable[[Outcome[T]], object], name: str
    ) -> None:
        """Run a function in a task. Raises RuntimeError when no thread can be started."""
        waits = False
        for fault in self.faults.due(Point.THREAD, self.domain):
            self.faults.fire(fault)
            if fault.name == "exhausted-thread-pool":
                raise RuntimeError("can't start new thread")
            waits = True
        self.working += 1
        self.most = max(self.most, self.working)

        async def work() -> None:
            await trio.sleep(self.seconds)
            if waits:
                await self.faults.over.wait()
            self.working -= 1
            deliver(capture(function))

        self.nursery.start_soon(work, name=name)
