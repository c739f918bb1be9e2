"""Finding elements by id, and the names that stand for them."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from callboard.ui.element import UIElement
from callboard.ui.functions import FunctionRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping


class ElementRegistry:
    """The living elements of a notebook by id.

    Weak: an element is here for as long as a variable, a container or a kept cell output holds it.
    One that takes the id of another replaces it. Elements may be registered from any thread; the
    rest is for the cell thread.
    """

    def __init__(self) -> None:
        self._elements: WeakValueDictionary[str, UIElement[Any]] = WeakValueDictionary()
        self.functions = FunctionRegistry(self.get)

    def __len__(self) -> int:
        return len(self._elements)

    def register(self, element: UIElement[Any]) -> None:
        """Make the element findable by its id."""
        self._elements[element.element_id] = element

    def get(self, element_id: str) -> UIElement[Any] | None:
        """The living element with this id."""
        return self._elements.get(element_id)

    def resolve(self, updates: Mapping[Any, object]) -> list[tuple[UIElement[Any], object]]:
        """Which elements to update with what, in order of first mention.

        A part of a container stands for its outermost container, with a nested `{key: raw}` value;
        several parts of one are merged, the later one winning where both name the same part.
        Unknown and collected ids are left out.
        """
        merged: dict[UIElement[Any], object] = {}
        for element_id, raw in updates.items():
            element = self.get(element_id)
            if element is None:
                continue
            while (link := element._parent) is not None:
                element, key = link
                raw = {key: raw}
            if element in merged:
                raw = element._merge(merged[element], raw)
            merged[element] = raw
        return list(merged.items())


_NOTHING: frozenset[str] = frozenset()


def bound_elements(value: object) -> frozenset[str]:
    """The ids whose update concerns a name bound to this value.

    That is the element's own id and those of the containers it is a part of; for a
    `types.SimpleNamespace` those of everything in it. Cheap for any other value, and runs no code
    of it.
    """
    kind = type(value)
    if issubclass(kind, UIElement):
        return _lineage(value)  # type: ignore[arg-type]
    if issubclass(kind, types.SimpleNamespace):
        found: set[str] = set()
        _collect(value, found, set())
        return frozenset(found)
    return _NOTHING


def _lineage(element: UIElement[Any]) -> frozenset[str]:
    ids: list[str] = [element.element_id]
    while (link := element._parent) is not None:
        element = link[0]
        ids.append(element.element_id)
    return frozenset(ids)


def _collect(namespace: object, found: set[str], seen: set[int]) -> None:
    if id(namespace) in seen:
        return
    seen.add(id(namespace))
    for value in tuple(object.__getattribute__(namespace, "__dict__").values()):
        if issubclass(type(value), UIElement):
            found |= _lineage(value)
        elif issubclass(type(value), types.SimpleNamespace):
            _collect(value, found, seen)
