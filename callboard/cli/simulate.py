"""``callboard simulate``: runs the kernel's simulation for many seeds."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from callboard.cli import fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import Result


def main(options: argparse.Namespace) -> int:
    """Run seeds one after another; 1 if a promise was broken."""
    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import CannotSimulate

    try:
        plan = FaultPlan.of(*options.fault) if options.fault else None
    except ValueError as error:
        return fail(str(error))
    for fault in () if plan is None else plan.faults:
        if not fault.kind.simulated:
            return fail(f"{fault.name} is not simulated; it is put in by {fault.kind.test}")
    try:
        return _with_bug(options, plan)
    except CannotSimulate as error:
        return fail(str(error))


def _with_bug(options: argparse.Namespace, plan: FaultPlan | None) -> int:
    if options.bug is None:
        return _simulate(options, plan)
    from callboard.testing.simulation.bugs import BUGS, planted

    if options.bug == "list":
        width = max(map(len, BUGS))
        for bug in BUGS.values():
            print(f"{bug.name:{width}}  {bug.meaning}")
        return 0
    if options.bug not in BUGS:
        return fail(f"there is no bug {options.bug!r} to plant; there are {', '.join(BUGS)}")
    with planted(options.bug):
        return _simulate(options, plan)


def _simulate(options: argparse.Namespace, plan: FaultPlan | None) -> int:
    from callboard.testing.simulation import shrink, simulate

    if options.replay is not None:
        result = simulate(options.replay, plan=plan)
        if options.shrink and not result.passed:
            result = shrink(result)
        print(result.text(options.last))
        print(f"fired: {_counts(result.fired)}")
        return _verdict([result] if not result.passed else [], options.bug)
    fired: Counter[str] = Counter()
    failed: list[Result] = []
    events = compared = 0
    began = perf_counter()
    with _progress(options.seeds) as advance:
        for seed in range(options.first, options.first + options.seeds):
            result = simulate(seed, plan=plan)
            fired += result.fired
            events += len(result.trace.events)
            compared += result.compared
            if not result.passed:
                failed.append(result)
            advance(len(failed))
            if len(failed) >= options.failures:
                break
    seconds = perf_counter() - began
    for result in failed:
        print(result.text(options.last))
        print()
    done = seed - options.first + 1
    print(
        f"{done} seeds from {options.first} in {seconds:.1f} s: {len(failed)} failed, {events} events, "
        f"{compared} compared with a serial run in both phases, the others in one"
    )
    print(f"faults that struck: {_counts(fired)}")
    return _verdict(failed, options.bug)


def _verdict(failed: list[Result], bug: str | None) -> int:
    planted = "" if bug is None else f" --bug {bug!r}"
    for result in failed:
        print(f"replay with: callboard simulate --replay {result.seed}{planted}")
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
