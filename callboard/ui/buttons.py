"""Elements that are pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

V = TypeVar("V")

Kind = Literal["neutral", "success", "warn", "danger"]

_KINDS = ("neutral", "success", "warn", "danger")


def _checked_kind(element: type[UIElement[Any]], kind: Kind) -> Kind:
    if kind not in _KINDS:
        raise element._wrong_value("kind", f"must be one of {', '.join(_KINDS)}, not {kind!r}")
    return kind


def _check_count(raw: object) -> None:
    if type(raw) is not int and not (type(raw) is float and raw.is_integer()):
        raise BadRawValue(f"expected a count of presses, not {type(raw).__name__}")


class Button(UIElement[V], Generic[V]):
    """A button whose presses make its value.

    The raw value counts presses. Each press makes the value `on_click(value)`, starting from the
    given one; without `on_click` the value stays, and dependants run all the same. A count from an
    earlier session presses nothing.
    """

    __slots__ = ("_first_value", "_on_click", "kind")
    _tag = "button"

    @overload
    def __init__(
        self: Button[None],
        on_click: Callable[[Any], None] | None = None,
        value: None = None,
        kind: Kind = "neutral",
        *,
        label: str = "Press",
        on_change: Callable[[None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self,
        on_click: Callable[[V], V] | None = None,
        value: V = ...,
        kind: Kind = "neutral",
        *,
        label: str = "Press",
        on_change: Callable[[V], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    def __init__(
        self,
        on_click: Callable[[Any], Any] | None = None,
        value: Any = None,
        kind: Kind = "neutral",
        *,
        label: str = "Press",
        on_change: Callable[[Any], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Raises TypeError or ValueError, naming the argument.

        `on_click` makes a value, so it cannot be a coroutine function; `on_change` can.
        """
        cls = type(self)
        if on_click is not None:
            if not callable(on_click):
                raise cls._wrong_type("on_click", "callable", on_click)
            if _is_coroutine_function(on_click):
                raise TypeError("button: on_click cannot be async; make on_change async instead")
        self._on_click = on_click
        self._first_value: V = value
        self.kind = _checked_kind(cls, kind)
        super().__init__(
            0, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _initial(self, raw: object) -> V:
        _check_count(raw)
        return self._first_value

    def _convert(self, raw: object) -> V:
        _check_count(raw)
        if self._on_click is None:
            return self._value
        value: V = self._on_click(self._value)
        return value

    def _data(self) -> Mapping[str, object]:
        return {"kind": self.kind}


def _is_coroutine_function(function: object) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & 0x80)  # CO_COROUTINE


class RunButton(UIElement[bool]):
    """A button whose value is true only while what depends on it runs after a press.

    The raw value counts presses.
    """

    __slots__ = ("kind",)
    _tag = "run-button"

    def __init__(
        self,
        kind: Kind = "neutral",
        *,
        label: str = "Run",
        on_change: Callable[[bool], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Raises TypeError or ValueError, naming the argument."""
        self.kind = _checked_kind(type(self), kind)
        super().__init__(
            0, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _initial(self, raw: object) -> bool:
        _check_count(raw)
        return False

    def _convert(self, raw: object) -> bool:
        _check_count(raw)
        return True

    def _completed(self) -> None:
        self._value = False

    @property
    def _happening(self) -> bool:
        return bool(self._value)

    def _data(self) -> Mapping[str, object]:
        return {"kind": self.kind}
