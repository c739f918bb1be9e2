"""An output ready to be sent, and what can be done with it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from html import escape

import attrs

from callboard.messages.payloads import TRACEBACK_MIMETYPE

MAX_BYTES = 8_000_000
MAX_BYTES_VARIABLE = "CALLBOARD_OUTPUT_MAX_BYTES"


@attrs.frozen
class Formatted:
    """What the page shows for a value.

    ``data`` is text: pictures are data URLs, JSON is JSON text.
    """

    mimetype: str
    data: str
    failure: BaseException | None = attrs.field(default=None, eq=False)
    """What a method of the value raised; the value is shown as text then. For the console."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not self.data

    @property
    def failure_text(self) -> str:
        """The traceback of the failure, empty if there is none."""
        return "" if self.failure is None else "".join(traceback.format_exception(self.failure))


EMPTY = Formatted("text/plain", "")


def positive_number(environ: Mapping[str, str], variable: str, default: int) -> int:
    """A limit from an environment variable.

    Raises ValueError, naming the variable: the fault of who started the kernel.
    """
    text = environ.get(variable)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{variable} must be a positive number, not {text!r}")
    return int(text)


def stack(parts: Sequence[Formatted], max_bytes: int = MAX_BYTES) -> Formatted:
    """Several outputs of a cell below one another, as one; empty ones are left out."""
    shown = [part for part in parts if not part.empty]
    failure = next((part.failure for part in parts if part.failure is not None), None)
    if not shown:
        return attrs.evolve(EMPTY, failure=failure)
    if len(shown) == 1:
        return attrs.evolve(shown[0], failure=failure)
    items = "".join(f"<div>{as_html(part)}</div>" for part in shown)
    html = f'<div class="callboard-stack">{items}</div>'
    return sendable(Formatted("text/html", html, failure), max_bytes)


def as_html(part: Formatted) -> str:
    """An output as a piece of a page; all that is not markup is escaped.

    Markdown and LaTeX become ``<callboard-markdown>`` and ``<callboard-latex>`` with the source as
    their text, for the page to render.
    """
    data = part.data
    match part.mimetype:
        case "text/html" | "image/svg+xml":
            return data
        case mimetype if mimetype == TRACEBACK_MIMETYPE:
            return data
        case "text/markdown":
            return f"<callboard-markdown>{escape(data)}</callboard-markdown>"
        case "text/latex":
            return f"<callboard-latex>{escape(data)}</callboard-latex>"
        case mimetype if mimetype.startswith("image/"):
            return f'<img src="{escape(data)}" alt="">'
        case _:
            return f"<pre>{escape(data)}</pre>" if data else ""


def traceback_html(text: str) -> str:
    """A traceback as printed, as HTML with its frames and its last line set apart."""
    lines = text.rstrip("\n").split("\n")
    marked = []
    for i, line in enumerate(lines):
        shown = escape(line, quote=False)
        if line.lstrip(" |").startswith('File "'):
            shown = f'<span class="frame">{shown}</span>'
        elif i == len(lines) - 1:
            shown = f'<span class="error">{shown}</span>'
        marked.append(shown)
    return '<pre class="callboard-traceback">' + "\n".join(marked) + "</pre>"


def sendable(formatted: Formatted, max_bytes: int) -> Formatted:
    """The output, or a warning in its place if it has more than ``max_bytes`` in UTF-8."""
    data = formatted.data
    size = len(data)
    if not data.isascii():
        try:
            size = len(data.encode())
        except UnicodeEncodeError:  # a lone surrogate, which no message can carry
            encoded = data.encode(errors="backslashreplace")
            formatted = attrs.evolve(formatted, data=encoded.decode())
            size = len(encoded)
    if size <= max_bytes:
        return formatted
    warning = (
        '<div class="callboard-warning"><strong>Output too large.</strong> It has '
        f"{size:,} bytes, and {max_bytes:,} are allowed. Show a part of the value, or set the "
        f"environment variable <code>{MAX_BYTES_VARIABLE}</code> to allow more.</div>"
    )
    return Formatted("text/html", warning, formatted.failure)
