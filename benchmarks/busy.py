"""How soon data domains answer while a cell runs, on callboard and on real marimo kernels.

    python -m benchmarks.busy [--vs marimo==0.23.7] [--quick]

A cell runs for 5 s. Meanwhile the names of secrets, the files of a storage, the tables of a database behind a pool
and a check of a query are asked for, ten times a second each. The cell begins 2.5 s after the notebook has run: what is
left for a quiet moment, such as loading the parser of SQL, has been done by then and is not what is measured. Every
kernel is a process of its own and plays the scenario once a round. The exit status tells whether callboard answered 99
of 100 requests of every kind within 50 ms, except with --quick.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.data_scenarios import ENGINE, STORAGE, files, tables
from benchmarks.drag import CALLBOARD, DISTRIBUTIONS, interpreter, play
from benchmarks.environments import InstallFailed
from benchmarks.harness import Spread, arguments, machine, preamble, write_json
from benchmarks.harness import table as format_table
from benchmarks.scenario import Drag, Result, Scenario, Timed, notebook, percentile

WITHIN = 0.05
"""Seconds in which 99 of 100 requests have to be answered."""
RATE = 10
"""Requests of each kind a second."""
LEAD = 2.5
"""Seconds before the cell begins to run."""


def scenario(seconds: float) -> Scenario:
    """A cell that runs, and requests meanwhile."""
    run = {
        "type": "execute-cells",
        "cellIds": ["busy"],
        "codes": [f"time.sleep({seconds})"],
    }
    commands = [Timed(LEAD, run)]
    for step in range(round(seconds * RATE * 0.8)):
        at, name = LEAD + 0.1 + step / RATE, f"request-{step}"
        keys = {"type": "list-secret-keys", "requestId": name}
        check = {
            "type": "validate-sql",
            "requestId": name,
            "query": "SELECT id FROM parts",
            "onlyParse": False,
            "engine": "catalogue",
            "dialect": "sqlite",
        }
        commands += [
            Timed(at, command, [{"op": op, "request_id": name}])
            for command, op in (
                (keys, "secret-keys-result"),
                (files(name, "bucket"), "storage-entries"),
                (tables(name, "catalogue"), "sql-table-list-preview"),
                (check, "validate-sql-result"),
            )
        ]
    return Scenario(
        "busy",
        f"a cell runs for {seconds:g} s; four kinds of requests, {RATE} a second each",
        {**notebook(0.0, spinning=False), "engine": ENGINE, "bucket": STORAGE},
        Drag(start=0.0, seconds=0.0, rate=60.0),
        commands=commands,
        patience=seconds + 15,
    )


@attrs.frozen
class Answered:
    """How long requests of one kind took on one kernel, over all rounds. Seconds, infinite for never."""

    kind: str
    kernel: str
    rounds: Sequence[Sequence[float]]

    @classmethod
    def of(cls, kind: str, results: Sequence[Result]) -> Answered:
        """Collect them from the results of all rounds."""
        return cls(
            kind,
            results[0].kernel,
            [
                sorted(
                    float("inf")
                    if answer.answered is None or answer.failure
                    else answer.answered - answer.sent
                    for answer in result.answers
                    if answer.type == kind
                )
                for result in results
            ],
        )

    @property
    def all(self) -> list[float]:
        """Those of all rounds, in order of size."""
        return sorted(wait for waits in self.rounds for wait in waits)

    @property
    def p99(self) -> float:
        """The 99th percentile over all rounds."""
        return percentile(self.all, 0.99)

    def row(self) -> list[str]:
        """One line of the table, in milliseconds."""
        return [
            self.kind,
            self.kernel,
            str(len(self.all)),
            *(f"{percentile(self.all, share) * 1000:.1f}" for share in (0.5, 0.99, 1.0)),
            Spread.of(percentile(waits, 0.99) * 1000 for waits in self.rounds).text(1),
        ]


KINDS = ("list-secret-keys", "storage-list-entries", "list-sql-tables", "validate-sql")


def main(argv: Sequence[str] | None = None) -> None:
    """Play, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=3, quick_rounds=1)
    parser.add_argument("--vs", action="append", default=[], metavar="KERNEL")
    options = parser.parse_args(argv)
    chosen = scenario(1.0 if options.quick else 5.0)
    try:
        pythons: dict[str, Path] = {
            kernel: interpreter(kernel, renew=False) for kernel in [CALLBOARD, *options.vs]
        }
    except InstallFailed as failure:
        sys.exit(f"an environment could not be made: {failure}")
    results: Mapping[str, list[Result]] = {kernel: [] for kernel in pythons}
    for _ in range(options.rounds or (1 if options.quick else 3)):
        for kernel, python in pythons.items():
            results[kernel].append(play(kernel, python, chosen))
    answered = [Answered.of(kind, found) for kind in KINDS for found in results.values()]
    ours = [each for each in answered if each.kernel.startswith(CALLBOARD)]
    print(preamble(machine(*DISTRIBUTIONS)))
    columns = ("request", "kernel", "sent", "p50 ms", "p99", "max", "p99 of rounds")
    print(format_table(columns, [each.row() for each in answered]))
    late = [each.kind for each in ours if each.p99 > WITHIN]
    verdict = f"FAIL  later: {', '.join(late)}" if late else "pass"
    print(
        f"\n{verdict}  99 of 100 requests of each kind are answered within {WITHIN * 1000:.0f} ms"
    )
    if options.json is not None:
        rows = [{**attrs.asdict(each), "p99": each.p99} for each in answered]
        write_json(options.json, machine(*DISTRIBUTIONS), {"answered": rows})
    if late and not options.quick:
        sys.exit(1)


if __name__ == "__main__":
    main()
