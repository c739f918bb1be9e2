"""Showing installers' output on the kernel's terminal, however slow the terminal is."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Protocol


class TextStream(Protocol):
    """Where text is written to; may block."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> object:
        """Write out what is buffered."""


class Terminal:
    """Writes to a stream from a thread of its own, so that a terminal that stands still stops nobody.

    Holds ``capacity`` pieces of text at most; what comes while it is full is left out, and how many
    pieces that were is written in their place. Errors of the stream are ignored.
    """

    def __init__(self, stream: TextStream, capacity: int = 1000) -> None:
        self._stream = stream
        self._capacity = capacity
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __call__(self, text: str) -> None:
        """Hand text over; never waits, never raises. Any thread. Nothing is written once closed."""
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= self._capacity:
                self._left_out += 1
                return
            self._waiting.append(text)
            if self._thread is None:
                # A daemon: a write that never returns must not keep the process alive.
                self._thread = threading.Thread(
                    target=self._write_all, name="installer output", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def close(self, timeout: float = 1.0) -> bool:
        """Write what is waiting, for ``timeout`` seconds at most; tell whether all was written."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                text = "".join(self._waiting)
                self._waiting.clear()
                if self._left_out:
                    text += f"[{self._left_out} pieces of output left out]\n"
                    self._left_out = 0
            with suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()
