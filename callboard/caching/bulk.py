"""Digests of large pieces of memory, by several threads."""

from __future__ import annotations

import hashlib
import os
import threading
from itertools import count

_PIECE = 1 << 20
_LARGE = 4 * _PIECE
_HELPERS = 3


def bulk_digest(data: memoryview) -> bytes:
    """Return the digest of contiguous bytes; the same however many threads helped.

    Hashing lets go of the interpreter lock, so the pieces of large data are shared among a few threads, which have
    ended when this returns.
    """
    size = len(data)
    if size < _LARGE:
        return hashlib.sha256(data).digest()
    pieces = -(-size // _PIECE)
    digests: list[bytes] = [b""] * pieces
    numbers = count()
    stopped: list[bool] = []

    def work() -> None:
        while not stopped and (number := next(numbers)) < pieces:
            start = number * _PIECE
            digests[number] = hashlib.sha256(data[start : start + _PIECE]).digest()

    helpers = [
        threading.Thread(target=work, name="callboard cache digest", daemon=True)
        for _ in range(min(_HELPERS, _processors() - 1))
    ]
    started: list[threading.Thread] = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        work()
    finally:
        stopped.append(True)
        for helper in started:
            helper.join()
    return hashlib.sha256(b"".join([size.to_bytes(8, "little"), *digests])).digest()


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
