"""Faults of the threads that a domain calls what blocks in."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.runtime import Workers
from callboard.testing.faults import Fault, FaultPlan, Faults
from callboard.testing.faults.threads import SimulatedThreads

NTH = range(1, 5)


async def test_a_hung_thread_costs_its_own_domain_one_thread(autojump_clock: MockClock) -> None:
    faults = Faults(FaultPlan((Fault("hung-worker-thread", "sql", times=2),)))
    pools = {name: SimulatedThreads(faults, name) for name in ("sql", "storage")}
    sql, storage = (Workers(name, threads=3, pool=pool) for name, pool in pools.items())
    for _ in range(2):
        with trio.move_on_after(1) as patience:
            await sql.call(lambda: "never")
        assert patience.cancelled_caught
    assert trio.current_time() == pytest.approx(2)
    assert (sql.busy, sql.abandoned) == (2, 2)
    # What is left of its threads goes on serving, and the other domain has all of its own.
    answers: list[int] = []

    async def ask(workers: Workers, number: int) -> None:
        answers.append(await workers.call(lambda: number))

    async with trio.open_nursery() as asking:
        for number in range(20):
            asking.start_soon(ask, sql, number)
            asking.start_soon(ask, storage, 100 + number)
    assert sorted(answers) == [*range(20), *range(100, 120)]
    assert pools["sql"].most == 3
    assert pools["storage"].most == 3
    faults.end()
    await wait_all_tasks_blocked()
    assert (sql.busy, sql.abandoned, sql.late) == (0, 0, 2)
    assert faults.fired == {"hung-worker-thread": 2}


async def test_all_threads_may_hang_and_callers_can_still_leave(autojump_clock: MockClock) -> None:
    faults = Faults(FaultPlan((Fault("hung-worker-thread", "sql", times=3),)))
    workers = Workers("sql", threads=3, pool=SimulatedThreads(faults, "sql"))
    called: list[int] = []
    for number in range(6):
        with trio.move_on_after(1):
            await workers.call(lambda number=number: called.append(number))  # type: ignore[misc]
    assert trio.current_time() == pytest.approx(6)
    assert (workers.busy, workers.abandoned) == (3, 3)
    faults.end()
    await wait_all_tasks_blocked()
    # Those that waited for a thread and left are not called any more.
    assert sorted(called) == [0, 1, 2]
    assert await workers.call(lambda: "works") == "works"


@pytest.mark.parametrize("nth", NTH)
async def test_a_thread_that_cannot_be_started_fails_its_call_and_no_other(
    autojump_clock: MockClock, nth: int
) -> None:
    faults = Faults(FaultPlan((Fault("exhausted-thread-pool", "sql", nth=nth),)))
    workers = Workers("sql", threads=2, pool=SimulatedThreads(faults, "sql"))
    connection = object()
    ends: list[str] = []
    for number in NTH:
        try:
            ends.append(await workers.call(lambda: "fine", exclusive=connection))
        except RuntimeError as error:
            ends.append(str(error))
        assert workers.busy == 0, number
    assert ends.count("fine") == len(NTH) - 1
    assert ends[nth - 1] == "can't start new thread"
    assert not workers._locks


@pytest.mark.parametrize("nth", NTH)
async def test_what_an_abandoned_thread_does_late_reaches_nobody(
    autojump_clock: MockClock, nth: int
) -> None:
    faults = Faults(FaultPlan((Fault("late-effect-of-abandoned-thread", "sql", nth=nth),)))
    workers = Workers("sql", threads=2, pool=SimulatedThreads(faults, "sql"))
    connection: list[int] = []
    got: list[int] = []
    for number in NTH:
        with trio.move_on_after(1):

            def effect(number: int = number) -> int:
                connection.append(number)
                return number

            got.append(await workers.call(effect, exclusive=connection))
    # Nobody has used the connection since, although two callers or more wanted to.
    assert got == list(range(1, nth))
    assert connection == got
    faults.end()
    await wait_all_tasks_blocked()
    # Its effect is there now, that of those that left before their turn is not; and all goes on.
    assert connection == [*range(1, nth), nth]
    assert (workers.busy, workers.late) == (0, 1)
    assert await workers.call(lambda: list(connection), exclusive=connection) == connection
