"""What cells bind is gathered for a moment, and whoever looks into it is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio

from callboard.actors.announcing import GATHER_SECONDS, Announcer, Watch, bound
from callboard.actors.answering import RequestDomain
from callboard.actors.requests import NamesConflation, Request
from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import (
    StopKernelCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
)
from callboard.messages.notifications import Notification
from callboard.testing.driver import execute, tick
from callboard.testing.requests import DirectRequest
from callboard.testing.simulation.cells import SimulatedSurroundings


@attrs.frozen
class Look:
    """Look into some variables."""

    names: frozenset[str]


def is_number(kind: type) -> bool:
    return kind is int


@pytest.fixture
def posted() -> list[object]:
    return []


@pytest.fixture
def announcer(posted: list[object]) -> Announcer:
    numbers = Watch(is_number, Look)
    everything = Watch(lambda _: True, sorted, built_in="built-in")
    return Announcer([numbers, everything], posted.append)


def test_each_is_told_of_what_it_wants_to_know(announcer: Announcer, posted: list[object]) -> None:
    announcer.gather(announcer.interesting({"a": int, "b": str}, False))
    announcer.gather(announcer.interesting({"c": str}, True))
    announcer.tell()
    assert posted == [Look(frozenset({"a"})), ["a", "b", "built-in", "c"]]


def test_who_cannot_be_told_keeps_nobody_else_from_it(
    posted: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(names: frozenset[str]) -> object:
        raise ValueError("not these")

    announcer = Announcer([Watch(is_number, refuse), Watch(is_number, Look)], posted.append)
    told: list[None] = []
    announcer.on_told = lambda: told.append(None)
    announcer.gather(announcer.interesting({"a": int}, False))
    announcer.tell()
    assert posted == [Look(frozenset({"a"}))]
    assert told == [None]
    assert "a domain cannot be told of a" in caplog.text


def test_one_that_is_closed_gathers_nothing_any_more(
    announcer: Announcer, posted: list[object]
) -> None:
    announcer.gather(announcer.interesting({"a": int}, False))
    announcer.close()
    assert posted == [Look(frozenset({"a"})), ["a"]]
    announcer.gather(announcer.interesting({"b": int}, False))
    assert not announcer.waiting


def test_what_nobody_wants_to_know_is_not_gathered() -> None:
    announcer = Announcer([Watch(is_number, Look, "built-in")], print)
    assert announcer.interesting({"b": str}, False) == {}
    assert announcer.interesting({}, True) != {}
    announcer.gather({})
    assert not announcer.waiting


async def test_everything_of_a_moment_is_told_at_once_and_nothing_twice(
    announcer: Announcer, posted: list[object], autojump_clock: Any
) -> None:
    began = trio.current_time()
    told: list[float] = []
    announcer.on_told = lambda: told.append(trio.current_time() - began)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(announcer.run)
        for number in range(60):
            announcer.gather(announcer.interesting({f"v{number % 7}": int}, False))
            assert announcer.waiting
            await trio.sleep(1 / 60)
        await trio.sleep(2 * GATHER_SECONDS)
        assert not announcer.waiting
        nursery.cancel_scope.cancel()
    assert 9 <= len(told) <= 11, "about ten times in the second"
    assert told[0] == pytest.approx(GATHER_SECONDS)
    assert min(b - a for a, b in pairwise(told)) >= GATHER_SECONDS * 0.999
    looks = [message for message in posted if isinstance(message, Look)]
    assert len(looks) == len(told)
    assert frozenset.union(*(look.names for look in looks)) == {f"v{n}" for n in range(7)}


@attrs.define(eq=False)
class Lookers:
    """Looks into numbers, in the place of the storage domain."""

    seen: list[tuple[float, dict[str, object]]] = attrs.field(factory=list)

    def reads(self, command: Any) -> Iterable[str]:
        return command.names if isinstance(command, Look) else ()

    async def answer(self, request: Request[Any]) -> Notification | None:
        values = {name: await request.variable(name) for name in request.command.names}
        self.seen.append((trio.current_time(), values))
        return None


@pytest.fixture
def lookers() -> Lookers:
    return Lookers()


@pytest.fixture
async def kernel(lookers: Lookers) -> AsyncIterator[Kernel]:
    domain = RequestDomain(
        "storage",
        (StorageListEntriesCommand, StorageDownloadCommand),
        lookers,
        internal=(Look,),
        conflation=NamesConflation(Look, 100),
        watch=Watch(is_number, Look),
    )
    async with open_kernel(surroundings=SimulatedSurroundings(), domains=[domain]) as kernel:
        yield kernel


async def test_the_tick_behind_a_run_goes_before_the_look_into_what_it_made(
    kernel: Kernel, lookers: Lookers, autojump_clock: Any
) -> None:
    await kernel.ask(
        execute(
            {
                "a": "import callboard as cb\nimport asyncio\ns = cb.ui.slider(0, 9)\ns",
                "b": "n = s.value\nawait asyncio.sleep(0.02)",
            }
        )
    )
    await kernel.wait_idle()
    lookers.seen.clear()
    began = trio.current_time()
    kernel.post(execute({"c": "m = 1"}))
    await kernel.post(tick({"a-0": 5})).wait()
    assert lookers.seen == []
    await kernel.wait_idle()
    assert [(round(at - began, 6), values) for at, values in lookers.seen] == [
        (GATHER_SECONDS, {"m": 1, "n": 5})
    ]


async def test_a_kernel_is_not_idle_before_everybody_has_been_told(
    kernel: Kernel, lookers: Lookers, autojump_clock: Any
) -> None:
    await kernel.ask(execute({"a": "n = 1"}))
    assert lookers.seen == []
    await kernel.wait_idle()
    assert [values for _, values in lookers.seen] == [{"n": 1}]


async def test_a_kernel_that_stops_tells_of_what_has_been_bound_by_then(
    kernel: Kernel, lookers: Lookers, autojump_clock: Any
) -> None:
    await kernel.ask(execute({"a": "n = 1"}))
    before = trio.current_time()
    await kernel.stop()
    assert [values for _, values in lookers.seen] == [{"n": 1}]
    assert trio.current_time() == before


async def test_a_command_to_stop_comes_after_what_has_been_bound_before_it(
    kernel: Kernel, lookers: Lookers, autojump_clock: Any
) -> None:
    await kernel.ask(execute({"a": "n = 1"}))
    await kernel.ask(StopKernelCommand())
    await kernel.wait_idle()
    assert [values for _, values in lookers.seen] == [{"n": 1}]


async def test_a_kernel_is_idle_after_a_stop_in_which_something_was_bound(
    kernel: Kernel, lookers: Lookers, autojump_clock: Any
) -> None:
    kernel.post(execute({"a": "import asyncio\nawait asyncio.sleep(1)\nn = 1"}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kernel.wait_idle)
        await kernel.stop()
    await kernel.wait_idle()
    assert lookers.seen == [], "the kernel took nothing any more by then"


async def test_variables_that_were_bound_are_looked_up_together_and_for_a_while(
    autojump_clock: Any,
) -> None:
    @attrs.define(eq=False)
    class Slowly(DirectRequest[Any]):
        async def variable(self, name: str) -> object:
            await trio.sleep({"a": 0.5, "b": 100.0, "c": 0.6}.get(name, 0.0))
            return await super().variable(name)

    before = trio.current_time()
    request = Slowly(Look(frozenset()), {"a": 1, "b": 2, "c": 3})
    assert await bound(request, ["a", "b", "c", "gone"], 1.0) == {"a": 1, "c": 3}
    assert trio.current_time() - before == pytest.approx(1.0)
