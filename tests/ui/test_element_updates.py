"""Updating an element: first the values, then the callbacks."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import callboard as cb
from callboard.ui.updates import UpdateFailure, UpdateStage

if TYPE_CHECKING:
    from callboard.ui import UIElement

ui = cb.ui


def update(element: UIElement[Any], raw: object) -> list[BaseException]:
    """What a kernel does, as far as it goes without a failing callback."""
    applied = element._apply(raw)
    for pending in applied.callbacks:
        assert pending() is None
    return [failure.error for failure in applied.failures]


def test_a_callback_is_called_once_with_the_converted_value() -> None:
    seen: list[object] = []
    assert update(ui.dropdown({"one": 1}, on_change=seen.append), ["one"]) == []
    assert seen == [1]


def test_applying_calls_nothing_yet() -> None:
    seen: list[object] = []
    slider = ui.slider(0, 10, on_change=seen.append)
    applied = slider._apply(3)
    assert slider.value == 3
    assert seen == []
    assert [(c.element, c.value) for c in applied.callbacks] == [(slider, 3)]


def test_callbacks_of_parts_run_before_that_of_their_container_and_see_all_values() -> None:
    log: list[tuple[str, object]] = []

    def on_part(name: str) -> Any:
        return lambda value: log.append((name, (value, array.value)))

    array = ui.array(
        [ui.text(on_change=on_part("0")), ui.array([ui.text(on_change=on_part("1.0"))])],
        on_change=lambda value: log.append(("array", value)),
    )
    update(array, {"1": {"0": "b"}, "0": "a"})
    assert log == [
        ("1.0", ("b", ["a", ["b"]])),
        ("0", ("a", ["a", ["b"]])),
        ("array", ["a", ["b"]]),
    ]


def test_only_parts_that_differ_are_updated() -> None:
    seen: list[str] = []
    array = ui.array(
        [ui.text("a", on_change=seen.append), ui.array([ui.text("b", on_change=seen.append)])],
        on_change=lambda value: seen.append("array"),
    )
    update(array, {"0": "a", "1": {"0": "b"}})
    assert seen == ["array"]
    update(array, {"0": "A", "1": {"0": "b"}})
    assert seen == ["array", "A", "array"]


def test_a_callback_may_raise_what_it_wants() -> None:
    def fail(value: object) -> NoReturn:
        raise OSError(value)

    (pending,) = ui.text(on_change=fail)._apply("a").callbacks
    with pytest.raises(OSError, match="a"):
        pending()


async def test_an_async_callback_gives_what_is_to_be_awaited() -> None:
    seen: list[str] = []

    async def keep(value: str) -> None:
        seen.append(value)

    def keep_indirectly(value: str) -> Awaitable[None]:
        return keep(value)

    for on_change in (keep, keep_indirectly):
        (pending,) = ui.text(on_change=on_change)._apply("a").callbacks
        waiting = pending()
        assert waiting is not None
        await waiting
    assert seen == ["a", "a"]


def test_what_a_plain_callback_returns_is_of_no_interest() -> None:
    results: list[object] = [None, 3, "text", object]
    (pending,) = ui.text(on_change=lambda value: results.pop())._apply("a").callbacks
    while results:
        assert pending() is None


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(1), GeneratorExit()])
def test_nothing_escapes_from_a_conversion_and_its_dependants_are_concerned(
    error: BaseException,
) -> None:
    def press(value: object) -> NoReturn:
        raise error

    seen: list[object] = []
    button = ui.button(press, on_change=seen.append)
    applied = button._apply(1)
    (failure,) = applied.failures
    assert (failure.element, failure.stage, failure.error) == (
        button,
        UpdateStage.CONVERSION,
        error,
    )
    assert str(failure) == f"the new value of {button!r} raised {type(error).__name__}"
    assert (button.value, button._raw_value) == (None, 1)
    assert applied.changed
    assert applied.callbacks == []


def test_a_conversion_that_raises_spoils_no_other_part() -> None:
    def press(value: object) -> NoReturn:
        raise ZeroDivisionError

    array = ui.array([ui.button(press), ui.text()])
    assert [type(error) for error in update(array, {"0": 1, "1": "a"})] == [ZeroDivisionError]
    assert array.value == [None, "a"]


def test_an_interrupt_ends_an_update_and_a_container_shows_how_far_it_came() -> None:
    def press(value: object) -> NoReturn:
        raise KeyboardInterrupt

    array = ui.array([ui.text(), ui.button(press), ui.text()])
    with pytest.raises(KeyboardInterrupt):
        array._apply({"0": "a", "1": 1, "2": "b"})
    assert array.value == ["a", None, ""]
    assert array._raw_value == {"0": "a", "1": 1, "2": ""}


def test_stop_while_converting_keeps_the_value_without_a_fuss() -> None:
    def press(value: int) -> int:
        cb.stop(value == 1)
        return value + 1

    seen: list[object] = []
    button = ui.button(press, 0, on_change=seen.append)
    update(button, 1)
    applied = button._apply(2)
    assert applied.changed
    assert applied.failures == []
    assert applied.callbacks == []
    assert (button.value, seen) == (1, [1])


def test_nonsense_for_one_part_does_not_spoil_another() -> None:
    seen: list[object] = []
    array = ui.array([ui.text("t"), ui.checkbox()], on_change=seen.append)
    applied = array._apply({"0": 3, "1": True, "2": None})
    assert len(applied.failures) == 2
    assert applied.changed
    assert array.value == ["t", True]
    assert [pending.element for pending in applied.callbacks] == [array]


def test_a_failing_callback_is_told_apart_from_a_failing_conversion() -> None:
    text = ui.text(label="Name")
    failure = UpdateFailure(text, UpdateStage.CALLBACK, OSError())
    assert str(failure) == f"on_change of {text!r} raised OSError"
