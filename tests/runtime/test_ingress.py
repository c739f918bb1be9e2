"""From other threads to the trio thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import Closed, Ingress


async def run_in_thread(function: Callable[[], object]) -> None:
    await trio.to_thread.run_sync(function)


async def delivered(ingress: Ingress[int], number: int) -> None:
    """Wait until so many items have been delivered."""
    while ingress.delivered < number:
        await trio.lowlevel.checkpoint()


async def test_items_arrive_in_order_on_the_trio_thread() -> None:
    got: list[int] = []
    threads: set[int] = set()

    def sink(item: int) -> None:
        got.append(item)
        threads.add(threading.get_ident())

    ingress = Ingress(sink)

    def produce() -> None:
        for number in range(1000):
            ingress.put(number)

    await run_in_thread(produce)
    await delivered(ingress, 1000)
    assert got == list(range(1000))
    assert threads == {threading.get_ident()}


async def test_a_burst_costs_one_wake() -> None:
    got: list[int] = []
    ingress = Ingress(got.append)
    for number in range(100):
        ingress.put(number)
    assert got == []
    await delivered(ingress, 100)
    assert got == list(range(100))
    assert ingress.wakes == 1


async def test_a_flood_is_delivered_in_portions() -> None:
    ingress: Ingress[int] = Ingress(lambda _: None)
    for number in range(10_000):
        ingress.put(number)
    looks = {0}
    while ingress.delivered < 10_000:
        await trio.lowlevel.checkpoint()
        looks.add(ingress.delivered)
    # The tasks of a pass run in random order, so that not every portion is seen by itself.
    assert len(looks) >= 10


async def test_held_items_wait_for_the_release_and_cost_one_wake() -> None:
    got: list[int] = []
    ingress = Ingress(got.append)

    def produce() -> None:
        ingress.hold()
        for number in range(10):
            ingress.put(number)

    await run_in_thread(produce)
    await wait_all_tasks_blocked()
    assert got == []
    assert ingress.wakes == 0
    await run_in_thread(ingress.release)
    await delivered(ingress, 10)
    assert got == list(range(10))
    assert ingress.wakes == 1
    await run_in_thread(lambda: ingress.put(10))
    await delivered(ingress, 11)


async def test_a_release_with_nothing_held_wakes_nobody() -> None:
    ingress: Ingress[int] = Ingress(lambda _: None)
    ingress.hold()
    ingress.release()
    assert ingress.wakes == 0


async def test_a_flush_delivers_at_once_and_goes_on_holding() -> None:
    got: list[int] = []
    ingress = Ingress(got.append)
    ingress.hold()
    assert not ingress.flush()
    for number in range(3):
        ingress.put(number)
    assert ingress.flush()
    assert got == [0, 1, 2]
    ingress.put(3)
    await wait_all_tasks_blocked()
    assert got == [0, 1, 2]
    assert ingress.wakes == 0


async def test_a_flush_of_a_flood_delivers_a_portion_and_the_rest_soon() -> None:
    got: list[int] = []
    ingress = Ingress(got.append)
    ingress.hold()
    for number in range(1000):
        ingress.put(number)
    assert ingress.flush()
    assert 0 < len(got) < 1000
    await delivered(ingress, 1000)
    assert got == list(range(1000))


async def test_a_full_ingress_delivers_although_it_is_held() -> None:
    got: list[int] = []
    ingress = Ingress(got.append, capacity=10)
    ingress.hold()

    def produce() -> None:
        for number in range(100):
            ingress.put(number)

    await run_in_thread(produce)
    ingress.release()
    await delivered(ingress, 100)
    assert got == list(range(100))


async def test_closing_delivers_what_is_held() -> None:
    got: list[int] = []
    ingress = Ingress(got.append)
    ingress.hold()
    ingress.put(1)
    ingress.close()
    await delivered(ingress, 1)
    assert got == [1]


async def test_items_of_each_thread_stay_in_order() -> None:
    got: list[tuple[str, int]] = []
    ingress = Ingress(got.append, capacity=10)

    def produce(name: str) -> None:
        for number in range(200):
            ingress.put((name, number))

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(run_in_thread, lambda name=name: produce(name))
    while ingress.delivered < 600:
        await trio.lowlevel.checkpoint()
    for name in "abc":
        assert [number for who, number in got if who == name] == list(range(200))


async def test_another_thread_waits_for_room_and_the_trio_thread_never_does() -> None:
    ingress: Ingress[int] = Ingress(lambda _: None, capacity=2)
    progress: list[int] = []

    def produce() -> None:
        for number in range(10):
            ingress.put(number)
            progress.append(number)

    for number in range(5):
        ingress.put(number)
    assert len(ingress) == 5
    thread = threading.Thread(target=produce)
    thread.start()
    thread.join(0.05)
    # The trio thread has not been back in its loop, so nothing was delivered.
    assert thread.is_alive()
    assert progress == []
    await run_in_thread(thread.join)
    await delivered(ingress, 15)
    assert progress == list(range(10))


async def test_close_wakes_the_waiting_and_delivers_what_is_queued() -> None:
    got: list[int] = []
    ingress = Ingress(got.append, capacity=1)
    ingress.put(0)
    errors: list[Exception] = []

    def produce() -> None:
        try:
            ingress.put(1)
        except Closed as error:
            errors.append(error)

    thread = threading.Thread(target=produce)
    thread.start()
    thread.join(0.05)
    ingress.close()
    thread.join()
    assert len(errors) == 1
    await delivered(ingress, 1)
    assert got == [0]
    with pytest.raises(Closed):
        ingress.put(2)


async def test_a_sink_that_raises_is_counted_and_the_rest_arrives() -> None:
    got: list[int] = []

    def sink(item: int) -> None:
        if item == 1:
            raise ValueError("bad item")
        got.append(item)

    ingress = Ingress(sink)
    for number in range(3):
        ingress.put(number)
    await delivered(ingress, 2)
    assert got == [0, 2]
    assert ingress.errors == 1
    assert isinstance(ingress.last_error, ValueError)


def test_a_keyboard_interrupt_breaks_the_wait_and_leaves_the_ingress_usable() -> None:
    """The main thread blocks for room while trio runs in another, as in a kernel process."""
    got: list[int] = []
    ingresses: list[Ingress[int]] = []
    ready, release, finish = threading.Event(), threading.Event(), threading.Event()

    async def control() -> None:
        ingress = Ingress(got.append, capacity=1)
        ingresses.append(ingress)
        ingress.put(0)
        ready.set()
        # Hold the trio thread, so that there is no room.
        release.wait()
        while not finish.is_set():
            await trio.lowlevel.checkpoint()

    thread = threading.Thread(target=trio.run, args=(control,))
    # Whoever started the tests in the background may have had them ignore it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread.start()
    try:
        ready.wait()
        (ingress,) = ingresses
        main = threading.main_thread().ident
        assert main == threading.get_ident()
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ingress.put(1)
        timer.join()
        release.set()
        ingress.put(2)
        while len(got) < 2:
            threading.Event().wait(0.001)
    finally:
        release.set()
        finish.set()
        thread.join()
        signal.signal(signal.SIGINT, handler)
    assert got == [0, 2]


def test_after_the_trio_run_a_put_raises_also_one_that_waits() -> None:
    ingresses: list[Ingress[int]] = []
    errors: list[Exception] = []

    def produce() -> None:
        try:
            ingresses[0].put(1)
        except Closed as error:
            errors.append(error)

    async def main() -> None:
        ingress: Ingress[int] = Ingress(lambda _: None, capacity=1)
        ingresses.append(ingress)
        ingress._items.append(0)
        thread.start()

    thread = threading.Thread(target=produce)
    trio.run(main)
    thread.join()
    assert len(errors) == 1
    with pytest.raises(Closed):
        ingresses[0].put(2)


async def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Ingress(print, capacity=0)
