"""What user code prints: collected by cell, merged, and delivered in order before the cell is idle."""

from __future__ import annotations

import collections
import io
import threading
import time
from collections.abc import Callable
from typing import Literal, TextIO

import attrs

from callboard.actors.notebook.interrupts import InterruptGate
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import CellOutput

Channel = Literal["stdout", "stderr"]

_PENDING_LIMIT = 256 * 1024
"""Characters that may wait for the next delivery; the writer delivers them itself beyond that."""


@attrs.define(eq=False)
class _Piece:
    cell_id: CellId
    channel: Channel
    mimetype: str
    parts: list[str]


@attrs.define(eq=False)
class Console:
    """Collects console text of cells and turns it into ``cell-op`` console messages.

    ``write`` and ``flush`` are safe from any thread. Text keeps its order per cell; adjacent pieces of one channel
    and MIME type are merged. ``emit`` is called with the lock held, which is what keeps the order when the timer of
    the control thread and the end of a cell flush at the same moment; it may block the writer (back-pressure), never
    the control thread.
    """

    emit: Callable[[CellOpNotification], object]
    on_dirty: Callable[[], object]
    """Called once when the console stops being empty; it has to cause a ``flush`` within about 10 ms."""
    max_write: int = 1_000_000
    """Characters of one write that are kept; the rest is cut and said so on stderr."""
    _pieces: list[_Piece] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _late: collections.deque[tuple[CellId, Channel, str, str]] = attrs.field(
        factory=lambda: collections.deque(maxlen=1000), init=False
    )
    _control: int = attrs.field(factory=threading.get_ident, init=False)
    """The thread that the console was made on, which must never wait for it."""
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)

    def write(
        self, cell_id: CellId, channel: Channel, text: str, mimetype: str = "text/plain"
    ) -> None:
        """Append text to a cell's console."""
        if not text:
            return
        cut = len(text) - self.max_write
        if cut > 0:
            text = text[: self.max_write] + "..."
        if not self._lock.acquire(blocking=threading.get_ident() != self._control):
            # A destructor that prints ran on the control thread, which whoever holds the console may be waiting for.
            self._late.append((cell_id, channel, text, mimetype))
            self.on_dirty()
            return
        try:
            was_clean = not self._pieces
            self._append(cell_id, channel, text, mimetype)
            if cut > 0:
                self._append(
                    cell_id,
                    "stderr",
                    f"\n[output truncated: one write had {cut} characters more than the {self.max_write} allowed]\n",
                    "text/plain",
                )
            if self._size > _PENDING_LIMIT:
                self._flush()
                return
        finally:
            self._lock.release()
        if was_clean:
            self.on_dirty()

    def flush(self) -> None:
        """Deliver everything collected so far."""
        with self._lock:
            self._flush()

    def flush_nowait(self) -> bool:
        """Deliver everything collected so far; False if another thread holds the console just now.

        For the control thread: whoever holds it may be waiting for that very thread to take what it emits.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._flush()
        finally:
            self._lock.release()
        return True

    def _append(self, cell_id: CellId, channel: Channel, text: str, mimetype: str) -> None:
        self._size += len(text)
        if self._pieces:
            last = self._pieces[-1]
            if (
                last.cell_id == cell_id
                and last.channel == channel
                and last.mimetype == mimetype == "text/plain"
            ):
                last.parts.append(text)
                return
        self._pieces.append(_Piece(cell_id, channel, mimetype, [text]))

    def _flush(self) -> None:
        while self._late:
            self._append(*self._late.popleft())
        pieces, self._pieces, self._size = self._pieces, [], 0
        now = time.time()
        by_cell: dict[CellId, list[CellOutput]] = {}
        for piece in pieces:
            by_cell.setdefault(piece.cell_id, []).append(
                CellOutput(
                    channel=piece.channel,
                    mimetype=piece.mimetype,
                    data="".join(piece.parts),
                    timestamp=now,
                )
            )
        for cell_id, outputs in by_cell.items():
            self.emit(
                CellOpNotification(
                    cell_id=cell_id,
                    console=outputs[0] if len(outputs) == 1 else outputs,
                    timestamp=now,
                )
            )


class ConsoleStream(io.TextIOBase):
    """A text stream that writes to the console of the cell the calling code belongs to.

    ``current_cell`` tells which one that is, or none; then the text goes to ``fallback``, the stream that was there
    before. An explicit flush delivers at once. Interrupts wait until a write is done.
    """

    def __init__(
        self,
        console: Console,
        channel: Channel,
        current_cell: Callable[[], CellId | None],
        fallback: TextIO,
        gate: InterruptGate,
    ) -> None:
        super().__init__()
        self._gate = gate
        self._console = console
        self._channel: Channel = channel
        self._current_cell = current_cell
        self._fallback = fallback
        self.name = f"<{channel}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8: the text never becomes bytes here."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """As the standard streams of an interpreter."""
        return "backslashreplace"

    def writable(self) -> bool:
        """Say that this stream can be written to."""
        return True

    def isatty(self) -> bool:
        """Say that this is no terminal: a page shows the text."""
        return False

    def write(self, text: str, /) -> int:
        """Write to the calling cell's console; returns the number of characters taken."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        cell_id = self._current_cell()
        if cell_id is None:
            return self._fallback.write(text)
        with self._gate.shielded():
            self._console.write(cell_id, self._channel, text)
        return len(text)

    def flush(self) -> None:
        """Deliver what was written at once."""
        if self._current_cell() is None:
            self._fallback.flush()
        else:
            with self._gate.shielded():
                self._console.flush()
