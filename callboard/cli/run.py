"""``callboard run``: a notebook from top to bottom, what it shows on the terminal."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import attrs
import trio

from callboard.cli import fail
from callboard.cli.notebook import Notebook, explain, pose_as_script
from callboard.cli.plain import listed, plain
from callboard.cli.progress import Progress, describe, failed
from callboard.cli.signals import Signals, received_signals
from callboard.cli.terminal import Keyboard, Terminal
from callboard.kernel import Kernel, open_kernel
from callboard.messages.ids import CellId
from callboard.messages.notifications import (
    AlertNotification,
    CellOpNotification,
    InterruptedNotification,
    Notification,
)
from callboard.messages.payloads import CellOutput, InterruptionError
from callboard.percent import NotebookFormatError
from callboard.process import OwnedProcess, run_kernel_process
from callboard.runtime import Outcome, Subscription

FAILED = 1
BAD_USAGE = 2
SIGNALLED = 128
"""Added to the number of the signal that ended the run."""

_EVERYTHING = 1 << 40
"""No bound on what waits to be printed: it is printed to the last before user code may send more."""


def main(options: Namespace) -> int:
    """Run the notebook; returns the exit status."""
    try:
        notebook = Notebook.read(options.notebook)
    except (OSError, NotebookFormatError) as error:
        return fail(explain(options.notebook, error))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    pose_as_script(notebook)
    with received_signals() as signals:
        performance = run_kernel_process(
            partial(_run, notebook, dict(options.set), signals, encoding)
        )
    if performance.unwritable:
        fail(f"what the notebook shows cannot be written: {performance.unwritable}")
    return performance.status


async def _run(
    notebook: Notebook,
    preset: Mapping[str, object],
    signals: Signals,
    encoding: str,
    process: OwnedProcess,
) -> _Performance:
    terminal = Terminal(process.stdout_fd, process.stderr_fd, encoding)
    async with (
        trio.open_nursery() as nursery,
        open_kernel(
            surroundings=process, filename=notebook.filename, preset=preset, drain=0.2
        ) as kernel,
    ):
        questions, asked = trio.open_memory_channel[bool](1000)
        performance = _Performance(notebook, terminal, kernel, questions)
        nursery.start_soon(performance.follow)
        nursery.start_soon(performance.watch, signals)
        nursery.start_soon(_answer, asked, kernel, Keyboard(process.stdin_fd, encoding))
        await performance.play()
        nursery.cancel_scope.cancel()
    return performance


@attrs.define(eq=False)
class _Performance:
    """One run of a notebook, from the first command to the exit status."""

    notebook: Notebook
    terminal: Terminal
    kernel: Kernel
    questions: trio.MemorySendChannel[bool]
    unwritable: str = attrs.field(default="", init=False)
    """Why something could not be printed; empty if everything could, or nobody was there to read it."""
    _status: int = attrs.field(default=0, init=False)
    _ended_by: signal.Signals | None = attrs.field(default=None, init=False)
    _progress: Progress = attrs.field(init=False)
    _subscription: Subscription[Notification] = attrs.field(init=False)
    _playing: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _interrupts: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._progress = Progress([cell.id for cell in self.notebook.cells])
        self._subscription = self.kernel.subscribe(
            max_buffer=_EVERYTHING, max_bytes=_EVERYTHING, name="terminal"
        )

    @property
    def status(self) -> int:
        """The exit status."""
        return self._status if self._ended_by is None else SIGNALLED + self._ended_by

    async def play(self) -> None:
        """Run the notebook to its end, or to that of the user's patience."""
        with self._playing:
            for command in self.notebook.commands():
                envelope = self.kernel.post(command)
            settlement = await envelope.wait()
            await self.kernel.wait_idle()
            if settlement.outcome is not Outcome.COMPLETED and self._ended_by is None:
                self._fail(f"callboard: the kernel did not run it: {settlement.reason}")
        await self.kernel.stop()
        self._print()
        with self._writing():
            for cell_id, output in self._progress.finish():
                self._show(cell_id, output)
            if self._ended_by is None:
                self._look_at_presets()

    async def follow(self) -> None:
        """Print what comes, as it comes."""
        async for frame in self._subscription:
            self._take(frame.message)
            self._print()

    async def watch(self, signals: Signals) -> None:
        """End the run on signals. Ctrl-C interrupts the cell in hand without us; a second one ends the run."""
        pressed = 0
        async for number in signals:
            self._ended_by = self._ended_by or number
            if number != signal.SIGINT or self.kernel.status().run is None:
                self._playing.cancel()
                continue
            self._print()
            # An interrupt is itself a SIGINT to the main thread. Where that is stuck in C code there is none, though.
            pressed += 1
            if self._interrupts > 1 or pressed - self._interrupts > 1:
                self._playing.cancel()

    def _print(self) -> None:
        """Print all there is, without a checkpoint: user code that prints faster waits meanwhile."""
        while (frame := self._subscription.next_nowait()) is not None:
            self._take(frame.message)

    def _take(self, notification: Notification) -> None:
        with self._writing():
            match notification:
                case CellOpNotification():
                    self._take_console(notification)
                    for cell_id, output in self._progress.take(notification):
                        self._show(cell_id, output)
                case AlertNotification():
                    text = f"callboard: {notification.title}: {notification.description}"
                    self.terminal.write_line("stderr", text)
                case InterruptedNotification():
                    self._interrupts += 1

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write in this block. What cannot be written ends the run, and nothing more is tried."""
        try:
            yield
        except OSError as error:
            self.terminal.close()
            self._playing.cancel()
            self._status = FAILED
            if isinstance(error, BrokenPipeError):
                self._ended_by = (
                    signal.SIGPIPE
                )  # as if it had ended the process, as it usually does
            else:
                self.unwritable = str(error.strerror)

    def _take_console(self, op: CellOpNotification) -> None:
        console = op.console
        if isinstance(console, CellOutput):
            console = [console]
        for piece in console or ():
            if piece.channel == "stdin":
                self.terminal.write("stdout", plain(piece))
                self.questions.send_nowait(piece.mimetype == "text/password")
            elif piece.channel == "stderr" and piece.mimetype != "text/plain":
                self.terminal.write_line("stderr", plain(piece))
            elif piece.channel in ("stdout", "stderr"):
                self.terminal.write(piece.channel, plain(piece))
            else:
                self.terminal.show(piece)

    def _show(self, cell_id: CellId, output: CellOutput) -> None:
        if output.channel != "marimo-error" or not isinstance(output.data, list):
            self.terminal.show(output)
            return
        if self._ended_by is not None:
            return  # the traceback tells where; that the rest did not run goes without saying
        for error in output.data:
            line = describe(self.notebook, cell_id, error)
            if not isinstance(error, InterruptionError):
                self.terminal.write_line("stderr", line)
        if failed(output.data):
            self._status = self._status or FAILED

    def _look_at_presets(self) -> None:
        report = self.kernel.preset_report()
        if report.unused:
            there = f"the notebook has {listed(report.elements)}" if report.elements else "none is"
            self._fail(
                f"callboard: no UI element is bound to {listed(report.unused)}; {there}", BAD_USAGE
            )
        for name, reason in sorted(report.refused.items()):
            self._fail(f"callboard: {name!r} does not take the value given: {reason}", BAD_USAGE)

    def _fail(self, line: str, status: int = FAILED) -> None:
        self.terminal.write_line("stderr", line)
        self._status = max(self._status, status)


async def _answer(
    questions: trio.MemoryReceiveChannel[bool], kernel: Kernel, keyboard: Keyboard
) -> None:
    """Pass a line on for each question that user code asks."""
    async for password in questions:
        line = await trio.to_thread.run_sync(
            partial(keyboard.read_line, password=password), abandon_on_cancel=True
        )
        if line is None:
            kernel.close_stdin()
            return
        kernel.send_stdin(line)
