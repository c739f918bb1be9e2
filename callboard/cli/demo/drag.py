"""A slider under a moving hand, and how long the hand waited. Times are seconds of one clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil, inf, sin

import attrs

RATE = 60.0
"""Values a second: as many as a page sends while somebody drags."""

_SHOWN = re.compile(r"position (\d+\.\d\d)")


@attrs.define(eq=False)
class Tick:
    """One value that was sent."""

    value: float
    sent: float
    installing: bool
    """Whether a package was being installed at that moment."""
    disturbed: bool = False
    """Whether a fault was at work at that moment."""
    caught_up: float | None = None
    """When an output carried this value, or a later one."""

    @property
    def latency(self) -> float:
        """How long the hand waited for the notebook to catch up with it; infinite if it never did."""
        return inf if self.caught_up is None else self.caught_up - self.sent


@attrs.define(eq=False)
class Drag:
    """All ticks of one drag, each with a value of its own."""

    ticks: list[Tick] = attrs.field(factory=list)
    shown: int = 0
    """Outputs that carried one of the values."""
    last_shown: float | None = None
    _index: dict[str, int] = attrs.field(factory=dict, init=False)
    _behind: int = attrs.field(default=0, init=False)
    """The first tick that the notebook has not caught up with."""

    def next_value(self, seconds: float) -> float:
        """Where the hand is that long after the start, in hundredths from 0 to 100; never twice the same."""
        position = 50 + 34 * sin(1.1 * seconds) + 15 * sin(3.1 * seconds + 1)
        hundredth = round(100 * position)
        while _text(hundredth / 100) in self._index:
            hundredth = (hundredth + 1) % 10_001
        return hundredth / 100

    def send(self, value: float, at: float, *, installing: bool, disturbed: bool = False) -> None:
        """Note that a value is sent now."""
        self._index[_text(value)] = len(self.ticks)
        self.ticks.append(Tick(value, at, installing, disturbed))

    def show(self, output: str, at: float) -> None:
        """Note that an output has come."""
        found = _SHOWN.search(output)
        index = None if found is None else self._index.get(found[1])
        if index is None:
            return
        self.shown += 1
        self.last_shown = self.ticks[index].value
        for tick in self.ticks[self._behind : index + 1]:
            tick.caught_up = at
        self._behind = max(self._behind, index + 1)

    @property
    def caught_up(self) -> bool:
        """Whether the last value that was sent is the last one shown."""
        return bool(self.ticks) and self.last_shown == self.ticks[-1].value

    def latencies(self, *, installing: bool) -> list[float]:
        """Those of the ticks sent while a package was, or was not, being installed, and no fault at work."""
        return [
            tick.latency
            for tick in self.ticks
            if tick.installing is installing and not tick.disturbed
        ]

    def latencies_disturbed(self) -> list[float]:
        """Those of the ticks sent while a fault was at work."""
        return [tick.latency for tick in self.ticks if tick.disturbed]


def _text(value: float) -> str:
    return f"{value:.2f}"


@attrs.frozen
class Latencies:
    """A distribution of latencies, in seconds."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Latencies:
        """The distribution; all zero if there are none."""
        if not latencies:
            return cls(0, 0.0, 0.0, 0.0)
        ordered = sorted(latencies)

        def quantile(share: float) -> float:
            return ordered[ceil(share * len(ordered)) - 1]

        return cls(len(ordered), quantile(0.5), quantile(0.99), ordered[-1])


NONE = Latencies.of(())
"""Of no ticks."""
