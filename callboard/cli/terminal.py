"""The terminal, or whatever is in its place, of a process whose streams belong to its cells."""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import attrs

from callboard.cli.plain import plain
from callboard.messages.payloads import CellOutput

Channel = Literal["stdout", "stderr"]


@attrs.define(eq=False)
class Terminal:
    """Writes text to the descriptors that stdout and stderr were.

    Writing waits for a slow reader: that is what keeps a notebook that prints without end from filling the memory.

    Raises:
        OSError: that is not possible, such as `BrokenPipeError`: nobody reads any more.
    """

    stdout: int
    stderr: int
    encoding: str = "utf-8"
    _closed: bool = attrs.field(default=False, init=False)
    _mid_line: dict[Channel, bool] = attrs.field(factory=dict, init=False)
    _markdown: Callable[[str], str] | None = attrs.field(default=None, init=False)

    def write(self, channel: Channel, text: str) -> None:
        """Write text as it is."""
        if not text or self._closed:
            return
        self._mid_line[channel] = not text.endswith("\n")
        data = memoryview(text.encode(self.encoding, "backslashreplace"))
        descriptor = self.stdout if channel == "stdout" else self.stderr
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:  # somebody else made it so; it is theirs as well
                select.select([], [descriptor], [])

    def close(self) -> None:
        """Write nothing any more; the descriptors stay open."""
        self._closed = True

    def write_line(self, channel: Channel, text: str) -> None:
        """Write text on lines of its own."""
        before = "\n" if self._mid_line.get(channel) else ""
        self.write(channel, before + text.removesuffix("\n") + "\n")

    def show(self, output: CellOutput) -> None:
        """Print what a cell shows; Markdown rendered, where rich is installed."""
        text = plain(output)
        if output.mimetype == "text/markdown":
            if self._markdown is None:
                self._markdown = _markdown_renderer(colours=os.isatty(self.stdout))
            text = self._markdown(text)
        if text:
            self.write_line("stdout", text)


def _markdown_renderer(*, colours: bool) -> Callable[[str], str]:
    try:
        from rich.console import Console
        from rich.markdown import Markdown
    except ImportError:
        return str
    console = Console(force_terminal=colours, highlight=False)

    def render(text: str) -> str:
        with console.capture() as captured:
            console.print(Markdown(text))
        # rich fills lines up with spaces
        return "\n".join(line.rstrip() for line in captured.get().split("\n"))

    return render


@attrs.define(eq=False)
class Keyboard:
    """Lines of the descriptor that stdin was. For one thread at a time, which is to be no trio thread."""

    stdin: int
    encoding: str = "utf-8"
    _pending: bytearray = attrs.field(factory=bytearray, init=False)

    def read_line(self, *, password: bool = False) -> str | None:
        """Wait for a line and return it without its end; None when there are no more. Passwords are not echoed."""
        with _no_echo(self.stdin) if password else _as_it_is():
            while b"\n" not in self._pending:
                data = os.read(self.stdin, 4096)
                if not data:
                    break
                self._pending += data
        if not self._pending:
            return None
        line, _, rest = bytes(self._pending).partition(b"\n")
        self._pending[:] = rest
        return line.removesuffix(b"\r").decode(self.encoding, "replace")


@contextmanager
def _no_echo(descriptor: int) -> Iterator[None]:
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:  # no terminal
        yield
        return
    silent = list(before)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
