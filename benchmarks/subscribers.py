"""A thousand subscribers of one kernel, one of which does not read and one that reads 1 kB a second.

    python -m benchmarks.subscribers [--rounds N] [--seconds S] [--count N] [--quick] [--json PATH]

All in one trio run and one process: a kernel, subscribers with a task each, a slider that is dragged at
5 Hz, whose cell takes 5 ms and prints, and 40 probes a second, of which each subscriber notes how long
after its publication it got it.

delay    Phases without the two bad readers and phases with them take turns in one run, ``--rounds`` of
         each. A reader that is cut off comes back with the number of the last notification it has. A
         probe that is late is late for all, so percentiles are of all rounds; those of each show the
         spread.
memory   In a fresh process each, without the two and with them: 200 MB are published, several times what
         the kernel keeps. The kernel keeps a ring of up to 64 MB of encoded notifications, and each
         subscriber what it has not read, here up to 16 MB; with each of them the message it was made of.

Required: with the two, the others' p99 is at most 1.2 times that without them; memory grows by no more
than the bounds say, twice over (encoding and message). The exit status tells whether all of it was met,
except with --quick.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio
import trio.testing

from benchmarks.embedded import Dragged
from benchmarks.environments import ROOT
from benchmarks.gauges import MEGABYTE, rss
from benchmarks.harness import Spread, arguments, machine, percentile, preamble, table, write_json
from benchmarks.requirements import DISTURBED, Verdict
from benchmarks.scenario import Drag, Scenario
from callboard.kernel import Kernel, open_kernel
from callboard.messages.notifications import AlertNotification, Notification
from callboard.runtime import Lagged, Subscription

COUNT = 1000
PROBING = 40.0
"""Probes a second."""
DRAG = 5.0
SLOW = 1000.0
"""Bytes a second."""
BUFFER = 200
"""Notifications that may wait for each subscriber, few enough for a stalled one to be cut off."""
FLOW = 200 * MEGABYTE
FRAME = 100_000
RING_BYTES = 64 * MEGABYTE
"""What the broadcaster of a kernel keeps."""
MAX_BYTES = 16 * MEGABYTE
"""What may wait for one subscriber, in the memory measurement."""
CELLS = {
    "slider": "slider = nb.ui.slider(0, 1_000_000_000)\nslider",
    "view": "time.sleep(0.005)\nprint('.' * 200)\nf'tick:{slider.value}'",
}
_TIMEOUT = 600.0


@attrs.define
class Delays:
    """Seconds from publication to arrival, of some phases without the bad readers and with them."""

    without_p50: float
    without_p99: float
    with_p50: float
    with_p99: float
    count: int
    """Arrivals in all."""

    @classmethod
    def of(cls, without: Sequence[float], beside: Sequence[float]) -> Delays:
        """Sum up what was measured."""
        return cls(
            percentile(without, 0.5),
            percentile(without, 0.99),
            percentile(beside, 0.5),
            percentile(beside, 0.99),
            len(without) + len(beside),
        )

    @property
    def ratio(self) -> float:
        """How many times as long the p99 is with them."""
        return self.with_p99 / self.without_p99


@attrs.define
class Growth:
    """What publishing did to the memory of the process, in bytes."""

    published: int
    grown: int
    cut_off: int
    """How often a subscriber was cut off."""
    complete: int
    """How many healthy subscribers got every notification."""


@attrs.define(eq=False)
class Probes:
    """Notifications whose arrival is timed."""

    kernel: Kernel
    delays: array[float] = attrs.field(factory=lambda: array("d"))
    """Seconds of each arrival; may be replaced at any time."""
    _sent: dict[int, float] = attrs.field(factory=dict)

    async def publish(self) -> None:
        """Publish at an even pace, until cancelled."""
        started = time.perf_counter()
        number = 0
        while True:
            number += 1
            await trio.sleep(max(0.0, started + number / PROBING - time.perf_counter()))
            at = time.perf_counter()
            seq = self.kernel.publish(AlertNotification("probe", str(number)))
            assert seq is not None
            self._sent[seq] = at

    async def follow(self, frames: Subscription[Notification]) -> None:
        """Read for ever, as fast as can be."""
        sent = self._sent
        async for frame in frames:
            at = sent.get(frame.seq)
            if at is not None:
                self.delays.append(time.perf_counter() - at)


async def stall(kernel: Kernel, buffers: dict[str, Any], cut_off: list[str]) -> None:
    """Subscribe and never read; come back when cut off."""
    frames = kernel.subscribe(name="stalled", **buffers)
    try:
        while True:
            await trio.sleep(0.1)
            if frames.lagged is not None:
                cut_off.append("stalled")
                frames = kernel.subscribe(name="stalled", **buffers)
    finally:
        if frames.lagged is not None:  # between the last look and the end
            cut_off.append("stalled")
        frames.close()


async def crawl(kernel: Kernel, buffers: dict[str, Any], cut_off: list[str]) -> None:
    """Read `SLOW` bytes a second; come back when cut off."""
    last: int | None = None
    while True:
        with kernel.subscribe(name="slow", since=last, **buffers) as frames:
            try:
                async for frame in frames:
                    last = frame.seq
                    await trio.sleep(len(frame.data) / SLOW)
            except Lagged:
                cut_off.append("slow")


@asynccontextmanager
async def bad_readers(kernel: Kernel, buffers: dict[str, Any]) -> AsyncIterator[list[str]]:
    """Have the two, and a list of who was cut off."""
    cut_off: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stall, kernel, buffers, cut_off)
        nursery.start_soon(crawl, kernel, buffers, cut_off)
        yield cut_off
        nursery.cancel_scope.cancel()


async def delays(rounds: int, seconds: float, count: int) -> list[Delays]:
    """Let phases without and with bad readers take turns, each first in every other round.

    The first figures are of all rounds, the others of each.
    """
    found = []
    everything = array("d"), array("d")
    scenario = Scenario("drag", "", CELLS, Drag(0.0, 1e6, DRAG))
    buffers = {"max_buffer": BUFFER}
    async with open_kernel(drain=1.0, kill=1.0) as kernel, trio.open_nursery() as nursery:
        probes = Probes(kernel)
        for number in range(count):
            nursery.start_soon(probes.follow, kernel.subscribe(name=f"good {number}", **buffers))
        drag = await Dragged.make(kernel, scenario)
        nursery.start_soon(drag.play, time.perf_counter())
        nursery.start_soon(probes.publish)

        async def phase(bad: int) -> array[float]:
            probes.delays = array("d")
            if bad:
                async with bad_readers(kernel, buffers):
                    await trio.sleep(seconds)
            else:
                await trio.sleep(seconds)
            return probes.delays

        await phase(0)  # to warm up
        for number in range(rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            phases = {bad: await phase(bad) for bad in order}
            by_phase = {bad: phases[bad] for bad in (0, 1)}
            for pooled, own in zip(everything, by_phase.values(), strict=True):
                pooled.extend(own)
            found.append(Delays.of(*by_phase.values()))
        nursery.cancel_scope.cancel()
    return [Delays.of(*everything), *found]


async def growth(flow: int, count: int, *, bad: bool) -> Growth:
    """Publish so many bytes and see what the process keeps of them."""
    buffers = {"max_buffer": 1000, "max_bytes": MAX_BYTES}
    total = flow // FRAME
    received = [0] * count

    async def follow(place: int, frames: Subscription[Notification]) -> None:
        async for _ in frames:
            received[place] += 1

    async with open_kernel(drain=1.0, kill=1.0) as kernel, trio.open_nursery() as nursery:
        for place in range(count):
            frames = kernel.subscribe(name=f"good {place}", **buffers)
            nursery.start_soon(follow, place, frames)
        if bad:
            cut_off = await nursery.start(_have_bad_readers, kernel, buffers)
        else:
            cut_off = []
        await trio.testing.wait_all_tasks_blocked()
        before = most = rss()
        for number in range(total):
            kernel.publish(AlertNotification(f"{number}", f"{number:08d}" + "x" * (FRAME - 8)))
            await trio.lowlevel.checkpoint()
            if number % 10 == 0:
                most = max(most, rss())
        await trio.testing.wait_all_tasks_blocked()
        most = max(most, rss())
        nursery.cancel_scope.cancel()
    return Growth(total * FRAME, most - before, len(cut_off), received.count(total))


async def _have_bad_readers(
    kernel: Kernel, buffers: dict[str, Any], task_status: trio.TaskStatus[list[str]]
) -> None:
    async with bad_readers(kernel, buffers) as cut_off:
        task_status.started(cut_off)
        await trio.sleep_forever()


def measure(what: str, rounds: int, seconds: float, count: int, flow: int) -> Any:
    """Take one measurement in a fresh process; its JSON."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.subscribers", "--measure", what),
            *("--rounds", str(rounds), "--seconds", str(seconds), "--count", str(count)),
            *("--flow", str(flow)),
        ],
        check=True,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=_TIMEOUT + 2 * (rounds + 1) * seconds,
    )
    return json.loads(ran.stdout)


