"""Updating an element: first the values, then the callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import trio

import callboard as cb
from callboard.ui.updates import PendingCallback, UpdateStage, deliver

if TYPE_CHECKING:
    from callboard.ui import UIElement

ui = cb.ui


async def update(element: UIElement[Any], raw: object) -> list[BaseException]:
    return [failure.error for failure in await deliver(element._apply(raw))]


async def test_a_callback_is_called_once_with_the_converted_value() -> None:
    seen: list[object] = []
    dropdown = ui.dropdown({"one": 1}, on_change=seen.append)
    assert await update(dropdown, ["one"]) == []
    assert seen == [1]


async def test_applying_calls_nothing_yet() -> None:
    seen: list[object] = []
    slider = ui.slider(0, 10, on_change=seen.append)
    applied = slider._apply(3)
    assert slider.value == 3
    assert seen == []
    assert [(c.element, c.value) for c in applied.callbacks] == [(slider, 3)]


async def test_callbacks_of_parts_run_before_that_of_their_container_and_see_all_values() -> None:
    log: list[tuple[str, object]] = []

    def on_part(name: str) -> Any:
        return lambda value: log.append((name, (value, array.value)))

    array = ui.array(
        [ui.text(on_change=on_part("0")), ui.array([ui.text(on_change=on_part("1.0"))])],
        on_change=lambda value: log.append(("array", value)),
    )
    await update(array, {"1": {"0": "b"}, "0": "a"})
    assert log == [
        ("1.0", ("b", ["a", ["b"]])),
        ("0", ("a", ["a", ["b"]])),
        ("array", ["a", ["b"]]),
    ]


async def test_only_parts_that_differ_are_updated() -> None:
    seen: list[str] = []
    array = ui.array(
        [ui.text("a", on_change=seen.append), ui.array([ui.text("b", on_change=seen.append)])],
        on_change=lambda value: seen.append("array"),
    )
    await update(array, {"0": "a", "1": {"0": "b"}})
    assert seen == ["array"]
    await update(array, {"0": "A", "1": {"0": "b"}})
    assert seen == ["array", "A", "array"]


async def test_a_callback_that_raises_is_reported_and_the_others_run() -> None:
    seen: list[object] = []

    def fail(value: object) -> NoReturn:
        raise OSError(value)

    array = ui.array([ui.text(on_change=fail), ui.text(on_change=seen.append)], on_change=fail)
    failures = await deliver(array._apply({"0": "a", "1": "b"}))
    assert seen == ["b"]
    assert array.value == ["a", "b"]
    assert [(f.element, f.stage, type(f.error)) for f in failures] == [
        (array[0], UpdateStage.CALLBACK, OSError),
        (array, UpdateStage.CALLBACK, OSError),
    ]
    assert str(failures[0]).startswith("on_change of <text")


async def test_a_conversion_that_raises_keeps_the_value_and_concerns_the_dependants() -> None:
    seen: list[object] = []

    def press(value: int) -> NoReturn:
        raise ZeroDivisionError

    button = ui.button(press, 1, on_change=seen.append)
    applied = button._apply(1)
    assert applied.changed
    assert (button.value, button._raw_value) == (1, 1)
    (failure,) = await deliver(applied)
    assert failure.stage is UpdateStage.CONVERSION
    assert isinstance(failure.error, ZeroDivisionError)
    assert "the new value of <button" in str(failure)
    assert seen == []


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), cb.StopCell()])
def test_not_even_an_exit_escapes_from_a_conversion(error: BaseException) -> None:
    def press(value: object) -> NoReturn:
        raise error

    array = ui.array([ui.button(press), ui.text()])
    applied = array._apply({"0": 1, "1": "a"})
    assert [failure.error for failure in applied.failures] == [error]
    assert array.value == [None, "a"]


async def test_nonsense_for_one_part_does_not_spoil_another() -> None:
    seen: list[object] = []
    array = ui.array([ui.text("t"), ui.checkbox()], on_change=seen.append)
    applied = array._apply({"0": 3, "1": True, "2": None})
    assert len(await deliver(applied)) == 2
    assert applied.changed
    assert seen == [["t", True]]


async def test_an_async_callback_is_awaited_before_the_next() -> None:
    log: list[str] = []

    async def slow(value: str) -> None:
        log.append("starts")
        await trio.lowlevel.checkpoint()
        log.append("ends")

    array = ui.array([ui.text(on_change=slow)], on_change=lambda value: log.append("array"))
    await update(array, {"0": "a"})
    assert log == ["starts", "ends", "array"]


async def test_an_async_callback_that_raises_is_reported() -> None:
    async def fail(value: object) -> NoReturn:
        raise OSError

    assert [type(e) for e in await update(ui.text(on_change=fail), "a")] == [OSError]


def test_a_sync_update_needs_no_event_loop() -> None:
    seen: list[object] = []
    coroutine = deliver(ui.text(on_change=seen.append)._apply("a"))
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert seen == ["a"]


async def test_an_exit_in_a_callback_ends_that_callback_only() -> None:
    def leave(value: object) -> NoReturn:
        raise SystemExit

    seen: list[object] = []
    array = ui.array([ui.text(on_change=leave)], on_change=seen.append)
    assert [type(e) for e in await update(array, {"0": "a"})] == [SystemExit]
    assert seen == [["a"]]


async def test_stop_ends_a_callback_without_a_fuss() -> None:
    seen: list[object] = []
    array = ui.array([ui.text(on_change=lambda value: cb.stop(True))], on_change=seen.append)
    assert await update(array, {"0": "a"}) == []
    assert seen == [["a"]]


async def test_an_interrupt_ends_the_callbacks_and_is_reported_last() -> None:
    def interrupted(value: object) -> NoReturn:
        raise KeyboardInterrupt

    seen: list[object] = []
    array = ui.array([ui.text(on_change=interrupted)], on_change=seen.append)
    assert [type(e) for e in await update(array, {"0": "a"})] == [KeyboardInterrupt]
    assert seen == []
    assert array.value == ["a"]


def test_cancelling_the_delivery_passes_through() -> None:
    async def forever(value: object) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        array = ui.array(
            [ui.text(on_change=forever)], on_change=lambda value: pytest.fail("called")
        )
        async with asyncio.timeout(0):
            await deliver(array._apply({"0": "a"}))

    with pytest.raises(TimeoutError):
        asyncio.run(main())


async def test_callbacks_are_called_through_the_hook() -> None:
    log: list[object] = []

    def hook(pending: PendingCallback) -> Awaitable[object] | None:
        log.append(pending.element)
        return pending()

    text = ui.text(on_change=log.append)
    await deliver(text._apply("a"), hook)
    assert log == [text, "a"]
