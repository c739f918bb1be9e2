"""Cheap, always-on measurements and the frozen snapshots taken of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from math import ceil

import attrs

# The upper bounds of the buckets, four to an octave, from a nanosecond to four and a half hours.
_BOUNDS = tuple(2.0**octave * quarter / 4 for octave in range(-30, 14) for quarter in (5, 6, 7, 8))


@attrs.frozen
class HistogramSnapshot:
    """A distribution of durations, in seconds.

    ``p50`` and ``p99`` are upper bounds of the bucket the quantile falls in, at most 25 % above
    the true value; ``max`` is exact. All are 0.0 when nothing was recorded.
    """

    count: int = 0
    total: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Histogram:
    """Durations in buckets of a quarter octave: constant memory, no allocation per record."""

    __slots__ = ("_counts", "max", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; what is below or above the range goes to the first or last bucket."""
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds
        if seconds > self.max:
            self.max = seconds

    def quantile(self, fraction: float) -> float:
        """The upper bound, in seconds, of the bucket that holds this fraction of the records."""
        rank = max(1, ceil(fraction * sum(self._counts)))
        seen = 0
        for bound, in_bucket in zip(_BOUNDS, self._counts, strict=False):
            seen += in_bucket
            if seen >= rank:
                return min(self.max, bound)
        return self.max

    def snapshot(self) -> HistogramSnapshot:
        """The distribution as of now."""
        return HistogramSnapshot(
            count=sum(self._counts),
            total=self.total,
            p50=self.quantile(0.50),
            p99=self.quantile(0.99),
            max=self.max,
        )


@attrs.frozen
class ActorSnapshot:
    """One actor as of now: counts since it was added, durations in seconds."""

    name: str
    state: str
    depth: int
    capacity: int
    running: bool
    accepted: int
    rejected: int
    handled: int
    failed: int
    superseded: int
    cancelled: int
    expired: int
    dropped: int
    restarts: int
    wait: HistogramSnapshot
    run: HistogramSnapshot


@attrs.frozen
class SupervisorSnapshot:
    """Every actor of one supervisor, and what the ledger and the dead letters counted so far."""

    name: str
    at: float
    actors: tuple[ActorSnapshot, ...]
    accepted: int
    rejected: int
    in_flight: int
    outcomes: Mapping[str, int]
    dead_letters: Mapping[str, int]
    listener_errors: int
