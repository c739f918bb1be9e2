"""What a demonstration is at."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from callboard.cli.demo.drag import NONE, Drag, Latencies

if TYPE_CHECKING:
    from callboard.kernel import KernelStatus

_LOG = 6
"""Lines of the installer's log that are shown."""
_RECENT = 40
"""Latencies that the small curve is made of."""


_LINES = 12
"""Lines about a fault that are told in the end."""
_KEPT = 200


@attrs.define
class Incident:
    """A fault that is put in, and what it did. Times in seconds since the drag began."""

    name: str
    meaning: str
    invariant: str
    domain: str
    """What it is aimed at, where it is aimed at a domain."""
    timely: bool
    """Whether the hand must not feel it."""
    began: float | None = None
    ended: float | None = None
    """When everything was up again."""
    strikes: int = 0
    lines: list[str] = attrs.field(factory=list)
    outcomes: dict[str, int] = attrs.field(factory=dict)
    """Of the commands that were part of it."""

    @property
    def at_work(self) -> bool:
        """Whether it is going on."""
        return self.began is not None and self.ended is None

    @property
    def story(self) -> list[str]:
        """The lines, those in the middle left out if there are many."""
        if len(self.lines) <= _LINES:
            return self.lines
        half = _LINES // 2
        left_out = f"... {len(self.lines) - _LINES} lines ..."
        return [*self.lines[:half], left_out, *self.lines[-half:]]

    def struck_at(self, at: float) -> None:
        """Note that it struck."""
        self.strikes += 1
        self.note(at, "strikes" if self.strikes == 1 else "strikes again")

    def note(self, at: float, text: str) -> None:
        """Note something about it."""
        if self.ended is None and len(self.lines) < _KEPT:
            self.lines.append(f"{at:5.2f} s  {text}")


@attrs.frozen
class ActorRow:
    """One actor, as the picture has it. Times in seconds."""

    name: str
    state: str
    busy: bool
    depth: int
    capacity: int
    handled: int
    superseded: int
    restarts: int
    waits_p99: float
    runs_p99: float


@attrs.frozen
class Picture:
    """A demonstration at one moment: all that is drawn, for whoever draws it."""

    phase: str
    """What is being done, in words."""
    seconds: float
    at: float
    bar: str
    landscape: str
    sent: int
    shown: int
    idle: Latencies
    installing: Latencies
    recent: tuple[float, ...]
    package: str
    package_status: str
    install_seconds: float
    install_began: bool
    install_ended: bool
    log: tuple[str, ...]
    actors: tuple[ActorRow, ...]
    ledger: str
    incident: Incident | None = None
    disturbed: Latencies = NONE
    """While the fault was at work."""


@attrs.define(eq=False)
class Stage:
    """The state of a demonstration. Trio thread only."""

    seconds: float
    """How long the drag is meant to last."""
    phase: str = ""
    """What is being done, in words."""
    drag: Drag = attrs.field(factory=Drag)
    at: float = 0.0
    """Seconds since the drag began."""
    outputs: dict[str, str] = attrs.field(factory=dict)
    """What each cell shows, by its id."""
    package: str = ""
    source: str = ""
    package_status: str = "waiting"
    log: deque[str] = attrs.field(factory=lambda: deque(maxlen=_LOG))
    log_lines: int = 0
    install_began: float | None = None
    install_ended: float | None = None
    """Seconds since the drag began."""
    status: KernelStatus | None = None
    incident: Incident | None = None

    @property
    def disturbed(self) -> bool:
        """Whether a fault is at work."""
        return self.incident is not None and self.incident.at_work

    @property
    def installing(self) -> bool:
        """Whether the installation is under way."""
        return self.install_began is not None and self.install_ended is None

    @property
    def install_seconds(self) -> float:
        """How long the installation has taken so far."""
        if self.install_began is None:
            return 0.0
        return (self.at if self.install_ended is None else self.install_ended) - self.install_began

    def log_text(self, text: str) -> list[str]:
        """Add to the log; returns the lines added."""
        lines = [line for line in text.split("\n") if line.strip()]
        self.log.extend(lines)
        self.log_lines += len(lines)
        return lines

    def picture(self) -> Picture:
        """The state as of now. Ticks that are still on their way are left out."""
        ticks = [tick for tick in self.drag.ticks if tick.caught_up is not None]
        return Picture(
            phase=self.phase,
            seconds=self.seconds,
            at=self.at,
            bar=self.outputs.get("bar", ""),
            landscape=self.outputs.get("landscape", ""),
            sent=len(self.drag.ticks),
            shown=self.drag.shown,
            idle=Latencies.of(
                [tick.latency for tick in ticks if not tick.installing and not tick.disturbed]
            ),
            installing=Latencies.of(
                [tick.latency for tick in ticks if tick.installing and not tick.disturbed]
            ),
            disturbed=Latencies.of([tick.latency for tick in ticks if tick.disturbed]),
            incident=self.incident,
            recent=tuple(tick.latency for tick in ticks[-_RECENT:]),
            package=self.package,
            package_status=self.package_status,
            install_seconds=self.install_seconds,
            install_began=self.install_began is not None,
            install_ended=self.install_ended is not None,
            log=tuple(self.log),
            actors=self._actors(),
            ledger=self._ledger(),
        )

    def _actors(self) -> tuple[ActorRow, ...]:
        if self.status is None:
            return ()
        return tuple(
            ActorRow(
                name=actor.name,
                state=actor.state,
                busy=actor.running,
                depth=actor.depth,
                capacity=actor.capacity,
                handled=actor.handled,
                superseded=actor.superseded,
                restarts=actor.restarts,
                waits_p99=actor.wait.p99,
                runs_p99=actor.run.p99,
            )
            for actor in self.status.actors.actors
        )

    def _ledger(self) -> str:
        if self.status is None:
            return ""
        actors = self.status.actors
        outcomes = ", ".join(f"{count} {name}" for name, count in actors.outcomes.items() if count)
        return (
            f"{actors.accepted} accepted, {actors.in_flight} in flight; {outcomes or 'none ended'}"
        )
