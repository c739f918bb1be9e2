"""What a demonstration came to: the figures, and the promises they keep or break."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf

import attrs

from callboard.cli.demo.drag import NONE, Latencies
from callboard.cli.demo.stage import Incident

BOUND = 0.1
"""Seconds. What takes longer does not feel as if the hand did it."""
SLOWER = 2.0
"""How much slower than idle a tick may be, on a machine too busy for that bound."""


@attrs.frozen
class Report:
    """The figures of one demonstration; times in seconds."""

    seconds: float
    idle: Latencies
    """While nothing but the drag was going on."""
    installing: Latencies
    sent: int
    shown: int
    """Outputs that carried a value that was sent."""
    skipped: int
    """Ticks not sent because the driver itself was late."""
    last_sent: float
    last_shown: float | None
    cell_runs: int
    package: str
    source: str
    installed: bool
    install_seconds: float
    log_lines: int
    posted: int
    """Commands."""
    settlements: int
    """Commands whose end was told to subscribers."""
    accepted: int
    rejected: int
    in_flight: int
    outcomes: Mapping[str, int]
    waited: float | None
    """How long the thread of the cells was ready to run and got no processor, if the system tells."""
    restarts: int
    listener_errors: int
    """Ends of commands that somebody was told of and could not cope with."""
    incident: Incident | None = None
    """The fault that was put in, if one was."""
    disturbed: Latencies = NONE
    """While it was at work."""
    restarts_aimed_at: int = 0
    """Restarts of the actor it was aimed at."""

    @property
    def bound(self) -> float:
        """What p99 may be during the install, in seconds."""
        return max(BOUND, SLOWER * self.idle.p99)

    @property
    def broken(self) -> list[str]:
        """The promises that were broken, each as a sentence."""
        ended = sum(self.outcomes.values())
        part = {} if self.incident is None else self.incident.outcomes
        rejected = self.rejected - part.get("rejected", 0)
        failed = self.outcomes.get("failed", 0) - part.get("failed", 0)
        restarts = self.restarts - self.restarts_aimed_at
        findings = {
            f"the last value, {self.last_sent:.2f}, never came": self.last_shown != self.last_sent,
            f"{self.package} was not installed": not self.installed,
            "no value was sent while the package installed": not self.installing.count,
            f"p99 during the install is above {_milliseconds(self.bound)}": (
                self.installing.p99 > self.bound
            ),
            f"{self.in_flight} commands have not ended": self.in_flight != 0,
            f"{self.accepted + self.rejected} commands came in and {ended} ended": (
                self.accepted + self.rejected != ended + self.in_flight
            ),
            f"of {self.posted} commands, the end of {self.settlements} was told": (
                self.posted != self.settlements
            ),
            f"{rejected} commands were rejected": rejected != 0,
            f"{failed} commands failed": failed > 0,
            f"{self.listener_errors} ends of commands were not dealt with": (
                self.listener_errors != 0
            ),
            f"actors had to be restarted {restarts} times": restarts != 0,
            **self._of_the_fault(),
        }
        return [sentence for sentence, true in findings.items() if true]

    def _of_the_fault(self) -> dict[str, bool]:
        """What more is promised when a fault is put in."""
        incident = self.incident
        if incident is None:
            return {}
        return {
            f"{incident.name} never struck": incident.strikes == 0,
            "an actor was still not up again": incident.ended is None,
            f"p99 under the fault is above {_milliseconds(self.bound)}": (
                incident.timely and self.disturbed.p99 > self.bound
            ),
        }

    @property
    def lines(self) -> list[str]:
        """The report as text."""
        came = "and came" if self.last_shown == self.last_sent else "and did not come"
        counts = ", ".join(f"{count} {name}" for name, count in self.outcomes.items() if count)
        verb = "installed" if self.installed else "not installed"
        return [
            *self._table(),
            "",
            f"ticks        {self.sent} sent at 60 Hz, {self.outcomes.get('superseded', 0)} superseded, "
            f"{self.cell_runs} cell runs",
            f"last value   {self.last_sent:.2f} was sent {came}",
            f"package      {self.package} {verb} in {self.install_seconds:.1f} s "
            f"({self.source}), {self.log_lines} lines of log",
            *self._processor(),
            *self._fault(),
            f"ledger       {self.accepted} accepted = {counts or 'nothing'}; "
            f"{self.rejected} rejected, {self.in_flight} in flight",
            "promises     " + ("; ".join(f"BROKEN: {one}" for one in self.broken) or "all kept"),
        ]

    def _processor(self) -> list[str]:
        """Say how much of the latencies is the machine's: nobody is served while others have it."""
        if self.waited is None:
            return []
        share = self.waited / self.seconds
        return [f"processor    cells waited {share:.0%} of the time for one to be free"]

    def _fault(self) -> list[str]:
        """Say what was put in, and what it did."""
        incident = self.incident
        if incident is None or incident.began is None:
            return []
        until = "the end" if incident.ended is None else f"{incident.ended:.1f} s"
        return [
            f"fault        {incident.name}: {incident.meaning}",
            f"             from {incident.began:.1f} s to {until}; must hold: {incident.invariant}",
            *(f"             {line}" for line in incident.story),
        ]

    def _table(self) -> list[str]:
        columns = [("idle", 10, self.idle, ""), ("during the install", 20, self.installing, None)]
        if self.incident is not None:
            late = None if self.incident.timely else "any"
            columns.append(("under the fault", 17, self.disturbed, late))
        lines = []
        for name in ("tick latency", "  p50", "  p99", "  max", "  ticks", "  p99 at most"):
            line = f"{name:14}"
            for title, width, figures, bound in columns:
                cells = {
                    "tick latency": title,
                    "  p50": _milliseconds(figures.p50),
                    "  p99": _milliseconds(figures.p99),
                    "  max": _milliseconds(figures.max),
                    "  ticks": str(figures.count),
                    "  p99 at most": _milliseconds(self.bound) if bound is None else bound,
                }
                line += f" {cells[name]:>{width}}"
            lines.append(line)
        return lines

    def as_json(self) -> dict[str, object]:
        """The report as a JSON object; a time that never came is null."""
        whole = attrs.asdict(self)
        whole["outcomes"] = dict(self.outcomes)
        for name in ("idle", "installing", "disturbed"):
            whole[name] = {
                key: None if isinstance(value, float) and isinf(value) else value
                for key, value in whole[name].items()
            }
        return {**whole, "bound": self.bound, "broken": self.broken}


def _milliseconds(seconds: float) -> str:
    return "never" if isinf(seconds) else f"{seconds * 1000:.1f} ms"
