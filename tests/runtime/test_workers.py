"""Blocking calls in threads: bounded, exclusive where asked, and left to themselves when cancelled."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import CallExited, NoThread, TrioThreads, Workers


@attrs.define(eq=False)
class Gate:
    """A function that blocks its thread until it is let go."""

    value: object = None
    entered: threading.Event = attrs.field(factory=threading.Event)
    open: threading.Event = attrs.field(factory=threading.Event)

    def __call__(self) -> object:
        self.entered.set()
        assert self.open.wait(10)
        return self.value

    async def wait_entered(self) -> None:
        await trio.to_thread.run_sync(self.entered.wait, 10)


async def settled(workers: Workers) -> None:
    """Wait until no thread of the workers is in use."""
    with trio.fail_after(10):
        while workers.busy:  # noqa: ASYNC110 (what the threads do is seen by nobody else)
            await trio.sleep(0.001)


async def test_a_call_returns_or_raises_what_the_function_does_on_another_thread() -> None:
    workers = Workers("test")
    assert await workers.call(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await workers.call(lambda: 1 // 0)
    assert workers.busy == 0


async def test_a_cancelled_caller_leaves_at_once_and_the_late_result_is_dropped() -> None:
    workers, gate = Workers("test"), Gate("late")
    interrupted = threading.Event()
    with trio.fail_after(5), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await gate.wait_entered()
                scope.cancel()

            nursery.start_soon(cancel)
            await workers.call(gate, interrupt=interrupted.set)
    assert scope.cancelled_caught
    assert (workers.busy, workers.abandoned, workers.late) == (1, 1, 0)
    assert await trio.to_thread.run_sync(interrupted.wait, 5)
    gate.open.set()
    await settled(workers)
    assert (workers.abandoned, workers.late) == (0, 1)


async def test_what_interrupt_raises_is_ignored() -> None:
    workers, gate = Workers("test"), Gate()

    def fails() -> None:
        gate.open.set()
        raise RuntimeError("closed already")

    with trio.move_on_after(0.01):
        await workers.call(gate, interrupt=fails)
    await settled(workers)
    assert await workers.call(lambda: 7) == 7


async def test_hung_calls_take_no_more_threads_than_there_may_be_and_others_wait_their_turn() -> (
    None
):
    workers, hung = Workers("test", threads=2), [Gate(), Gate()]
    for gate in hung:
        with trio.move_on_after(0.01):
            await workers.call(gate)
    called: list[int] = []
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(workers.call, lambda number=number: called.append(number))
            await wait_all_tasks_blocked()
        assert (workers.busy, called) == (2, [])
        hung[0].open.set()
    assert called == [0, 1, 2]
    hung[1].open.set()
    await settled(workers)


async def test_calls_on_one_object_never_overlap_not_even_with_an_abandoned_one() -> None:
    workers, connection, hung, log = Workers("test"), object(), Gate(), list[str]()
    with trio.move_on_after(0.01):
        await workers.call(hung, exclusive=connection)
    async with trio.open_nursery() as nursery:

        async def on(name: str, exclusive: object | None) -> None:
            await workers.call(lambda: log.append(name), exclusive=exclusive)

        nursery.start_soon(on, "same", connection)
        await wait_all_tasks_blocked()
        await on("other", object())
        assert log == ["other"]
        hung.open.set()
    assert log == ["other", "same"]
    assert not workers._locks


async def test_cancelled_while_it_waits_a_call_is_never_made_and_leaves_nothing() -> None:
    workers, hung, called = Workers("test", threads=1), Gate(), list[str]()
    connection = object()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial_call(workers, hung, connection))
        await hung.wait_entered()
        for exclusive in (connection, object(), None):
            with trio.move_on_after(0.01):
                await workers.call(lambda: called.append("no"), exclusive=exclusive)
        hung.open.set()
    assert not called
    assert not workers._locks
    assert workers.busy == 0


def partial_call(workers: Workers, gate: Gate, connection: object) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        await workers.call(gate, exclusive=connection)

    return call


async def test_when_no_thread_can_be_started_the_call_raises_that() -> None:
    class Exhausted(TrioThreads):
        def start(self, function: Any, deliver: Any, name: str) -> None:
            raise RuntimeError("can't start new thread")

    workers = Workers("test", pool=Exhausted())
    with pytest.raises(NoThread, match="new thread"):
        await workers.call(lambda: 1, exclusive=workers)
    assert workers.busy == 0
    assert not workers._locks


async def test_without_a_thread_for_it_a_call_is_not_interrupted_and_its_caller_leaves_all_the_same() -> (
    None
):
    class Last(TrioThreads):
        started = 0

        def start(self, function: Any, deliver: Any, name: str) -> None:
            self.started += 1
            if self.started > 1:
                raise RuntimeError("can't start new thread")
            super().start(function, deliver, name)

    workers, gate = Workers("test", pool=Last()), Gate()
    with trio.move_on_after(0.01) as scope:
        await workers.call(gate, interrupt=gate.open.set)
    assert scope.cancelled_caught
    gate.open.set()
    await settled(workers)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_would_end_the_program_ends_the_call(kind: type[BaseException]) -> None:
    def exits() -> None:
        raise kind

    with pytest.raises(CallExited, match=kind.__name__):
        await Workers("test").call(exits)


async def test_what_an_abandoned_call_worked_on_and_came_to_is_let_go_of_where_it_may_be() -> None:
    class Thing:
        """Stands for an object of user code, whose destructor is user code."""

    def work(gate: Gate, thing: Thing) -> Thing:
        gate()
        result = Thing()
        alive.append(weakref.ref(result))
        return result

    kept: list[list[object]] = []
    workers, gate, thing = Workers("test", let_go=kept.append), Gate(), Thing()
    alive = [weakref.ref(thing)]
    with trio.move_on_after(0.01):
        await workers.call(partial(work, gate, thing), exclusive=thing)
    del thing
    gate.open.set()
    await settled(workers)
    assert [each() is None for each in alive] == [False, False]
    kept.pop().clear()
    with trio.fail_after(5):
        while any(each() is not None for each in alive):  # noqa: ASYNC110 (as above)
            await trio.sleep(0.001)


async def test_an_end_after_the_trio_run_is_over_disturbs_nobody() -> None:
    gate = Gate()

    async def leave() -> None:
        with trio.move_on_after(0.01):
            await Workers("test").call(gate)

    await trio.to_thread.run_sync(trio.run, leave)
    gate.open.set()
