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


def _a_while() -> float:
    return 0.01


@attrs.define(eq=False)
class SimulatedThreads:
    """A ``ThreadPool`` whose threads are tasks: each works for some virtual seconds, then does all at once.

    A thread hangs or is late until the faults are over (`Faults.end`), or cannot be started, as the plan says.
    ``domain`` is the one that faults have to be aimed at.
    """

    faults: Faults
    domain: str
    seconds: Callable[[], float] = _a_while
    """Says how long the next thread works."""
    working: int = attrs.field(default=0, init=False)
    """How many threads work or hang."""
    most: int = attrs.field(default=0, init=False)
    """How many did at most."""
    _idle: trio.Event = attrs.field(factory=trio.Event, init=False)

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
        seconds = self.seconds()
        self.working += 1
        self.most = max(self.most, self.working)

        async def work() -> None:
            try:
                await trio.sleep(seconds)
                if waits:
                    await self.faults.over.wait()
            finally:
                self.working -= 1
                if not self.working:
                    self._idle.set()
                    self._idle = trio.Event()
            deliver(capture(function))

        # Nobody waits for it: like a thread, it is there until it has ended, whatever became of its caller.
        trio.lowlevel.spawn_system_task(work, name=name)

    async def wait_idle(self) -> None:
        """Wait until no thread works any more. A checkpoint if one does."""
        while self.working:
            await self._idle.wait()
