"""What the soak calls a pass, and that a short one works."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from array import array
from collections.abc import Callable
from random import Random
from typing import Any

import attrs
import pytest

from benchmarks.gauges import MEGABYTE, Holdings, memory, rss
from benchmarks.mixed_load import LIVES, SPARED, Installers, Lives, Load
from benchmarks.soak import Samples, Soak, slope, soak, verdicts

HOUR = 3600.0


def soaked(
    megabytes: Callable[[float], float] = lambda at: 100.0,
    wait: Callable[[float], float] = lambda at: 0.01,
    **changes: Any,
) -> Soak:
    """An hour, a sample every ten seconds and a tick a second, nothing wrong."""
    times = [10.0 * number for number in range(360)]
    samples = Samples(
        array("d", times),
        array("d", [megabytes(at) * MEGABYTE for at in times]),
        array("d", [1.0] * 360),
        array("d", [1.0] * 360),
        360,
    )
    seconds = [float(at) for at in range(int(HOUR))]
    good = Soak(
        *(HOUR, samples, seconds, [wait(at) for at in seconds]),
        balanced=True,
        quiet=True,
        settled=12,
        accepted=10,
        rejected=2,
        outcomes={"completed": 10, "rejected": 2},
    )
    return attrs.evolve(good, **changes)


def failed(found: Soak) -> list[str]:
    return [verdict.requirement for verdict in verdicts(found) if not verdict.met]


def test_an_hour_without_anything_wrong_passes() -> None:
    assert failed(soaked()) == []


def test_memory_that_keeps_growing_fails() -> None:
    assert failed(soaked(lambda at: 100 + 9 * at / HOUR)) == []
    (found,) = failed(soaked(lambda at: 100 + 11 * at / HOUR))
    assert "memory" in found


def test_growth_while_warming_up_and_a_single_excursion_are_no_growth() -> None:
    assert failed(soaked(lambda at: min(100.0, 20 + at))) == []
    assert failed(soaked(lambda at: 200.0 if 3400 < at < 3450 else 100.0)) == []


def test_the_slope_of_a_line_is_its_slope_and_its_spread_is_nothing() -> None:
    at = [float(number) for number in range(240)]
    found = slope(at, [5 + 2 * value / HOUR for value in at])
    assert found is not None
    assert (found.lower, found.median, found.upper) == pytest.approx((2, 2, 2))
    assert slope([1.0], [5.0]) is None


def test_a_last_quarter_that_is_slower_fails() -> None:
    everywhere = failed(soaked(wait=lambda at: 0.01 if at < 3000 else 0.016))
    assert [found[:3] for found in everywhere] == ["p50", "p99"]
    (tail,) = failed(soaked(wait=lambda at: 0.1 if at > 3000 and at % 50 == 0 else 0.01))
    assert tail.startswith("p99")


@pytest.mark.parametrize(
    "change",
    [
        {"balanced": False},
        {"quiet": False},
        {"twice": 1},
        {"unnoticed": 1},
        {"settled": 11},
        {"accepted": 11},
    ],
    ids=str,
)
def test_books_that_do_not_add_up_fail(change: dict[str, Any]) -> None:
    (found,) = failed(soaked(**change))
    assert "ledger" in found


def test_a_leak_and_a_disturbance_that_did_not_happen_fail() -> None:
    assert failed(soaked(leaks=["a thread"])) == ["nothing is left"]
    assert failed(soaked(missing=["interrupts"])) == ["everything that was to happen did"]


def test_too_short_to_say_is_no_pass() -> None:
    empty = soaked(samples=Samples.make(0), ticks_at=[], waits=[])
    assert len(failed(empty)) == 3


def test_every_life_of_every_actor_ends() -> None:
    lives = Lives(Random(1))
    for domain in LIVES:
        for _ in range(20):
            *_, last = lives.plan(domain).faults
            assert (last.name, last.domain) == ("handler-crash", domain)
            assert 1 <= last.nth <= LIVES[domain][1] + SPARED
    assert lives.fired["rows of crashes in functions"] >= 1


def test_what_did_not_happen_is_named() -> None:
    load = Load(Random(0), 1.0)
    assert {"interrupts", "crashes in ui", "installers hung"} <= set(load.missing())


def test_holdings_tell_of_a_thread_a_descriptor_and_a_child() -> None:
    before = Holdings.now()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    reading, writing = os.pipe()
    with subprocess.Popen(["sleep", "60"]) as child:
        more = Holdings.now().more_than(before)
        child.kill()
    release.set()
    thread.join()
    os.close(reading)
    os.close(writing)
    assert [line.split()[1] for line in more] == ["threads", "descriptors", "children"]
    assert Holdings.now().more_than(before) == []


async def test_a_program_that_was_left_behind_is_found_and_those_of_others_are_not() -> None:
    # The program ends well and leaves one behind, which is nobody's child then.
    installers = Installers(Random(0), {"installed": "sleep 60 >/dev/null 2>&1 & echo $!"})
    lines: list[str] = []
    await installers.run(["pip", "install"], environ={}, cwd="/", on_line=lines.append)
    try:
        assert installers.left() == [f"program {lines[0]} sleep 60"]
        assert Installers(Random(0)).left() == []
    finally:
        os.kill(int(lines[0]), signal.SIGKILL)


def test_memory_is_in_bytes() -> None:
    held = memory(os.getpid())
    assert 1 * MEGABYTE < held.uss <= held.rss < 10_000 * MEGABYTE
    assert rss() > MEGABYTE


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_short_soak_works_and_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1000, logger="callboard")
    found = await soak(4.0, 0, trace=False)
    by_requirement = {verdict.requirement: verdict for verdict in verdicts(found)}
    for requirement in (
        "the ledger is balanced and each message ended once",
        "nothing is left",
    ):
        assert by_requirement[requirement].met, by_requirement[requirement]
    assert found.happened["edits"]
    assert len(found.waits) > 30
