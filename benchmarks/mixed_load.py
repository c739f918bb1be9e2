"""All that a kernel may have to bear, at once and for as long as wanted.

A drag at 30 Hz; cells that are edited, deleted, print, fail, allocate; scratchpads, function calls,
widget messages; questions to all domains; installers, real processes whose program is a line of shell,
that succeed, fail, or hang and are cancelled; readers that come, read at any pace and go or are cut off;
interrupts of long cells; commands that are cancelled and commands that expire. Every actor crashes
again and again: each of its lives gets a fault of its own, and now and then a row of short lives opens
the circuit of its domain.

What happens is drawn from a seed, when it happens also depends on the machine.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import inf
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import attrs
import psutil  # type: ignore[import-untyped]
import trio

from benchmarks.embedded import instantiate
from benchmarks.flood import ASKED, question
from benchmarks.gauges import MEGABYTE
from benchmarks.harness import percentile
from benchmarks.scenario import TICK
from callboard.actors.domain import Domain
from callboard.actors.packages.ports import ProcessResult
from callboard.actors.packages.process import TrioProcessRunner
from callboard.actors.packages.surroundings import Surroundings
from callboard.kernel import Kernel, Outside
from callboard.messages.codec import decode_command
from callboard.messages.commands import (
    Command,
    DeleteCellCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId, FunctionCallId, ModelId, UIElementId
from callboard.messages.notifications import CellOpNotification
from callboard.runtime import Envelope, Lagged, Outcome
from callboard.testing.faults import Fault, FaultPlan, Faults

RATE = 30.0
"""Ticks a second."""
CELLS = {
    "slider": "slider = nb.ui.slider(0, 1_000_000_000)\nslider",
    "view": "time.sleep(0.005)\nf'tick:{slider.value}'",
    "caller": (
        "from callboard.ui.element import UIElement\n"
        "from callboard.ui.functions import Function\n"
        "caller = UIElement(0, functions=[Function('good', lambda: 42),"
        " Function('bad', lambda: 1 / 0)])\n"
        "caller"
    ),
}
EDITS = (
    "value_{n} = {x}\nvalue_{n}",
    "print('x' * 2000)\nvalue_{n} = {x}",
    "raise ValueError({x})",
    "value_{n} = [object() for _ in range(20_000)]\nlen(value_{n})",
    "import asyncio\nawait asyncio.sleep(0.01)\nvalue_{n} = slider.value",
    "import threading\nthreading.Thread(target=print, args=('from a thread',)).start()",
    "import asyncio\nasync def _later():\n    await asyncio.sleep(0.5)\nasyncio.create_task(_later())",
)
EDITED = 5
"""So many cells are edited."""
PROGRAMS = {
    "installed": "echo looking; sleep 0.2; echo done",
    "failed": "echo looking; sleep 0.1; echo no such package >&2; exit 1",
    "killed": "echo looking; kill -9 $$",
    "flooding": "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done",
    "hung": "echo looking; sleep 1000 & sleep 1000; wait",
}
"""What an installer does, in shell."""
LIVES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"ui": (600, 3000), "notebook": (100, 600), "functions": (30, 120), "packages": (10, 40)}
)
"""How many messages an actor handles before it crashes, at least and at most."""
FIRST_LIVES = (3, 20)
SPARED = 10
"""So many messages later an actor crashes that its fault has spared."""
LOOPING = ("functions", "packages")
"""Domains whose actors now and then crash so often that the circuit opens."""
READERS = 30
_MARK = "CALLBOARD_SOAK"
CRASHES = ("handler-crash", "late-crash", "poison-message")


@attrs.define(eq=False)
class Lives:
    """Puts a fault into each life of each actor."""

    rng: Random
    fired: Counter[str] = attrs.field(factory=Counter)
    _short: Counter[str] = attrs.field(factory=Counter)
    """How many short lives are still to come, by domain."""
    _born: Counter[str] = attrs.field(factory=Counter)

    def around(self, domain: Domain) -> Domain:
        """Return a domain whose actors do not live for ever."""
        if domain.name not in LIVES:
            return domain

        def born() -> Any:
            faults = Faults(self.plan(domain.name), self._fire)
            return faults.around(domain).behaviour()

        return attrs.evolve(domain, behaviour=born)

    def plan(self, domain: str) -> FaultPlan:
        """The faults of the next life."""
        rng = self.rng
        self._born[domain] += 1
        if self._short[domain]:
            self._short[domain] -= 1
            return FaultPlan((Fault("handler-crash", domain),))
        if domain in LOOPING and self._born[domain] % 6 == 3:
            self._short[domain] = 6  # more than the restart intensity allows
            self.fired[f"rows of crashes in {domain}"] += 1
        nth = rng.randint(*(FIRST_LIVES if self._born[domain] == 1 else LIVES[domain]))
        cancelled = Fault(
            "cancel-at-checkpoint", domain, nth=rng.randint(1, nth), checkpoint=rng.randint(1, 3)
        )
        crash = Fault(rng.choice(CRASHES), domain, nth=nth)
        # One that strikes late strikes in vain where the handler was cancelled; none lives for ever.
        return FaultPlan((cancelled, crash, Fault("handler-crash", domain, nth=nth + SPARED)))

    def _fire(self, fault: Fault) -> None:
        self.fired[f"{fault.name} in {fault.domain}"] += 1


@attrs.define(eq=False)
class Installers:
    """Runs a line of shell, drawn by lot, in the place of every installer."""

    rng: Random
    programs: Mapping[str, str] = attrs.field(default=MappingProxyType(PROGRAMS))
    ran: Counter[str] = attrs.field(factory=Counter)
    runner: TrioProcessRunner = attrs.field(factory=lambda: TrioProcessRunner(grace=0.5))
    mark: str = attrs.field(factory=lambda: uuid4().hex)
    """In the environment of every program."""

    def left(self) -> list[str]:
        """The programs that still run, whoever's children they are by now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == self.mark:
                    found.append(f"program {process.pid} {' '.join(process.cmdline())}")
            except psutil.Error:
                continue  # It has ended, or is somebody else's.
        return found

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: Callable[[str], object],
    ) -> ProcessResult:
        """See ``ProcessRunner``; whatever installs nothing succeeds."""
        name = self.rng.choice(list(self.programs)) if "install" in argv else ""
        self.ran[f"installers {name}" if name else "other programs"] += 1
        program = ["/bin/sh", "-c", self.programs.get(name, "exit 0")]
        marked = {**environ, _MARK: self.mark}
        return await self.runner.run(program, environ=marked, cwd=cwd, on_line=on_line)


