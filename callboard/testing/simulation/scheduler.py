"""Trio made to repeat itself: virtual time, and an order of tasks that one seed decides.

The private names of trio that this takes are looked up here and nowhere else.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs
import trio
from trio.testing import MockClock

T = TypeVar("T")


class CannotSimulate(RuntimeError):
    """This version of trio, or the state of this process, does not let a run be repeated."""


@attrs.define(eq=False)
class Schedule:
    """The decisions of one run: the order of each batch of tasks that were ready together."""

    seed: int
    decisions: int = 0
    """How often there was a choice."""
    ready: int = 0
    """How many tasks the choices were about, in total."""
    _digest: Any = attrs.field(factory=hashlib.sha256, init=False)

    @property
    def digest(self) -> str:
        """A hash of all decisions so far, in order."""
        return str(self._digest.hexdigest())

    def __str__(self) -> str:
        return f"{self.decisions} choices among {self.ready} ready tasks, digest {self.digest[:16]}"

    def note(self, order: list[int]) -> None:
        """Take down one decision: where in the new order each task has come from."""
        self.decisions += 1
        self.ready += len(order)
        self._digest.update(repr(order).encode())


class _Recorder(random.Random):
    """Stands in for trio's source of randomness and takes down what it decides."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule.seed)
        self._schedule = schedule

    def shuffle(self, x: Any) -> None:
        if len(x) < 2:
            return
        order = list(range(len(x)))
        super().shuffle(order)
        x[:] = [x[place] for place in order]
        self._schedule.note(order)


def _private_names() -> Any:
    """Find the module of trio that has the two names; explain if it has them no more."""
    module = getattr(trio._core, "_run", None)
    names = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise CannotSimulate(
            f"trio {trio.__version__} has no {' and no '.join(missing)} in trio._core._run, which "
            "callboard.testing.simulation needs to decide in which order tasks run"
        )
    return module


@contextmanager
def seeded_scheduling(seed: int) -> Iterator[Schedule]:
    """Let ``seed`` decide the order of tasks in trio runs for the duration of the block.

    For the whole process, so no other trio run may be under way in another thread. What was set before, by Hypothesis
    for one, is put back.

    Raises:
        CannotSimulate: trio has changed, or a run is under way in this thread.
    """
    module = _private_names()
    if trio.lowlevel.in_trio_run():
        raise CannotSimulate("a trio run is under way here: its order cannot be decided any more")
    schedule = Schedule(seed)
    before = module._ALLOW_DETERMINISTIC_SCHEDULING, module._r
    module._ALLOW_DETERMINISTIC_SCHEDULING, module._r = True, _Recorder(schedule)
    try:
        yield schedule
    finally:
        module._ALLOW_DETERMINISTIC_SCHEDULING, module._r = before


def run_seeded(seed: int, main: Callable[..., Awaitable[T]], *args: object) -> tuple[T, Schedule]:
    """Run ``main`` under trio on virtual time, in the order that ``seed`` decides.

    Virtual time jumps as soon as every task waits. A thread that works meanwhile is not seen, so a simulation must
    not use any. Returns what ``main`` does, and the schedule.
    """
    with seeded_scheduling(seed) as schedule:
        clock = MockClock(autojump_threshold=0)
        return trio.run(main, *args, clock=clock), schedule


def virtual_clock() -> MockClock:
    """Return the clock of the simulation that runs here; ``jump`` makes time pass without anybody waiting.

    Raises:
        CannotSimulate: this trio run is on another clock.
    """
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, MockClock):
        raise CannotSimulate(f"this needs virtual time, and the clock is {clock!r}")
    return clock
