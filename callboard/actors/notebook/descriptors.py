"""Capture of file descriptors 1 and 2, for output of C code and child processes of a kernel process."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import os
import select
import sys
import threading
from collections.abc import Callable
from types import TracebackType

import attrs

from callboard.actors.notebook.console import Channel

_CHUNK = 64 * 1024
_LIBC = ctypes.CDLL(None)


@attrs.define(eq=False)
class DescriptorCapture:
    """Points descriptors 1 and 2 at pipes and hands over what arrives, until closed.

    ``private(n)`` gives a duplicate of the descriptor as it was, for the process's own use. ``drain`` hands over
    everything written so far; call it when a cell has ended, so that its output comes before its idle status.
    A thread empties the pipes meanwhile: a child that floods its stdout must not block on a full pipe.
    """

    deliver: Callable[[Channel, str], object]
    _saved: dict[int, int] = attrs.field(factory=dict, init=False)
    _pipes: dict[int, tuple[int, Channel]] = attrs.field(factory=dict, init=False)
    _writers: list[int] = attrs.field(factory=list, init=False)
    _decoders: dict[int, codecs.IncrementalDecoder] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _poll: select.poll = attrs.field(factory=select.poll, init=False)
    _stop: tuple[int, int] = attrs.field(factory=os.pipe, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def __enter__(self) -> DescriptorCapture:
        _flush()
        channels: tuple[tuple[int, Channel], ...] = ((1, "stdout"), (2, "stderr"))
        for target, channel in channels:
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self._saved[target] = os.dup(target)
            os.dup2(writer, target)  # inheritable, as a standard stream has to be
            # Kept open: user code may close or replace its own, and a pipe at its end would always be ready to read.
            self._writers.append(writer)
            self._pipes[target] = (reader, channel)
            self._poll.register(reader, select.POLLIN)
            self._decoders[target] = codecs.getincrementaldecoder("utf-8")("replace")
        self._thread = threading.Thread(target=self._read, name="callboard capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _flush()
        self.drain()
        for target, saved in self._saved.items():
            os.dup2(saved, target)
            os.close(saved)
        os.write(self._stop[1], b"x")
        assert self._thread is not None
        self._thread.join(1.0)
        for reader, _ in self._pipes.values():
            os.close(reader)
        for end in (*self._stop, *self._writers):
            os.close(end)

    def private(self, target: int) -> int:
        """Return a new descriptor for what ``target`` was before; it is the caller's to close."""
        return os.dup(self._saved[target])

    def drain(self) -> None:
        """Hand over all that has been written until now, by this process and by its children."""
        _flush()
        with self._lock:
            if self._poll.poll(0):
                for target in self._pipes:
                    self._empty(target)

    def _read(self) -> None:
        readers = [reader for reader, _ in self._pipes.values()]
        while True:
            ready, _, _ = select.select([*readers, self._stop[0]], [], [])
            if self._stop[0] in ready:
                return
            with self._lock:
                for target in self._pipes:
                    self._empty(target)

    def _empty(self, target: int) -> None:
        reader, channel = self._pipes[target]
        while True:
            try:
                data = os.read(reader, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            text = self._decoders[target].decode(data)
            if text:
                self.deliver(channel, text)
            if len(data) < _CHUNK:
                return


def _flush() -> None:
    """Flush what keeps text back while a pipe is behind it: C's stdio, and the streams Python made at its start."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # user code may have closed it
                stream.flush()
    _LIBC.fflush(None)
