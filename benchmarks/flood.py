"""A slider that is set far faster than its cell can follow, and what the rest of the kernel makes of it.

    python -m benchmarks.flood [--rounds N] [--seconds S] [--quick] [--json PATH]

A cell of 20 ms depends on the slider. For ten seconds the slider is set 1000 times a second, and then
as fast as the kernel takes it, while every domain that needs no cell thread is asked something 60
times a second altogether (`ASKED`). Each measurement is taken in a fresh process.

process   ``callboard kernel --stdio``; ticks and questions come over one pipe, as lines of JSON. An
          answer is the line that says how the command ended.
embedded  ``open_kernel`` in a trio application, ticks, questions and a reader in tasks of their own.
          ``status`` and ``cancel`` count from when they were due, and so with what delays the loop.
          The application never rests but for `fair_checkpoint`, once a tick.

Before the first tick everything is asked once, which loads what each domain needs (the SQL parser above all). What
that takes, and the memory that it keeps, stands below the table; it is no part of the requirements.

Required: at most seconds / 20 ms + 2 runs of the cell; the last value is shown; resident memory grows
by less than 10 MB; of the answers of each domain 99 in 100 come within 50 ms. A client that writes as
fast as the pipe takes it has hundreds of its own ticks in front of its question, in the pipe: there the
time counts that the kernel had the command, and what the client felt stands in the table. A domain that
the kernel does not have answers too, by refusing; below the table stands how the commands ended. The
exit status tells whether all of it was met, except with --quick.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path

import attrs
import trio

from benchmarks.callboard_kernel import CallboardKernel
from benchmarks.embedded import instantiate
from benchmarks.environments import ROOT
from benchmarks.gauges import MEGABYTE, rss
from benchmarks.harness import Spread, arguments, machine, percentile, preamble, table, write_json
from benchmarks.requirements import Verdict
from benchmarks.scenario import ELEMENT_ID, PRELUDE, Wire, steady
from callboard.kernel import Kernel, open_kernel
from callboard.messages.codec import decode_command
from callboard.messages.commands import COMMAND_TYPES, UpdateUIElementCommand
from callboard.messages.ids import UIElementId
from callboard.messages.replies import ID_FIELDS
from callboard.runtime import fair_checkpoint

PROCESS, EMBEDDED = "process", "embedded"
COST = 0.02
"""Seconds that the cell takes."""
EXTRA_RUNS = 2
GROWTH = 10 * MEGABYTE
ANSWER = 0.05
"""Seconds within which 99 of 100 answers come."""
RATES = {"1 kHz": 1000.0, "unthrottled": 0.0}
"""Ticks a second; 0 for as many as the kernel takes."""
ASKING = 60.0
"""Questions a second."""
PATIENCE = 20.0
_SAMPLING = 0.05

ASKED: tuple[Wire, ...] = (
    {"type": "install-packages", "manager": "nonesuch", "versions": {}},
    {"type": "list-secret-keys"},
    {"type": "refresh-secrets"},
    {"type": "storage-list-entries", "namespace": "nobody", "limit": 1},
    {"type": "list-sql-schemas", "engine": "nobody", "database": "d"},
    {"type": "list-sql-tables", "engine": "nobody", "database": "d", "schema": "s"},
    {"type": "validate-sql", "query": "select 1", "onlyParse": True, "dialect": "duckdb"},
    {"type": "discover-data-sources"},
    {"type": "get-cache-info"},
    {"type": "code-completion", "document": "slider.", "cellId": "view"},
    {"type": "set-breakpoints", "breakpoints": {}},
)
"""Commands in wire form, less their ids, that are to be answered while a cell runs."""

CELLS = {
    "slider": "slider = nb.ui.slider(0, 1_000_000_000)\nslider",
    "runs": "runs = {'count': 0}",
    "view": (
        f"time.sleep({COST})\nruns['count'] += 1\nf\"tick:{{slider.value}} run:{{runs['count']}}\""
    ),
}
_SHOWN = re.compile(r"tick:(\d+) run:(\d+)")


def question(command: Wire, number: int) -> Wire:
    """A command of `ASKED` with an id of its own, if such commands have one."""
    field = ID_FIELDS.get(COMMAND_TYPES[command["type"]])
    named = {"request_id": "requestId", "id": "id"}.get(field or "")
    return {**command, named: f"asked-{number}"} if named is not None else command


@attrs.define
class Flood:
    """What one contestant made of ticks at one rate for some seconds."""

    contestant: str
    rate: str
    seconds: float
    """From the first tick to the last."""
    ticks: int = 0
    runs: int = 0
    """Of the cell, from the first tick until all was quiet."""
    shown: int = 0
    """The last value that was shown; ticks count from 1, so it is to be ``ticks``."""
    first: dict[str, float] = attrs.field(factory=dict)
    """Seconds for the first answer of each kind, before the first tick."""
    loaded: int = 0
    """Bytes by which these answers made resident memory grow."""
    lag: float | None = None
    """Seconds from the last tick to its value; None for never."""
    growth: int = 0
    """The most bytes by which resident memory was more than before the first tick."""
    waits: dict[str, list[float]] = attrs.field(factory=dict)
    """Seconds for each answer, by what was asked."""
    inside: dict[str, list[float]] = attrs.field(factory=dict)
    """The seconds of these that the kernel had the command, where that is not the same."""
    unanswered: dict[str, int] = attrs.field(factory=dict)
    outcomes: dict[str, dict[str, int]] = attrs.field(factory=dict)
    """How often each command ended how."""

    def answered(
        self, kind: str, seconds: float, outcome: str, inside: float | None = None
    ) -> None:
        """Take note of an answer."""
        self.waits.setdefault(kind, []).append(seconds)
        if inside is not None:
            self.inside.setdefault(kind, []).append(inside)
        ends = self.outcomes.setdefault(kind, {})
        ends[outcome] = ends.get(outcome, 0) + 1

    @property
    def allowed(self) -> int:
        """How many runs of the cell there may be."""
        return int(self.seconds / COST) + EXTRA_RUNS


@attrs.define(eq=False)
class Watcher:
    """Takes note of what a kernel process says: `receive` on one thread, the rest on another."""

    changed: threading.Condition = attrs.field(factory=threading.Condition)
    element: str | None = None
    idle: bool = False
    value: int = 0
    runs: int = 0
    shown_at: float = 0.0
    errors: list[str] = attrs.field(factory=list)
    asked: dict[str, float] = attrs.field(factory=dict)
    flood: Flood | None = None
    """Gets the answers."""
    resyncs: int = 0

    def receive(self, notification: Wire, at: float) -> None:
        match notification["op"]:
            case "cell-op" if notification["output"]:
                self._output(notification, at)
            case "completed-run":
                with self.changed:
                    self.idle = True
                    self.changed.notify_all()
            case "command-settled":
                inside = (notification["queued_ms"] + notification["ran_ms"]) / 1000
                self.answer(notification["type"], at, notification["outcome"], inside)
            case "command-rejected" if notification["type"] == "cancel":
                self.answer("cancel", at, "unknown id", None)
            case "resync":
                self.resyncs += 1

    def answer(self, kind: str, at: float, outcome: str, inside: float | None) -> None:
        """Take note of the end of a command, or of a line that is none."""
        asked = self.asked.pop(kind, None)
        if asked is not None and self.flood is not None:
            self.flood.answered(kind, at - asked, outcome, inside)
        with self.changed:
            self.changed.notify_all()

    def _output(self, notification: Wire, at: float) -> None:
        output = notification["output"]
        text = json.dumps(output["data"])
        with self.changed:
            if output["channel"].endswith("error"):
                self.errors.append(text)
            if notification["cell_id"] == "slider" and (found := ELEMENT_ID.search(text)):
                self.element = found.group(1)
            if shown := _SHOWN.search(text):
                self.value, self.runs = int(shown.group(1)), int(shown.group(2))
                self.shown_at = at
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Whether a condition came true within `PATIENCE`."""
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE)


