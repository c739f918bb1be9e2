"""A loop that never waits lets other threads go on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio
import trio.testing

from callboard.runtime import fair_checkpoint, fairness
from callboard.runtime.fairness import EVERY_SECONDS, REST_SECONDS


class Clock:
    """A clock that only rests, and whoever turns it, move on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rests: list[float] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.rests.append(self.now)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(perf_counter=clock.perf_counter, sleep=clock.sleep)
    monkeypatch.setattr(fairness, "time", fake)
    monkeypatch.setattr(fairness, "_rested", fairness._Rested())
    return clock


async def test_a_busy_loop_rests_once_in_a_millisecond_and_not_more_often(clock: Clock) -> None:
    for _ in range(1000):
        await fair_checkpoint()
        clock.now += EVERY_SECONDS / 10
    gaps = [later - before for before, later in zip(clock.rests, clock.rests[1:], strict=False)]
    assert len(clock.rests) == pytest.approx(1000 / 10.5, rel=0.1)
    assert min(gaps) >= EVERY_SECONDS
    assert max(gaps) <= 1.2 * EVERY_SECONDS + REST_SECONDS


async def test_it_is_a_checkpoint_whether_it_rests_or_not(clock: Clock) -> None:
    for _ in range(2):
        with trio.CancelScope() as scope:
            scope.cancel()
            await fair_checkpoint()
        assert scope.cancelled_caught
    assert clock.rests == []
    for _ in range(2):
        with trio.testing.assert_checkpoints():
            await fair_checkpoint()
    assert len(clock.rests) == 1
