"""Showing a value: as it wants to be shown, else as text.

All of this runs user code, so it belongs on the cell thread, in the context of the cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from pprint import pformat
from typing import Any

from callboard.actors.notebook.display import displayed, displays_itself
from callboard.actors.notebook.formatted import (
    EMPTY,
    MAX_BYTES,
    MAX_BYTES_VARIABLE,
    Formatted,
    as_html,
    positive_number,
    sendable,
    stack,
    traceback_html,
)
from callboard.actors.notebook.variables import class_name

__all__ = [
    "EMPTY",
    "MAX_BYTES",
    "MAX_BYTES_VARIABLE",
    "Formatted",
    "as_html",
    "format_output",
    "plain_text",
    "positive_number",
    "stack",
    "traceback_html",
]

_CONTAINERS = (list, tuple, dict, set, frozenset)

_MAX_DEPTH = 8
_MAX_ITEMS = 1000
_MAX_LOOKED_AT = 10_000


def format_output(value: object, max_bytes: int = MAX_BYTES) -> Formatted:
    """How to show one value; None shows nothing.

    A container is shown item by item if some item says how to show it. Whatever methods of the
    value raise, ``KeyboardInterrupt`` excepted, ends up in ``failure``, and the value is shown as
    text. Output of more than ``max_bytes`` in UTF-8 is replaced by a warning.
    """
    return sendable(_format(value), max_bytes)


def plain_text(value: object) -> str:
    """The text of a value: a string itself, for others their repr, broken into lines if long.

    Raises whatever ``repr`` raises: the fault of the value's class.
    """
    if isinstance(value, str):
        return str.__str__(value)  # an exact string, whatever the subclass overrides
    text = repr(value)
    # nobody reads a longer one line by line, and pprint is slow
    if 88 < len(text) < 20_000 and isinstance(value, _CONTAINERS):
        text = pformat(value, width=88, compact=True, sort_dicts=False)
    return str.__str__(text)


def _format(value: object) -> Formatted:
    if value is None:
        return EMPTY
    try:
        formatted = displayed(value)
        if formatted is None and isinstance(value, _CONTAINERS) and _holds_displayed(value):
            formatted = _Tree().format(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # even SystemExit: showing a value must not end anything
        return _plain(value, error)
    return _plain(value) if formatted is None else formatted


def _plain(value: object, failure: BaseException | None = None) -> Formatted:
    try:
        return Formatted("text/plain", plain_text(value), failure)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = f"<{class_name(value)} object, whose repr raised {class_name(error)}>"
        return Formatted("text/plain", text, failure or error)


def _holds_displayed(container: object) -> bool:
    """Whether a container holds a value that says how to show it, as far as one looks."""
    budget = _MAX_LOOKED_AT
    kinds: dict[type, bool] = {}
    seen = {id(container)}
    todo: list[tuple[object, int]] = [(container, 0)]
    while todo:
        container, depth = todo.pop()
        for item in _items(container):
            budget -= 1
            if budget < 0:
                return False
            kind = type(item)
            if issubclass(kind, _CONTAINERS):
                if depth < _MAX_DEPTH and id(item) not in seen:
                    seen.add(id(item))
                    todo.append((item, depth + 1))
                continue
            if kind not in kinds:
                kinds[kind] = displays_itself(kind)
            if kinds[kind]:
                return True
    return False


def _items(container: Any) -> Iterator[object]:
    return islice(container.values() if isinstance(container, dict) else container, _MAX_ITEMS)


class _Tree:
    """A container as nested lists of its items, each shown as it wants."""

    def __init__(self) -> None:
        self._failure: BaseException | None = None
        self._open: set[int] = set()

    def format(self, value: object) -> Formatted:
        html = self._container(value, 0)
        return Formatted("text/html", html, self._failure)

    def _container(self, value: Any, depth: int) -> str:
        if id(value) in self._open or depth > _MAX_DEPTH:
            return "<pre>...</pre>"
        self._open.add(id(value))
        pairs: Iterable[tuple[str, object]]
        if isinstance(value, dict):
            pairs = ((key if type(key) is str else repr(key), v) for key, v in value.items())
        elif isinstance(value, (list, tuple)):
            pairs = ((str(i), item) for i, item in enumerate(value))
        else:
            pairs = (("", item) for item in value)
        rows = [
            f'<li data-key="{escape(key)}">{self._item(item, depth)}</li>'
            for key, item in islice(pairs, _MAX_ITEMS)
        ]
        self._open.discard(id(value))
        if len(value) > len(rows):
            rows.append(f"<li>... {len(value) - len(rows):,} more</li>")
        kind = escape(class_name(value))
        return f'<ul class="callboard-tree" data-kind="{kind}">{"".join(rows)}</ul>'

    def _item(self, item: object, depth: int) -> str:
        if isinstance(item, _CONTAINERS):
            return self._container(item, depth + 1)
        if item is None or type(item) is str:
            return f"<pre>{escape(repr(item))}</pre>"
        formatted = _format(item)
        self._failure = self._failure or formatted.failure
        return as_html(formatted)