def flood_process(rate: str, seconds: float) -> Flood:
    """Flood a kernel process."""
    steady()
    with tempfile.TemporaryDirectory() as folder:
        kernel = CallboardKernel({}, Path(folder))
        watcher = Watcher()
        threading.Thread(target=kernel.forward, args=(watcher,), daemon=True).start()
        try:
            return _flood_process(kernel, watcher, rate, seconds)
        finally:
            kernel.stop()


def _flood_process(kernel: CallboardKernel, watcher: Watcher, rate: str, seconds: float) -> Flood:
    codes = {PRELUDE: "import callboard as nb\nimport time", **CELLS}
    kernel.post(
        {
            "type": "create-notebook",
            "executionRequests": [{"cellId": cell, "code": code} for cell, code in codes.items()],
            "cellIds": list(codes),
            "setUiElementValueRequest": {"objectIds": [], "values": [], "token": "create"},
            "autoRun": True,
        }
    )
    if not watcher.wait_for(lambda: watcher.idle) or watcher.element is None or watcher.errors:
        raise RuntimeError(f"the notebook did not run: {watcher.errors}")
    flood = Flood(PROCESS, rate, seconds)
    watcher.flood = first = Flood(PROCESS, rate, 0.0)
    unloaded = rss(kernel.pid)
    for number, command in enumerate(ASKED):
        watcher.asked[command["type"]] = time.perf_counter()
        kernel.post(question(command, -number))
        if not watcher.wait_for(lambda: not watcher.asked):
            raise RuntimeError(f"no answer to {command}")
    flood.first = {kind: waits[0] for kind, waits in first.waits.items()}
    flood.loaded = rss(kernel.pid) - unloaded
    watcher.flood = flood
    before, runs = rss(kernel.pid), watcher.runs
    over = threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLING):
            flood.growth = max(flood.growth, rss(kernel.pid) - before)

    # One thread writes both: two would wait for each other's turn at the pipe.
    questions = itertools.cycle([*ASKED, {"type": "cancel", "id": "nobody"}])

    def ask(number: int) -> None:
        asked = next(questions)
        kind = asked["type"]
        if kind not in watcher.asked:
            watcher.asked[kind] = time.perf_counter()
            kernel.post(asked if kind == "cancel" else question(asked, number))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    asked = 0
    pace = RATES[rate]
    started = last = time.perf_counter()
    while last < started + seconds:
        flood.ticks += 1
        if pace:
            time.sleep(max(0.0, started + flood.ticks / pace - time.perf_counter()))
        kernel.post(
            {
                "type": "update-ui-element",
                "objectIds": [watcher.element],
                "values": [flood.ticks],
                "token": f"tick-{flood.ticks}",
            }
        )
        last = time.perf_counter()
        if last >= started + (asked + 1) / ASKING:
            asked += 1
            ask(asked)
    flood.seconds = last - started
    shown = watcher.wait_for(lambda: watcher.value == flood.ticks)
    over.set()
    sampler.join()
    deadline = time.perf_counter() + PATIENCE
    while watcher.asked and time.perf_counter() < deadline:
        time.sleep(_SAMPLING)
    flood.shown, flood.runs = watcher.value, watcher.runs - runs
    flood.lag = watcher.shown_at - last if shown else None
    flood.unanswered = dict.fromkeys(watcher.asked, 1)
    return flood


