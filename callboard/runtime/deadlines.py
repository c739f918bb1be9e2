"""One timer for the deadlines of many messages."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from callboard.runtime.envelope import Envelope

# Below this many settled entries a rebuild of the heap is not worth its cost.
_WORTH_REBUILDING = 64


@attrs.define(eq=False)
class Deadlines:
    """Expires messages at their deadlines, whether they are queued or running.

    A heap and one task (`run`) instead of a timer per message. Entries of messages that ended in
    time are dropped once they are the larger half of the heap, so that its size is at most twice
    the number of live ones (plus a constant).
    """

    _heap: list[tuple[float, int, Envelope[Any]]] = attrs.field(factory=list, init=False)
    _settled: int = attrs.field(default=0, init=False)
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, envelope: Envelope[Any]) -> None:
        """Watch an envelope that has a finite deadline. Not a checkpoint."""
        envelope._deadlines = self
        heappush(self._heap, (envelope.deadline, envelope.seq, envelope))
        if self._scope is not None and envelope.deadline < self._scope.deadline:
            self._scope.deadline = envelope.deadline

    def forget(self) -> None:
        """A watched envelope has ended."""
        self._settled += 1
        if self._settled > _WORTH_REBUILDING and self._settled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].settled]
            heapify(self._heap)
            self._settled = 0

    async def run(self) -> None:
        """Expire messages for ever, in the order of their deadlines; a task of the supervisor."""
        while True:
            self._expire_due()
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else inf) as scope:
                self._scope = scope
                try:
                    await trio.sleep_forever()
                finally:
                    self._scope = None

    def _expire_due(self) -> None:
        now = trio.current_time()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].settled):
            envelope = heappop(self._heap)[2]
            # Unhooked first: what ends here is no longer in the heap for `forget` to count.
            envelope._deadlines = None
            if envelope.settled:
                self._settled -= 1
            else:
                envelope.expire()
