"""Calls of domains on the thread of the notebook's code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from callboard.actors.answering import RequestDomain
from callboard.actors.host import Run
from callboard.actors.notebook.executor import Ended
from callboard.actors.notebook.interludes import Interlude, Interludes
from callboard.actors.requests import Request
from callboard.engines.placement import Place
from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.notifications import Notification, StorageEntriesNotification
from callboard.runtime import Outcome


@attrs.define(eq=False)
class Caller:
    """Answers with what a function returns on the cell thread."""

    function: Callable[[], object]
    interrupt: Callable[[], object] | None = None

    def reads(self, command: object) -> tuple[str, ...]:
        return ()

    async def answer(self, request: Request[Any]) -> Notification:
        value = await request.call(self.function, Place.CELL_THREAD, interrupt=self.interrupt)
        command = request.command
        return StorageEntriesNotification(command.request_id, [], command.namespace, str(value))


def domain(caller: Caller) -> RequestDomain:
    return RequestDomain("storage", (StorageListEntriesCommand, StorageDownloadCommand), caller)


ASK = StorageListEntriesCommand("r", "x", 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
async def test_what_would_end_the_program_fails_the_request_and_the_kernel_goes_on(
    kind: type[BaseException],
) -> None:
    def exits() -> None:
        raise kind

    async with open_kernel(domains=[domain(Caller(exits))]) as kernel:
        settlement = await kernel.ask(ASK)
        assert settlement.outcome is Outcome.FAILED
        assert kind.__name__ in str(settlement.reason)


async def test_one_cancelled_before_the_word_that_it_began_has_come_is_interrupted() -> None:
    entered, interrupted = threading.Event(), threading.Event()

    def blocks() -> None:
        entered.set()
        assert interrupted.wait(10)

    async with open_kernel(domains=[domain(Caller(blocks, interrupted.set))]) as kernel:
        # As while a run has just begun, whose first words gather.
        kernel._parts.ingress.hold()
        envelope = kernel.post(ASK)
        assert await trio.to_thread.run_sync(entered.wait, 10)
        envelope.cancel()
        await envelope.wait()
        assert await trio.to_thread.run_sync(interrupted.wait, 5)
        kernel._parts.ingress.release()
        await idle(kernel)


async def idle(kernel: Kernel) -> None:
    """Wait until nothing keeps the cell thread any more."""
    host: Any = kernel._parts.host
    with trio.fail_after(5):
        while host.abandoned:  # noqa: ASYNC110 (the end comes from another thread)
            await trio.sleep(0.001)


def test_calls_that_follow_from_each_other_do_not_keep_the_cells_waiting() -> None:
    class Calls:
        def call(self, function: Callable[[], object], run: Run) -> Ended:
            return Ended(function())

    calls: Any = Calls()
    interludes = Interludes(calls)
    played: list[int] = []

    def play() -> None:
        played.append(len(played))
        if len(played) < 100:
            interludes.add(Interlude(play, lambda: None, lambda: None))

    interludes.add(Interlude(play, lambda: None, lambda: None))
    interludes.play()
    assert played == [0]
    interludes.play()
    assert played == [0, 1]


async def test_an_object_that_hangs_keeps_the_cells_waiting_once_however_often_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callboard.actors.answering.CELL_THREAD_SECONDS", 0.1)
    hung, asked = threading.Event(), list[int]()

    class Slow(Caller):
        async def answer(self, request: Request[Any]) -> Notification:
            await request.call(
                self.function, Place.CELL_THREAD, exclusive=hung, interrupt=self.interrupt
            )
            raise AssertionError("it never answers")

    def hang() -> None:
        asked.append(1)
        hung.wait(60)

    async with open_kernel(domains=[domain(Slow(hang, hung.set))]) as kernel:
        envelopes = [kernel.post(ASK) for _ in range(5)]
        reasons = [str((await envelope.wait()).reason) for envelope in envelopes]
        assert "it took more than 0.1 s" in reasons[0]
        assert all("is not asked again" in reason for reason in reasons[1:])
        assert asked == [1]
