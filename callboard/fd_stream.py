"""Writing to a file descriptor without a turn of the scheduler in front of it."""

from __future__ import annotations

import os

import trio
from trio.abc import SendStream
from trio.lowlevel import FdStream


class PromptFdStream(SendStream):
    """The send side of a file descriptor, which it owns and makes non-blocking.

    What there is room for is written before any other task runs. trio's own stream lets all of them run first, and an
    output that is ready waits for the bookkeeping of the command that caused it. One sender at a time.
    """

    def __init__(self, fd: int) -> None:
        self._stream = FdStream(fd)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything. A checkpoint; cancelled before it, nothing is written, and later an unknown part.

        Raises:
            trio.BrokenResourceError: nobody reads any more.
            trio.ClosedResourceError: it is closed; the caller's fault.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            sent = os.write(self._stream.fileno(), data)
        except OSError:
            sent = -1  # full, broken or closed: trio's stream waits for it, or says which
        if sent == len(data):
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            await self._stream.send_all(memoryview(data)[max(0, sent) :])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room. A checkpoint."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the descriptor. A checkpoint."""
        await self._stream.aclose()