async def flood_embedded(rate: str, seconds: float) -> Flood:
    """Flood a kernel in this process."""
    flood = Flood(EMBEDDED, rate, seconds)
    async with open_kernel() as kernel:
        element = await instantiate(kernel, CELLS)
        reader = EmbeddedReader(kernel)
        unloaded = rss()
        for number, asked in enumerate(ASKED):
            began = time.perf_counter()
            await kernel.ask(decode_command(json.dumps(question(asked, -number))))
            flood.first[asked["type"]] = time.perf_counter() - began
        flood.loaded = rss() - unloaded
        async with trio.open_nursery() as nursery:
            await nursery.start(reader.run)
            helpers = await nursery.start(_run_helpers, kernel, flood)
            await _ticks(kernel, element, flood)
            last = time.perf_counter()
            await kernel.wait_idle()
            with trio.move_on_after(PATIENCE):
                await reader.until(flood.ticks)
            helpers.cancel()
            flood.shown, flood.runs = reader.value, reader.runs - 1  # one before the first tick
            flood.lag = reader.shown_at - last if reader.value == flood.ticks else None
            nursery.cancel_scope.cancel()
    return flood


@attrs.define(eq=False)
class EmbeddedReader:
    """Reads what the cell shows."""

    kernel: Kernel
    value: int = 0
    runs: int = 0
    shown_at: float = 0.0
    shown: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Read until cancelled."""
        with self.kernel.subscribe(max_buffer=10_000, name="reader") as frames:
            task_status.started()
            async for frame in frames:
                output = getattr(frame.message, "output", None)
                found = _SHOWN.search(str(output.data)) if output is not None else None
                if found is not None:
                    self.value, self.runs = int(found.group(1)), int(found.group(2))
                    self.shown_at = time.perf_counter()
                    self.shown.set()
                    self.shown = trio.Event()

    async def until(self, value: int) -> None:
        """Wait for a value."""
        while self.value != value:
            await self.shown.wait()


async def _run_helpers(
    kernel: Kernel, flood: Flood, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    """Ask and sample until the scope that it starts with is cancelled."""
    before = rss()

    async def sample() -> None:
        while True:
            flood.growth = max(flood.growth, rss() - before)
            await trio.sleep(_SAMPLING)

    async with trio.open_nursery() as nursery:
        task_status.started(nursery.cancel_scope)
        nursery.start_soon(sample)
        started = time.perf_counter()
        names = ("status", "cancel", *range(len(ASKED)))
        for number, asked in enumerate(itertools.cycle(names), 1):
            due = started + number / ASKING
            await trio.sleep(max(0.0, due - time.perf_counter()))
            if asked == "status":
                kernel.status()
                flood.answered("status", time.perf_counter() - due, "returned")
            elif asked == "cancel":
                kernel.cancel("nobody")
                flood.answered("cancel", time.perf_counter() - due, "returned")
            else:
                command = ASKED[int(asked)]
                nursery.start_soon(_ask, kernel, question(command, number), flood)


async def _ask(kernel: Kernel, command: Wire, flood: Flood) -> None:
    kind = command["type"]
    asked = time.perf_counter()
    try:
        settlement = await kernel.ask(decode_command(json.dumps(command)))
    except trio.Cancelled:
        flood.unanswered[kind] = flood.unanswered.get(kind, 0) + 1
        raise
    flood.answered(kind, time.perf_counter() - asked, str(settlement.outcome))


async def _ticks(kernel: Kernel, element: UIElementId, flood: Flood) -> None:
    pace = RATES[flood.rate]
    started = last = time.perf_counter()
    while last < started + flood.seconds:
        flood.ticks += 1
        if pace and (ahead := started + flood.ticks / pace - time.perf_counter()) > 0:
            await trio.sleep(ahead)
        else:
            await fair_checkpoint()
        kernel.post(UpdateUIElementCommand([element], [flood.ticks], token=f"tick-{flood.ticks}"))
        last = time.perf_counter()
    flood.seconds = last - started


HERE: Mapping[str, Callable[[str, float], Flood]] = {
    PROCESS: flood_process,
    EMBEDDED: lambda rate, seconds: trio.run(partial(flood_embedded, rate, seconds)),
}


def measure(contestant: str, rate: str, seconds: float) -> Flood:
    """Take one measurement in a fresh process."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.flood", "--contestant", contestant),
            *("--rate", rate, "--seconds", str(seconds)),
        ],
        check=True,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=seconds + 4 * PATIENCE,
    )
    return Flood(**json.loads(ran.stdout))


