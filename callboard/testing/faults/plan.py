"""Which faults are put in where and when: a value, drawn from a seed or written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import attrs

from callboard.testing.faults.catalogue import FAULTS, FaultKind, Point

_SIMULATED = tuple(name for name, kind in FAULTS.items() if kind.simulated)
TAIL = 5.0
"""Seconds after which a simulation does nothing but drag."""


def _known(instance: object, attribute: Any, name: str) -> None:
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(FAULTS)}")


@attrs.frozen
class Fault:
    """One fault at one place."""

    name: str = attrs.field(validator=_known)
    domain: str = ""
    """The domain it is aimed at, where it is aimed at one."""
    nth: int = 1
    """Which passage of its point sets it off, counted from 1; for clients: a measure of when."""
    times: int = 1
    """How many passages in a row it takes."""
    checkpoint: int = 1
    """For ``cancel-at-checkpoint``: which one, counted from 1."""

    @property
    def kind(self) -> FaultKind:
        """What it is an instance of."""
        return FAULTS[self.name]

    after: float = 0.0
    """Seconds of the clock of the trio run before which passages do not count."""

    def __str__(self) -> str:
        text = self.name
        if self.domain:
            text += f" in {self.domain}"
        text += f" at {self.nth}"
        if self.after:
            text += f" after {self.after} s"
        if self.times > 1:
            text += f" x{self.times}"
        if self.name == "cancel-at-checkpoint":
            text += f" checkpoint {self.checkpoint}"
        return text


@attrs.frozen
class FaultPlan:
    """Some faults. Plans are added up with ``+``."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, *names: str, domain: str = "") -> FaultPlan:
        """Plan the first opportunity of each of some faults.

        Raises:
            ValueError: there is no fault of that name.
        """
        return cls(tuple(_placed(name, domain, Random(0), first=True) for name in names))

    @classmethod
    def draw(
        cls, rng: Random, *, names: Iterable[str] | None = None, at_most: int = 4
    ) -> FaultPlan:
        """Draw up to ``at_most`` faults among ``names``, by default all that are simulated; often none."""
        chosen = sorted(_SIMULATED if names is None else names)
        count = max(0, rng.randint(-1, at_most))
        return cls(tuple(_placed(rng.choice(chosen), "", rng) for _ in range(count)))

    def __add__(self, other: FaultPlan) -> FaultPlan:
        return FaultPlan((*self.faults, *other.faults))

    def without(self, fault: Fault) -> FaultPlan:
        """Return the plan less one fault."""
        return FaultPlan(tuple(one for one in self.faults if one is not fault))

    def at(self, *points: Point) -> tuple[Fault, ...]:
        """Return the faults that are put in at some points."""
        return tuple(fault for fault in self.faults if fault.kind.point in points)

    def __str__(self) -> str:
        return "; ".join(map(str, self.faults)) or "none"


_WITH_THREADS = ("storage", "datasets", "sql", "secrets", "cache")
_DOMAINS = ("notebook", "notebook", "ui", "ui", "ui", "functions", "packages", *_WITH_THREADS)
_BEHAVIOUR = (Point.HANDLER, Point.START, Point.STOP)


def _placed(name: str, domain: str, rng: Random, *, first: bool = False) -> Fault:
    kind = FAULTS.get(name)
    aimed = kind is not None and kind.point in _BEHAVIOUR
    in_threads = kind is not None and kind.point is Point.THREAD
    if not domain and (aimed or in_threads):
        domains = _WITH_THREADS if in_threads else _DOMAINS
        usual = "storage" if in_threads else "ui"
        domain = usual if first else rng.choice(domains)
    few = kind is not None and kind.point is Point.INSTALLER
    nth = 1 if first else rng.randint(1, 3 if few else 12)
    if name == "crash-loop":
        times = 8
    elif name == "start-crash":
        times = 2 if first else rng.randint(1, 7)
    elif in_threads:
        # As many as a domain has threads is where it matters.
        times = 1 if first else rng.choice((1, 1, 3, 9))
    else:
        times = 1
    checkpoint = 1 if first else rng.choice((1, 1, 1, 2, 2, 3, 4))
    after = 0.0
    if domain == "ui" and not first and rng.random() < 0.5:
        # In the drag that ends a phase: what a tick there fails to do, no later one does.
        nth, after = rng.randint(1, 3), TAIL
    return Fault(name, domain if aimed or in_threads else "", nth, times, checkpoint, after)
