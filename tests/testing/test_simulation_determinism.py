"""A seed decides everything: the same seed gives the same trace, here and in any other process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import trio

from callboard.testing.simulation import (
    CannotSimulate,
    run_seeded,
    scheduler,
    simulate,
    virtual_clock,
)

_TRACES = """
import sys
from callboard.testing.simulation import simulate
for seed in map(int, sys.argv[1:]):
    result = simulate(seed)
    print(seed, result.trace.digest, result.schedule.digest)
"""


def _traces_of_another_process(hash_seed: str, *seeds: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", _TRACES, *seeds],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    ).stdout


@pytest.mark.slow
def test_the_same_seeds_give_the_same_traces_in_different_processes() -> None:
    seeds = [str(seed) for seed in range(4)]
    here = "".join(
        f"{result.seed} {result.trace.digest} {result.schedule.digest}\n"
        for result in map(simulate, map(int, seeds))
    )
    # Neither how a process hashes nor what environment variables it has decides on anything.
    assert _traces_of_another_process("1", *seeds) == here
    assert _traces_of_another_process("4242", *seeds) == here


def test_the_same_seed_gives_the_same_trace_twice_and_another_seed_another_one() -> None:
    first, again, other = simulate(3), simulate(3), simulate(4)
    assert first.trace.digest == again.trace.digest
    assert first.trace.digest != other.trace.digest


async def _finishing_order(tasks: int) -> tuple[int, ...]:
    order: list[int] = []

    async def finish(number: int) -> None:
        await trio.lowlevel.checkpoint()
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(finish, number)
    return tuple(order)


def test_seeds_reach_every_order_of_five_ready_tasks() -> None:
    orders = {run_seeded(seed, _finishing_order, 5)[0] for seed in range(1200)}
    assert len(orders) == 120


def test_the_schedule_is_a_function_of_the_seed() -> None:
    digests = {run_seeded(7, _finishing_order, 5)[1].digest for _ in range(20)}
    assert len(digests) == 1
    assert digests != {run_seeded(8, _finishing_order, 5)[1].digest}


def test_the_order_of_other_trio_runs_is_left_as_it_was() -> None:
    module = trio._core._run
    before = module._ALLOW_DETERMINISTIC_SCHEDULING, module._r

    async def fail() -> None:
        assert module._ALLOW_DETERMINISTIC_SCHEDULING
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_seeded(1, fail)
    assert (module._ALLOW_DETERMINISTIC_SCHEDULING, module._r) == before


def test_a_trio_without_the_private_names_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(trio._core._run, "_r")
    with pytest.raises(CannotSimulate, match=r"trio .* has no _r in trio\._core\._run"):
        run_seeded(1, _finishing_order, 2)


async def test_inside_a_trio_run_it_is_too_late_to_decide() -> None:
    with pytest.raises(CannotSimulate, match="under way"):
        simulate(1)


async def test_real_time_is_no_virtual_time() -> None:
    with pytest.raises(CannotSimulate, match="virtual time"):
        virtual_clock()


def test_virtual_time_passes_at_once() -> None:
    async def sleep() -> float:
        await trio.sleep(3600)
        return trio.current_time()

    assert run_seeded(0, sleep)[0] == pytest.approx(3600)


def test_what_differs_between_processes_is_not_in_a_trace() -> None:
    one, two = scheduler.Schedule(1), scheduler.Schedule(1)
    assert one.digest == two.digest
    from callboard.testing.trace import Trace

    traces: list[Any] = [Trace(), Trace()]
    for trace, token, address in zip(
        traces, ("0" * 32, "f" * 32), ("12ab34", "ffffff"), strict=True
    ):
        trace.add(1.0, "frame", f'id {token} at 0x{address} "timestamp":{len(token)}.5')
    assert traces[0].digest == traces[1].digest
