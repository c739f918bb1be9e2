"""Messages of ours that together show every variant of every field."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from msgspec import UNSET, UnsetType

from callboard.messages.payloads import ERROR_MIMETYPE, TRACEBACK_MIMETYPE

ANYTHING: tuple[object, ...] = ("text", 7, 1.5, True, None, ["a", 1], {"key": "value"})
# Fields whose type is open but whose values are agreed on.
AGREED: dict[str, list[object]] = {
    "mimetype": [
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "text/password",
        "image/png",
        "image/jpeg",
        "image/svg+xml",
        "application/json",
        ERROR_MIMETYPE,
        TRACEBACK_MIMETYPE,
    ],
    "layout": [{"type": "grid", "data": {"columns": 12}}, None],
    "esm_spec": [{"url": "./@file/3-widget.js", "hash": "c0ffee"}, None],
}
SCALARS: dict[object, list[object]] = {
    object: list(ANYTHING),
    str: ["text"],
    int: [7],
    float: [1.5],
    bool: [True, False],
    bytes: [b"\x00\x01\x02"],
    type(None): [None],
    UnsetType: [UNSET],
}


def alternatives(annotation: Any) -> list[Any]:
    """Values that together show every variant of a type; the first is the fullest.

    Raises:
        TypeError: the messages use a type this does not know yet.
    """
    if isinstance(annotation, NewType):
        return alternatives(annotation.__supertype__)
    if annotation in SCALARS:
        return SCALARS[annotation]
    if is_typeddict(annotation):
        hints = get_type_hints(annotation)
        parts = one_at_a_time([alternatives(hint) for hint in hints.values()])
        return [*(dict(zip(hints, values, strict=True)) for values in parts), {}]
    if isinstance(annotation, type) and attrs.has(annotation):
        return list(instances(annotation))
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return list(arguments)
    if origin in (Union, types.UnionType):
        return [value for member in arguments for value in alternatives(member)]
    if origin is list:
        return [*([value] for value in alternatives(arguments[0])), []]
    if origin is tuple:
        return [tuple(values) for values in one_at_a_time([alternatives(a) for a in arguments])]
    if origin is dict:
        return [*({"key": value} for value in alternatives(arguments[1])), {}]
    raise TypeError(f"no sample for {annotation}")


def instances(cls: type[Any]) -> Iterator[Any]:
    """A full instance, one for each variant of each field, and one with the required fields only.

    Combinations that the class itself refuses are left out.
    """
    hints = get_type_hints(cls)
    fields = [field for field in attrs.fields(cls) if field.init]
    names = [field.name for field in fields]
    combinations = [
        dict(zip(names, values, strict=True))
        for values in one_at_a_time(
            [AGREED.get(name) or alternatives(hints[name]) for name in names]
        )
    ]
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    if len(required) < len(fields):
        combinations.append({name: combinations[0][name] for name in required})
    for combination in combinations:
        try:
            yield cls(**combination)
        except ValueError:  # fields that belong together
            continue


def one_at_a_time(parts: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    """All first alternatives, then each other alternative among the first ones of the rest."""
    first = [part[0] for part in parts]
    yield first
    for index, part in enumerate(parts):
        for value in part[1:]:
            yield [*first[:index], value, *first[index + 1 :]]
