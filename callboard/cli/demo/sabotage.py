"""One fault put into a demonstration. Loads the testing kit, so it is loaded for ``--fault`` alone."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from callboard.actors.packages.ports import ProcessResult
from callboard.actors.packages.process import TrioProcessRunner
from callboard.cli.demo.stage import Incident
from callboard.kernel import Kernel, Outside
from callboard.messages.commands import (
    Command,
    ExecuteScratchpadCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import FunctionCallId, UIElementId
from callboard.messages.notifications import AlertNotification
from callboard.runtime import ActorState, Envelope, StateChange
from callboard.testing.faults import FAULTS, Fault, FaultKind, FaultPlan, Faults, Point

AIM = "packages"
"""The domain that faults of behaviours are aimed at: the one that works while the hand drags."""
_PATIENCE = 3.0
"""Seconds that a command gets whose handler or program hangs."""
_AFTERMATH = 1.0
"""Seconds for which it is looked at what is left of it."""
_RECOVERY = 60.0
"""Seconds within which every domain has to be up again."""

_PROBE = InstallPackagesCommand("nonesuch", {"callboard-fault": ""})
"""Something for the packages domain to handle that installs nothing."""
_INSTALLERS = {
    "installer-killed": [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"],
    "installer-hung": [sys.executable, "-c", "import time; time.sleep(1000)"],
    "installer-flood": [sys.executable, "-c", "for line in range(20_000): print('line', line)"],
    "installer-missing": ["/there/is/no/such/installer"],
}


@attrs.define
class _WallClock:
    """The wall clock, wrong by some seconds."""

    wrong_by: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.wrong_by


@attrs.define(eq=False)
class Sabotage:
    """Puts one fault into a kernel; to be made inside its trio run, and used once."""

    fault: Fault
    manager: str
    """The package manager of the demonstration."""
    incident: Incident
    """What is shown of it."""
    clock: _WallClock = attrs.field(factory=_WallClock, init=False)
    _faults: Faults = attrs.field(init=False)
    _staged: list[Envelope[Any]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        # The tracebacks of what is meant to happen have no place between the pictures.
        logging.getLogger("callboard").setLevel(logging.CRITICAL)
        # A plan for all of the kernel's life, of which nothing is due before the time has come.
        self._faults = Faults(FaultPlan((attrs.evolve(self.fault, after=float("inf")),)))

    @classmethod
    def of(cls, name: str, manager: str) -> Sabotage:
        """Prepare a fault of `DEMONSTRATED`."""
        planned = FaultPlan.of(name, domain=AIM).faults[0]
        if planned.kind.point is Point.INSTALLER:
            planned = attrs.evolve(planned, times=100)
        incident = Incident(
            name=name,
            meaning=planned.kind.meaning,
            invariant=planned.kind.invariant,
            domain=planned.domain,
            timely=name not in _HOLDS_UP_EVERYTHING,
        )
        return cls(planned, manager, incident)

    @property
    def outside(self) -> Outside:
        """What the kernel has to be opened with."""
        return Outside(
            processes=_Runner(self._faults), around=self._faults.around, wall_clock=self.clock
        )

    async def strike(
        self, kernel: Kernel, element: UIElementId, at: Callable[[], float]
    ) -> list[Envelope[Any]]:
        """Put the fault in, and wait until all is over; ``at`` tells the seconds of the drag.

        Returns the commands that were part of it, which have all ended.
        """
        incident = self.incident
        incident.began = at()

        def note(change: StateChange) -> None:
            again = "" if change.retry_in is None else f"; again in {change.retry_in:.2f} s"
            text = f"{change.actor} {change.old} -> {change.new}: {change.reason}{again}"
            incident.note(at(), text)

        supervisor = kernel._supervisor
        supervisor.add_listener(note)
        self._faults.on_fire = lambda fault: incident.struck_at(at())
        self._faults.plan = FaultPlan((self.fault,))
        await DEMONSTRATED[self.fault.name](self, kernel, element)
        for envelope in self._staged:
            await envelope.wait()
        with trio.move_on_after(_RECOVERY):
            while not _up(kernel):  # noqa: ASYNC110 (there is no event for all of them)
                await trio.sleep(0.05)
        self._faults.end()
        outcomes = Counter(str(envelope.outcome) for envelope in self._staged)
        incident.outcomes = dict(outcomes)
        if outcomes:
            incident.note(at(), "its commands: " + _counts(outcomes))
        await trio.sleep(_AFTERMATH)
        if _up(kernel):
            incident.ended = at()
        return self._staged

    def fire(self) -> None:
        """Note that a fault strikes which is not put into a domain."""
        self._faults.fire(self.fault)

    def post(self, kernel: Kernel, command: Command, timeout: float = _PATIENCE) -> None:
        """Post a command that is part of the fault."""
        self._staged.append(kernel.post(command, sender="saboteur", timeout=timeout))


def _up(kernel: Kernel) -> bool:
    """Whether every domain is up."""
    supervisor = kernel._supervisor
    return all(supervisor.state(name) is ActorState.RUNNING for name in supervisor.names)


def _counts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())


@attrs.define(eq=False)
class _Runner:
    """Runs programs, or something else in their place when that is due."""

    faults: Faults
    inner: TrioProcessRunner = attrs.field(factory=TrioProcessRunner)

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: Callable[[str], object],
    ) -> ProcessResult:
        """Run it."""
        for fault in self.faults.due(Point.INSTALLER):
            self.faults.fire(fault)
            argv = _INSTALLERS[fault.name]
        return await self.inner.run(argv, environ=environ, cwd=cwd, on_line=on_line)


_Disturb = Callable[[Sabotage, Kernel, UIElementId], Awaitable[None]]


def _probes(number: int) -> _Disturb:
    async def disturb(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
        for _number in range(number):
            sabotage.post(kernel, _PROBE)

    return disturb


async def _install(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    command = attrs.evolve(_PROBE, manager=sabotage.manager)
    sabotage.post(kernel, command)


async def _fill_mailbox(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    sabotage.fire()
    for number in range(300):
        call = FunctionCallId(f"fault-{number}")
        sabotage.post(kernel, InvokeFunctionCommand(call, "", "nobody", {}))


async def _flood(sabotage: Sabotage, kernel: Kernel, element: UIElementId) -> None:
    sabotage.fire()
    for number in range(500):
        sabotage.post(kernel, UpdateUIElementCommand([element], [number / 5]))
        await trio.sleep(0.001)


async def _send_twice(sabotage: Sabotage, kernel: Kernel, element: UIElementId) -> None:
    sabotage.fire()
    command = UpdateUIElementCommand([element], [50.0])
    for _ in range(2):
        sabotage.post(kernel, command)


def _scratch(*codes: str, timeout: float = 30.0) -> _Disturb:
    """Run code beside the notebook."""

    async def disturb(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
        sabotage.fire()
        for code in codes:
            sabotage.post(kernel, ExecuteScratchpadCommand(code), timeout)

    return disturb


async def _publish(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    sabotage.fire()
    kernel.publish(AlertNotification("unencodable", object(), None))  # type: ignore[arg-type]


async def _do_not_read(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    sabotage.fire()
    with kernel.subscribe(max_buffer=5, name="slow") as subscription:
        await trio.sleep(2)
        if subscription.lagged is not None:
            began = sabotage.incident.began or 0.0
            sabotage.incident.note(began + 2, f"cut off: {subscription.lagged}")


async def _storm(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    sabotage.fire()
    for number in range(40):
        with kernel.subscribe(name=f"storm{number}") as subscription, trio.move_on_after(0.025):
            async for _frame in subscription:
                pass


async def _jump(sabotage: Sabotage, kernel: Kernel, _: UIElementId) -> None:
    sabotage.fire()
    for wrong_by in (3600.0, -3600.0, 0.0):
        sabotage.clock.wrong_by = wrong_by
        await trio.sleep(0.5)


_LEFTOVER = """\
import asyncio
async def _for_ever():
    while True:
        await asyncio.sleep(10)
