"""What a domain tells, in order, with what is large encoded off the control thread."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import attrs
import outcome
import trio

from callboard.messages.codec import encode_notification
from callboard.messages.notifications import Notification
from callboard.messages.writing import is_large
from callboard.runtime import ThreadPool

Encoded = bytes | Exception
"""The JSON text of a notification, or why there is none."""


class Publish(Protocol):
    """Sends a notification to all subscribers; encodes it unless its text is given."""

    def __call__(self, notification: Notification, encoded: Encoded | None = None, /) -> object:
        """Send it. Not a checkpoint, and never raises."""


@attrs.define(eq=False)
class _Entry:
    notification: Notification | None
    waits: bool
    """Whether it has yet to be encoded, in a thread."""
    encoded: Encoded | None = None
    turn: trio.Event | None = None
    """Set when it is first in the order, for what is published by who waits for that."""


@attrs.define(eq=False)
class Outbox:
    """The notifications and replies of one domain, which leave in the order in which they were given.

    What is small leaves at once. What is large is encoded in a thread, one after another, and what comes later waits
    behind it. For the trio thread only.
    """

    name: str
    publish: Publish
    pool: ThreadPool
    _entries: deque[_Entry] = attrs.field(factory=deque, init=False)
    _encoding: _Entry | None = attrs.field(default=None, init=False)

    def notify(self, notification: Notification) -> None:
        """Tell all subscribers something. Not a checkpoint."""
        large = is_large(notification)
        if not large and not self._entries:
            self.publish(notification)
            return
        self._entries.append(_Entry(notification, large))
        self._go_on()

    @asynccontextmanager
    async def turn(self, reply: Notification | None) -> AsyncIterator[Encoded | None]:
        """Wait until all that was given before has left and the reply is encoded; give its text.

        In the block, which must not wait for anything, the reply is to be published. A checkpoint only if there is
        something to wait for. Cancelled midway, the order forgets the reply.
        """
        large = is_large(reply)
        if not large and not self._entries:
            yield None if reply is None else _encode(reply)
            return
        entry = _Entry(reply, large, turn=trio.Event())
        assert entry.turn is not None
        self._entries.append(entry)
        try:
            self._go_on()
            await entry.turn.wait()
            if reply is not None and entry.encoded is None:
                entry.encoded = _encode(reply)
            yield entry.encoded
        finally:
            self._entries.remove(entry)
            self._go_on()

    def flush(self) -> None:
        """Publish at once all that was notified, whatever it takes."""
        entries = tuple(self._entries)
        self._entries = deque(entry for entry in entries if entry.turn is not None)
        for entry in entries:
            if entry.notification is not None and entry.turn is None:
                self.publish(entry.notification, entry.encoded)

    def _go_on(self) -> None:
        while self._entries:
            first = self._entries[0]
            if first.waits:
                if self._encoding is not first:
                    self._start(first)
                if first.waits:
                    return
            if first.turn is not None:
                first.turn.set()
                return
            self._entries.popleft()
            assert first.notification is not None
            self.publish(first.notification, first.encoded)

    def _start(self, entry: _Entry) -> None:
        assert entry.notification is not None
        token = trio.lowlevel.current_trio_token()

        def deliver(end: outcome.Outcome[Encoded]) -> None:
            try:
                token.run_sync_soon(self._encoded, entry, end)
            except trio.RunFinishedError:
                pass  # nobody is there to hear of it

        self._encoding = entry
        try:
            self.pool.start(partial(_encode, entry.notification), deliver, f"callboard {self.name}")
        except Exception:
            # Such as no more threads: then it is encoded where it is published.
            entry.waits = False

    def _encoded(self, entry: _Entry, end: outcome.Outcome[Encoded]) -> None:
        if isinstance(end, outcome.Value):
            entry.encoded = end.value
        else:
            # Not to be raised here, where it would end everything: code of a value wanted its thread to end.
            entry.encoded = RuntimeError(f"{type(end.error).__name__} was raised by a value")  # type: ignore[attr-defined]
        entry.waits = False
        self._go_on()


def _encode(notification: Notification) -> Encoded:
    try:
        return encode_notification(notification)
    except Exception as error:
        return error
