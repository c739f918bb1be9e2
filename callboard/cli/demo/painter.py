"""The process that draws a demonstration, so that drawing takes nothing from the kernel it is about.

It reads pickled pictures from stdin, each after its length, until the end, and draws each on stdout.
"""

from __future__ import annotations

import pickle
import signal
import sys
from typing import BinaryIO

from rich.console import Console
from rich.live import Live

from callboard.cli.demo.stage import Picture
from callboard.cli.demo.view import WIDTH, draw


def pack(picture: Picture) -> bytes:
    """A picture as it is sent to the painter."""
    data = pickle.dumps(picture, protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(4) + data


def unpack(stream: BinaryIO) -> Picture | None:
    """Read the next picture; None at the end."""
    size = int.from_bytes(stream.read(4))
    data = stream.read(size)
    if not size or len(data) < size:
        return None
    # From the process that started this one, and nobody else can write here.
    picture: Picture = pickle.loads(data)  # noqa: S301
    return picture


def paint(pictures: BinaryIO, console: Console) -> None:
    """Draw until there are no more."""
    console.width = min(console.width, WIDTH)
    with Live(console=console, auto_refresh=False) as live:
        while (picture := unpack(pictures)) is not None:
            live.update(draw(picture), refresh=True)


if __name__ == "__main__":
    # Ctrl-C is for the process that measures; this one ends when it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    paint(sys.stdin.buffer, Console(highlight=False))
