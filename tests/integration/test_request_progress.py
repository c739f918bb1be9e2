"""A request that takes long says how far it is: now and then, in order, and never when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
import trio
import trio.testing

from callboard.actors.answering import RequestDomain
from callboard.actors.requests import Request
from callboard.kernel import open_kernel
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    CommandProgressNotification,
    CommandSettledNotification,
    Notification,
    StorageDownloadReadyNotification,
)
from callboard.testing.simulation.cells import SimulatedSurroundings


@attrs.define(eq=False)
class Reader:
    """Reads a file for so many seconds, a hundredth of it at a time."""

    seconds: float
    report: Callable[[int, int | None], object] = lambda done, total: None

    def reads(self, _: Any) -> Iterable[str]:
        return ()

    async def answer(self, request: Request[Any]) -> Notification | None:
        self.report = request.progress("bytes")
        for part in range(1, 101):
            await trio.sleep(self.seconds / 100)
            self.report(part, 100)
        return StorageDownloadReadyNotification(request.command.request_id, "url", "name")


async def told(reader: Reader) -> list[Notification]:
    """What subscribers hear of a download, and of a step that is reported when it is over."""
    domain = RequestDomain("storage", (StorageListEntriesCommand, StorageDownloadCommand), reader)
    heard: list[Notification] = []
    async with open_kernel(surroundings=SimulatedSurroundings(), domains=[domain]) as kernel:
        with kernel.subscribe() as frames:
            await kernel.ask(StorageDownloadCommand(RequestId("r"), VariableName("s"), "a"))
            await trio.sleep(10)
            reader.report(100, 100)
            await trio.testing.wait_all_tasks_blocked()
            while (frame := frames.next_nowait()) is not None:
                heard.append(frame.message)
    return heard


async def test_it_is_told_twice_a_second_until_the_reply(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = await told(Reader(3.0))
    steps = [each for each in heard if isinstance(each, CommandProgressNotification)]
    assert [(step.done, step.total, step.unit) for step in steps] == [
        (done, 100, "bytes") for done in (17, 34, 51, 68, 85)
    ]
    assert {(step.type, step.id) for step in steps} == {("storage-download", "r")}
    kinds = [type(each) for each in heard]
    assert kinds[-2:] == [StorageDownloadReadyNotification, CommandSettledNotification]


async def test_of_what_is_quick_only_the_end_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = await told(Reader(0.4))
    assert [type(each) for each in heard] == [
        StorageDownloadReadyNotification,
        CommandSettledNotification,
    ]
