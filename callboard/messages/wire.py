"""How each message class is written: the names of its keys and the constant that tells it apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin, get_type_hints

import attrs

from callboard.messages.commands import (
    COMMAND_TAGS,
    COMMANDS,
    ModelCustomMessage,
    ModelUpdateMessage,
)
from callboard.messages.notifications import NOTIFICATIONS
from callboard.messages.payloads import CAMEL_CASE

_CAMEL_CASE = CAMEL_CASE | COMMAND_TAGS.keys() | {ModelUpdateMessage, ModelCustomMessage}


def camel_case(name: str) -> str:
    """Turn a snake_case name into a camelCase one."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


@attrs.frozen
class Shape:
    """How the instances of one class look on the wire.

    ``keys`` are pairs of attribute and key. ``tag`` is the key and value that an object of this
    class has on top of its attributes: only commands do, other classes have their tag as an
    attribute. ``constants`` are the attributes that are the same for every instance, by key.
    """

    keys: tuple[tuple[str, str], ...]
    tag: tuple[str, str] | None
    constants: dict[str, str]
    types: dict[str, object]
    """The types of all attributes, resolved."""

    def key(self, attribute: str) -> str:
        """Return the key under which an attribute is written."""
        return dict(self.keys).get(attribute, attribute)


def _shape(cls: type[attrs.AttrsInstance]) -> Shape:
    fields = attrs.fields(cls)
    rename = camel_case if cls in _CAMEL_CASE else str
    return Shape(
        keys=tuple((field.name, rename(field.name)) for field in fields),
        tag=("type", COMMAND_TAGS[cls]) if cls in COMMAND_TAGS else None,
        constants={rename(f.name): str(f.default) for f in fields if not f.init},
        types=get_type_hints(cls),
    )


def types_within(annotation: object) -> Iterator[object]:
    """Yield a type and all types that it is made of."""
    yield annotation
    if get_origin(annotation) is not None:
        for argument in get_args(annotation):
            yield from types_within(argument)


def _collect(roots: tuple[type[attrs.AttrsInstance], ...]) -> dict[type, Shape]:
    shapes: dict[type, Shape] = {}
    waiting = list(roots)
    while waiting:
        cls = waiting.pop()
        if cls in shapes:
            continue
        shapes[cls] = _shape(cls)
        for annotation in shapes[cls].types.values():
            waiting += [t for t in types_within(annotation) if isinstance(t, type) and attrs.has(t)]
    return shapes


SHAPES: dict[type, Shape] = _collect((*COMMANDS, *NOTIFICATIONS))
"""Every class that can be part of a message."""


def _is_direct(cls: type, seen: frozenset[type] = frozenset()) -> bool:
    if cls in seen:
        return True
    if cls in _CAMEL_CASE:
        return False
    parts = [part for annotation in SHAPES[cls].types.values() for part in types_within(annotation)]
    return object not in parts and all(
        _is_direct(part, seen | {cls})
        for part in parts
        if isinstance(part, type) and part in SHAPES
    )


DIRECT: frozenset[type] = frozenset(cls for cls in NOTIFICATIONS if _is_direct(cls))
"""Notifications without values of arbitrary types, whose attributes are named like their keys."""


def _lists_messages(cls: type, seen: frozenset[type] = frozenset()) -> bool:
    if cls in seen:
        return False
    parts = [part for annotation in SHAPES[cls].types.values() for part in types_within(annotation)]
    return any(
        get_origin(part) is list and any(item in SHAPES for item in types_within(part))
        for part in parts
    ) or any(
        _lists_messages(part, seen | {cls})
        for part in parts
        if isinstance(part, type) and part in SHAPES
    )


LISTING: frozenset[type] = frozenset(cls for cls in NOTIFICATIONS if _lists_messages(cls))
"""Notifications that list things of a known form, which may be many."""
