"""Elements whose value is text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KINDS = ("text", "password", "email", "url")


class _Typed(UIElement[str]):
    __slots__ = ("debounce", "max_length", "placeholder")

    def __init__(
        self,
        value: str,
        placeholder: str,
        max_length: int | None,
        debounce: bool,
        label: str,
        on_change: Callable[[str], object] | None,
        disabled: bool,
        full_width: bool,
    ) -> None:
        cls = type(self)
        if not isinstance(value, str):
            raise cls._wrong_type("value", "a string", value)
        if not isinstance(placeholder, str):
            raise cls._wrong_type("placeholder", "a string", placeholder)
        if max_length is not None:
            if type(max_length) is not int:
                raise cls._wrong_type("max_length", "an int", max_length)
            if max_length < 0:
                raise cls._wrong_value("max_length", f"must not be negative, {max_length}")
            if len(value) > max_length:
                raise cls._wrong_value("value", f"is longer than max_length, {max_length}")
        self.placeholder = placeholder
        self.max_length = max_length
        self.debounce = bool(debounce)
        super().__init__(
            value, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> str:
        if type(raw) is not str:
            raise BadRawValue(f"expected a string, not {type(raw).__name__}")
        if self.max_length is not None and len(raw) > self.max_length:
            raise BadRawValue(f"expected at most {self.max_length} characters, not {len(raw)}")
        return raw

    def _data(self) -> Mapping[str, object]:
        data: dict[str, object] = {}
        if self.placeholder:
            data["placeholder"] = self.placeholder
        if self.max_length is not None:
            data["max-length"] = self.max_length
        if self.debounce:
            data["debounce"] = True
        return data


class Text(_Typed):
    """One line of text. The raw value is the string."""

    __slots__ = ("kind",)
    _tag = "text"

    def __init__(
        self,
        value: str = "",
        placeholder: str = "",
        kind: Literal["text", "password", "email", "url"] = "text",
        *,
        max_length: int | None = None,
        label: str = "",
        on_change: Callable[[str], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = True,
    ) -> None:
        """All arguments are optional.

        With `debounce` the page sends the text when the field is left or Enter is pressed, not at
        every key.

        Raises TypeError or ValueError, naming the argument.
        """
        if kind not in _KINDS:
            raise type(self)._wrong_value(
                "kind", f"must be one of {', '.join(_KINDS)}, not {kind!r}"
            )
        self.kind = kind
        super().__init__(
            value, placeholder, max_length, debounce, label, on_change, disabled, full_width
        )

    def _data(self) -> Mapping[str, object]:
        return {**super()._data(), "kind": self.kind}

    def __repr__(self) -> str:
        if self.kind == "password":
            return f"<text {self.element_id} (a password)>"
        return super().__repr__()


class TextArea(_Typed):
    """Several lines of text. The raw value is the string."""

    __slots__ = ("rows",)
    _tag = "text-area"

    def __init__(
        self,
        value: str = "",
        placeholder: str = "",
        *,
        rows: int = 4,
        max_length: int | None = None,
        label: str = "",
        on_change: Callable[[str], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = True,
    ) -> None:
        """All arguments are optional.

        With `debounce` the page sends the text when the field is left, not at every key.

        Raises TypeError or ValueError, naming the argument.
        """
        if type(rows) is not int:
            raise type(self)._wrong_type("rows", "an int", rows)
        if rows < 1:
            raise type(self)._wrong_value("rows", f"must be positive, not {rows}")
        self.rows = rows
        super().__init__(
            value, placeholder, max_length, debounce, label, on_change, disabled, full_width
        )

    def _data(self) -> Mapping[str, object]:
        return {**super()._data(), "rows": self.rows}