@attrs.define(eq=False)
class Load:
    """Everything at once on one kernel, for ``seconds`` at most."""

    rng: Random
    seconds: float
    lives: Lives = attrs.field(init=False)
    installers: Installers = attrs.field(init=False)
    _counts: Counter[str] = attrs.field(factory=Counter, init=False)
    _sent: array[float] = attrs.field(init=False)
    """When each tick was sent; like ``_waits`` made as long as it can get."""
    _waits: array[float] = attrs.field(init=False)
    _ticks: int = attrs.field(default=0, init=False)
    _shown: int = attrs.field(default=0, init=False)
    """The last tick that was caught up with."""
    _element: UIElementId | None = attrs.field(default=None, init=False)
    _readers: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.lives, self.installers = Lives(self.rng), Installers(self.rng)
        room = bytes(8 * (round(self.seconds * RATE) + 1))
        self._sent, self._waits = array("d", room), array("d", room)

    @property
    def outside(self) -> Outside:
        """What the kernel has to be opened with."""
        return Outside(processes=self.installers, around=self.lives.around)

    @property
    def environment(self) -> Surroundings:
        """The packages the kernel has to be opened with: of nothing that is there."""
        environ = MappingProxyType({"PATH": "/usr/bin:/bin"})
        return Surroundings("/nowhere/python", environ, "/", which=lambda name: None)

    async def prepare(self, kernel: Kernel) -> None:
        """Run the notebook."""
        self._element = await instantiate(kernel, CELLS)

    async def run(self, kernel: Kernel) -> None:
        """Let it all happen, until cancelled or for `seconds`."""
        with trio.move_on_after(self.seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drag, kernel)
                nursery.start_soon(self._read, kernel)
                for pause, what in (
                    (0.2, self._edit),
                    (1.0, self._scratch),
                    (0.3, self._call),
                    (0.1, self._model),
                    (0.1, self._ask),
                    (2.0, self._install),
                    (3.0, self._interrupt),
                    (0.5, self._cancel),
                    (0.5, self._expire),
                ):
                    nursery.start_soon(self._again_and_again, pause, partial(what, kernel))
                coming = partial(self._come, kernel, nursery)
                nursery.start_soon(self._again_and_again, 0.1, coming)

    def ticks(self) -> tuple[list[float], list[float]]:
        """When each tick was sent, in seconds since the first, and how long it took; inf for never."""
        sent = self._sent[: self._ticks].tolist()
        waits = [self._waits[place] if place < self._shown else inf for place in range(self._ticks)]
        # The last ones are not waited for.
        whole = [pair for pair in zip(sent, waits, strict=True) if pair[1] != inf]
        return [at - sent[0] for at, _ in whole], [wait for _, wait in whole]

    def latest(self, count: int = 300) -> Sequence[float]:
        """How long the ticks of late took."""
        return self._waits[max(0, self._shown - count) : self._shown]

    @property
    def happened(self) -> Counter[str]:
        """How often what happened."""
        return self._counts + self.lives.fired + self.installers.ran

    def missing(self) -> list[str]:
        """What was to happen and did not."""
        wanted = ["edits", "scratchpads", "calls", "widget messages", "questions", "interrupts"]
        wanted += ["cancelled", "expired", "readers", "readers cut off", "installers hung"]
        happened = self.happened
        crashed = {
            domain for domain in LIVES if any(happened[f"{name} in {domain}"] for name in CRASHES)
        }
        wanted = [name for name in wanted if not happened[name]]
        return wanted + [f"crashes in {domain}" for domain in LIVES if domain not in crashed]

    async def _again_and_again(self, pause: float, act: Callable[[], Awaitable[object]]) -> None:
        while True:
            await trio.sleep(self.rng.uniform(0, 2 * pause))
            await act()

    async def _drag(self, kernel: Kernel) -> None:
        started = time.perf_counter()
        assert self._element is not None
        for number in range(len(self._sent)):
            await trio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
            self._sent[number] = time.perf_counter()
            self._ticks = number + 1
            kernel.post(
                UpdateUIElementCommand([self._element], [number + 1], token=f"tick-{number + 1}")
            )

    async def _read(self, kernel: Kernel) -> None:
        with kernel.subscribe(max_buffer=100_000, name="drag") as frames:
            async for frame in frames:
                message = frame.message
                if not isinstance(message, CellOpNotification) or message.cell_id != "view":
                    continue
                found = TICK.search(str(message.output.data)) if message.output else None
                value = int(found.group(1)) if found else 0
                now = time.perf_counter()
                while self._shown < min(value, self._ticks):
                    self._waits[self._shown] = now - self._sent[self._shown]
                    self._shown += 1

    def _post(
        self, kernel: Kernel, name: str, command: Command, timeout: float = inf
    ) -> Envelope[Any]:
        self._counts[name] += 1
        return kernel.post(command, timeout=timeout)

    async def _edit(self, kernel: Kernel) -> None:
        number = self.rng.randrange(EDITED)
        cell = CellId(f"edited-{number}")
        if self.rng.random() < 0.1:
            self._post(kernel, "deletions", DeleteCellCommand(cell))
        else:
            code = self.rng.choice(EDITS).format(n=number, x=self.rng.randrange(1_000_000))
            self._post(kernel, "edits", ExecuteCellsCommand([cell], [code]))

    async def _scratch(self, kernel: Kernel) -> None:
        code = self.rng.choice(("slider.value", "1 / 0", "print('scratch')", "x = 1\nx"))
        self._post(kernel, "scratchpads", ExecuteScratchpadCommand(code))

    async def _call(self, kernel: Kernel) -> None:
        self._counts["calls"] += 1
        call = FunctionCallId(f"call-{self._counts['calls']}")
        function = self.rng.choice(("good", "bad", "none"))
        kernel.post(InvokeFunctionCommand(call, "caller-0", function, {}))

    async def _model(self, kernel: Kernel) -> None:
        model, rng = ModelId(f"model-{self.rng.randrange(3)}"), self.rng
        if rng.random() < 0.2:
            command = ModelCommand(model, ModelCustomMessage({"n": 1}), [])
        else:
            command = ModelCommand(model, ModelUpdateMessage({"k": rng.random()}, [["b"]]), [b"0"])
        self._post(kernel, "widget messages", command)

    async def _ask(self, kernel: Kernel) -> None:
        number = self._counts["questions"]
        asked = question(self.rng.choice(ASKED), number)
        self._post(kernel, "questions", decode_command(json.dumps(asked)))

    async def _install(self, kernel: Kernel) -> None:
        """Install, and do not wait for more than two seconds."""
        version = f"1.{self._counts['installations']}"
        command = InstallPackagesCommand("pip", {f"soaked-{self.rng.randrange(5)}": version})
        envelope = self._post(kernel, "installations", command)
        try:
            with trio.move_on_after(2.0):
                await envelope.wait()
        finally:
            # Also at the end of the load: a program that hangs would be waited for.
            kernel.cancel(envelope, "it takes too long")
        await envelope.wait()

    async def _interrupt(self, kernel: Kernel) -> None:
        cell, code = CellId("long"), "for _ in range(20):\n    time.sleep(0.02)"
        self._post(kernel, "long cells", ExecuteCellsCommand([cell], [code]))
        await trio.sleep(self.rng.uniform(0.0, 0.2))
        if kernel.interrupt():
            self._counts["interrupts"] += 1

    async def _cancel(self, kernel: Kernel) -> None:
        code = "import asyncio\nawait asyncio.sleep(0.1)"
        envelope = self._post(kernel, "to be cancelled", ExecuteScratchpadCommand(code))
        await trio.sleep(self.rng.uniform(0.0, 0.1))
        kernel.cancel(envelope)
        if (await envelope.wait()).outcome is Outcome.CANCELLED:
            self._counts["cancelled"] += 1

    async def _expire(self, kernel: Kernel) -> None:
        command = ExecuteScratchpadCommand("time.sleep(0.01)")
        timeout = self.rng.uniform(0.0, 0.02)
        envelope = self._post(kernel, "with a deadline", command, timeout=timeout)
        if (await envelope.wait()).outcome is Outcome.EXPIRED:
            self._counts["expired"] += 1

    async def _come(self, kernel: Kernel, nursery: trio.Nursery) -> None:
        if self._readers < READERS:
            self._counts["readers"] += 1
            nursery.start_soon(self._be_reader, kernel)

    async def _be_reader(self, kernel: Kernel) -> None:
        rng = self.rng
        pause = rng.choice((0.0, 0.0, 0.01, 0.1, inf))
        last = kernel.status().last_seq
        since = rng.choice((None, max(0, last - rng.randrange(20_000))))
        self._readers += 1
        try:
            with (
                trio.move_on_after(rng.uniform(0.1, 10.0)),
                kernel.subscribe(since=since, max_buffer=rng.choice((20, 200, 5000))) as frames,
            ):
                while pause == inf:
                    await trio.sleep(0.1)
                    if frames.lagged is not None:
                        self._counts["readers cut off"] += 1
                        return
                async for _ in frames:
                    await trio.sleep(pause)
        except Lagged:
            self._counts["readers cut off"] += 1
        finally:
            self._readers -= 1


@attrs.define(eq=False)
class Progress:
    """A line every now and then on standard error."""

    seconds: float
    _next: float = 0.0

    def show(self, now: float, memory: float, load: Load) -> None:
        """Say how it goes, if it is time."""
        if now < self._next:
            return
        self._next = now + max(1.0, self.seconds / 60)
        waits = load.latest()
        p50, p99 = (percentile(waits, share) * 1000 if waits else 0.0 for share in (0.5, 0.99))
        crashes = sum(load.lives.fired.values())
        print(
            f"{now / 60:5.1f} of {self.seconds / 60:.1f} min"
            f"  {memory / MEGABYTE:6.1f} MB  p50 {p50:5.1f} ms  p99 {p99:6.1f} ms"
            f"  {crashes} faults  {sum(load.happened.values())} events",
            file=sys.stderr,
            flush=True,
        )