def bounds() -> int:
    """The bytes that may be kept for the ring and the two bad readers, as message and encoded."""
    return 2 * (RING_BYTES + 2 * MAX_BYTES)


def verdicts(found: Sequence[Delays], without: Growth, beside: Growth, count: int) -> list[Verdict]:
    """Judge."""
    pooled, *by_round = found
    ratios = Spread.of(one.ratio for one in by_round)
    missing = 2 * count - without.complete - beside.complete
    return [
        Verdict(
            f"p99 with a stalled and a slow reader within {DISTURBED} x that without them",
            f"{pooled.with_p99 * 1000:.1f} ms / {pooled.without_p99 * 1000:.1f} ms"
            f" = {pooled.ratio:.2f} x (by round {ratios.text()})",
            pooled.ratio <= DISTURBED,
        ),
        Verdict(
            f"memory grows by at most {bounds() // MEGABYTE} MB for"
            f" {beside.published / MEGABYTE:.0f} MB published",
            f"{beside.grown / MEGABYTE:.1f} MB; without the two {without.grown / MEGABYTE:.1f} MB",
            beside.grown <= bounds(),
        ),
        Verdict(
            "every other subscriber gets every notification",
            f"{missing} did not",
            not missing,
        ),
    ]


HEADER = ("delay, ms", "p50", "p99", "p50 of rounds", "p99 of rounds")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=9, quick_rounds=1)
    parser.add_argument("--seconds", type=float, help="of each phase; default: 3")
    parser.add_argument("--count", type=int, default=COUNT, help=f"subscribers; default: {COUNT}")
    parser.add_argument("--flow", type=int, help="bytes published; default: 200 MB")
    parser.add_argument("--measure", choices=("delay", "memory", "memory-without"))
    options = parser.parse_args(argv)
    rounds = options.rounds or (1 if options.quick else 9)
    seconds = options.seconds or (1.0 if options.quick else 3.0)
    flow = options.flow or (FLOW // 4 if options.quick else FLOW)
    if options.measure == "delay":
        print(
            json.dumps(
                [attrs.asdict(one) for one in trio.run(delays, rounds, seconds, options.count)]
            )
        )
        return
    if options.measure is not None:
        bad = options.measure == "memory"
        print(json.dumps(attrs.asdict(trio.run(partial(growth, flow, options.count, bad=bad)))))
        return
    found = [Delays(**one) for one in measure("delay", rounds, seconds, options.count, flow)]
    without = Growth(**measure("memory-without", rounds, seconds, options.count, flow))
    beside = Growth(**measure("memory", rounds, seconds, options.count, flow))
    facts = machine("trio", "msgspec")
    judged = verdicts(found, without, beside, options.count)
    pooled, *by_round = found
    rows: list[list[str]] = []
    for name, phase in (("without", "without"), ("with the two", "with")):
        figures = [f"{getattr(pooled, f'{phase}_{share}') * 1000:.2f}" for share in ("p50", "p99")]
        spreads = [
            Spread.of(getattr(one, f"{phase}_{share}") * 1000 for one in by_round).text()
            for share in ("p50", "p99")
        ]
        rows.append([name, *figures, *spreads])
    print(preamble(facts))
    print(f"{options.count} subscribers, {rounds} rounds: min / median / max\n")
    print(table(HEADER, rows) + "\n")
    flowed = beside.published // MEGABYTE
    print(f"while {flowed} MB were published the two were cut off {beside.cut_off} times\n")
    print("\n".join(map(str, judged)))
    if options.json is not None:
        results = {
            "requirements": [attrs.asdict(verdict) for verdict in judged],
            "unit": "seconds and bytes",
            "delays": attrs.asdict(pooled),
            "delays by round": [attrs.asdict(one) for one in by_round],
            "memory without": attrs.asdict(without),
            "memory with": attrs.asdict(beside),
        }
        write_json(options.json, facts, results)
    if not options.quick and not all(verdict.met for verdict in judged):
        sys.exit(1)


if __name__ == "__main__":
    main()
