"""Everything at once for half an hour, with faults: does memory stay flat, do latencies, does it all add up?

    python -m benchmarks.soak [--minutes M] [--seed N] [--quick] [--json PATH] [--tracemalloc]

One kernel in this process; `benchmarks.mixed_load` says what it has to bear. Measured throughout is a
drag at 30 Hz, each value from ``post`` to the output of its cell.

The first fifth of the time is for warming up: until then the ring of notifications fills, and the
allocator finds its size. Of what comes after, resident memory is cut into twelve blocks; its slope is
the median of those between any two blocks' medians, and the spread is given by their quartiles.

Required: memory grows by no more than 10 MB an hour; p50 and p99 of the last quarter are at most 1.5
times those of the first; at the end the ledger is balanced and every message ended once; no task,
thread, file descriptor or child process is left; and everything that was to happen did happen. The exit
status tells whether all of it was met, except with --quick, which soaks for fifteen seconds.

``--tracemalloc`` says which lines hold more at the end than after warming up; that costs memory and time
of its own, so the figures are none then.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
import tracemalloc
from array import array
from collections.abc import Mapping, Sequence
from random import Random

import attrs
import trio

from benchmarks.gauges import MEGABYTE, Holdings, rss
from benchmarks.harness import Spread, arguments, machine, percentile, preamble, table, write_json
from benchmarks.mixed_load import Load, Progress
from benchmarks.requirements import Verdict
from callboard.kernel import Kernel, open_kernel

MINUTES = 30.0
QUICK = 0.25
WARMING = 0.2
"""Share of the time."""
BLOCKS = 12
SLOPE = 10.0
"""MB an hour."""
SLOWER = 1.5
SAMPLES = 600
_CALMING = 60.0
"""Seconds within which all has to be quiet once the load has ended, and down circuits up again."""
_ENDING = 15.0
"""Seconds that what has been told to end may take."""


@attrs.define
class Samples:
    """Memory and holdings over time; arrays that never grow, so as not to be what is measured."""

    at: array[float]
    rss: array[float]
    threads: array[float]
    descriptors: array[float]
    count: int = 0

    @classmethod
    def make(cls, size: int) -> Samples:
        """Room for so many samples."""
        first, second, third, fourth = (array("d", bytes(8 * size)) for _ in range(4))
        return cls(first, second, third, fourth)

    def take(self, at: float) -> None:
        """Look, if there is room left."""
        if self.count < len(self.at):
            held = Holdings.now()
            self.at[self.count], self.rss[self.count] = at, rss()
            self.threads[self.count] = held.threads
            self.descriptors[self.count] = held.descriptors
            self.count += 1


@attrs.frozen
class Slope:
    """How something changes, per hour: quartiles and median of the slopes between any two blocks."""

    lower: float
    median: float
    upper: float


def slope(at: Sequence[float], values: Sequence[float], blocks: int = BLOCKS) -> Slope | None:
    """The slope of values at times in seconds; None if there are not two blocks.

    Single excursions move a block's median little, and single blocks the median of all pairs.
    """
    size = max(1, len(at) // blocks)
    starts = range(0, len(at) - size + 1, size)
    middles = [
        (percentile(at[start : start + size], 0.5), percentile(values[start : start + size], 0.5))
        for start in starts
    ]
    slopes = [
        (later - earlier) / (until - since) * 3600
        for (since, earlier), (until, later) in itertools.combinations(middles, 2)
        if until > since
    ]
    if not slopes:
        return None
    return Slope(*(percentile(slopes, share) for share in (0.25, 0.5, 0.75)))


@attrs.define
class Soak:
    """What came of it. Seconds since the start, and bytes."""

    seconds: float
    samples: Samples
    ticks_at: Sequence[float]
    waits: Sequence[float]
    balanced: bool = False
    quiet: bool = False
    settled: int = 0
    accepted: int = 0
    rejected: int = 0
    outcomes: Mapping[str, int] = attrs.field(factory=dict)
    twice: int = 0
    """Messages that ended more than once."""
    unnoticed: int = 0
    """Errors of listeners and of the ingress."""
    leaks: Sequence[str] = ()
    happened: Mapping[str, int] = attrs.field(factory=dict)
    missing: Sequence[str] = ()
    """What was to happen and did not."""

    @property
    def warm(self) -> float:
        """When warming up was over."""
        return self.seconds * WARMING

    def quarter(self, number: int) -> list[float]:
        """How long the ticks of one quarter, from 0, of the time after warming up took."""
        length = (self.seconds - self.warm) / 4
        begins = self.warm + number * length
        return [
            wait
            for at, wait in zip(self.ticks_at, self.waits, strict=True)
            if begins <= at < begins + length
        ]

    def memory(self) -> tuple[list[float], list[float]]:
        """Times and MB after warming up."""
        pairs = [
            (self.samples.at[place], self.samples.rss[place] / MEGABYTE)
            for place in range(self.samples.count)
            if self.samples.at[place] >= self.warm
        ]
        return [at for at, _ in pairs], [value for _, value in pairs]


def verdicts(soak: Soak) -> list[Verdict]:
    """Judge."""
    at, megabytes = soak.memory()
    found = slope(at, megabytes)
    first, last = soak.quarter(0), soak.quarter(3)
    judged = [
        Verdict(
            f"memory grows by at most {SLOPE:.0f} MB an hour",
            "too short to say"
            if found is None
            else f"{found.median:+.1f} MB/h (quartiles {found.lower:+.1f} / {found.upper:+.1f};"
            f" {Spread.of(megabytes).text(1)} MB)",
            found is not None and found.median <= SLOPE,
        )
    ]
    for share in (0.5, 0.99):
        requirement = f"p{share * 100:.0f} of the last quarter within {SLOWER} x that of the first"
        if not first or not last:
            judged.append(Verdict(requirement, "too short to say", met=False))
            continue
        here, there = percentile(last, share), percentile(first, share)
        judged.append(
            Verdict(
                requirement,
                f"{here * 1000:.1f} ms / {there * 1000:.1f} ms = {here / there:.2f} x",
                here <= SLOWER * there,
            )
        )
    ends = ", ".join(f"{number} {outcome}" for outcome, number in soak.outcomes.items() if number)
    return [
        *judged,
        Verdict(
            "the ledger is balanced and each message ended once",
            f"{soak.accepted} accepted + {soak.rejected} refused = {ends}"
            + (f"; {soak.twice} ended twice" if soak.twice else "")
            + ("" if soak.quiet else "; not quiet in the end")
            + (f"; {soak.unnoticed} errors of listeners" if soak.unnoticed else ""),
            soak.balanced
            and soak.quiet
            and not soak.twice
            and not soak.unnoticed
            and soak.accepted + soak.rejected == sum(soak.outcomes.values()) == soak.settled,
        ),
        Verdict("nothing is left", "; ".join(soak.leaks) or "nothing", not soak.leaks),
        Verdict(
            "everything that was to happen did",
            f"not {', '.join(soak.missing)}" if soak.missing else "all of it",
            not soak.missing,
        ),
    ]


def report(soak: Soak) -> str:
    """The figures as text."""
    rows = []
    for number in range(4):
        waits = soak.quarter(number)
        length = (soak.seconds - soak.warm) / 4
        begins = soak.warm + number * length
        held = [
            soak.samples.rss[place] / MEGABYTE
            for place in range(soak.samples.count)
            if begins <= soak.samples.at[place] < begins + length
        ]
        rows.append(
            [
                f"{number + 1}",
                str(len(waits)),
                *(
                    f"{percentile(waits, share) * 1000:.1f}" if waits else ""
                    for share in (0.5, 0.99)
                ),
                Spread.of(held).text(1) if held else "",
            ]
        )
    happened = ", ".join(f"{number} {what}" for what, number in sorted(soak.happened.items()))
    return "\n".join(
        [
            table(("quarter", "ticks", "p50, ms", "p99, ms", "memory, MB"), rows),
            "",
            f"in {soak.seconds / 60:.1f} minutes: {happened}",
        ]
    )


async def soak(seconds: float, seed: int, *, trace: bool) -> Soak:
    """Do it."""
    rng = Random(seed)
    # What is loaded and made once for the whole process is no leak.
    await _short(Random(seed))
    tasks, before = trio.lowlevel.current_statistics().tasks_living, Holdings.now()
    samples = Samples.make(SAMPLES + 10)
    load = Load(rng, seconds)
    result = Soak(seconds, samples, [], [])
    ends: set[int] = set()
    progress = Progress(seconds)
    async with open_kernel(
        packages=load.environment, outside=load.outside, drain=5.0, kill=5.0
    ) as kernel:

        def on_settled(settlement: object) -> None:
            result.settled += 1
            seq = settlement.seq  # type: ignore[attr-defined]
            # Only those of late are kept: an end that comes twice comes soon.
            if seq in ends:
                result.twice += 1
            ends.add(seq)
            if len(ends) > 4096:
                for old in sorted(ends)[:2048]:
                    ends.discard(old)

        await load.prepare(kernel)
        already = kernel.ledger.settled
        kernel.ledger.add_listener(on_settled)
        started = time.perf_counter()
        snapshot = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, kernel)
            while (now := time.perf_counter() - started) < seconds:
                samples.take(now)
                if trace and snapshot is None and now >= result.warm:
                    tracemalloc.start(8)
                    snapshot = tracemalloc.take_snapshot()
                progress.show(now, samples.rss[samples.count - 1], load)
                await trio.sleep(seconds / SAMPLES)
            nursery.cancel_scope.cancel()
        if snapshot is not None:
            _print_growth(snapshot)
        result.quiet = await _calm(kernel)
        result.settled += already
        ledger = kernel.ledger
        result.balanced = ledger.balanced
        result.accepted, result.rejected = ledger.accepted, ledger.rejected
        result.outcomes = {str(outcome): number for outcome, number in ledger.outcomes.items()}
        result.unnoticed = ledger.listener_errors + kernel._parts.ingress.errors
    result.happened, result.missing = dict(load.happened), load.missing()
    result.ticks_at, result.waits = load.ticks()
    await _settle_down(before)
    result.leaks = [*Holdings.now().more_than(before), *load.installers.left()]
    living = trio.lowlevel.current_statistics().tasks_living
    if living > tasks:
        result.leaks = [*result.leaks, f"{living} tasks instead of {tasks}"]
    return result


async def _short(rng: Random) -> None:
    """Have a kernel bear everything for a moment."""
    load = Load(rng, 2.0)
    async with open_kernel(packages=load.environment, outside=load.outside) as kernel:
        await load.prepare(kernel)
        with trio.move_on_after(2.0):
            await load.run(kernel)
        await _calm(kernel)


async def _calm(kernel: Kernel) -> bool:
    with trio.move_on_after(_CALMING) as scope:
        await kernel.wait_idle()
    return not scope.cancelled_caught


async def _settle_down(before: Holdings) -> None:
    """Let what is ending end."""
    with trio.move_on_after(_ENDING):
        while Holdings.now().more_than(before):  # noqa: ASYNC110  (nobody tells)
            await trio.sleep(0.1)


def _print_growth(before: tracemalloc.Snapshot) -> None:
    for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:20]:
        print(line, file=sys.stderr)
    tracemalloc.stop()


def main(argv: Sequence[str] | None = None) -> None:
    """Soak, print what came of it and write the JSON."""
    parser = arguments(str(__doc__), rounds=1, quick_rounds=1)
    parser.add_argument("--minutes", type=float, help=f"default: {MINUTES:.0f}")
    parser.add_argument("--seed", type=int, default=0, help="of what happens when; default: 0")
    parser.add_argument("--tracemalloc", action="store_true", help="say what grows, by line")
    options = parser.parse_args(argv)
    minutes = options.minutes or (QUICK if options.quick else MINUTES)
    logging.getLogger("callboard").setLevel(logging.CRITICAL + 1)  # the crashes are meant
    facts = machine("trio", "msgspec")
    found = trio.run(lambda: soak(minutes * 60, options.seed, trace=options.tracemalloc))
    judged = verdicts(found)
    facts["load after"] = machine()["load"]
    print(preamble(facts))
    print(report(found) + "\n")
    print("\n".join(map(str, judged)))
    if options.json is not None:
        at, megabytes = found.memory()
        results = {
            "requirements": [attrs.asdict(verdict) for verdict in judged],
            "happened": found.happened,
            "outcomes": found.outcomes,
            "memory": {"seconds": at, "MB": megabytes},
            "quarters": [
                {share: percentile(waits, share) for share in (0.5, 0.99, 1.0)}
                for waits in map(found.quarter, range(4))
                if waits
            ],
        }
        write_json(options.json, facts, results)
    if not options.quick and not all(verdict.met for verdict in judged):
        sys.exit(1)


if __name__ == "__main__":
    main()
