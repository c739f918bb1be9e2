"""Short calls of the kernel's own on the cell thread, between two cells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.executor import Ended, Executor


@attrs.define(eq=False)
class Interlude:
    """One call, seen from both threads; fields are single references, so no lock is needed."""

    function: Callable[[], Any]
    on_start: Callable[[], object]
    """Called on the cell thread as the call begins."""
    on_end: Callable[[], object]
    """Called on the cell thread as it has ended."""
    run: Run = attrs.field(factory=lambda: Run("between cells"))
    """What an interrupt of this call is aimed at."""
    begun: bool = False
    """Set on the cell thread, which looks only then whether the call was given up."""
    given_up: bool = False
    """Set by whoever waited, who looks only then whether the call has begun: if it has not, it never will."""
    ended: Ended | None = None


@attrs.define(eq=False)
class Interludes:
    """Calls that wait for the moment in which no user code runs, in the order they came."""

    executor: Executor
    _waiting: deque[Interlude] = attrs.field(factory=deque, init=False)

    def add(self, interlude: Interlude) -> None:
        """Put a call in the queue; from any thread."""
        self._waiting.append(interlude)

    def play(self) -> None:
        """Make the calls that wait now. Cell thread only, when no user code is running.

        Those that come meanwhile have their own turn, or calls that follow from each other would keep cells waiting.
        """
        for _ in range(len(self._waiting)):
            interlude = self._waiting.popleft()
            interlude.begun = True
            if interlude.given_up:
                interlude.on_end()
                continue
            interlude.on_start()
            # Of objects of the notebook, so it is user code that runs, and can be interrupted.
            interlude.ended = self.executor.call(interlude.function, interlude.run)
            interlude.on_end()
