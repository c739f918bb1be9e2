"""Digests of large pieces of memory, by several threads."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

PIECE = 1 << 20
"""Bytes that are hashed at a time."""
_LARGE = 4 * PIECE
_HELPERS = 3


def bulk_digest(data: memoryview) -> bytes:
    """Return the digest of contiguous bytes; the same however many threads helped."""
    return digest_in_pieces(len(data), lambda start, stop: data[start:stop])


def digest_in_pieces(size: int, piece: Callable[[int, int], memoryview]) -> bytes:
    """Return the digest of ``size`` bytes, of which ``piece`` gives those from one place up to another.

    Hashing lets go of the interpreter lock, so the pieces of large data are shared among a few threads, which have
    ended when this returns; ``piece`` is called by all of them.
    """
    if size < _LARGE:
        return hashlib.sha256(piece(0, size)).digest()
    pieces = -(-size // PIECE)
    digests: list[bytes] = [b""] * pieces
    numbers = count()
    stopped: list[BaseException | None] = []

    def work() -> None:
        try:
            while not stopped and (number := next(numbers)) < pieces:
                start = number * PIECE
                data = piece(start, min(size, start + PIECE))
                digests[number] = hashlib.sha256(data).digest()
        except BaseException as error:
            stopped.append(error)
            raise

    def help_out() -> None:
        with suppress(Exception):  # raised below
            work()

    helpers = [
        threading.Thread(target=help_out, name="callboard cache digest", daemon=True)
        for _ in range(min(_HELPERS, _processors() - 1))
    ]
    started: list[threading.Thread] = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        work()
    finally:
        stopped.append(None)
        for helper in started:
            helper.join()
    if stopped[0] is not None:
        raise stopped[0]
    return hashlib.sha256(b"".join([size.to_bytes(8, "little"), *digests])).digest()


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
