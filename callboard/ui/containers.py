"""Elements made of elements."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from callboard.ui.element import UIElement
from callboard.ui.updates import Applied, BadRawValue, UpdateFailure, UpdateStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
V = TypeVar("V")


class _Container(UIElement[V]):
    """Holds clones of the elements it is given: one element can be a part of several containers.

    The raw value is an object with the raw value of every part by key. The page may send a part of
    it: what is not mentioned stays. Parts whose raw value does not differ are left alone.
    """

    __slots__ = ("_parts",)

    def __init__(
        self,
        parts: dict[str, UIElement[Any]],
        label: str,
        on_change: Callable[[V], object] | None,
        disabled: bool,
        full_width: bool,
    ) -> None:
        self._parts = parts
        super().__init__(
            None, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _enter(self) -> None:
        self._parts = {key: part._clone() for key, part in self._parts.items()}
        super()._enter()
        # weak, so that a container nobody holds goes away at once although a part of it is held
        self_ref: weakref.ref[UIElement[Any]] = weakref.ref(self)
        for key, part in self._parts.items():
            part._parent_link = (self_ref, key)
        self._refresh()

    def _restore(self, raw: object) -> None:
        if isinstance(raw, Mapping):
            for key, part in self._parts.items():
                if key in raw:
                    part._restore(raw[key])

    def _refresh(self) -> None:
        self._raw_value = {key: part._raw_value for key, part in self._parts.items()}
        self._value = self._convert(self._raw_value)

    def _take(self, raw: object, applied: Applied) -> bool:
        if not isinstance(raw, Mapping):
            return self._refuse(applied, f"expected an object, not {type(raw).__name__}")
        before = len(applied.failures)
        changed = False
        try:
            for key, part_raw in raw.items():
                part = self._parts.get(key)
                if part is None:
                    self._refuse(applied, f"no part {key!r}")
                elif part._differs(part_raw):
                    changed |= part._take(part_raw, applied)
        finally:  # an interrupt leaves the parts it did not reach as they were
            self._refresh()
        if not changed and len(applied.failures) > before:
            return False
        self._announce(applied)
        return True

    def _refuse(self, applied: Applied, why: str) -> bool:
        applied.failures.append(UpdateFailure(self, UpdateStage.CONVERSION, BadRawValue(why)))
        return False

    def _merge(self, earlier: object, later: object) -> object:
        if not (isinstance(earlier, Mapping) and isinstance(later, Mapping)):
            return later
        merged = dict(earlier)
        for key, raw in later.items():
            part = self._parts.get(key)
            if part is not None and key in merged:
                raw = part._merge(merged[key], raw)
            merged[key] = raw
        return merged

    def _differs(self, raw: object) -> bool:
        if not isinstance(raw, Mapping):
            return True
        parts = self._parts
        return any(key not in parts or parts[key]._differs(part) for key, part in raw.items())

    def _completed(self) -> None:
        for part in self._parts.values():
            part._completed()
        self._refresh()

    @property
    def _happening(self) -> bool:
        return any(part._happening for part in self._parts.values())

    def _children_html(self) -> str:
        return "".join(
            f'<div data-key="{escape(key)}">{part._html()}</div>'
            for key, part in self._parts.items()
        )

    def __len__(self) -> int:
        return len(self._parts)


class Array(_Container["list[T]"], Generic[T]):
    """A list of elements; the value is the list of their values.

    `array[i]` is one of them. Keys of the raw value are the indices as strings.
    """

    __slots__ = ()
    _tag = "array"

    def __init__(
        self,
        elements: Iterable[UIElement[T]],
        *,
        label: str = "",
        on_change: Callable[[list[T]], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Takes clones of the elements.

        Raises TypeError, naming the argument.
        """
        try:
            given = list(elements)
        except TypeError:
            raise type(self)._wrong_type("elements", "a list of elements", elements) from None
        for i, element in enumerate(given):
            if not isinstance(element, UIElement):
                raise type(self)._wrong_type(f"elements[{i}]", "an element", element)
        super().__init__(
            {str(i): element for i, element in enumerate(given)},
            label,
            on_change,
            disabled,
            full_width,
        )

    def _convert(self, raw: object) -> list[T]:
        return [part._value for part in self._parts.values()]

    @property
    def elements(self) -> list[UIElement[T]]:
        """The parts in order."""
        return list(self._parts.values())

    @overload
    def __getitem__(self, index: int) -> UIElement[T]: ...
    @overload
    def __getitem__(self, index: slice) -> list[UIElement[T]]: ...
    def __getitem__(self, index: int | slice) -> UIElement[T] | list[UIElement[T]]:
        return list(self._parts.values())[index]

    def __iter__(self) -> Iterator[UIElement[T]]:
        return iter(self.elements)


class Dictionary(_Container["dict[str, T]"], Generic[T]):
    """Elements by name; the value is a dict of their values.

    `dictionary[name]` is one of them. Keys of the raw value are the names.
    """

    __slots__ = ()
    _tag = "dictionary"

    def __init__(
        self,
        elements: Mapping[str, UIElement[T]],
        *,
        label: str = "",
        on_change: Callable[[dict[str, T]], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Takes clones of the elements.

        Raises TypeError, naming the argument.
        """
        if not isinstance(elements, Mapping):
            raise type(self)._wrong_type("elements", "a mapping of elements", elements)
        for name, element in elements.items():
            if not isinstance(name, str):
                raise type(self)._wrong_type(
                    f"elements (the key {name!r})", "named by strings", name
                )
            if not isinstance(element, UIElement):
                raise type(self)._wrong_type(f"elements[{name!r}]", "an element", element)
        super().__init__(dict(elements), label, on_change, disabled, full_width)

    def _convert(self, raw: object) -> dict[str, T]:
        return {name: part._value for name, part in self._parts.items()}

    @property
    def elements(self) -> dict[str, UIElement[T]]:
        """The parts by name."""
        return dict(self._parts)

    def __getitem__(self, name: str) -> UIElement[T]:
        return cast("UIElement[T]", self._parts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __contains__(self, name: object) -> bool:
        return name in self._parts
