"""What a notebook shows, as plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html.parser import HTMLParser

from callboard.messages.payloads import (
    ERROR_MIMETYPE,
    TRACEBACK_MIMETYPE,
    CellOutput,
)

MAX_LINES = 40
"""Lines of HTML that are shown; of plain text all are."""

# fmt: off
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "callboard-markdown", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
    "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
})
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
})
# fmt: on
_CELLS = frozenset({"td", "th"})
_UNSEEN = frozenset({"head", "script", "style", "svg", "template", "title"})
_SPACE = re.compile(r"\s+")


def plain(output: CellOutput) -> str:
    """The text of an output, without a line end; empty if there is nothing to see.

    What is no text at all is named and measured: ``[image/png, 1.2 kB]``.
    """
    data, mimetype = output.data, output.mimetype
    if not isinstance(data, str):
        return json.dumps(data, ensure_ascii=False, indent=2, default=str)
    if mimetype == "text/html":
        return html_text(data, MAX_LINES)
    if mimetype in (TRACEBACK_MIMETYPE, ERROR_MIMETYPE):
        return html_text(data)
    if mimetype == "application/json" or mimetype.endswith("+json"):
        return _indented(data)
    if mimetype.startswith("text/"):
        return data
    return f"[{mimetype}, {_size(data)}]" if data else ""


def html_text(html: str, max_lines: int | None = None) -> str:
    """The text of HTML: a line for each block, UI elements as ``[slider: 5]``, pictures by their names."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = reader.lines()
    if max_lines is not None and len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], f"... ({len(lines) - max_lines + 1} more lines)"]
    return "\n".join(lines)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line = ""
        self._unseen: list[str] = []
        self._verbatim = 0

    def lines(self) -> list[str]:
        """All lines; of blank ones at most one in a row, and none at either end."""
        self._break()
        lines: list[str] = []
        for line in self._lines:
            if line.strip() or (lines and lines[-1]):
                lines.append(line.rstrip())
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unseen:
            if tag not in _VOID:
                self._unseen.append(tag)
            return
        if tag in _UNSEEN:
            if tag == "svg":
                self._text("[image/svg+xml]")
            self._unseen.append(tag)
        elif tag in _BLOCKS:
            self._break()
            self._verbatim += tag in ("pre", "callboard-markdown")
            if tag == "li":
                self._line = "- "
        elif tag in _CELLS:
            self._line += "  " if self._line else ""
        elif tag == "img":
            name = dict(attrs).get("alt")
            self._text(f"[image: {name}]" if name else "[image]")
        elif tag.startswith("callboard-"):
            self._text(_element(tag.removeprefix("callboard-"), dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            if tag in self._unseen:  # an end tag may be left out
                del self._unseen[self._unseen.index(tag) :]
        elif tag in _BLOCKS:
            self._break()
            if tag in ("pre", "callboard-markdown") and self._verbatim:
                self._verbatim -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._text(data)

    def _text(self, text: str) -> None:
        if not self._verbatim:
            text = _SPACE.sub(" ", text)
            self._line += text.lstrip() if not self._line or self._line[-1] == " " else text
            return
        first, *others = text.split("\n")
        self._line += first
        for other in others:
            self._lines.append(self._line)
            self._line = other

    def _break(self) -> None:
        if self._line.strip():
            self._lines.append(self._line)
        self._line = ""


def _element(kind: str, attributes: dict[str, str | None]) -> str:
    """A UI element on one line, such as ``[slider how many: 5]``; a container is what it contains."""
    value = _json(attributes.get("data-value"))
    label = _json(attributes.get("data-label"))
    if isinstance(value, dict):
        return ""
    name = f"{kind} {html_text(label)}" if isinstance(label, str) and label else kind
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    if value in (None, "") or kind.endswith("button"):
        return f"[{name}] "
    return f"[{name}: {value}] "


def _json(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def _size(data: str) -> str:
    """How much data a data URL, or text, holds."""
    _, comma, encoded = data.partition(";base64,")
    size = len(encoded) * 3 // 4 if comma else len(data.encode(errors="replace"))
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def listed(names: Iterable[str]) -> str:
    """Names in order, quoted: ``'a', 'b'``."""
    return ", ".join(repr(name) for name in sorted(names))
