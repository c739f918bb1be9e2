"""A kernel in a simulated world, to be driven by a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from math import inf
from random import Random
from types import MappingProxyType
from typing import Any

import attrs
import trio
import trio.testing

from callboard.actors.domain import Domain
from callboard.actors.notebook.settings import Settings
from callboard.actors.packages.surroundings import Surroundings as PackagesEnvironment
from callboard.kernel import Kernel, Outside, open_kernel
from callboard.messages.commands import Command, ExecuteCellsCommand, SyncGraphCommand
from callboard.runtime import ActorState, Envelope
from callboard.testing.faults import FaultPlan, Faults, SimulatedThreads
from callboard.testing.faults.injection import BLOCK
from callboard.testing.record import Record
from callboard.testing.simulation.cells import SimulatedSurroundings
from callboard.testing.simulation.installer import SimulatedInstaller

SECRET = "canary-3f9c2b71d84e"  # noqa: S105
"""A password that the simulated package index has; it must never be seen."""
LIVENESS = 180.0
"""Virtual seconds within which everything has to be quiet and up once nothing disturbs any more."""
DRAIN, KILL = 5.0, 5.0
SLOWEST = 0.2
"""Virtual seconds that a blocking call of a domain takes at most, if nothing disturbs."""
_EPOCH = 1_700_000_000.0


@attrs.define(eq=False)
class World:
    """A running kernel with everything around it; belongs to one trio run on virtual time."""

    kernel: Kernel
    rng: Random
    """For what a script wants to have decided by the seed."""
    faults: Faults
    record: Record
    installer: SimulatedInstaller
    nursery: trio.Nursery
    """Tasks of clients; cancelled when the world ends."""
    clock: WallClock
    violations: list[str]
    """What was found so far that the record does not show."""

    def post(self, command: Command, *, client: str = "ann", timeout: float = inf) -> Envelope[Any]:
        """Post a command as a client, with the time stamp of now where it has one."""
        if isinstance(command, ExecuteCellsCommand | SyncGraphCommand):
            command = attrs.evolve(command, timestamp=self.clock())
        return self.record.post(client, command, timeout=timeout)

    def interrupt(self) -> None:
        """Interrupt whatever runs, if anything does."""
        self.record.interrupt(self.clock())

    async def settle(self) -> bool:
        """Let no fault strike any more, and wait until all is quiet and up; False if that takes too long."""
        self.faults.end()
        # Put right; behind the last interrupt, it would have cells refused as interrupted.
        self.clock.offset = self.clock.latest
        with trio.move_on_after(LIVENESS) as scope:
            await self.kernel.wait_idle()
            while not self._up():  # noqa: ASYNC110 (there is no event for all of them)
                await trio.sleep(1)
            await self.kernel.wait_idle()
        if scope.cancelled_caught:
            posted = [one.envelope for one in self.record.posted]
            open_ones = [str(envelope) for envelope in posted if not envelope.settled]
            states = {name: str(state) for name, state in self._states().items()}
            self.violations.append(f"liveness: not quiet after {LIVENESS} s: {open_ones}, {states}")
        return not scope.cancelled_caught

    def _up(self) -> bool:
        states = set(self._states().values())
        return states <= {ActorState.RUNNING} or states == {ActorState.STOPPED}

    def _states(self) -> dict[str, ActorState]:
        supervisor = self.kernel._supervisor
        return {name: supervisor.state(name) for name in supervisor.names}


@attrs.define(eq=False)
class WallClock:
    """The wall clock of a simulation: it follows virtual time, and may be set."""

    offset: float = _EPOCH
    latest: float = _EPOCH

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.offset + trio.current_time()

    def jump(self, seconds: float) -> None:
        """Set it."""
        self.offset += seconds
        self.latest = max(self.latest, self.offset)


@asynccontextmanager
async def open_world(
    seed: int, plan: FaultPlan, record: Record, *, domains: Iterable[Domain] = ()
) -> AsyncIterator[World]:
    """Run a kernel with the faults of ``plan`` for the duration of the block, then stop it and look what is left.

    To be used in a run of `run_seeded`. What is wrong at the end goes to ``World.violations``, an exception of the
    kernel's included; those of the block pass.
    """
    rng = Random(f"world {seed}")
    faults = Faults(plan, lambda fault: record.add("fault", str(fault)))
    installer = SimulatedInstaller(rng, faults, SECRET)
    clock = WallClock()

    def around(domain: Domain) -> Domain:
        return faults.around(record.around(domain))

    pools: dict[str, SimulatedThreads] = {}

    def threads(name: str) -> SimulatedThreads:
        if name not in pools:
            pools[name] = SimulatedThreads(faults, name, lambda: rng.uniform(0, SLOWEST))
        return pools[name]

    outside = Outside(
        processes=installer,
        threads=threads,
        rng=rng,
        wall_clock=clock,
        around=around,
        environ={"SIMULATED_KEY": SECRET},
    )
    tasks = _tasks()
    violations: list[str] = []
    with installer.importable():
        async with open_kernel(
            settings=Settings(),
            surroundings=SimulatedSurroundings(),
            packages=_environment(),
            domains=domains,
            outside=outside,
            drain=DRAIN,
            kill=KILL,
        ) as kernel:
            record.attach(kernel)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(record.listen)
                yield World(
                    kernel,
                    Random(f"script {seed}"),
                    faults,
                    record,
                    installer,
                    nursery,
                    clock,
                    violations,
                )
                # Listened to until the end: what is told while it stops may be more than is kept.
                faults.stopping = True
                started, blocked = trio.current_time(), faults.fired["control-block"]
                record.report = await kernel.stop()
                faults.end()
                seconds = trio.current_time() - started
                # Whoever blocks the control thread past a deadline puts that off.
                blocks = faults.fired["control-block"] - blocked
                blocks += sum(fault.name == "gil-held" for fault in plan.faults)
                violations += _late(record, plan, seconds - blocks * BLOCK)
                record.finish()
                nursery.cancel_scope.cancel()
    # What was left to itself comes to its end, as threads do.
    with trio.move_on_after(2 * SLOWEST):
        for pool in pools.values():
            await pool.wait_idle()
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked()
    violations += [f"leak: task {name}" for name in sorted(_tasks() - tasks)]
    if installer.running:
        violations.append(f"leak: {installer.running} programs still run")


def _late(record: Record, plan: FaultPlan, seconds: float) -> list[str]:
    """Say what was wrong with the stop, which took so many seconds."""
    found = []
    if seconds > DRAIN + KILL + 0.001:
        found.append(f"stop: it took {seconds} s")
    stalled = {fault.domain for fault in plan.faults if fault.name == "shielded-stall"}
    assert record.report is not None
    if set(record.report.unfinished) - stalled:
        found.append(f"stop: {record.report.unfinished} did not end")
    return found


def _environment() -> PackagesEnvironment:
    environ = MappingProxyType({"PIP_INDEX_URL": f"https://somebody:{SECRET}@index.invalid/simple"})
    return PackagesEnvironment(
        interpreter="/simulated/python", environ=environ, cwd="/simulated", which=lambda name: None
    )


def _tasks() -> set[str]:
    """Name every task of this trio run."""
    names: Counter[str] = Counter()
    root = trio.lowlevel.current_root_task()
    stack = [] if root is None else [root]
    while stack:
        task = stack.pop()
        names[task.name] += 1
        stack += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return {f"{name} ({number})" for name, count in names.items() for number in range(count)}
