"""What a drag must be like, and whether it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from benchmarks.harness import Spread
from benchmarks.scenario import Result, Scenario, percentile

DISTURBED = 1.2
"""How many times as long as in an idle kernel 99 of 100 ticks may take beside a disturbance."""
LEAD = 3.0
"""Seconds of a drag before its disturbance that are enough to count as an idle drag."""
SETTLING = 1.0
"""Seconds at the start of a drag that are left out of that."""
SUPERFLUOUS_RUNS = 5
"""How many runs of a cell more than fit into the time of the drag."""
LAST_VALUE = 0.15
"""Seconds from the last tick to its value, for a cell of 50 ms."""
MEANWHILE = 0.1
"""Seconds in which another domain answers while a cell runs."""


@attrs.frozen
class Figures:
    """What all rounds of one scenario on one kernel came to. Seconds, infinite for never."""

    scenario: Scenario
    results: Sequence[Result]
    window: tuple[float, float] | None = None
    """Which part of the scenario is looked at; None: beside a disturbance, that; else the whole."""

    @property
    def kernel(self) -> str:
        """Name and version."""
        return self.results[0].kernel

    def waits(self) -> list[float]:
        """How long each tick took, of all rounds; beside a disturbance only those until its last answer."""
        return sorted(wait for result in self.results for wait in self._of(result))

    def p99s(self) -> list[float]:
        """The 99th percentile of each round."""
        return [percentile(self._of(result), 0.99) for result in self.results]

    @property
    def before(self) -> Figures | None:
        """The same drags before their disturbance; None if that is too short a time to compare with."""
        scenario = self.scenario
        since = scenario.drag.start + SETTLING
        if scenario.disturbed is None or scenario.disturbed - since < LEAD:
            return None
        return attrs.evolve(self, window=(since, scenario.disturbed))

    def worst(self, name: str) -> float:
        """The largest of a figure of the summary over all rounds; infinite if one has none."""
        figures = [result.summary[name] for result in self.results]
        return max(float("inf") if figure is None else float(figure) for figure in figures)

    def of(self, number: int) -> list[float]:
        """How long each tick of a round took."""
        return self._of(self.results[number])

    def _of(self, result: Result) -> list[float]:
        if self.window is not None:
            return result.waits(*self.window)
        if self.scenario.disturbed is None:
            return result.waits()
        ends = [
            float("inf") if answer.answered is None else answer.answered
            for answer in result.answers
        ]
        return result.waits(self.scenario.disturbed, max(ends, default=float("inf")))


@attrs.frozen
class Verdict:
    """One requirement, and whether it was met."""

    requirement: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"{'pass' if self.met else 'FAIL'}  {self.requirement}: {self.measured}"


def verdicts(figures: Mapping[str, Figures]) -> list[Verdict]:
    """Judge one kernel by its figures of each scenario."""
    found = [_last_value(figures.values())]
    for name, of_scenario in figures.items():
        idle = _idle(of_scenario.scenario.undisturbed, figures)
        if idle:
            found.append(_undisturbed(of_scenario, idle))
        if of_scenario.scenario.interleaved is not None:
            found += _alternating(of_scenario)
        if name.startswith("busy-"):
            found.append(_answers_meanwhile(of_scenario))
    return found


def _last_value(figures: Iterable[Figures]) -> Verdict:
    missing = [
        of_scenario.scenario.name
        for of_scenario in figures
        if of_scenario.worst("last_value_lag") == float("inf")
    ]
    measured = f"not in {', '.join(missing)}" if missing else "in every round of every scenario"
    return Verdict("the last value is shown", measured, not missing)


def _idle(name: str | None, figures: Mapping[str, Figures]) -> list[Figures]:
    """Find all drags of a run that nothing disturbed: an idle one, and those that end up beside a disturbance.

    A shared machine changes from one minute to the next, and one drag alone says little of an idle kernel.
    """
    if name is None or name not in figures:
        return []
    leads = [
        of_scenario.before
        for of_scenario in figures.values()
        if of_scenario.scenario.undisturbed == name
    ]
    return [figures[name], *(lead for lead in leads if lead is not None)]


def _undisturbed(figures: Figures, idle: Sequence[Figures]) -> Verdict:
    requirement = f"{figures.scenario.name}: p99 within {DISTURBED} x idle"
    waits = figures.waits()
    failed = [
        str(answer) for result in figures.results for answer in result.answers if answer.failure
    ]
    if failed or not waits:
        return Verdict(requirement, ", ".join(["nothing was disturbed", *failed[:1]]), met=False)
    here = percentile(waits, 0.99)
    there = percentile(sorted(wait for each in idle for wait in each.waits()), 0.99)
    ratios = Spread.of(
        disturbed / percentile(sorted(wait for each in idle for wait in each.of(number)), 0.99)
        for number, disturbed in enumerate(figures.p99s())
    )
    return Verdict(
        requirement,
        f"{here * 1000:.1f} ms / {there * 1000:.1f} ms = {here / there:.2f} x"
        f" (by round {ratios.text()})",
        here <= DISTURBED * there,
    )


def _alternating(figures: Figures) -> list[Verdict]:
    scenario = figures.scenario
    fitting = round(scenario.drag.seconds / 0.05)
    runs = max(result.runs.get(scenario.observed, 0) for result in figures.results)
    ticks = max(len(result.ticks) for result in figures.results)
    lag = figures.worst("last_value_lag")
    return [
        Verdict(
            f"{scenario.name}: at most {fitting + SUPERFLUOUS_RUNS} runs for {ticks} ticks",
            f"{runs} in the worst round",
            runs <= fitting + SUPERFLUOUS_RUNS,
        ),
        Verdict(
            f"{scenario.name}: the last value within {LAST_VALUE * 1000:.0f} ms of its tick",
            f"{lag:.0f} ms in the worst round",
            lag <= LAST_VALUE * 1000,
        ),
    ]


def _answers_meanwhile(figures: Figures) -> Verdict:
    answers = [
        answer
        for result in figures.results
        for answer in result.answers
        if answer.type != "execute-cells"
    ]
    late = [
        answer
        for answer in answers
        if answer.failure or answer.answered is None or answer.answered - answer.sent > MEANWHILE
    ]
    return Verdict(
        f"{figures.scenario.name}: other domains answer within {MEANWHILE * 1000:.0f} ms",
        ", ".join(str(answer) for answer in late or answers[:1]),
        not late,
    )