def verdicts(floods: Sequence[Flood]) -> list[Verdict]:
    """Judge all rounds of one contestant at one rate."""
    name = f"{floods[0].contestant}, {floods[0].rate}"
    most = max(floods, key=lambda flood: flood.runs - flood.allowed)
    lost = [flood for flood in floods if flood.shown != flood.ticks]
    growth = Spread.of(flood.growth / MEGABYTE for flood in floods)
    in_pipe = floods[0].contestant == PROCESS and not RATES[floods[0].rate]
    worst = slowest(floods, inside=in_pipe)
    return [
        Verdict(
            f"{name}: at most {most.allowed} runs for {most.ticks} ticks",
            f"{most.runs} in the worst round",
            all(flood.runs <= flood.allowed for flood in floods),
        ),
        Verdict(
            f"{name}: the last value is shown",
            f"not in {len(lost)} of {len(floods)} rounds" if lost else "in every round",
            not lost,
        ),
        Verdict(
            f"{name}: resident memory grows by less than {GROWTH // MEGABYTE} MB",
            f"{growth.max:.1f} MB in the worst round",
            growth.max * MEGABYTE < GROWTH,
        ),
        Verdict(
            f"{name}: each domain answers within {ANSWER * 1000:.0f} ms (p99)"
            + (" of getting the command" if in_pipe else ""),
            f"{worst[1] * 1000:.1f} ms for {worst[0]}",
            worst[1] <= ANSWER,
        ),
    ]


