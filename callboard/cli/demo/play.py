"""The demonstration itself: one task drags, one installs, one takes the time of what comes back."""

from __future__ import annotations

import json
import re
import signal
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.actors.packages.environment import EnvironmentNotMade
from callboard.cli.demo.drag import RATE, Latencies
from callboard.cli.demo.installation import Installation, prepare
from callboard.cli.demo.report import Report
from callboard.cli.demo.screen import Screen
from callboard.cli.demo.stage import Stage
from callboard.cli.notebook import Notebook
from callboard.cli.signals import Signals
from callboard.cli.terminal import Terminal
from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import UpdateUIElementCommand
from callboard.messages.ids import UIElementId
from callboard.messages.notifications import (
    AlertNotification,
    CellOpNotification,
    CommandSettledNotification,
    InstallingPackageAlertNotification,
    Notification,
)
from callboard.process import OwnedProcess
from callboard.runtime import Subscription

if TYPE_CHECKING:
    from callboard.cli.demo.sabotage import Sabotage

_BEFORE = 1 / 3
"""How much of the drag comes before the installation."""
_BETWEEN = 0.5
"""Seconds of dragging between a fault and the installation."""
_AFTER = 1.0
"""Seconds of dragging that come after it, at least."""
_LONGEST_INSTALL = 120.0
_LAST_VALUE = 10.0
"""Seconds that the last value gets to come."""
_ELEMENT = re.compile(r'object-id="([^"]+)"')


async def play(
    options: Namespace,
    notebook: Notebook,
    directory: Path,
    signals: Signals,
    process: OwnedProcess,
    *,
    live: bool,
) -> int:
    """Play it, and say what came of it; returns the exit status."""
    stage = Stage(options.seconds)
    terminal = Terminal(process.stdout_fd, process.stderr_fd)
    screen = Screen(stage, terminal, "stderr" if options.json else "stdout", live)
    ended_by: list[signal.Signals] = []
    report: Report | None = None
    failure = ""
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            async for number in signals:
                ended_by.append(number)
                nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        async with trio.open_nursery() as showing:
            done = await showing.start(screen.show)
            try:
                installation = await prepare(directory, screen.say)
                screen.say(f"installing {installation.package}: {installation.source}")
                sabotage = None
                if options.fault is not None:
                    # The testing kit, which nothing else of the demonstration needs.
                    from callboard.cli.demo.sabotage import Sabotage

                    sabotage = Sabotage.of(options.fault, installation.manager)
                    stage.incident = sabotage.incident
                report = await _perform(stage, screen, notebook, installation, process, sabotage)
                failure = f"{notebook.path} did not run"
            except EnvironmentNotMade as error:
                failure = f"there is no environment to install into: {error}"
            done.set()
        nursery.cancel_scope.cancel()
    if ended_by:
        return 128 + ended_by[0]
    if report is None:
        terminal.write_line("stderr", f"callboard: {failure}")
        return 1
    screen.finish(report, options.svg)
    if options.json:
        terminal.write_line("stdout", json.dumps(report.as_json(), indent=2))
    return 1 if report.broken else 0


async def _perform(
    stage: Stage,
    screen: Screen,
    notebook: Notebook,
    installation: Installation,
    process: OwnedProcess,
    sabotage: Sabotage | None,
) -> Report | None:
    """Drag, and install meanwhile; None if the notebook does not run."""
    stage.package, stage.source = installation.package, installation.source
    async with (
        open_kernel(
            surroundings=process,
            filename=notebook.filename,
            packages=installation.surroundings,
            outside=None if sabotage is None else sabotage.outside,
            drain=1.0,
        ) as kernel,
        trio.open_nursery() as nursery,
    ):
        performance = _Performance(kernel, stage, screen, installation, sabotage)
        nursery.start_soon(performance.follow)
        element = await performance.start(notebook)
        report = None
        if element is not None:
            nursery.start_soon(performance.look)
            async with trio.open_nursery() as playing:
                playing.start_soon(performance.install, element)
                playing.start_soon(performance.drag, element)
            await performance.wait_for_the_last()
            report = performance.report()
        nursery.cancel_scope.cancel()
    return report


