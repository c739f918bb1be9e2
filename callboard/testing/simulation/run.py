"""One simulation: a seed expands to a workload, a fault plan and a schedule, and everything is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import attrs
import trio
import trio.testing

from callboard.actors.host import HostError
from callboard.messages.commands import (
    Command,
    DeleteCellCommand,
    ExecuteCellsCommand,
    StopKernelCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.ids import CellId
from callboard.messages.notifications import AlertNotification
from callboard.messages.payloads import CellConfigPatch
from callboard.runtime import Lagged, Outcome
from callboard.testing import oracles
from callboard.testing.faults import FaultPlan, Point
from callboard.testing.record import Posted, Reading, Record
from callboard.testing.simulation.data import has_storages
from callboard.testing.simulation.process import leaked, resources, same_everywhere, undisturbed
from callboard.testing.simulation.scheduler import CannotSimulate, Schedule, run_seeded
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
from callboard.testing.simulation.workload import CELLS, Author, Workload
from callboard.testing.simulation.world import SECRET, SLOWEST, World, open_world
from callboard.testing.trace import Trace

_PHASE = 3.0
_HOLDING = frozenset({"control-block", "gil-held"})
"""Faults that make everything late."""
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
    abrupt: bool = False
    """Whether the kernel is stopped while faults still strike and clients still wait; then that is all."""

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
        abrupt = rng.random() < 0.2
        if abrupt:
            end = rng.uniform(0, steps[-1].at)
            steps = [step for step in steps if step.at <= end]
            if rng.random() < 0.5:
                steps += author.backlog(end)
        workload = Workload(notebook, steps)
        return cls(seed, workload, calm, plan, everything, not packages, abrupt)

    def __str__(self) -> str:
        then = (
            ["then the kernel is stopped at once"]
            if self.abrupt
            else ["then, undisturbed:", *map(str, self.calm)]
        )
        return "\n".join(
            [f"seed {self.seed}", f"faults: {self.plan}", "workload:", str(self.workload), *then]
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
        return self.text()

    def text(self, last: int = 80) -> str:
        """Everything about it, with the ``last`` lines of its timeline."""
        lines = [
            str(self.scenario),
            f"schedule: {self.schedule}",
            f"trace: {len(self.trace.events)} events in {self.seconds:.1f} virtual seconds, "
            f"digest {self.trace.digest[:16]}",
            "timeline:",
            self.trace.timeline(last),
            *(f"VIOLATED: {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)


def simulate(seed: int, *, plan: FaultPlan | None = None, size: int = 40) -> Result:
    """Run the simulation of a seed and ask every oracle. Not to be called in a trio run.

    The same arguments give the same trace, in this process and in any other.
    """
    return play(Scenario.of(seed, plan=plan, size=size))


def play(scenario: Scenario) -> Result:
    """Run a scenario and ask every oracle; its seed decides on the schedule. Not to be called in a trio run.

    Raises:
        CannotSimulate: fsspec is missing, of which the storages of the cells are made, or see `run_seeded`.
    """
    if not has_storages():
        raise CannotSimulate("the cells of a simulation have storages of fsspec, which is missing")
    with undisturbed(), same_everywhere():
        before = resources()
        run, schedule = run_seeded(scenario.seed, _Run(scenario).main)
        leaks = [f"leak: {text}" for text in leaked(before, resources())]
        return run.judge(schedule, leaks)


@attrs.define(eq=False)
class _Run:
    """A simulation under way."""

    scenario: Scenario
    record: Record = attrs.field(factory=Record)
    readers: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    begun: set[str] = attrs.field(factory=set)
    """The faults of clients that have begun."""
    first: NotebookValues | None = None
    last: NotebookValues | None = None
    installed: frozenset[str] = frozenset()
    healed: list[Command] = attrs.field(factory=list)
    seconds: float = 0.0
    world: World = attrs.field(init=False)

    async def main(self) -> _Run:
        """Play both phases."""
        scenario, record = self.scenario, self.record
        async with open_world(scenario.seed, scenario.plan, record) as self.world:
            world = self.world
            world.post(scenario.workload.notebook)
            await self._play(scenario.workload.steps)
            if not scenario.abrupt:
                await self._undisturbed()
            world.post(StopKernelCommand())
            await world.kernel.wait_stop_requested()
        self.seconds = trio.current_time()
        return self

    async def _undisturbed(self) -> None:
        """Play the second phase."""
        world = self.world
        self.record.add("phase", "nothing disturbs any more")
        if not await world.settle():
            return
        self.first = NotebookValues.of(world.kernel)
        self.record.phase = 2
        if not self._comparable():
            await self._heal()
        await self._play(self.scenario.calm)
        if await world.settle():
            self.last = NotebookValues.of(world.kernel)

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
                self.world.faults.fired[step.fault] += 1
            self._act(step)

    def _act(self, step: Step) -> None:
        act, world = step.act, self.world
        if isinstance(act, Send):
            for _ in range(act.times):
                world.post(act.command, client=step.client, timeout=act.timeout)
        elif isinstance(act, Interrupt):
            for _ in range(act.times):
                world.interrupt()
        elif isinstance(act, Withdraw):
            posted = [one.envelope for one in self.record.posted]
            open_ones = [envelope for envelope in posted if not envelope.settled]
            if act.nth < len(open_ones):
                world.kernel.cancel(open_ones[-1 - act.nth])
        elif isinstance(act, Follow):
            self._follow(act)
        elif isinstance(act, Leave):
            if act.name in self.readers:
                self.readers.pop(act.name).cancel()
        elif isinstance(act, Publish):
            world.kernel.publish(AlertNotification(_Unencodable(), "", None))  # type: ignore[arg-type]
        else:
            assert isinstance(act, JumpClock)
            world.clock.jump(act.seconds)

    def _follow(self, act: Follow) -> None:
        if act.name in self.readers:
            self.readers.pop(act.name).cancel()
        since = None
        if act.resume:
            earlier = [one for one in self.record.readings if one.name == act.name and one.frames]
            since = earlier[-1].frames[-1].seq if earlier else 0
        scope = self.readers[act.name] = trio.CancelScope()
        subscription = self.world.kernel.subscribe(
            since=since, max_buffer=act.max_buffer, name=act.name
        )
        reading = Reading(act.name, since, self.record.last_seq, act.pause)
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

        self.world.nursery.start_soon(read, name=f"reader {act.name}")

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

    async def _heal(self) -> None:
        """Bring the notebook into a state that does not depend on what the disturbances hit."""
        cells = self.scenario.everything.cell_ids
        graph = self.world.kernel._parts.engine.book.state.graph
        extra = [cell for cell in sorted(graph.cells) if cell not in cells]
        self.installed = frozenset(self.world.installer.installed)
        enabled: dict[CellId, CellConfigPatch] = {
            CellId(cell): {"disabled": False}
            for cell in (*cells, *extra, *(f"c{number}" for number in range(CELLS)))
        }
        self.healed = [
            UpdateUserConfigCommand({"runtime": {"on_cell_change": "autorun"}}),
            UpdateCellConfigCommand(enabled),
            *(DeleteCellCommand(cell) for cell in extra),
            self.scenario.everything,
        ]
        self.record.add("phase", "the notebook is run from its beginning")
        for command in self.healed:
            await self.world.post(command).wait()

    def judge(self, schedule: Schedule, leaks: list[str]) -> Result:
        """Ask every oracle; here, since a serial run is a trio run of its own."""
        record, scenario = self.record, self.scenario
        found = [*self.world.violations, *oracles.violations(record), *leaks]
        # A thread that fails is no reason for anybody to crash.
        aimed_at = {
            fault.domain for fault in scenario.plan.faults if fault.kind.point is not Point.THREAD
        }
        found += [f"isolated: {text}" for text in oracles.isolated(record, aimed_at)]
        if not _HOLDING & {fault.name for fault in scenario.plan.faults}:
            touched = {fault.domain for fault in scenario.plan.faults}
            found += [
                f"meanwhile: {text}" for text in oracles.meanwhile(record, touched, slowest=SLOWEST)
            ]
        found += [f"secret: {text}" for text in oracles.without_secret(record, SECRET)]
        compared = bool(self.first and not self.healed)
        if self.first is not None and self.first.owed and self.healed:
            found.append(f"owed: {list(self.first.owed)} were left to a tick that never came")
        first, second = self._carried_out(1), self._carried_out(2)
        if self.first is not None and not self.healed:
            serial = run_serially(_anytime(first))
            found += [f"serial: {text}" for text in self.first.differences(serial.values)]
            thwarted = {
                fault.domain for fault in scenario.plan.faults if fault.kind.point is Point.THREAD
            }
            answered = [
                (one, reply)
                for one, reply in zip(first, serial.replies, strict=True)
                if one.envelope.target not in thwarted
            ]
            found += [f"read your writes: {text}" for text in oracles.read_your_writes(answered)]
        if self.last is not None:
            # What healed the notebook is part of the second phase; what was before is of no consequence then.
            played = second if self.healed else [*first, *second]
            serial = run_serially(_anytime(played), installed=self.installed)
            found += [
                f"serial, undisturbed: {text}" for text in self.last.differences(serial.values)
            ]
            answered = [
                (one, reply)
                for one, reply in zip(played, serial.replies, strict=True)
                if one.phase == 2
            ]
            found += [
                f"read your writes, undisturbed: {text}"
                for text in oracles.read_your_writes(answered)
            ]
        return Result(
            scenario,
            schedule,
            record.trace,
            record,
            self.world.faults.fired,
            tuple(found),
            self.seconds,
            compared,
        )

    def _carried_out(self, phase: int) -> list[Posted]:
        return [
            posted
            for posted in self.record.posted
            if posted.phase == phase
            and posted.envelope.outcome is not Outcome.REJECTED
            and not isinstance(posted.command, StopKernelCommand)
        ]


def _anytime(played: Iterable[Posted]) -> list[Command]:
    """The commands, without the time at which they were sent."""
    return [
        attrs.evolve(one.command, timestamp=0.0)
        if isinstance(one.command, ExecuteCellsCommand | SyncGraphCommand)
        else one.command
        for one in played
    ]


class _Unencodable:
    """Nothing that can be encoded."""

    def __repr__(self) -> str:
        raise RuntimeError("no text either")
