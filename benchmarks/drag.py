"""A slider dragged at 60 Hz while other things happen, on callboard and on real marimo kernels.

    python -m benchmarks.drag [--vs marimo] [--vs marimo==0.23.7] [--scenario idle-5ms] [--quick]

Every scenario (see `benchmarks.scenario`) is played on all kernels in turn before the next one,
each time in a fresh process of the kernel's own environment, and all of it once a round, so that a
machine that slows down midway slows down all of them. The table's figures are milliseconds over all
rounds, except counts; beside a disturbance, of the ticks sent while it lasts. What is required of
callboard, and where another kernel is better, stands below it. The exit status tells whether all
requirements were met, except with --quick, where a single late tick makes the 99th percentile.

On a machine with other work to do, ``chrt -r 1 python -m benchmarks.drag`` keeps that work out of the
99th percentiles (Linux, as root). Not for ``preview-*``: round robin lets a thread that computes have a
processor for 100 ms at a time, and that is then what a late tick shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data_scenarios import EXTRAS as NOTEBOOK_EXTRAS
from benchmarks.data_scenarios import data_scenarios
from benchmarks.environments import ROOT, InstallFailed, environment
from benchmarks.harness import Spread, arguments, machine, preamble, write_json
from benchmarks.harness import table as format_table
from benchmarks.requirements import Figures, Verdict, verdicts
from benchmarks.scenario import HANGING, Result, Scenario, notebook, percentile, scenarios

# What the notebooks import; the marimo driver shares attrs classes.
EXTRAS = (*NOTEBOOK_EXTRAS, "attrs==26.1.0")
CALLBOARD = "callboard"
STARTING = 60.0
"""Seconds for a kernel to start and to stop."""
DISTRIBUTIONS = ("trio", "attrs", "msgspec")


def interpreter(kernel: str, *, renew: bool, extras: Sequence[str] = EXTRAS) -> Path:
    """The Python of a kernel's environment; callboard itself comes from this checkout."""
    if kernel != CALLBOARD:
        return environment([kernel, *extras], renew=renew)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = ROOT / "constraints.txt"
    return environment([*project["dependencies"], *extras], constraints=pins, renew=renew)


def play(kernel: str, python: Path, scenario: Scenario) -> Result:
    """Play one scenario in a process of its own, away from this checkout's settings.

    Raises:
        RuntimeError: the driver failed; with what it wrote last.
        subprocess.TimeoutExpired: the driver did not end.
    """
    driver = "benchmarks." + ("callboard_kernel" if kernel == CALLBOARD else "marimo_kernel")
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [str(python), "-m", driver],
            check=False,
            timeout=scenario.drag.start + scenario.drag.seconds + scenario.patience + STARTING,
            input=scenario.to_json(),
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    if ran.returncode:
        raise RuntimeError(f"{kernel} failed on {scenario.name}:\n{ran.stderr[-4000:]}")
    return Result.from_json(ran.stdout)


def play_all(
    chosen: Sequence[Scenario], pythons: Mapping[str, Path], rounds: int
) -> dict[str, dict[str, Figures]]:
    """Play all scenarios on all kernels, round by round; the figures by kernel and scenario.

    Another kernel starts each round. Only callboard plays scenarios with faults.
    """
    results: dict[str, dict[str, list[Result]]] = {kernel: {} for kernel in pythons}
    kernels = list(pythons)
    for number in range(rounds):
        kernels = [*kernels[1:], kernels[0]]
        for scenario in chosen:
            for kernel in kernels:
                if scenario.faults and kernel != CALLBOARD:
                    continue
                print(f"round {number + 1}: {scenario.name} on {kernel}", file=sys.stderr)
                result = play(kernel, pythons[kernel], scenario)
                results[kernel].setdefault(scenario.name, []).append(result)
    by_name = {scenario.name: scenario for scenario in chosen}
    return {
        kernel: {name: Figures(by_name[name], found) for name, found in of_kernel.items()}
        for kernel, of_kernel in results.items()
    }


COLUMNS = (
    "scenario",
    "kernel",
    "ticks",
    "p50",
    "p99",
    "p99 of rounds",
    "max",
    "freeze",
    "last value",
    "shown",
    "runs",
)


