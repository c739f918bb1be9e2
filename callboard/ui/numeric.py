"""Elements whose value is a number."""

from __future__ import annotations

from bisect import bisect_left
from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from callboard.ui.element import UIElement
from callboard.ui.updates import BadRawValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

N = TypeVar("N", bound=float)


def _number(element: type[UIElement[Any]], argument: str, value: object) -> int | float:
    """A plain Python number from what an author may pass, numpy's scalars included."""
    kind = type(value)
    if kind is int:
        return cast(int, value)
    number: int | float
    if kind is float:
        number = cast(float, value)
    elif kind is bool or isinstance(value, (str, bytes)):
        raise element._wrong_type(argument, "a number", value)
    else:
        try:
            return index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise element._wrong_type(argument, "a number", value) from None
    if not isfinite(number):
        raise element._wrong_value(argument, f"must be finite, not {number}")
    return number


def _received(raw: object, start: float | None, stop: float | None, whole: bool) -> int | float:
    """A number from the page, kept within bounds.

    Raises:
        BadRawValue: not a finite number, or not a whole one where only those are possible.
    """
    kind = type(raw)
    if kind is not int and kind is not float:
        raise BadRawValue(f"expected a number, not {kind.__name__}")
    number = cast("int | float", raw)
    if number != number:
        raise BadRawValue("expected a number, not nan")
    if start is not None and number < start:
        number = start
    elif stop is not None and number > stop:
        number = stop
    if kind is float and not isfinite(number):
        raise BadRawValue(f"expected a finite number, not {number}")
    if whole:
        if number != int(number):
            raise BadRawValue(f"expected a whole number, not {number}")
        return int(number)
    try:
        return float(number)
    except OverflowError:
        raise BadRawValue("expected a number that fits a float") from None


