"""Signals as trio sees them when it does not run on the main thread."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import FrameType

import attrs
import trio


@attrs.frozen
class Signals:
    """The signals that this process gets, to be read by one trio task."""

    _descriptor: int

    async def __aiter__(self) -> AsyncIterator[signal.Signals]:
        """Yield every signal that comes, SIGINT included. What came before is there to be read."""
        async with trio.lowlevel.FdStream(os.dup(self._descriptor)) as stream:
            async for numbers in stream:
                for number in numbers:
                    yield signal.Signals(number)


@contextmanager
def received_signals() -> Iterator[Signals]:
    """Receive signals for the duration of the block, on the main thread.

    SIGTERM and SIGHUP do not end the process any more, the first time; the second time they do. Signals that are
    ignored stay so. They arrive even while user code holds up the main thread in a C function.
    """
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)

    def at_first(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_DFL)

    saved = {
        number: signal.signal(number, at_first)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    # Written to by the interpreter's own C handler, before and whether or not a Python handler gets to run.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield Signals(reader)
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in saved.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