def row(figures: Figures) -> list[str]:
    """One line of the table."""
    waits = figures.waits()
    return [
        figures.scenario.name,
        figures.kernel,
        str(len(waits)),
        _ms(percentile(waits, 0.5)),
        _ms(percentile(waits, 0.99)),
        Spread.of(p99 * 1000 for p99 in figures.p99s()).text(1),
        _ms(percentile(waits, 1.0)),
        _ms(figures.worst("freeze") / 1000),
        _ms(figures.worst("last_value_lag") / 1000),
        str(sum(int(result.summary["shown"] or 0) for result in figures.results)),
        str(sum(result.runs.get(figures.scenario.observed, 0) for result in figures.results)),
    ]


def _ms(seconds: float) -> str:
    return "never" if seconds == float("inf") else f"{seconds * 1000:.1f}"


def losses(ours: Mapping[str, Figures], theirs: Iterable[Figures]) -> list[str]:
    """Where another kernel is better, a sentence each."""
    found = []
    for other in theirs:
        mine = ours.get(other.scenario.name)
        if mine is None:
            continue
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            here, there = percentile(mine.waits(), share), percentile(other.waits(), share)
            if here > there:
                found.append(
                    f"{other.scenario.name}: {label} {_ms(here)} ms, {other.kernel} {_ms(there)} ms"
                )
    return found


def report(figures: Mapping[str, Mapping[str, Figures]], judged: Sequence[Verdict]) -> str:
    """Everything but the single ticks, as text."""
    names = dict.fromkeys(name for of_kernel in figures.values() for name in of_kernel)
    rows = [
        row(of_kernel[name])
        for name in names
        for of_kernel in figures.values()
        if name in of_kernel
    ]
    answers = [
        f"{found.scenario.name} on {found.kernel}: {', '.join(map(str, found.results[0].answers))}"
        for of_kernel in figures.values()
        for found in of_kernel.values()
        if found.results[0].answers
    ]
    lines = [format_table(COLUMNS, rows), "", *answers, "", *map(str, judged)]
    ours = figures.get(CALLBOARD, {})
    for kernel, of_kernel in figures.items():
        if kernel != CALLBOARD and ours:
            lost = losses(ours, of_kernel.values())
            lines += ["", f"where {kernel} is better:", *(lost or ["nowhere"])]
    return "\n".join(lines)


def as_json(figures: Mapping[str, Mapping[str, Figures]], *, ticks: bool) -> list[dict[str, Any]]:
    """Every result of every round."""
    return [
        {"round": number, **(json.loads(result.to_json()) if ticks else result.brief())}
        for of_kernel in figures.values()
        for found in of_kernel.values()
        for number, result in enumerate(found.results, 1)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Play, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=5, quick_rounds=1)
    parser.add_argument(
        "--vs",
        action="append",
        default=[],
        metavar="KERNEL",
        help="play on this as well: marimo, or a release of it such as marimo==0.23.7",
    )
    parser.add_argument("--scenario", action="append", help="play this one; default: all")
    parser.add_argument("--seconds", type=float, default=HANGING, help="of an undisturbed drag")
    parser.add_argument("--spin", action="store_true", help="cells hold the processor, not sleep")
    parser.add_argument("--ticks", action="store_true", help="with every tick in the JSON")
    parser.add_argument("--renew", action="store_true", help="fetch the newest marimo again")
    options = parser.parse_args(argv)
    seconds = 1.0 if options.quick else options.seconds
    suffix = "-5ms-spin" if options.spin else "-5ms"
    known = [
        *scenarios(spinning=options.spin, seconds=seconds),
        *data_scenarios(suffix, notebook(0.005, spinning=options.spin)),
    ]
    chosen = [
        scenario
        for scenario in known
        if (
            scenario.name in options.scenario
            if options.scenario
            else not options.quick or scenario.drag.seconds <= 2 * seconds
        )
    ]
    if not chosen:
        parser.error("no such scenario")
    try:
        pythons = {
            kernel: interpreter(kernel, renew=options.renew) for kernel in [CALLBOARD, *options.vs]
        }
    except InstallFailed as failure:
        sys.exit(f"an environment could not be made: {failure}")
    facts = machine(*DISTRIBUTIONS)
    figures = play_all(chosen, pythons, options.rounds or (1 if options.quick else 5))
    judged = verdicts(figures[CALLBOARD])
    print(preamble(facts))
    print(report(figures, judged))
    if options.json is not None:
        results = {
            "scenarios": {scenario.name: scenario.text for scenario in chosen},
            "requirements": [
                {"requirement": v.requirement, "measured": v.measured, "met": v.met} for v in judged
            ],
            "results": as_json(figures, ticks=options.ticks),
        }
        write_json(options.json, facts, results)
    if not options.quick and not all(verdict.met for verdict in judged):
        sys.exit(1)


if __name__ == "__main__":
    main()
