"""Elements whose value is a bool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable


class _Toggle(UIElement[bool]):
    __slots__ = ()

    def __init__(
        self,
        value: bool = False,
        *,
        label: str = "",
        on_change: Callable[[bool], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Raises TypeError, naming the argument, if `value` is not a bool."""
        if type(value) is not bool:
            raise type(self)._wrong_type("value", "a bool", value)
        super().__init__(
            value, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> bool:
        if type(raw) is not bool:
            raise BadRawValue(f"expected true or false, not {type(raw).__name__}")
        return raw


class Checkbox(_Toggle):
    """Checked or not. The raw value is the bool."""

    __slots__ = ()
    _tag = "checkbox"


class Switch(_Toggle):
    """On or off. The raw value is the bool."""

    __slots__ = ()
    _tag = "switch"