def slowest(floods: Sequence[Flood], *, inside: bool = False) -> tuple[str, float]:
    """What was answered most slowly, and the 99th percentile of that; one without an answer: inf."""
    waits: dict[str, list[float]] = {}
    for flood in floods:
        for kind, figures in (flood.inside if inside else flood.waits).items():
            waits.setdefault(kind, []).extend(figures)
        for kind, count in flood.unanswered.items():
            waits.setdefault(kind, []).extend([inf] * count)
    if not waits:
        return "nothing", inf
    found = {kind: percentile(figures, 0.99) for kind, figures in waits.items()}
    kind = max(found, key=lambda name: found[name])
    return kind, found[kind]


def row(floods: Sequence[Flood]) -> list[str]:
    """One line of the table."""
    waits = [wait for flood in floods for of_kind in flood.waits.values() for wait in of_kind]
    kind, p99 = slowest(floods)
    lags = [flood.lag * 1000 if flood.lag is not None else inf for flood in floods]
    return [
        f"{floods[0].contestant}, {floods[0].rate}",
        Spread.of(flood.ticks for flood in floods).text(0),
        Spread.of(flood.runs - flood.allowed for flood in floods).text(0),
        Spread.of(lags).text(0),
        Spread.of(flood.growth / MEGABYTE for flood in floods).text(1),
        f"{percentile(waits, 0.5) * 1000:.1f}" if waits else "",
        f"{p99 * 1000:.1f} ({kind})",
    ]


HEADER = (
    "",
    "ticks",
    "runs over bound",
    "last value, ms",
    "growth, MB",
    "answer p50, ms",
    "slowest p99, ms",
)


def endings(floods: Sequence[Flood]) -> str:
    """How the questions ended, in a sentence."""
    counts: dict[str, Counter[str]] = {}
    for flood in floods:
        for kind, ends in flood.outcomes.items():
            counts.setdefault(kind, Counter()).update(ends)
    said = [
        f"{kind} " + "/".join(f"{number} {outcome}" for outcome, number in ends.items())
        for kind, ends in sorted(counts.items())
    ]
    return "answers: " + ", ".join(said)


def loading(floods: Sequence[Flood]) -> str:
    """What the first questions took, in a sentence."""
    kinds = {kind: max(flood.first[kind] for flood in floods) for kind in floods[0].first}
    slow = max(kinds, key=lambda kind: kinds[kind])
    grown = Spread.of(flood.loaded / MEGABYTE for flood in floods)
    return (
        f"asked for the first time, before any tick: at most {kinds[slow] * 1000:.0f} ms ({slow}); "
        f"all of it loads {grown.text(1)} MB"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=3, quick_rounds=1)
    parser.add_argument("--seconds", type=float, help="of each flood; default: 10")
    parser.add_argument("--contestant", choices=list(HERE), help="measure this one here")
    parser.add_argument("--rate", choices=list(RATES), default="1 kHz")
    options = parser.parse_args(argv)
    seconds = options.seconds or (1.0 if options.quick else 10.0)
    if options.contestant is not None:
        print(json.dumps(attrs.asdict(HERE[options.contestant](options.rate, seconds))))
        return
    cases = [(contestant, rate) for rate in RATES for contestant in HERE]
    floods: dict[tuple[str, str], list[Flood]] = {case: [] for case in cases}
    for number in range(options.rounds or (1 if options.quick else 3)):
        for case in cases[number % len(cases) :] + cases[: number % len(cases)]:
            floods[case].append(measure(*case, seconds))
    facts = machine("trio", "msgspec")
    judged = [verdict for found in floods.values() for verdict in verdicts(found)]
    print(preamble(facts))
    print(table(HEADER, map(row, floods.values())))
    print("min / median / max of the rounds\n")
    measured = [flood for found in floods.values() for flood in found]
    print(endings(measured))
    print(loading(measured) + "\n")
    print("\n".join(map(str, judged)))
    if options.json is not None:
        write_json(
            options.json,
            facts,
            {
                "requirements": [attrs.asdict(verdict) for verdict in judged],
                "floods": [attrs.asdict(flood) for flood in measured],
            },
        )
    if not options.quick and not all(verdict.met for verdict in judged):
        sys.exit(1)


if __name__ == "__main__":
    main()
