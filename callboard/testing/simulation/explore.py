"""Exploring: a script against a kernel in many orders, each decided by a seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import attrs

from callboard.actors.domain import Domain
from callboard.testing import oracles
from callboard.testing.faults import FaultPlan
from callboard.testing.record import Record
from callboard.testing.simulation.process import undisturbed
from callboard.testing.simulation.scheduler import run_seeded
from callboard.testing.simulation.world import SECRET, World, open_world


@attrs.define(eq=False)
class SeedFailed(AssertionError):
    """A seed under which a promise was broken, or the script failed. ``cause`` is what the script raised."""

    seed: int
    violations: tuple[str, ...]
    timeline: str

    def __str__(self) -> str:
        return "\n".join(
            [f"seed {self.seed}", self.timeline, *(f"VIOLATED: {text}" for text in self.violations)]
        )


Script = Callable[[World], Awaitable[None]]


def explore(
    script: Script,
    *,
    seeds: Iterable[int] = range(25),
    domains: Iterable[Domain] = (),
    plan: FaultPlan | None = None,
) -> None:
    """Run a script against a kernel once for each seed, and ask every oracle each time.

    The script is given the `World`: it posts commands, sleeps (on virtual time), and asserts what it likes; when it
    returns, faults strike no more and everything has to come to rest. ``domains`` are those of `open_kernel`.

    Raises:
        SeedFailed: for the first seed under which something was wrong; the same seed shows it again.
    """
    domains, plan = tuple(domains), plan or FaultPlan()
    for seed in seeds:
        record = Record()

        async def main(seed: int = seed, record: Record = record) -> list[str]:
            async with open_world(seed, plan, record, domains=domains) as world:
                await script(world)
                await world.settle()
            return world.violations

        try:
            with undisturbed():
                found = run_seeded(seed, main)[0]
        except Exception as error:
            raise SeedFailed(seed, (f"script: {error!r}",), record.trace.timeline()) from error
        found += oracles.violations(record)
        found += [f"secret: {text}" for text in oracles.without_secret(record, SECRET)]
        if found:
            raise SeedFailed(seed, tuple(found), record.trace.timeline())
