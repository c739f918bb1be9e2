"""One stream of notifications to many subscribers, none of which can hold up another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from types import TracebackType
from typing import Generic, TypeVar

import attrs
import trio

from callboard.runtime.errors import Closed, Lagged

N = TypeVar("N")

_BATCH = 64
"""How many frames a subscriber gets between two checkpoints."""


@attrs.frozen(eq=False)
class Frame(Generic[N]):
    """A notification with its sequence number and its encoded form, shared by all subscribers."""

    seq: int
    message: N
    data: bytes
    key: Hashable | None = None


class Broadcaster(Generic[N]):
    """Encodes each notification once, keeps the latest in a ring, and wakes whoever waits.

    `publish` is synchronous and never waits for a subscriber: each has a cursor into the ring and
    a bound on how much it may be behind. Sequence numbers start at 1 and have no gaps in the ring,
    which holds the last ``ring_frames`` (a count) or fewer, up to ``ring_bytes`` of encoded data
    (the newest one is kept whatever its size).

    ``conflate`` gives the key of a state-like notification, None for one that must not be skipped.
    A subscriber that is more than ``conflate_after`` frames behind is given only the newest frame
    of each key. ``on_encode_error`` may return a replacement for what would not encode.
    ``on_resync`` gets the reason and the last sequence number, and returns what a subscriber that
    cannot be given a gapless replay receives first (a marker, a snapshot).

    For the trio thread only. No method is a checkpoint; iterating a `Subscription` is.
    """

    def __init__(
        self,
        encode: Callable[[N], bytes],
        *,
        conflate: Callable[[N], Hashable | None] | None = None,
        on_encode_error: Callable[[N, Exception], N | None] | None = None,
        on_resync: Callable[[str, int], Iterable[N]] | None = None,
        ring_frames: int = 10_000,
        ring_bytes: int = 64 * 1024 * 1024,
        conflate_after: int = 64,
    ) -> None:
        if ring_frames < 1:
            raise ValueError(f"ring_frames must be at least 1, not {ring_frames}")
        self.conflate_after = conflate_after
        self.encode_errors = 0
        self.cut_off = 0
        self._encode = encode
        self._conflate = conflate
        self._on_encode_error = on_encode_error
        self._on_resync = on_resync
        self._ring: list[Frame[N] | None] = [None] * ring_frames
        self._ring_frames = ring_frames
        self._ring_bytes = ring_bytes
        self._bytes = 0
        # Frames tail .. head - 1 are in the ring; frame n is at n % ring_frames.
        self._tail = 1
        self._head = 1
        # The newest frame of each key, among those in the ring.
        self._latest: dict[Hashable, int] = {}
        self._subscriptions: list[Subscription[N]] = []
        self._closed = False

    @property
    def last_seq(self) -> int:
        """The sequence number of the newest notification, 0 if there was none."""
        return self._head - 1

    @property
    def first_seq(self) -> int:
        """The sequence number of the oldest frame in the ring; ``last_seq + 1`` if it is empty."""
        return self._tail

    @property
    def ring_size(self) -> tuple[int, int]:
        """How many frames the ring holds, and how many bytes of encoded data."""
        return self._head - self._tail, self._bytes

    @property
    def subscriptions(self) -> tuple[Subscription[N], ...]:
        """The subscribers that are neither closed nor cut off."""
        return tuple(self._subscriptions)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def publish(self, notification: N, encoded: bytes | Exception | None = None) -> int | None:
        """Send a notification to every subscriber and return its sequence number.

        ``encoded`` is its encoded form, or why there is none, where that is known already.
        Never waits and never raises, whatever the callables of this broadcaster do. None if it
        would not encode and had no replacement (counted in ``encode_errors``), or if the
        broadcaster is closed. Every subscriber gets notifications in the order of these calls.
        """
        if self._closed:
            return None
        superseded = 0
        try:
            if encoded is None:
                data = self._encode(notification)
            elif isinstance(encoded, Exception):
                raise encoded
            else:
                data = encoded
            size = len(data)
            key = self._conflate(notification) if self._conflate is not None else None
            if key is not None:
                # Also shows whether it is one, before anything has been changed.
                superseded = self._latest.get(key, 0)
        except Exception as error:
            replaced = self._replace(notification, error)
            if replaced is None:
                return None
            notification, data = replaced
            size, key = len(data), None
        seq = self._head
        frame = Frame(seq, notification, data, key)
        if seq - self._tail >= self._ring_frames:
            self._evict()
        while self._bytes + size > self._ring_bytes and self._tail < seq:
            self._evict()
        self._ring[seq % self._ring_frames] = frame
        self._bytes += size
        self._head = seq + 1
        if key is not None:
            if superseded < self._tail:
                superseded = 0  # dropped to make room for this one
            self._latest[key] = seq
        laggards = None
        for subscription in self._subscriptions:
            pending = subscription._pending + 1
            pending_bytes = subscription._pending_bytes + size
            if superseded >= subscription._cursor:
                # One that it has not read yet counts no more: it may be skipped.
                old = self._ring[superseded % self._ring_frames]
                assert old is not None
                pending -= 1
                pending_bytes -= len(old.data)
            subscription._pending = pending
            subscription._pending_bytes = pending_bytes
            if pending > subscription.max_buffer or pending_bytes > subscription.max_bytes:
                laggards = [*(laggards or ()), subscription]
            elif subscription._task is not None:
                subscription._wake()
        if laggards is not None:
            for subscription in laggards:
                self._cut_off(subscription)
        return seq

    def subscribe(
        self,
        *,
        since: int | None = None,
        max_buffer: int = 1000,
        max_bytes: int = 64 * 1024 * 1024,
        name: str = "",
    ) -> Subscription[N]:
        """A new subscriber, from the next notification on, or from the one after ``since``.

        It is cut off once more than ``max_buffer`` notifications (a count, those that may be
        skipped not included) or ``max_bytes`` of encoded data wait for it. If what came after
        ``since`` is no longer in the ring, is more than it may have waiting, or has not happened
        yet, it starts with the frames of ``on_resync`` and goes on live.

        Raises `Closed` after `close`: the caller's fault.
        """
        if self._closed:
            raise Closed("broadcaster is closed")
        if max_buffer < 1:
            raise ValueError(f"max_buffer must be at least 1, not {max_buffer}")
        subscription = Subscription(self, max_buffer, max_bytes, name, self._head)
        if since is not None and since != self.last_seq:
            reason = self._replay(subscription, since)
            if reason is not None:
                self._resync(subscription, reason)
        self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End the stream: subscribers get what waits for them, and then the end of iteration."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription._wake()

    def _replace(self, notification: N, error: Exception) -> tuple[N, bytes] | None:
        self.encode_errors += 1
        if self._on_encode_error is None:
            return None
        try:
            replacement = self._on_encode_error(notification, error)
            if replacement is None:
                return None
            data = self._encode(replacement)
            len(data)  # or it is no data
        except Exception:
            return None
        return replacement, data

    def _evict(self) -> None:
        """Drop the oldest frame; a subscriber that still needs it keeps it for itself."""
        seq = self._tail
        frame = self._ring[seq % self._ring_frames]
        assert frame is not None
        self._ring[seq % self._ring_frames] = None
        self._bytes -= len(frame.data)
        self._tail = seq + 1
        current = True
        if frame.key is not None:
            current = self._latest[frame.key] == seq
            if current:
                # No later one of this key can make up for it any more.
                del self._latest[frame.key]
        for subscription in self._subscriptions:
            if subscription._cursor <= seq:
                subscription._cursor = seq + 1
                if current:
                    subscription._backlog.append(frame)

    def _replay(self, subscription: Subscription[N], since: int) -> str | None:
        """Set the cursor back to after `since`; if that cannot be, return why."""
        if since > self.last_seq or since < 0:
            return f"notification {since} has not happened here"
        if since + 1 < self._tail:
            return f"notifications from {since + 1} on are no longer kept"
        for seq in range(since + 1, self._head):
            frame = self._ring[seq % self._ring_frames]
            assert frame is not None
            if self._is_current(frame):
                subscription._pending += 1
                subscription._pending_bytes += len(frame.data)
        if (
            subscription._pending > subscription.max_buffer
            or subscription._pending_bytes > subscription.max_bytes
        ):
            subscription._pending = subscription._pending_bytes = 0
            return f"too many notifications since {since}"
        subscription._cursor = since + 1
        return None

    def _resync(self, subscription: Subscription[N], reason: str) -> None:
        subscription.resynced = reason
        if self._on_resync is None:
            return
        try:
            notifications = list(self._on_resync(reason, self.last_seq))
        except Exception:
            # It is told by ``resynced`` all the same, and goes on live.
            self.encode_errors += 1
            return
        for notification in notifications:
            try:
                data = self._encode(notification)
                size = len(data)
            except Exception as error:
                replaced = self._replace(notification, error)
                if replaced is None:
                    continue
                notification, data = replaced
                size = len(data)
            subscription._backlog.append(Frame(self.last_seq, notification, data))
            subscription._pending += 1
            subscription._pending_bytes += size

    def _is_current(self, frame: Frame[N]) -> bool:
        return frame.key is None or self._latest.get(frame.key) == frame.seq

    def _cut_off(self, subscription: Subscription[N]) -> None:
        self.cut_off += 1
        subscription._end(
            Lagged(
                f"subscriber {subscription.name!r} was {subscription._pending} notifications"
                f" ({subscription._pending_bytes} bytes) behind"
            )
        )


class Subscription(Generic[N]):
    """One subscriber's view of the stream: an async iterator of frames, for one task at a time.

    Sequence numbers rise. One that is missing is of a state-like notification that was skipped
    because a newer one of its key follows. Frames of a resynchronisation bear the number of the
    last notification they cover.

    Each step is a checkpoint when it has to wait, and at least every 64th is. Cancelled midway,
    nothing is lost. Iteration raises `Lagged` once the subscriber has been cut off, without
    handing out what waited, and ends after `close` or the broadcaster's. Usable as a context
    manager that closes it.
    """

    def __init__(
        self, broadcaster: Broadcaster[N], max_buffer: int, max_bytes: int, name: str, cursor: int
    ) -> None:
        self.name = name
        self.max_buffer = max_buffer
        self.max_bytes = max_bytes
        self.resynced: str | None = None
        """Why this subscriber could not be given a gapless replay; None if it could."""
        self._broadcaster = broadcaster
        # Next in the ring. Before that come the frames in the backlog: of a resynchronisation, and
        # those that the ring has dropped while this subscriber had not read them.
        self._cursor = cursor
        self._backlog: deque[Frame[N]] = deque()
        self._pending = 0
        self._pending_bytes = 0
        self._budget = _BATCH
        self._task: trio.lowlevel.Task | None = None
        self._closed = False
        self._error: Lagged | None = None

    @property
    def pending(self) -> int:
        """How many notifications wait, not counting those that may be skipped."""
        return self._pending

    @property
    def lagged(self) -> Lagged | None:
        """Why it was cut off, if it was."""
        return self._error

    def close(self) -> None:
        """Leave the stream; what waits is dropped. Closing twice changes nothing."""
        self._end(None)

    def __enter__(self) -> Subscription[N]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Subscription[N]:
        return self

    async def __anext__(self) -> Frame[N]:
        """The next frame, waiting for one."""
        if self._budget == 0:
            self._budget = _BATCH
            await trio.lowlevel.checkpoint()
        while True:
            frame = self.next_nowait()
            if frame is not None:
                self._budget -= 1
                return frame
            if self._error is not None:
                raise self._error
            if self._closed or self._broadcaster._closed:
                raise StopAsyncIteration
            if self._task is not None:
                raise trio.BusyResourceError("another task iterates this subscription")
            self._task = trio.lowlevel.current_task()
            self._budget = _BATCH
            await trio.lowlevel.wait_task_rescheduled(self._abort)

    def next_nowait(self) -> Frame[N] | None:
        """The next frame, or None if there is none now. Not a checkpoint."""
        if self._backlog:
            return self._delivered(self._backlog.popleft())
        broadcaster = self._broadcaster
        head = broadcaster._head
        while self._cursor < head and not self._closed:
            frame = broadcaster._ring[self._cursor % broadcaster._ring_frames]
            assert frame is not None
            self._cursor += 1
            if frame.key is None or broadcaster._latest.get(frame.key) == frame.seq:
                return self._delivered(frame)
            if head - frame.seq <= broadcaster.conflate_after:
                # Superseded, so not counted as pending, but this subscriber keeps up.
                return frame
        return None

    def _delivered(self, frame: Frame[N]) -> Frame[N]:
        self._pending -= 1
        self._pending_bytes -= len(frame.data)
        return frame

    def _end(self, error: Lagged | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._error = error
        self._backlog.clear()
        self._broadcaster._subscriptions.remove(self)
        self._wake()

    def _wake(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
