"""The methods by which a value says how it wants to be shown."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Mapping

from callboard.actors.notebook.figures import figure_png
from callboard.actors.notebook.formatted import Formatted, traceback_html
from callboard.messages.payloads import TRACEBACK_MIMETYPE

_PLAIN = frozenset({str, int, float, bool, complex, bytes, list, tuple, dict, set, frozenset})


def displayed(value: object) -> Formatted | None:
    """How the value itself wants to be shown; None if it does not say.

    Asks in turn for ``_mime_`` (a MIME type and the data), for a bundle (``_mimebundle_``,
    ``_repr_mimebundle_``), and for Jupyter's ``_repr_*_``; a method that returns None does not
    count. Exceptions that were raised show their traceback, and matplotlib's figures a picture.

    Raises whatever the value's methods raise, and TypeError or ValueError if they return nonsense.
    """
    kind = type(value)
    if kind not in _PLAIN:
        # an instance may answer to a name its class lacks (proxies do), but one that answers to
        # every name says nothing by it, and what a class has is for its instances
        may_answer = not isinstance(value, type) and not hasattr(value, "_no_such_method_")
        for name, show in _PROTOCOLS:
            if may_answer or getattr(kind, name, None) is not None:
                method = getattr(value, name, None)
                formatted = show(method) if callable(method) else None
                if formatted is not None:
                    return formatted
        if isinstance(value, BaseException) and value.__traceback__ is not None:
            text = "".join(traceback.format_exception(value))
            return Formatted(TRACEBACK_MIMETYPE, traceback_html(text))
    picture = figure_png(value)
    return None if picture is None else _encoded("image/png", picture)


def displays_itself(kind: type) -> bool:
    """Whether values of this class say how to show them, as far as the class tells."""
    return any(getattr(kind, name, None) is not None for name in _NAMES)


def _mime(method: Callable[..., object]) -> Formatted | None:
    result = method()
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], str)):
        raise TypeError("_mime_ must return a pair of the MIME type and the data")
    return _encoded(result[0], result[1])


def _bundle(method: Callable[..., object]) -> Formatted | None:
    bundle = _without_metadata(method())
    if not isinstance(bundle, Mapping):
        return None
    for mimetype in (*_PREFERRED, *bundle):
        if bundle.get(mimetype) is not None:
            return _encoded(mimetype, bundle[mimetype])
    return None


def _one(mimetype: str) -> Callable[[Callable[..., object]], Formatted | None]:
    def show(method: Callable[..., object]) -> Formatted | None:
        data = _without_metadata(method())
        return None if data is None else _encoded(mimetype, data)

    return show


def _without_metadata(result: object) -> object:
    if isinstance(result, tuple):
        return result[0] if result else None
    return result


_PREFERRED = (
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/markdown",
    "text/latex",
    "application/json",
    "text/plain",
)
_PROTOCOLS: tuple[tuple[str, Callable[[Callable[..., object]], Formatted | None]], ...] = (
    ("_mime_", _mime),
    ("_mimebundle_", _bundle),
    ("_repr_mimebundle_", _bundle),
    ("_repr_html_", _one("text/html")),
    ("_repr_svg_", _one("image/svg+xml")),
    ("_repr_png_", _one("image/png")),
    ("_repr_jpeg_", _one("image/jpeg")),
    ("_repr_markdown_", _one("text/markdown")),
    ("_repr_latex_", _one("text/latex")),
    ("_repr_json_", _one("application/json")),
)
_NAMES = (*(name for name, _ in _PROTOCOLS), "savefig")


def _encoded(mimetype: str, data: object) -> Formatted:
    """Data of a MIME type as they travel: pictures as data URLs, the rest as text."""
    if mimetype.startswith("image/") and mimetype != "image/svg+xml":
        if isinstance(data, (bytes, bytearray, memoryview)):
            data = base64.b64encode(data).decode()
        if isinstance(data, str) and not data.startswith(("data:", "http:", "https:")):
            data = f"data:{mimetype};base64,{''.join(data.split())}"
    elif isinstance(data, (bytes, bytearray, memoryview)):
        data = bytes(data).decode()
    elif isinstance(data, (dict, list)) or mimetype == "application/json":
        data = data if isinstance(data, str) else json.dumps(data)
    if not isinstance(data, str):
        raise TypeError(f"{mimetype} must be text, not {type(data).__name__}")
    return Formatted(mimetype, str.__str__(data))
