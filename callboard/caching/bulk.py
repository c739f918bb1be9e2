"""Digests of large pieces of memory, by several threads."""

from __future__ import annotations

import _thread
import hashlib
import os
import threading
from collections.abc import Callable

PIECE = 1 << 18
"""Bytes that are hashed at a time."""
_LARGE = 16 * PIECE
_HELPERS = 3


def bulk_digest(data: memoryview) -> bytes:
    """Return the digest of contiguous bytes; the same however many threads helped."""
    return digest_in_pieces(len(data), lambda start, stop: data[start:stop])


def digest_in_pieces(size: int, piece: Callable[[int, int], memoryview]) -> bytes:
    """Return the digest of ``size`` bytes, of which ``piece`` gives those from one place up to another.

    Hashing lets go of the interpreter lock, so the pieces of large data are shared among a few threads. None of them
    calls ``piece``, or holds what it gave, once this returns.
    """
    if size < _LARGE:
        return hashlib.sha256(piece(0, size)).digest()
    work = _Work(size, piece)
    try:
        for _ in range(min(_HELPERS, _processors() - 1)):
            # Not by `threading`, which waits until the thread runs: on a busy machine all may be done by then.
            _thread.start_new_thread(work.help, ())
        work.run()
    finally:
        work.close()
    if work.error is not None:
        raise work.error
    return hashlib.sha256(b"".join([size.to_bytes(8, "little"), *work.digests])).digest()


class _Work:
    """The pieces of one digest, taken in turn by whoever has time."""

    def __init__(self, size: int, piece: Callable[[int, int], memoryview]) -> None:
        pieces = -(-size // PIECE)
        self.digests = [b""] * pieces
        self.error: BaseException | None = None
        self._size = size
        self._piece: Callable[[int, int], memoryview] | None = piece
        self._numbers = iter(range(pieces))
        self._lock = threading.Lock()
        self._helping = 0
        self._helped = threading.Event()

    def run(self) -> None:
        piece = self._piece
        if piece is None:
            return
        for number in self._numbers:
            if self._piece is None or self.error is not None:
                return
            start = number * PIECE
            data = piece(start, min(self._size, start + PIECE))
            self.digests[number] = hashlib.sha256(data).digest()

    def help(self) -> None:
        """Work on another thread; one that comes too late does nothing."""
        with self._lock:
            if self._piece is None:
                return
            self._helping += 1
            self._helped.clear()
        try:
            self.run()
        except BaseException as error:
            self.error = error
        finally:
            with self._lock:
                self._helping -= 1
                if not self._helping:
                    self._helped.set()

    def close(self) -> None:
        """Let nobody begin any more, and wait for those who have begun."""
        with self._lock:
            self._piece = None
            helping = self._helping
        if helping:
            self._helped.wait()


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
