"""From the bytes a program prints to lines of text, bounded."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import attrs

from callboard.redaction import CUT_MARK

_LINE_END: Final = re.compile(rb"(\r\n|\n|\r)")


@attrs.frozen
class OutputLimits:
    """How much of a program's output is passed on.

    The first ``max_lines`` lines or ``max_bytes`` bytes, whichever ends first, as they come; of
    what follows only the last ``tail`` lines, at the end, behind a note that counts the lines left
    out. A line is cut at ``max_line`` bytes.
    """

    max_lines: int = 2000
    max_bytes: int = 500_000
    max_line: int = 4096
    tail: int = 40


class LineSplitter:
    r"""Cuts a stream of bytes into lines, whatever the chunks it comes in.

    ``\n`` and ``\r\n`` end a line. A lone ``\r`` goes back to its start, as on a terminal: of a
    progress bar that overwrites itself only the last state is passed on. Bytes that are no UTF-8
    become replacement characters. Holds ``max_line`` bytes at most.
    """

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._line = bytearray()
        self._cut = False
        self._overwrite = False
        self._held_return = False

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines they complete, without their ends."""
        if self._held_return:
            data = b"\r" + data
        # Whether a "\r" at the end is half a line end shows only in the next chunk.
        self._held_return = data.endswith(b"\r")
        if self._held_return:
            data = data[:-1]
        lines: list[str] = []
        for number, piece in enumerate(_LINE_END.split(data)):
            if number % 2 == 0:
                self._append(piece)
            elif piece == b"\r":
                self._overwrite = True
            else:
                lines.append(self._take())
        return lines

    def flush(self) -> list[str]:
        """Return the unfinished last line, if there is one. The stream has ended."""
        self._held_return = False
        return [self._take()] if self._line else []

    def _append(self, piece: bytes) -> None:
        if not piece:
            return
        if self._overwrite:
            self._line.clear()
            self._overwrite = self._cut = False
        room = self._max_line - len(self._line)
        self._line += piece[:room]
        self._cut = self._cut or len(piece) > room

    def _take(self) -> str:
        text = self._line.decode("utf-8", "replace")
        if self._cut:
            # The last word may be half of an address whose credentials can then not be told.
            text = (text.rpartition(" ")[0] or text) + CUT_MARK
        self._line.clear()
        self._cut = self._overwrite = False
        return text


class OutputReader:
    """Turns a program's output into lines within `OutputLimits`.

    Past the limits it only counts, so that a program which floods costs next to nothing.
    """

    def __init__(self, limits: OutputLimits) -> None:
        self._limits = limits
        self._splitter = LineSplitter(limits.max_line)
        self._lines = 0
        self._bytes = 0
        self._over = False
        self._last_lines: deque[str] = deque(maxlen=limits.tail)
        self._surplus = 0
        self._rest = bytearray()
        self._rest_trimmed = False
        self._rest_lines = 0

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines to pass on now."""
        if self._over:
            self._count(data)
            return []
        self._bytes += len(data)
        lines = self._splitter.feed(data)
        room = self._limits.max_lines - self._lines
        if len(lines) > room or self._bytes > self._limits.max_bytes:
            self._over = True
            self._surplus = max(0, len(lines) - room)
            self._last_lines.extend(lines[room:])
            lines = lines[:room]
        self._lines += len(lines)
        return lines

    def finish(self) -> list[str]:
        """Return what is left to pass on at the end of the stream, behind a note if need be."""
        if not self._over:
            return self._splitter.flush()
        # What the splitter still held when the limit was reached comes first.
        rest = self._splitter.feed(bytes(self._rest)) if not self._rest_trimmed else []
        if self._rest_trimmed:
            self._splitter = LineSplitter(self._limits.max_line)
            # The first line of what was kept has lost its start.
            rest = self._splitter.feed(bytes(self._rest))[1:]
        rest += self._splitter.flush()
        total = self._surplus + max(self._rest_lines, len(rest))
        self._last_lines.extend(rest)
        left_out = total - len(self._last_lines)
        note = [f"[{left_out} lines of output left out]"] if left_out > 0 else []
        return [*note, *self._last_lines]

    def _count(self, data: bytes) -> None:
        self._rest_lines += data.count(b"\n")
        self._rest += data
        keep = self._limits.tail * self._limits.max_line
        if len(self._rest) > 2 * keep:
            del self._rest[:-keep]
            self._rest_trimmed = True