asyncio.create_task(_for_ever())
"""

DEMONSTRATED: dict[str, _Disturb] = {
    **dict.fromkeys(
        (
            "handler-crash",
            "late-crash",
            "poison-message",
            "start-crash",
            "cleanup-crash",
            "handler-hang",
            "control-block",
            "cancel-at-checkpoint",
        ),
        _probes(1),
    ),
    "crash-loop": _probes(8),
    **dict.fromkeys(_INSTALLERS, _install),
    "mailbox-full": _fill_mailbox,
    "tick-flood": _flood,
    "duplicate-id": _send_twice,
    "expiry": _scratch("import asyncio\nawait asyncio.sleep(1)", timeout=0.3),
    "user-exit": _scratch("raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit"),
    "gil-held": _scratch("sum(range(25_000_000))"),
    "leftover-task": _scratch(_LEFTOVER),
    "slow-reader": _do_not_read,
    "subscriber-storm": _storm,
    "unencodable": _publish,
    "clock-jump": _jump,
}
"""What there is to show, by the name of the fault."""

_HOLDS_UP_EVERYTHING = frozenset({"control-block", "gil-held", "expiry"})
"""Faults under which nobody promises that the hand is not held up."""


def demonstrated() -> list[FaultKind]:
    """The faults that there is something to show of."""
    return [kind for kind in FAULTS.values() if kind.name in DEMONSTRATED]
