"""Dotted names of tables, as clients write them. Pure."""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


class MalformedName(ValueError):
    """A text is no name of a table; the text says why."""


def split_name(text: str) -> tuple[str, ...]:
    """Split a name at its dots into one part, or three: database, schema and table.

    A part may stand in double quotes, where a dot is a character and a quote is doubled.

    Raises:
        MalformedName: it has another number of parts, or a part is empty or badly quoted.
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise MalformedName(f"the table name {_shown(text)} has an empty or badly quoted part")
        quoted, bare = match.groups()
        parts.append(bare if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if position == len(text):
            break
        if text[position] != ".":
            raise MalformedName(f"the table name {_shown(text)} has a badly quoted part")
        position += 1
    if len(parts) not in {1, 3}:
        raise MalformedName(
            f"the table name {_shown(text)} has {len(parts)} parts; it must have three "
            "(database, schema and table), or only the table's"
        )
    return tuple(parts)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")
