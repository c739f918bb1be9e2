"""What can be left for a quiet moment is left for one, and nothing waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from outcome import Outcome as End
from outcome import capture

from callboard.actors.announcing import Watch
from callboard.actors.answering import RequestDomain
from callboard.actors.quiet import QUIET_SECONDS, Quiet
from callboard.actors.requests import Request
from callboard.kernel import Kernel, open_kernel
from callboard.kernel.outside import Outside
from callboard.messages.commands import (
    ListSecretKeysCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
)
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import Notification, StorageDownloadReadyNotification
from callboard.runtime import Outcome
from callboard.testing.driver import execute
from callboard.testing.simulation.cells import SimulatedSurroundings


@attrs.define(eq=False)
class AtOnce:
    """A pool without threads: a call is over before it has begun, in no time of the clock."""

    def start(
        self, function: Callable[[], Any], deliver: Callable[[End[Any]], object], name: str
    ) -> None:
        """Call a function."""
        deliver(capture(function))


@attrs.define(eq=False)
class Leaver:
    """Leaves a call for later with every download."""

    left: Callable[[], object]

    def reads(self, _: Any) -> Iterable[str]:
        return ()

    async def answer(self, request: Request[Any]) -> Notification | None:
        request.call_later(self.left)
        return StorageDownloadReadyNotification(request.command.request_id, "url", "name")


@asynccontextmanager
async def kernel_leaving(left: Callable[[], object]) -> AsyncIterator[Kernel]:
    domain = RequestDomain(
        "storage", (StorageListEntriesCommand, StorageDownloadCommand), Leaver(left)
    )
    async with open_kernel(
        surroundings=SimulatedSurroundings(),
        domains=[domain],
        outside=Outside(threads=lambda _: AtOnce()),
    ) as kernel:
        yield kernel


def download(number: int = 0) -> StorageDownloadCommand:
    return StorageDownloadCommand(RequestId(f"d{number}"), VariableName("bucket"), "a")


async def test_a_call_for_later_waits_until_nobody_asks_for_anything(autojump_clock: Any) -> None:
    calls: list[float] = []
    async with kernel_leaving(lambda: calls.append(trio.current_time())) as kernel:
        assert (await kernel.ask(download())).outcome is Outcome.COMPLETED
        for number in range(20):
            await trio.sleep(0.7 * QUIET_SECONDS)
            await kernel.ask(ListSecretKeysCommand(RequestId(f"s{number}")))
        asked = trio.current_time()
        assert calls == []
        await trio.sleep(3 * QUIET_SECONDS)
        assert len(calls) == 1
        assert QUIET_SECONDS <= calls[0] - asked <= 2 * QUIET_SECONDS


async def test_nothing_waits_for_a_call_that_was_left_for_later(autojump_clock: Any) -> None:
    calls: list[None] = []
    async with kernel_leaving(partial(calls.append, None)) as kernel:
        before = trio.current_time()
        await kernel.ask(download())
        await kernel.wait_idle()
        assert trio.current_time() == before
    assert calls == [], "the kernel has ended before it was quiet"
    assert trio.current_time() == before


async def test_what_fails_at_a_quiet_moment_is_nobodys_fault(autojump_clock: Any) -> None:
    calls: list[None] = []

    def failing() -> None:
        calls.append(None)
        raise OSError("no such file")

    async with kernel_leaving(failing) as kernel:
        await kernel.ask(download())
        await trio.sleep(3 * QUIET_SECONDS)
        assert len(calls) == 1
        assert (await kernel.ask(download(1))).outcome is Outcome.COMPLETED
        restarts = {actor.name: actor.restarts for actor in kernel.status().actors.actors}
        assert restarts["storage"] == 0


async def test_a_second_in_which_something_ended_is_not_quiet(autojump_clock: Any) -> None:
    accepted, under_way = 1, 1
    began = trio.current_time()
    quiet = Quiet(lambda: accepted, lambda: under_way)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(quiet.come)
        await trio.sleep(2.9 * QUIET_SECONDS)
        under_way = 0
    assert trio.current_time() - began == pytest.approx(4 * QUIET_SECONDS, abs=0.3 * QUIET_SECONDS)


async def test_it_is_not_quiet_while_a_domain_is_to_be_told_of_what_was_bound(
    autojump_clock: Any,
) -> None:
    asked: list[int] = []

    class Watched(Leaver):
        async def answer(self, request: Request[Any]) -> Notification | None:
            if request.command == "look":
                asked.append(len(calls))
                return None
            return await super().answer(request)

    calls: list[None] = []
    domain = RequestDomain(
        "storage",
        (StorageListEntriesCommand, StorageDownloadCommand),
        Watched(partial(calls.append, None)),
        internal=(str,),
        watch=Watch(lambda kind: kind is int, lambda _: "look"),
    )
    async with open_kernel(
        surroundings=SimulatedSurroundings(),
        domains=[domain],
        outside=Outside(threads=lambda _: AtOnce()),
    ) as kernel:
        await kernel.ask(download())
        # Ends shortly before the second is over.
        await kernel.ask(
            execute({"a": f"import asyncio\nawait asyncio.sleep({QUIET_SECONDS - 0.05})\nn = 1"})
        )
        await trio.sleep(4 * QUIET_SECONDS)
    assert asked == [0]
    assert calls == [None]
