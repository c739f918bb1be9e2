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

    from callboard.testing.simulation import Result


def main(options: argparse.Namespace) -> int:
    """Run seeds one after another; 1 if a promise was broken."""
    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import shrink, simulate

    try:
        plan = FaultPlan.of(*options.fault) if options.fault else None
    except ValueError as error:
        return fail(str(error))
    if options.replay is not None:
        result = simulate(options.replay, plan=plan)
        if options.shrink and not result.passed:
            result = shrink(result)
        print(result)
        print(f"fired: {_counts(result.fired)}")
        return _verdict([result] if not result.passed else [])
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
        print(result)
        print()
    done = seed - options.first + 1
    print(
        f"{done} seeds from {options.first} in {seconds:.1f} s: {len(failed)} failed, {events} events, "
        f"{compared} compared with a serial run in both phases, the others in one"
    )
    print(f"faults that struck: {_counts(fired)}")
    return _verdict(failed)


def _verdict(failed: list[Result]) -> int:
    for result in failed:
        print(f"replay with: callboard simulate --replay {result.seed}")
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