class Slider(UIElement[N], Generic[N]):
    """A number chosen by dragging.

    The raw value is the number. It converts to an int when every number given is one, else to a
    float; what lies outside the range is moved to its nearer end, and with `steps` to the nearest
    step.
    """

    __slots__ = ("_whole", "debounce", "show_value", "start", "step", "steps", "stop")
    _tag = "slider"

    def __init__(
        self,
        start: N | None = None,
        stop: N | None = None,
        step: N | None = None,
        value: N | None = None,
        *,
        steps: Iterable[N] | None = None,
        label: str = "",
        on_change: Callable[[N], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = False,
        show_value: bool = True,
    ) -> None:
        """Give `start` and `stop`, or `steps`: the very numbers to choose from, ascending.

        `value` is the start by default. With `debounce` the page sends a value only when the knob
        is let go.

        Raises TypeError or ValueError, naming the argument.
        """
        cls = type(self)
        self.steps: tuple[int | float, ...] | None = None
        self.step: int | float | None = None
        if steps is not None:
            if start is not None or stop is not None or step is not None:
                raise cls._wrong_value("steps", "cannot be combined with start, stop or step")
            self.steps = _ascending(cls, steps)
            self.start, self.stop = self.steps[0], self.steps[-1]
            self._whole = all(type(number) is int for number in self.steps)
        elif start is None or stop is None:
            missing = "start" if start is None else "stop"
            raise cls._wrong_value(missing, "must be given (or steps instead)")
        else:
            self.start = _number(cls, "start", start)
            self.stop = _number(cls, "stop", stop)
            if self.stop < self.start:
                raise cls._wrong_value("stop", f"must not be less than start, {self.start}")
            if step is not None:
                self.step = _positive(cls, "step", step)
            self._whole = (
                type(self.start) is type(self.stop) is int and type(self.step) is not float
            )
        first = self.start if value is None else _number(cls, "value", value)
        if self.steps is not None and first not in self.steps:
            raise cls._wrong_value("value", f"must be one of steps, not {first}")
        if not self.start <= first <= self.stop:
            raise cls._wrong_value("value", f"must lie in [{self.start}, {self.stop}], not {first}")
        if self._whole and type(first) is float and not first.is_integer():
            self._whole = False
        self.debounce = bool(debounce)
        self.show_value = bool(show_value)
        super().__init__(
            first, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> N:
        number = _received(raw, self.start, self.stop, self._whole)
        steps = self.steps
        if steps is not None:
            above = bisect_left(steps, number)
            if above and (above == len(steps) or number - steps[above - 1] < steps[above] - number):
                above -= 1
            number = steps[above] if self._whole else float(steps[above])
        return cast(N, number)

    def _data(self) -> Mapping[str, object]:
        data: dict[str, object] = {"start": self.start, "stop": self.stop}
        if self.steps is not None:
            data["steps"] = self.steps
        elif self.step is not None:
            data["step"] = self.step
        elif not self._whole:
            data["step"] = "any"
        if self.debounce:
            data["debounce"] = True
        if self.show_value:
            data["show-value"] = True
        return data


def _positive(element: type[UIElement[Any]], argument: str, value: object) -> int | float:
    number = _number(element, argument, value)
    if number <= 0:
        raise element._wrong_value(argument, f"must be positive, not {number}")
    return number


def _ascending(element: type[UIElement[Any]], steps: Iterable[object]) -> tuple[int | float, ...]:
    try:
        given = tuple(steps)
    except TypeError:
        raise element._wrong_type("steps", "numbers to choose from", steps) from None
    numbers = tuple(_number(element, f"steps[{i}]", number) for i, number in enumerate(given))
    if not numbers:
        raise element._wrong_value("steps", "must not be empty")
    for i in range(1, len(numbers)):
        if numbers[i] <= numbers[i - 1]:
            raise element._wrong_value("steps", f"must ascend, but steps[{i}] does not")
    return numbers


class Number(UIElement["N | None"], Generic[N]):
    """A number typed in.

    The raw value is the number, or null for an empty field, which converts to None. It converts to
    an int when every number given is one, and at least one is given, else to a float. What lies
    outside the range is moved to its nearer end.
    """

    __slots__ = ("_whole", "debounce", "start", "step", "stop")
    _tag = "number"

    @overload
    def __init__(
        self: Number[float],
        start: None = None,
        stop: None = None,
        step: None = None,
        value: None = None,
        *,
        label: str = "",
        on_change: Callable[[float | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self,
        start: N | None = None,
        stop: N | None = None,
        step: N | None = None,
        value: N | None = None,
        *,
        label: str = "",
        on_change: Callable[[N | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = False,
    ) -> None: ...
    def __init__(
        self,
        start: N | None = None,
        stop: N | None = None,
        step: N | None = None,
        value: N | None = None,
        *,
        label: str = "",
        on_change: Callable[[N | None], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        debounce: bool = False,
    ) -> None:
        """All numbers are optional; `value` is the start by default, without one it is empty.

        With `debounce` the page sends a value only when the field is left or Enter is pressed.

        Raises TypeError or ValueError, naming the argument.
        """
        cls = type(self)
        self.start = None if start is None else _number(cls, "start", start)
        self.stop = None if stop is None else _number(cls, "stop", stop)
        self.step = None if step is None else _positive(cls, "step", step)
        if self.start is not None and self.stop is not None and self.stop < self.start:
            raise cls._wrong_value("stop", f"must not be less than start, {self.start}")
        first = self.start if value is None else _number(cls, "value", value)
        if first is not None and (
            (self.start is not None and first < self.start)
            or (self.stop is not None and first > self.stop)
        ):
            low = "-inf" if self.start is None else self.start
            high = "inf" if self.stop is None else self.stop
            raise cls._wrong_value("value", f"must lie in [{low}, {high}], not {first}")
        given = [n for n in (self.start, self.stop, self.step, first) if n is not None]
        self._whole = bool(given) and all(type(number) is int for number in given)
        self.debounce = bool(debounce)
        super().__init__(
            first, label=label, on_change=on_change, disabled=disabled, full_width=full_width
        )

    def _convert(self, raw: object) -> N | None:
        if raw is None:
            return None
        return cast(N, _received(raw, self.start, self.stop, self._whole))

    def _data(self) -> Mapping[str, object]:
        data: dict[str, object] = {}
        if self.start is not None:
            data["start"] = self.start
        if self.stop is not None:
            data["stop"] = self.stop
        if self.step is not None:
            data["step"] = self.step
        elif not self._whole:
            data["step"] = "any"
        if self.debounce:
            data["debounce"] = True
        return data
