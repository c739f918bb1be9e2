"""One simulation: a seed expands to a workload, a fault plan and a schedule, and everything is looked at."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from random import Random
from types import MappingProxyType
from typing import Any

import attrs
import trio
import trio.testing

from callboard.actors.host import HostError
from callboard.actors.notebook.settings import Settings
from callboard.actors.packages.surroundings import Surroundings as PackagesEnvironment
from callboard.kernel import Kernel, Outside, open_kernel
from callboard.messages.commands import (
    Command,
    DeleteCellCommand,
    ExecuteCellsCommand,
    StopKernelCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.notifications import AlertNotification
from callboard.runtime import ActorState, Envelope, Lagged, Outcome
from callboard.testing import oracles
from callboard.testing.faults import Fault, FaultPlan, Faults
from callboard.testing.record import Reading, Record
from callboard.testing.simulation.cells import SimulatedSurroundings
from callboard.testing.simulation.installer import SimulatedInstaller
from callboard.testing.simulation.scheduler import Schedule, run_seeded
from callboard.testing.simulation.serial import NotebookValues, run_serially
from callboard.testing.simulation.steps import (
    Follow,
    Interrupt,
    JumpClock,
    Leave,
    Publish,
    Send,
    Step,
    Withdraw,
)
from callboard.testing.simulation.workload import Author, Workload
from callboard.testing.trace import Trace

SECRET = "canary-3f9c2b71d84e"  # noqa: S105
LIVENESS = 180.0
"""Virtual seconds within which everything has to be quiet and up once nothing disturbs any more."""
DRAIN, KILL = 5.0, 5.0
_PHASE = 3.0
_EPOCH = 1_700_000_000.0
_ON_CELLS = ("notebook", "ui", "functions")


@attrs.frozen
class Scenario:
    """What a seed expands to, but for the schedule."""

    seed: int
    workload: Workload
    calm: list[Step]
    """What clients do in the second phase, when nothing disturbs."""
    plan: FaultPlan
    everything: ExecuteCellsCommand
    """All cells as they are after the first phase."""
    comparable: bool
    """Whether the first phase, undisturbed, has to come to what a serial run comes to."""

    @classmethod
    def of(cls, seed: int, *, plan: FaultPlan | None = None, size: int = 40) -> Scenario:
        """Expand a seed. ``plan`` takes the place of the faults it would draw; ``size`` counts commands."""
        rng = Random(f"callboard {seed}")
        drawn = FaultPlan.draw(rng)
        plan = drawn if plan is None else plan
        disturbed = rng.random() < 0.6
        packages = rng.random() < 0.3
        author = Author(rng, packages=packages, lazy=not packages and rng.random() < 0.3)
        notebook = author.notebook()
        steps = author.steps(rng.randint(size // 3, size), _PHASE, disturbed=disturbed)
        steps += author.disturbances(plan, _PHASE)
        steps.sort(key=lambda step: step.at)
        everything = author.everything()
        after = Author(rng, prefix="calm-", codes=dict(author.codes), packages=False)
        calm = after.steps(rng.randint(3, size // 2), _PHASE / 2, disturbed=False)
        return cls(seed, Workload(notebook, steps), calm, plan, everything, comparable=not packages)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}\nfaults: {self.plan}\nworkload:\n{self.workload}\n"
            f"then, undisturbed:\n" + "\n".join(map(str, self.calm))
        )


@attrs.frozen
class Result:
    """How one simulation went."""

    scenario: Scenario
    schedule: Schedule
    trace: Trace
    record: Record
    fired: Counter[str]
    violations: tuple[str, ...]
    seconds: float
    """Virtual seconds it took."""
    compared: bool
    """Whether the first phase was compared with a serial run; the second always is."""

    @property
    def seed(self) -> int:
        """The seed."""
        return self.scenario.seed

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations

    def __str__(self) -> str:
        lines = [
            str(self.scenario),
            f"schedule: {self.schedule}",
            f"trace: {len(self.trace.events)} events in {self.seconds:.1f} virtual seconds, "
            f"digest {self.trace.digest[:16]}",
            "timeline:",
            self.trace.timeline(),
            *(f"VIOLATED: {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)


def simulate(seed: int, *, plan: FaultPlan | None = None, size: int = 40) -> Result:
    """Run the simulation of a seed and ask every oracle. Not to be called in a trio run.

    The same arguments give the same trace, in this process and in any other.
    """
    scenario = Scenario.of(seed, plan=plan, size=size)
    with _quiet():
        before = _resources()
        run, schedule = run_seeded(seed, _Run(scenario).main)
        leaks = [f"leak: {text}" for text in _leaked(before, _resources())]
        return run.judge(schedule, leaks)


@attrs.define(eq=False)
class _Run:
    """A simulation under way."""

    scenario: Scenario
    record: Record = attrs.field(factory=Record)
    violations: list[str] = attrs.field(factory=list)
    wall_offset: float = _EPOCH
    latest_offset: float = _EPOCH
    readers: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    begun: set[str] = attrs.field(factory=set)
    """The faults of clients that have begun."""
    first: NotebookValues | None = None
    last: NotebookValues | None = None
    installed: frozenset[str] = frozenset()
    healed: list[Command] = attrs.field(factory=list)
    seconds: float = 0.0
    kernel: Kernel = attrs.field(init=False)
    faults: Faults = attrs.field(init=False)
    nursery: trio.Nursery = attrs.field(init=False)

    async def main(self) -> _Run:
        faults = self.faults = Faults(self.scenario.plan, self._on_fire)
        rng = Random(f"world {self.scenario.seed}")
        installer = SimulatedInstaller(rng, faults, SECRET)
        outside = Outside(
            processes=installer,
            rng=rng,
            wall_clock=self.wall_clock,
            around=lambda domain: faults.around(self.record.around(domain)),
        )
        tasks = _tasks()
        try:
            with installer.importable():
                await self._with_kernel(outside, installer)
        except* Exception as group:
            self.violations.append(f"crash: the kernel raised {group.exceptions!r}")
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
        self.violations += [f"leak: task {name}" for name in sorted(_tasks() - tasks)]
        if installer.running:
            self.violations.append(f"leak: {installer.running} programs still run")
        self.seconds = trio.current_time()
        return self

    async def _with_kernel(self, outside: Outside, installer: SimulatedInstaller) -> None:
        scenario, record = self.scenario, self.record
        async with open_kernel(
            settings=Settings(),
            surroundings=SimulatedSurroundings(),
            packages=_environment(),
            outside=outside,
            drain=DRAIN,
            kill=KILL,
        ) as kernel:
            self.kernel = kernel
            record.attach(kernel)
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                nursery.start_soon(record.listen)
                self.post("ann", scenario.workload.notebook)
                await self._play(scenario.workload.steps)
                self.faults.end()
                # Put right; behind the last interrupt, it would have cells refused as interrupted.
                self.wall_offset = self.latest_offset
                record.add("phase", "nothing disturbs any more")
                if not await self._settle():
                    nursery.cancel_scope.cancel()
                    return
                self.first = NotebookValues.of(kernel)
                record.phase = 2
                if not self._comparable():
                    await self._heal(installer)
                await self._play(scenario.calm)
                if await self._settle():
                    self.last = NotebookValues.of(kernel)
                nursery.cancel_scope.cancel()
            record.finish()
            self.post("ann", StopKernelCommand())
            await kernel.wait_stop_requested()
            started = trio.current_time()
            record.report = await kernel.stop()
            self._look_at_stop(trio.current_time() - started)
            record._catch_up()

    def wall_clock(self) -> float:
        return self.wall_offset + trio.current_time()

    def post(self, client: str, command: Command, timeout: float = inf) -> Envelope[Any]:
        if isinstance(command, ExecuteCellsCommand | SyncGraphCommand):
            command = attrs.evolve(command, timestamp=self.wall_clock())
        return self.record.post(client, command, timeout=timeout)

    async def _play(self, steps: Iterable[Step]) -> None:
        began = trio.current_time()
        clients = {step.client for step in steps}
        async with trio.open_nursery() as nursery:
            for client in sorted(clients):
                mine = [step for step in steps if step.client == client]
                nursery.start_soon(self._play_client, mine, began)

    async def _play_client(self, steps: list[Step], began: float) -> None:
        for step in steps:
            await trio.sleep_until(began + step.at)
            self.record.add("step", f"{step.client}: {step.act}")
            if step.fault and step.fault not in self.begun:
                self.begun.add(step.fault)
                self.faults.fired[step.fault] += 1
            self._act(step)

    def _act(self, step: Step) -> None:
        act, kernel, record = step.act, self.kernel, self.record
        if isinstance(act, Send):
            for _ in range(act.times):
                self.post(step.client, act.command, act.timeout)
        elif isinstance(act, Interrupt):
            for _ in range(act.times):
                record.interrupt(self.wall_clock())
        elif isinstance(act, Withdraw):
            open_ones = [one.envelope for one in record.posted if not one.envelope.settled]
            if act.nth < len(open_ones):
                kernel.cancel(open_ones[-1 - act.nth])
        elif isinstance(act, Follow):
            self._follow(act)
        elif isinstance(act, Leave):
            if act.name in self.readers:
                self.readers.pop(act.name).cancel()
        elif isinstance(act, Publish):
            kernel.publish(AlertNotification(title=_Unencodable(), description="", variant=None))  # type: ignore[arg-type]
        else:
            assert isinstance(act, JumpClock)
            self.wall_offset += act.seconds
            self.latest_offset = max(self.latest_offset, self.wall_offset)

    def _follow(self, act: Follow) -> None:
        if act.name in self.readers:
            self.readers.pop(act.name).cancel()
        since = None
        if act.resume:
            earlier = [one for one in self.record.readings if one.name == act.name and one.frames]
            since = earlier[-1].frames[-1].seq if earlier else 0
        scope = self.readers[act.name] = trio.CancelScope()
        kernel = self.kernel
        subscription = kernel.subscribe(since=since, max_buffer=act.max_buffer, name=act.name)
        reading = Reading(act.name, since, kernel._broadcaster.last_seq, act.pause)
        reading.resynced = subscription.resynced
        self.record.readings.append(reading)

        async def read() -> None:
            with scope, subscription:
                try:
                    async for frame in subscription:
                        reading.frames.append(frame)
                        await trio.sleep(act.pause)
                except Lagged as error:
                    reading.lagged = error
            reading.ended = True

        self.nursery.start_soon(read, name=f"reader {act.name}")

    async def _settle(self) -> bool:
        """Wait until all is quiet and up; within bounds."""
        with trio.move_on_after(LIVENESS) as scope:
            await self.kernel.wait_idle()
            while not self._up():  # noqa: ASYNC110 (there is no event for all of them)
                await trio.sleep(1)
            await self.kernel.wait_idle()
        if scope.cancelled_caught:
            open_ones = [
                str(one.envelope) for one in self.record.posted if not one.envelope.settled
            ]
            states = {name: str(state) for name, state in self._states().items()}
            self.violations.append(f"liveness: not quiet after {LIVENESS} s: {open_ones}, {states}")
        return not scope.cancelled_caught

    def _states(self) -> dict[str, ActorState]:
        supervisor = self.kernel._supervisor
        return {name: supervisor.state(name) for name in supervisor.names}

    def _up(self) -> bool:
        return all(state is ActorState.RUNNING for state in self._states().values())

    def _comparable(self) -> bool:
        """Tell whether all that was accepted in the first phase was carried out whole."""
        if not self.scenario.comparable or self.record.interrupts:
            return False
        return not any(
            settlement.target in _ON_CELLS
            and settlement.outcome in (Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED)
            and not isinstance(settlement.error, HostError)
            for settlement in self.record.settlements
        )

    async def _heal(self, installer: SimulatedInstaller) -> None:
        """Bring the notebook into a state that does not depend on what the disturbances hit."""
        cells = self.scenario.everything.cell_ids
        graph = self.kernel._parts.engine.book.state.graph
        extra = [cell for cell in sorted(graph.cells) if cell not in cells]
        self.installed = frozenset(installer.installed)
        enabled = {cell: {"disabled": False} for cell in [*cells, *extra, *_all_cells()]}
        self.healed = [
            UpdateUserConfigCommand({"runtime": {"on_cell_change": "autorun"}}),
            UpdateCellConfigCommand(enabled),  # type: ignore[arg-type]
            *(DeleteCellCommand(cell) for cell in extra),
            self.scenario.everything,
        ]
        self.record.add("phase", "the notebook is run from its beginning")
        for command in self.healed:
            await self.post("ann", command).wait()

    def _look_at_stop(self, seconds: float) -> None:
        report = self.record.report
        assert report is not None
        if seconds > DRAIN + KILL + 0.001:
            self.violations.append(f"stop: it took {seconds} s")
        stalled = {
            fault.domain for fault in self.scenario.plan.faults if fault.name == "shielded-stall"
        }
        if set(report.unfinished) - stalled:
            self.violations.append(f"stop: {report.unfinished} did not end")

    def judge(self, schedule: Schedule, leaks: list[str]) -> Result:
        """Ask every oracle; here, since a serial run is a trio run of its own."""
        record, scenario = self.record, self.scenario
        found = [*self.violations, *oracles.violations(record), *leaks]
        aimed_at = {fault.domain for fault in scenario.plan.faults}
        found += [f"isolated: {text}" for text in oracles.isolated(record, aimed_at)]
        found += [f"secret: {text}" for text in oracles.without_secret(record, SECRET)]
        compared = bool(self.first and not self.healed)
        if self.first is not None and self.first.owed and self.healed:
            found.append(f"owed: {list(self.first.owed)} were left to a tick that never came")
        if self.first is not None and not self.healed:
            serial = run_serially(self._carried_out(1))
            found += [f"serial: {text}" for text in self.first.differences(serial)]
        if self.last is not None:
            before = self.healed or self._carried_out(1)
            healed = [
                attrs.evolve(one, timestamp=0.0) if isinstance(one, ExecuteCellsCommand) else one
                for one in before
            ]
            skipped = len(self.healed)
            serial = run_serially(
                [*healed, *self._carried_out(2)[skipped:]], installed=self.installed
            )
            found += [f"serial, undisturbed: {text}" for text in self.last.differences(serial)]
        return Result(
            scenario,
            schedule,
            record.trace,
            record,
            self.faults.fired,
            tuple(found),
            self.seconds,
            compared,
        )

    def _carried_out(self, phase: int) -> list[Command]:
        return [
            posted.command
            for posted in self.record.posted
            if posted.phase == phase
            and posted.envelope.outcome is not Outcome.REJECTED
            and not isinstance(posted.command, StopKernelCommand)
        ]

    def _on_fire(self, fault: Fault) -> None:
        self.record.add("fault", str(fault))


class _Unencodable:
    """Nothing that can be encoded."""

    def __repr__(self) -> str:
        raise RuntimeError("no text either")


def _all_cells() -> list[str]:
    return [f"c{number}" for number in range(8)]


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


def _resources() -> dict[str, set[str]]:
    descriptors = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    return {
        "thread": {f"{thread.name} {thread.ident}" for thread in threading.enumerate()},
        "descriptor": descriptors,
    }


def _leaked(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    return [f"{kind} {one}" for kind in before for one in sorted(after[kind] - before[kind])]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the collector from deciding when objects die, and failures that are meant out of the log."""
    collecting = gc.isenabled()
    gc.disable()
    logger = logging.getLogger("callboard")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
        if collecting:
            gc.enable()
