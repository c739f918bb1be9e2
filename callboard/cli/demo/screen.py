"""Where a demonstration is shown: as a live picture on a terminal, as lines anywhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import trio

from callboard.cli.demo.drag import Latencies
from callboard.cli.demo.report import Report
from callboard.cli.demo.stage import Stage
from callboard.cli.terminal import Channel, Terminal

_PICTURES = 8
"""A second."""


@attrs.define(eq=False)
class Screen:
    """Shows a stage."""

    stage: Stage
    terminal: Terminal
    channel: Channel
    live: bool
    """Whether there is a terminal to draw on."""

    def say(self, text: str) -> None:
        """Say what is being done."""
        self.stage.phase = text
        if not self.live:
            self._write(text)

    def log(self, lines: list[str]) -> None:
        """Show lines of the installer's log, where they are not part of a picture."""
        if not self.live:
            for line in lines:
                self._write(f"        {line}")

    async def show(self, *, task_status: trio.TaskStatus[trio.Event]) -> None:
        """Show the stage from now on, until the event is set that this starts with."""
        done = trio.Event()
        task_status.started(done)
        if self.live:
            await self._draw(done)
            return
        while not done.is_set():
            with trio.move_on_after(1.0):
                await done.wait()
                return
            if self.stage.drag.ticks:
                self._write(self._line())

    async def _draw(self, done: trio.Event) -> None:
        descriptor = self.terminal.stdout if self.channel == "stdout" else self.terminal.stderr
        painter = await trio.lowlevel.open_process(
            [sys.executable, "-m", "callboard.cli.demo.painter"],
            stdin=subprocess.PIPE,
            stdout=descriptor,
        )
        from callboard.cli.demo.painter import pack

        assert painter.stdin is not None
        try:
            async with painter.stdin as stream:
                last = False
                while not last:
                    last = done.is_set()
                    await stream.send_all(pack(self.stage.picture()))
                    with trio.move_on_after(1 / _PICTURES):
                        await done.wait()
            await painter.wait()
        except trio.BrokenResourceError:
            self.live = False  # it cannot draw, and has said so
        finally:
            with trio.CancelScope(shield=True):
                await painter.wait()

    def _write(self, text: str) -> None:
        self.terminal.write_line(self.channel, text)

    def _line(self) -> str:
        stage = self.stage
        recent = [tick.latency for tick in stage.drag.ticks[-60:] if tick.caught_up is not None]
        figures = Latencies.of(recent)
        return (
            f"{stage.at:5.1f} s  {len(stage.drag.ticks)} values sent; the last {figures.count}: "
            f"p50 {figures.p50 * 1000:.1f} ms, max {figures.max * 1000:.1f} ms; "
            f"{stage.package}: {stage.package_status}"
        )

    def finish(self, report: Report, svg: Path | None) -> None:
        """Show what came of it, and draw it into a file."""
        self._write("\n".join(["", *report.lines]))
        if svg is not None:
            from callboard.cli.demo.view import as_svg, draw_report

            svg.write_text(as_svg(draw_report(self.stage.picture(), report)), encoding="utf-8")
