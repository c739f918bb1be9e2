"""Cheap, always-on measurements and the frozen snapshots taken of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, frexp, ldexp

import attrs

# Four buckets an octave, from 2**-31 s (half a nanosecond) to 2**13 s (two hours and a quarter).
_LOWEST_EXPONENT = -30
_OCTAVES = 44
_BUCKETS = _OCTAVES * 4


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
        self._counts = [0] * _BUCKETS
        self.total = 0.0
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; what is below or above the range goes to the first or last bucket."""
        mantissa, exponent = frexp(seconds)
        # The mantissa is in [0.5, 1): times eight, four steps to the octave.
        index = (exponent - _LOWEST_EXPONENT) * 4 + int(mantissa * 8.0) - 4
        if index < 0 or seconds <= 0.0:
            index = 0
        elif index >= _BUCKETS:
            index = _BUCKETS - 1
        self._counts[index] += 1
        self.total += seconds
        if seconds > self.max:
            self.max = seconds

    def quantile(self, fraction: float) -> float:
        """The upper bound, in seconds, of the bucket that holds this fraction of the records."""
        count = sum(self._counts)
        if not count:
            return 0.0
        rank = max(1, ceil(fraction * count))
        seen = 0
        for index, in_bucket in enumerate(self._counts):
            seen += in_bucket
            if seen >= rank:
                octave, step = divmod(index, 4)
                return min(self.max, ldexp((step + 5) / 8.0, octave + _LOWEST_EXPONENT))
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
