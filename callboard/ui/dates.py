"""Elements whose value is a date."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Date(UIElement[datetime.date]):
    """A day chosen from a calendar.

    The raw value is the day as ISO text, `2026-08-31`. A day outside the range is moved to its
    nearer end.
    """

    __slots__ = ("start", "stop")
    _tag = "date"

    def __init__(
        self,
        start: datetime.date | str | None = None,
        stop: datetime.date | str | None = None,
        value: datetime.date | str | None = None,
        *,
        label: str = "",
        on_change: Callable[[datetime.date], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
    ) -> None:
        """Days are dates or ISO text.

        `value` is today by default, or the end of the range that is nearer to it.

        Raises TypeError or ValueError, naming the argument.
        """
        cls = type(self)
        self.start = None if start is None else _day(cls, "start", start)
        self.stop = None if stop is None else _day(cls, "stop", stop)
        if self.start is not None and self.stop is not None and self.stop < self.start:
            raise cls._wrong_value("stop", f"must not be before start, {self.start}")
        if value is None:
            first = self._bounded(datetime.date.today())
        else:
            first = _day(cls, "value", value)
            if first != self._bounded(first):
                raise cls._wrong_value(
                    "value", f"must lie in [{self.start or ''}, {self.stop or ''}], not {first}"
                )
        super().__init__(
            first.isoformat(),
            label=label,
            on_change=on_change,
            disabled=disabled,
            full_width=full_width,
        )

    def _bounded(self, day: datetime.date) -> datetime.date:
        if self.start is not None and day < self.start:
            return self.start
        if self.stop is not None and day > self.stop:
            return self.stop
        return day

    def _convert(self, raw: object) -> datetime.date:
        if type(raw) is not str:
            raise BadRawValue(f"expected a day as ISO text, not {type(raw).__name__}")
        try:
            return self._bounded(datetime.date.fromisoformat(raw))
        except ValueError:
            raise BadRawValue(f"expected a day as ISO text, not {raw!r}") from None

    def _data(self) -> Mapping[str, object]:
        data: dict[str, object] = {}
        if self.start is not None:
            data["start"] = self.start.isoformat()
        if self.stop is not None:
            data["stop"] = self.stop.isoformat()
        return data


def _day(element: type[UIElement[datetime.date]], argument: str, value: object) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    if not isinstance(value, str):
        raise element._wrong_type(argument, "a date or ISO text", value)
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise element._wrong_value(argument, f"must be an ISO date, not {value!r}") from None
