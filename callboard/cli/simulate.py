"""``callboard simulate``: runs the kernel's simulation for many seeds."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import attrs

from callboard.cli import fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from callboard.testing.simulation import Result


@attrs.frozen
class _Ran:
    """What is told of one seed; it may come from another process."""

    seed: int
    fired: Counter[str]
    events: int
    compared: bool
    failure: str | None
    """What was broken, and how it came to that."""


def main(options: argparse.Namespace) -> int:
    """Run seeds; 1 if a promise was broken."""
    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import CannotSimulate

    try:
        plan = FaultPlan.of(*options.fault) if options.fault else None
    except ValueError as error:
        return fail(str(error))
    for fault in () if plan is None else plan.faults:
        if not fault.kind.simulated:
            return fail(f"{fault.name} is not simulated; it is put in by {fault.kind.test}")
    if options.bug is not None:
        from callboard.testing.simulation.bugs import BUGS

        if options.bug == "list":
            width = max(map(len, BUGS))
            for bug in BUGS.values():
                print(f"{bug.name:{width}}  {bug.meaning}")
            return 0
        if options.bug not in BUGS:
            return fail(f"there is no bug {options.bug!r} to plant; there are {', '.join(BUGS)}")
    try:
        return _replay(options) if options.replay is not None else _simulate(options)
    except CannotSimulate as error:
        return fail(str(error))


def _replay(options: argparse.Namespace) -> int:
    from callboard.testing.simulation import shrink

    with _with_bug(options.bug):
        result = _played(options.replay, options.fault)
        if options.shrink and not result.passed:
            result = shrink(result)
    print(result.text(options.last))
    print(f"fired: {_counts(result.fired)}")
    return _verdict([] if result.passed else [result.seed], options)


def _simulate(options: argparse.Namespace) -> int:
    fired: Counter[str] = Counter()
    failed: list[_Ran] = []
    events = compared = done = 0
    seeds = range(options.first, options.first + options.seeds)
    run = partial(_run, faults=options.fault, bug=options.bug, last=options.last)
    began = perf_counter()
    with _progress(options.seeds) as advance, _workers(options.jobs) as each:
        for ran in each(run, seeds):
            done += 1
            fired += ran.fired
            events += ran.events
            compared += ran.compared
            if ran.failure is not None:
                failed.append(ran)
            advance(len(failed))
            if len(failed) >= options.failures:
                break
    seconds = perf_counter() - began
    for ran in failed:
        print(ran.failure)
        print()
    print(
        f"{done} seeds from {options.first} in {seconds:.1f} s: {len(failed)} failed, {events} events, "
        f"{compared} compared with a serial run in both phases, the others in one"
    )
    print(f"faults that struck: {_counts(fired)}")
    return _verdict([ran.seed for ran in failed], options)


def _run(seed: int, *, faults: Iterable[str], bug: str | None, last: int) -> _Ran:
    with _with_bug(bug):
        result = _played(seed, faults)
    failure = None if result.passed else result.text(last)
    return _Ran(seed, result.fired, len(result.trace.events), result.compared, failure)


def _played(seed: int, faults: Iterable[str]) -> Result:
    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import simulate

    return simulate(seed, plan=FaultPlan.of(*faults) if faults else None)


@contextmanager
def _with_bug(name: str | None) -> Iterator[None]:
    if name is None:
        yield
        return
    from callboard.testing.simulation.bugs import planted

    with planted(name):
        yield


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., Iterator[_Ran]]]:
    """Give what calls a function for each seed, in their order, in so many processes; 1 is this one."""
    if jobs == 1:
        yield map
        return
    # Spawned, for each process has to be as clean as one in which a seed is replayed.
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _verdict(failed: Iterable[int], options: argparse.Namespace) -> int:
    also = "" if options.bug is None else f" --bug {options.bug!r}"
    also += "".join(f" --fault {name}" for name in options.fault)
    for seed in failed:
        print(f"replay with: callboard simulate --replay {seed}{also}")
    return 1 if failed else 0


def _counts(fired: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(fired.items())) or "none"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how far it is, where somebody watches."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield lambda failed: None
        return
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=total)

        def advance(failed: int) -> None:
            progress.update(task, advance=1, description=f"simulating, {failed} failed")

        yield advance
