"""Twenty kernel processes on one machine, a hundred kernels in one process, and a neighbour that hogs the processor.

    python -m benchmarks.kernels [--rounds N] [--seconds S] [--quick] [--json PATH] [--vs marimo==0.23.7]

Every round measures all contestants in turn, another one first, each in a fresh process of its own
environment (see `benchmarks.crowd`): kernels are started one after another, each with a slider and a
cell that costs nothing, then all are dragged but the first, and for the middle third of the time the
first runs a loop in pure Python.

callboard          Processes, ``callboard kernel --stdio``, at 4 ticks a second each.
marimo             Its kernel processes, on their own queues and sockets, the same.
embedded           ``open_kernel`` for each in one trio run, at half a tick a second each: they share
                   one interpreter lock, which a loop hands on every 5 ms.
embedded, 0.5 ms   The same with ``sys.setswitchinterval(0.0005)``, which a kernel process sets itself.

start     Seconds from the start of a kernel until its notebook had run, the median of all.
memory    MB a kernel has: its share of what is mapped (PSS) and what is its own (USS). Of embedded
          kernels, what each one but the first adds to the process.
p50, p99  Milliseconds of the others' ticks, without and beside the loop.
worst     The median of the kernel that fares worst, beside the loop.

Required: kernel processes start no slower than marimo's, take no more memory, and beside the loop 99
in 100 ticks take no longer; no kernel starves: each one's median stays below 100 ms, and with 0.5 ms
the p99 of all as well. The exit status tells whether all of it was met, except with --quick.

Not to be run under ``chrt``, unlike the others: round robin hands a processor on every 100 ms, and that
is then what a p99 beside the loop shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.crowd import Crowd, Plan
from benchmarks.drag import CALLBOARD, interpreter
from benchmarks.environments import ROOT, InstallFailed
from benchmarks.gauges import MEGABYTE
from benchmarks.harness import Spread, arguments, machine, percentile, preamble, table, write_json
from benchmarks.requirements import MEANWHILE, Verdict

MARIMO = "marimo==0.23.7"
EXTRAS = ("attrs==26.1.0", "psutil==7.2.2")
"""What the driver needs."""
SWITCH_INTERVAL = 0.0005
TUNED = "embedded, 0.5 ms"
_STARTING = 10.0
"""Seconds that a kernel may take to start."""


def plans(seconds: float, *, quick: bool, rival: str | None) -> dict[str, tuple[str, Plan]]:
    """By contestant: the environment and the plan."""
    few, many, rate = (3, 10, 4.0) if quick else (20, 100, 0.5)
    found = {CALLBOARD: (CALLBOARD, Plan("callboard", few, seconds, 4.0))}
    if rival is not None:
        found[rival] = (rival, Plan("marimo", few, seconds, 4.0))
    plan = Plan("embedded", many, 2 * seconds, rate)
    found["embedded"] = (CALLBOARD, plan)
    found[TUNED] = (CALLBOARD, attrs.evolve(plan, switch_interval=SWITCH_INTERVAL))
    return found


def measure(python: Path, plan: Plan) -> Crowd:
    """Carry out a plan in a process of its own, away from this checkout's settings.

    Raises:
        RuntimeError: the driver failed; with what it wrote last.
        subprocess.TimeoutExpired: the driver did not end.
    """
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [str(python), "-m", "benchmarks.crowd"],
            check=False,
            timeout=3 * plan.seconds + _STARTING * plan.count + 60,
            input=json.dumps(attrs.asdict(plan)),
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    if ran.returncode:
        raise RuntimeError(f"{plan.kernel} failed:\n{ran.stderr[-4000:]}")
    return Crowd(**json.loads(ran.stdout))


@attrs.frozen
class Summary:
    """What the rounds of one contestant came to: seconds, bytes and ratios, one figure a round."""

    name: str
    plan: Plan
    starts: Sequence[float]
    pss: Sequence[float]
    uss: Sequence[float]
    quiet: Sequence[tuple[float, float]]
    """p50 and p99."""
    busy: Sequence[tuple[float, float]]
    worst: Sequence[float]
    """The median of the kernel that fared worst beside the loop."""

    @classmethod
    def of(cls, name: str, plan: Plan, crowds: Sequence[Crowd]) -> Summary:
        """Sum up the rounds."""
        return cls(
            name,
            plan,
            [percentile(crowd.starts, 0.5) for crowd in crowds],
            [percentile(crowd.pss, 0.5) for crowd in crowds],
            [percentile(crowd.uss, 0.5) for crowd in crowds],
            [_percentiles(crowd.quiet) for crowd in crowds],
            [_percentiles(crowd.busy) for crowd in crowds],
            [worst_median(crowd.busy) for crowd in crowds],
        )

    def p99(self) -> Spread:
        """Seconds, beside the loop."""
        return Spread.of(p99 for _, p99 in self.busy)


def _percentiles(waits: Sequence[Sequence[float]]) -> tuple[float, float]:
    of_all = [wait for of_kernel in waits for wait in of_kernel]
    return percentile(of_all, 0.5), percentile(of_all, 0.99)


def worst_median(waits: Sequence[Sequence[float]]) -> float:
    """The median of the kernel that fares worst, of those that have any ticks."""
    return max(percentile(of_kernel, 0.5) for of_kernel in waits if of_kernel)


HEADER = (
    "",
    "kernels",
    "start, s",
    "PSS, MB",
    "USS, MB",
    "p50 without",
    "p99 without",
    "p50 beside",
    "p99 beside",
    "worst",
)


def row(summary: Summary) -> list[str]:
    """One line of the table."""
    return [
        summary.name,
        str(summary.plan.count),
        Spread.of(summary.starts).text(3),
        Spread.of(value / MEGABYTE for value in summary.pss).text(1),
        Spread.of(value / MEGABYTE for value in summary.uss).text(1),
        *(
            Spread.of(figures[place] * 1000 for figures in phase).text(1)
            for phase in (summary.quiet, summary.busy)
            for place in (0, 1)
        ),
        Spread.of(worst * 1000 for worst in summary.worst).text(1),
    ]


def verdicts(summaries: Mapping[str, Summary], rival: str | None) -> list[Verdict]:
    """Judge callboard's contestants."""
    ours = summaries[CALLBOARD]
    found = []
    if rival is not None:
        theirs = summaries[rival]
        for what, here, there in (
            ("starts no slower than", ours.starts, theirs.starts),
            ("takes no more memory (PSS) than", ours.pss, theirs.pss),
            (
                "beside a busy neighbour has a p99 no longer than",
                [p99 for _, p99 in ours.busy],
                [p99 for _, p99 in theirs.busy],
            ),
        ):
            ratios = Spread.of(a / b for a, b in zip(here, there, strict=True))
            found.append(
                Verdict(
                    f"a kernel process {what} {rival}'s",
                    f"{ratios.median:.2f} x (by round {ratios.text()})",
                    ratios.median <= 1.0,
                )
            )
    for name, summary in summaries.items():
        if name != rival:
            worst = max(summary.worst)
            found.append(
                Verdict(
                    f"{name}: beside a busy neighbour each kernel's median is below"
                    f" {MEANWHILE * 1000:.0f} ms",
                    f"{worst * 1000:.1f} ms for the worst kernel of all rounds",
                    worst < MEANWHILE,
                )
            )
    p99 = summaries[TUNED].p99()
    found.append(
        Verdict(
            f"{TUNED}: beside a busy neighbour ticks are shown within {MEANWHILE * 1000:.0f} ms (p99)",
            f"{p99.median * 1000:.1f} ms",
            p99.median <= MEANWHILE,
        )
    )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=3, quick_rounds=1)
    parser.add_argument("--seconds", type=float, help="of each third; default: 5")
    parser.add_argument("--vs", default=MARIMO, metavar="KERNEL", help=f"default: {MARIMO}")
    options = parser.parse_args(argv)
    # The quick one asks no registry for anything but what callboard itself needs.
    rival = None if options.quick else options.vs
    chosen = plans(
        options.seconds or (1.5 if options.quick else 5.0), quick=options.quick, rival=rival
    )
    try:
        pythons = {
            kernel: interpreter(kernel, renew=False, extras=EXTRAS)
            for kernel in dict.fromkeys(kernel for kernel, _ in chosen.values())
        }
    except InstallFailed as failure:
        sys.exit(f"an environment could not be made: {failure}")
    crowds: dict[str, list[Crowd]] = {name: [] for name in chosen}
    names = list(chosen)
    for number in range(options.rounds or (1 if options.quick else 3)):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            kernel, plan = chosen[name]
            print(f"round {number + 1}: {name}", file=sys.stderr)
            crowds[name].append(measure(pythons[kernel], plan))
    summaries = {name: Summary.of(name, plan, crowds[name]) for name, (_, plan) in chosen.items()}
    judged = verdicts(summaries, rival)
    facts = machine("trio", "msgspec")
    print(preamble(facts))
    print(table(HEADER, map(row, summaries.values())))
    print("min / median / max of the rounds; p50 and p99 in ms\n")
    print("\n".join(map(str, judged)))
    if options.json is not None:
        results = {
            "requirements": [attrs.asdict(verdict) for verdict in judged],
            "contestants": [attrs.asdict(summary) for summary in summaries.values()],
        }
        write_json(options.json, facts, results)
    if not options.quick and not all(verdict.met for verdict in judged):
        sys.exit(1)


if __name__ == "__main__":
    main()
