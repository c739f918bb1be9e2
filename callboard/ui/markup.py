"""Elements as HTML: one custom element each, its settings as `data-*` attributes.

`<callboard-slider object-id="c1-0" data-value="5" data-label="&quot;Age&quot;" data-start="0"
...>`: every `data-*` attribute holds JSON. `data-value` is the raw value the page starts from, and
what it sends back has the same shape.
"""

from __future__ import annotations

from html import escape
from json import JSONEncoder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def custom_element(tag: str, object_id: str, data: Mapping[str, object], children: str = "") -> str:
    """The element as HTML, everything in it escaped; `children` is markup already."""
    attributes = "".join(f' data-{name}="{escape(_encode(value))}"' for name, value in data.items())
    name = f"callboard-{tag}"
    return f'<{name} object-id="{escape(object_id)}"{attributes}>{children}</{name}>'
