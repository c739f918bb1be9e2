"""Elements to choose among options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
V = TypeVar("V")


class _Choice(UIElement[V]):
    """Options by key: those of the mapping, or the text of each option of a list.

    What the page sends are keys.
    """

    __slots__ = ("options",)

    options: dict[str, Any]

    def _set_options(self, options: Mapping[str, Any] | Iterable[Any]) -> None:
        cls = type(self)
        if isinstance(options, Mapping):
            for key in options:
                if not isinstance(key, str):
                    raise cls._wrong_type(f"options (the key {key!r})", "keyed by strings", key)
            self.options = dict(options)
            return
        if isinstance(options, (str, bytes)) or not isinstance(options, Iterable):
            raise cls._wrong_type("options", "a list or a mapping", options)
        self.options = {}
        for option in options:
            key = option if isinstance(option, str) else str(option)
            if key in self.options:
                raise cls._wrong_value(
                    "options", f"has {key!r} twice; give a mapping to tell them apart"
                )
            self.options[key] = option

    def _key(self, argument: str, value: object) -> str:
        key = value if isinstance(value, str) else str(value)
        if key in self.options:
            return key
        known = ", ".join(map(repr, list(self.options)[:8]))
        more = ", ..." if len(self.options) > 8 else ""
        raise type(self)._wrong_value(argument, f"must be one of {known}{more}; not {value!r}")

    def _sent_keys(self, raw: object, most: int | None) -> list[str]:
        """The distinct keys in a raw value: a list of keys, one plain key, or null for none.

        Raises:
            BadRawValue: something else, an unknown key, or too many.
        """
        keys = [] if raw is None else [raw] if isinstance(raw, str) else raw
        if not isinstance(keys, (list, tuple)):
            raise BadRawValue(f"expected a list of options, not {type(raw).__name__}")
        distinct: dict[str, None] = {}
        for key in keys:
            if not isinstance(key, str) or key not in self.options:
                raise BadRawValue(f"no option {key!r}")
            distinct[key] = None
        if most is not None and len(distinct) > most:
            raise BadRawValue(f"expected at most {most} options, not {len(distinct)}")
        return list(distinct)

    def _data(self) -> Mapping[str, object]:
        return {"options": list(self.options)}


class Dropdown(_Choice["T | None"], Generic[T]):
    """One option of a list that opens, or none.

    The raw value is a list with the key of the option, or an empty one; a plain key is understood
    too. It converts to the option, of a mapping the one under the key, and to None for no choice.
    """

    __slots__ = ("allow_none", "searchable")
    _tag = "dropdown"

    @overload
    def __init__(
        self,
        options: Mapping[str, T],
        value: str | None = None,
        *,
        allow_none: bool | None = None,
        searchable: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self,
        options: Iterable[T],
        value: T | None = None,
        *,
        allow_none: bool | None = None,
        searchable: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    def __init__(
        self,
        options: Mapping[str, T] | Iterable[T],
        value: object = None,
        *,
        allow_none: bool | None = None,
        searchable: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """`value` is the option to start with, of a mapping its key.

        `allow_none` says whether the reader can choose nothing; by default they can if `value` is
        not given. If it is false and there is no `value`, the first option is chosen.

        Raises TypeError or ValueError, naming the argument.
        """
        self._set_options(options)
        self.allow_none = value is None if allow_none is None else bool(allow_none)
        self.searchable = bool(searchable)
        if value is not None:
            chosen = [self._key("value", value)]
        elif self.allow_none:
            chosen = []
        elif self.options:
            chosen = [next(iter(self.options))]
        else:
            raise type(self)._wrong_value("options", "must not be empty unless allow_none is true")
        super().__init__(
            chosen, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> T | None:
        keys = self._sent_keys(raw, most=1)
        if keys:
            option: T = self.options[keys[0]]
            return option
        if not self.allow_none:
            raise BadRawValue("expected a choice, got none")
        return None

    def _data(self) -> Mapping[str, object]:
        return {
            **super()._data(),
            "allow-none": self.allow_none,
            **({"searchable": True} if self.searchable else {}),
        }


class Radio(_Choice["T | None"], Generic[T]):
    """One option, all of them in sight.

    The raw value is the key of the option, or null while nothing is chosen; a list with at most
    one key is understood too. It converts to the option, of a mapping the one under the key.
    """

    __slots__ = ("inline",)
    _tag = "radio"

    @overload
    def __init__(
        self,
        options: Mapping[str, T],
        value: str | None = None,
        *,
        inline: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self,
        options: Iterable[T],
        value: T | None = None,
        *,
        inline: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    def __init__(
        self,
        options: Mapping[str, T] | Iterable[T],
        value: object = None,
        *,
        inline: bool = False,
        label: str = "",
        on_change: Callable[[T | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """`value` is the option to start with, of a mapping its key; nothing is chosen without one.

        Raises TypeError or ValueError, naming the argument.
        """
        self._set_options(options)
        self.inline = bool(inline)
        super().__init__(
            None if value is None else self._key("value", value),
            label=label,
            on_change=on_change,
            disabled=disabled,
            full_width=full_width,
        )

    def _convert(self, raw: object) -> T | None:
        keys = self._sent_keys(raw, most=1)
        return self.options[keys[0]] if keys else None

    def _data(self) -> Mapping[str, object]:
        return {**super()._data(), **({"inline": True} if self.inline else {})}


class Multiselect(_Choice["list[T]"], Generic[T]):
    """Any number of options.

    The raw value is the list of their keys, in the order of choosing; a plain key is understood
    too. It converts to the list of options, of a mapping those under the keys.
    """

    __slots__ = ("max_selections",)
    _tag = "multiselect"

    @overload
    def __init__(
        self,
        options: Mapping[str, T],
        value: Iterable[str] = (),
        *,
        max_selections: int | None = None,
        label: str = "",
        on_change: Callable[[list[T]], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self,
        options: Iterable[T],
        value: Iterable[T] = (),
        *,
        max_selections: int | None = None,
        label: str = "",
        on_change: Callable[[list[T]], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None: ...
    def __init__(
        self,
        options: Mapping[str, T] | Iterable[T],
        value: Iterable[object] = (),
        *,
        max_selections: int | None = None,
        label: str = "",
        on_change: Callable[[list[T]], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """`value` holds the options to start with, of a mapping their keys.

        Raises TypeError or ValueError, naming the argument.
        """
        cls = type(self)
        self._set_options(options)
        if max_selections is not None:
            if type(max_selections) is not int:
                raise cls._wrong_type("max_selections", "an int", max_selections)
            if max_selections < 0:
                raise cls._wrong_value("max_selections", f"must not be negative, {max_selections}")
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise cls._wrong_type("value", "a list of options", value)
        chosen = list(dict.fromkeys(self._key("value", option) for option in value))
        if max_selections is not None and len(chosen) > max_selections:
            raise cls._wrong_value("value", f"has more than max_selections, {max_selections}")
        self.max_selections = max_selections
        super().__init__(
            chosen, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> list[T]:
        return [self.options[key] for key in self._sent_keys(raw, most=self.max_selections)]

    def _data(self) -> Mapping[str, object]:
        if self.max_selections is None:
            return super()._data()
        return {**super()._data(), "max-selections": self.max_selections}