@attrs.define(eq=False)
class _Performance:
    """The driver: sends values, installs the package, and takes the time of what comes back.

    One clock throughout. A tick's time begins right before it is posted and ends when this subscriber, one like any
    other, has got the output.
    """

    kernel: Kernel
    stage: Stage
    screen: Screen
    installation: Installation
    sabotage: Sabotage | None = None
    posted: int = 0
    settlements: int = 0
    skipped: int = 0
    _cells_before: int = attrs.field(default=0, init=False)
    _waited_before: float | None = attrs.field(default=None, init=False)
    _began: float = attrs.field(default=0.0, init=False)
    _subscription: Subscription[Notification] = attrs.field(init=False)
    _heard: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._subscription = self.kernel.subscribe(max_buffer=100_000, name="demo")

    async def start(self, notebook: Notebook) -> UIElementId | None:
        """Run the notebook; returns its slider, None if it has not come to show one."""
        for command in notebook.commands():
            self.posted += 1
            await self.kernel.ask(command)
        await self._until(lambda: self.settlements == self.posted)
        element = _ELEMENT.search(self.stage.outputs.get("position", ""))
        if element is None or "landscape" not in self.stage.outputs:
            return None
        self._cells_before = self.kernel.status().run_cells
        self._waited_before = _waited_for_processor()
        self._began = perf_counter()
        return UIElementId(element[1])

    async def drag(self, element: UIElementId) -> None:
        """Send 60 values a second until the time is over and the package installed."""
        drag, stage = self.stage.drag, self.stage
        began, slot = trio.current_time(), 0
        while not self._is_over():
            await trio.sleep_until(began + slot / RATE)
            value = drag.next_value(slot / RATE)
            command = UpdateUIElementCommand([element], [value])
            drag.send(value, perf_counter(), installing=stage.installing, disturbed=stage.disturbed)
            self.posted += 1
            self.kernel.post(command, sender="hand")
            # A hand does not make up for what it has missed.
            due = int((trio.current_time() - began) * RATE) + 1
            self.skipped += max(0, due - slot - 1)
            slot = max(slot + 1, due)

    def _is_over(self) -> bool:
        stage = self.stage
        stage.at = perf_counter() - self._began
        ended = stage.install_ended
        return ended is not None and stage.at >= max(stage.seconds, ended + _AFTER)

    async def install(self, element: UIElementId) -> None:
        """Install the package, when it is time; before that, put in the fault if there is one."""
        stage = self.stage
        await trio.sleep(stage.seconds * _BEFORE)
        if self.sabotage is not None:
            self.screen.say(f"{self.sabotage.incident.name} strikes")
            staged = await self.sabotage.strike(
                self.kernel, element, lambda: perf_counter() - self._began
            )
            self.posted += len(staged)
            self.screen.log(self.sabotage.incident.story)
            await trio.sleep(_BETWEEN)
        stage.install_began = perf_counter() - self._began
        self.posted += 1
        envelope = self.kernel.post(self.installation.command(), timeout=_LONGEST_INSTALL)
        settlement = await envelope.wait()
        stage.install_ended = perf_counter() - self._began
        if settlement.reason:
            self.screen.log(stage.log_text(settlement.reason))

    async def follow(self) -> None:
        """Take note of every notification when it comes."""
        async for frame in self._subscription:
            at, notification = perf_counter(), frame.message
            match notification:
                case CellOpNotification():
                    self._take_output(notification, at)
                case CommandSettledNotification():
                    self.settlements += 1
                case InstallingPackageAlertNotification():
                    package = self.installation.package
                    self.stage.package_status = notification.packages.get(package, "waiting")
                    for text in (notification.logs or {}).values():
                        self.screen.log(self.stage.log_text(text))
                case AlertNotification():
                    text = f"{notification.title}: {notification.description}"
                    self.screen.log(self.stage.log_text(text))
            self._heard.set()
            self._heard = trio.Event()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._heard.wait()

    def _take_output(self, op: CellOpNotification, at: float) -> None:
        if op.output is None or not isinstance(op.output.data, str):
            return
        if op.cell_id == "landscape":
            self.stage.drag.show(op.output.data, at)
        self.stage.outputs[op.cell_id] = op.output.data

    async def look(self) -> None:
        """Look at the actors four times a second."""
        while True:
            self.stage.status = self.kernel.status()
            await trio.sleep(0.25)

    async def wait_for_the_last(self) -> None:
        """Wait for the last value, and for the end of every command."""
        with trio.move_on_after(_LAST_VALUE):
            await self._until(lambda: self.stage.drag.caught_up)
            await self.kernel.wait_idle()
            await self._until(lambda: self.settlements == self.posted)

    def report(self) -> Report:
        """Sum up."""
        stage, drag = self.stage, self.stage.drag
        stage.status = status = self.kernel.status()
        actors = status.actors
        return Report(
            seconds=stage.at,
            idle=Latencies.of(drag.latencies(installing=False)),
            installing=Latencies.of(drag.latencies(installing=True)),
            sent=len(drag.ticks),
            shown=drag.shown,
            skipped=self.skipped,
            last_sent=drag.ticks[-1].value,
            last_shown=drag.last_shown,
            cell_runs=status.run_cells - self._cells_before,
            package=stage.package,
            source=stage.source,
            installed=stage.package_status == "installed" and self.installation.done,
            install_seconds=stage.install_seconds,
            log_lines=stage.log_lines,
            posted=self.posted,
            settlements=self.settlements,
            accepted=actors.accepted,
            rejected=actors.rejected,
            in_flight=actors.in_flight,
            outcomes=dict(actors.outcomes),
            waited=_difference(self._waited_before, _waited_for_processor()),
            restarts=sum(actor.restarts for actor in actors.actors),
            listener_errors=actors.listener_errors,
            incident=stage.incident,
            disturbed=Latencies.of(drag.latencies_disturbed()),
            restarts_aimed_at=sum(
                actor.restarts
                for actor in actors.actors
                if stage.incident is not None and actor.name == stage.incident.domain
            ),
        )


def _waited_for_processor() -> float | None:
    """How long the main thread, the one of the cells, has been ready to run without running, in seconds."""
    try:
        with open("/proc/self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None  # not Linux, or not told


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
