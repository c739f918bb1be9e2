"""Hypothesis strategies for messages, derived from the message classes themselves.

Needs ``hypothesis``, which callboard does not depend on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec import UNSET, UnsetType

from callboard.messages.commands import (
    COMMANDS,
    Command,
    ExecuteCellsCommand,
    ModelCommand,
    ModelUpdateMessage,
    UpdateUIElementCommand,
)
from callboard.messages.ids import ModelId, UIElementId
from callboard.messages.notifications import NOTIFICATIONS, Notification
from callboard.messages.payloads import BufferPath, HTTPRequest

_MANY = 4
"""How many items a list holds at most: enough for order and repetition to matter."""


def json_values() -> SearchStrategy[object]:
    """Anything that JSON can hold."""
    return _JSON


_SCALARS: dict[Any, SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=20),
    NoneType: st.none(),
    UnsetType: st.just(UNSET),
}

_JSON: SearchStrategy[object] = st.recursive(
    st.one_of(*(_SCALARS[t] for t in (NoneType, bool, int, float, str))),
    lambda inner: (
        st.lists(inner, max_size=_MANY) | st.dictionaries(_SCALARS[str], inner, max_size=_MANY)
    ),
    max_leaves=8,
)

_REQUEST = HTTPRequest | None


@cache
def values_of(annotation: Any) -> SearchStrategy[Any]:
    """Values of a type that may occur in a message.

    Raises:
        TypeError: no message has values of that type; the caller's fault.
    """
    if annotation is object:
        return _JSON
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, NewType):
        return values_of(annotation.__supertype__)
    if annotation in _CONSTRAINED:
        return _CONSTRAINED[annotation]()
    if is_typeddict(annotation):
        hints = get_type_hints(annotation)
        return st.fixed_dictionaries(
            {}, optional={key: values_of(hint) for key, hint in hints.items()}
        )
    if isinstance(annotation, type) and attrs.has(annotation):
        hints = get_type_hints(annotation)
        fields = [field.name for field in attrs.fields(annotation) if field.init]
        return st.builds(annotation, **{name: values_of(hints[name]) for name in fields})
    return _generic(annotation)


def _generic(annotation: Any) -> SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (UnionType, Union):
        return st.one_of(*map(values_of, arguments))
    if origin is list:
        return st.lists(values_of(arguments[0]), max_size=_MANY)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if origin is dict:
        return st.dictionaries(*map(values_of, arguments), max_size=_MANY)
    raise TypeError(f"no message has values of type {annotation}")


@st.composite
def _execute_cells(draw: DrawFn) -> ExecuteCellsCommand:
    pairs = draw(values_of(list[tuple[str, str]]))
    command = draw(
        st.builds(
            ExecuteCellsCommand,
            cell_ids=st.just([cell for cell, _ in pairs]),
            codes=st.just([code for _, code in pairs]),
            request=values_of(_REQUEST),
            timestamp=_SCALARS[float],
        )
    )
    assert isinstance(command, ExecuteCellsCommand)
    return command


@st.composite
def element_updates(
    draw: DrawFn,
    elements: SearchStrategy[UIElementId] | None = None,
    values: SearchStrategy[object] = _JSON,
    requests: SearchStrategy[HTTPRequest | None] | None = None,
) -> UpdateUIElementCommand:
    """Commands that set elements; an element may be named more than once."""
    ids = draw(st.lists(values_of(UIElementId) if elements is None else elements, max_size=_MANY))
    return UpdateUIElementCommand(
        ids,
        draw(st.lists(values, min_size=len(ids), max_size=len(ids))),
        draw(values_of(_REQUEST) if requests is None else requests),
        draw(_SCALARS[str]),
    )


@st.composite
def model_updates(
    draw: DrawFn,
    models: SearchStrategy[ModelId] | None = None,
    keys: SearchStrategy[str] = _SCALARS[str],
    values: SearchStrategy[object] = _JSON,
) -> ModelCommand:
    """Commands that change a widget's state.

    As widgets do it, binary values are absent from the state, or from a dict in it, and have a path
    to where they belong.
    """
    state: dict[str, object] = draw(st.dictionaries(keys, values, max_size=_MANY))
    whole = draw(st.lists(keys, unique=True, max_size=2))
    nested = draw(st.lists(keys, unique=True, max_size=2))
    paths: list[BufferPath] = []
    for key in whole:
        state.pop(key, None)
        paths.append([key])
    for key in nested:
        if key not in whole:
            state[key] = {"rest": draw(values)}
            paths.append([key, "data"])
    return ModelCommand(
        draw(values_of(ModelId) if models is None else models),
        ModelUpdateMessage(state, paths),
        draw(st.lists(_SCALARS[bytes], min_size=len(paths), max_size=len(paths))),
        draw(_SCALARS[str]),
    )


def _model_customs() -> SearchStrategy[ModelCommand]:
    hints = get_type_hints(ModelCommand)
    (custom,) = set(get_args(hints["message"])) - {ModelUpdateMessage}
    return st.builds(
        ModelCommand,
        values_of(ModelId),
        values_of(custom),
        values_of(hints["buffers"]),
        values_of(str),
    )


_CONSTRAINED: dict[Any, Callable[[], SearchStrategy[Any]]] = {
    ExecuteCellsCommand: _execute_cells,
    UpdateUIElementCommand: element_updates,
    ModelCommand: lambda: model_updates() | _model_customs(),
}


def commands(*types: type[Command]) -> SearchStrategy[Command]:
    """Commands of the given types, of any type without one."""
    chosen: tuple[Any, ...] = types or COMMANDS
    return st.one_of(*map(values_of, chosen))


def notifications(*types: type[Notification]) -> SearchStrategy[Notification]:
    """Notifications of the given types, of any type without one."""
    chosen: tuple[Any, ...] = types or NOTIFICATIONS
    return st.one_of(*map(values_of, chosen))
