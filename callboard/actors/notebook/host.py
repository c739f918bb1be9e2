"""callboard's own notebook host: the engine on the cell thread, called from the control thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import attrs
import trio
from outcome import capture

from callboard.actors.host import HostError, NotebookCommand, Run
from callboard.actors.notebook.cell_thread import CellThread
from callboard.actors.notebook.engine import Engine
from callboard.actors.notebook.failures import message_of, traceback_text
from callboard.actors.notebook.interludes import Interlude
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.actors.notebook.queries import interrupt_connections
from callboard.actors.notebook.variables import class_name
from callboard.messages.commands import InvokeFunctionCommand, ModelCommand
from callboard.messages.conflation import UIBatch
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.runtime import CallExited, Closed, Ingress

T = TypeVar("T")

_GATHER = 0.002
"""Seconds that what a call emits may wait for what it emits next; once that long nothing came, it waits no more."""


@attrs.define(eq=False)
class EngineHost:
    """Sends each call to the cell thread and waits for its end.

    ``back`` takes the end of a call to the control thread behind every notification emitted so far, which is what
    makes "emitted before it returns" true. What quick cells emit gathers there for a moment: a call that is over in
    less costs one change of threads, not one for each notification.
    """

    engine: Engine
    cell_thread: CellThread
    gate: InterruptGate
    back: Ingress[Any]
    find_missing: Callable[[Iterable[str]], frozenset[str]]
    """Tells which of some modules cannot be found."""
    grace: float = 2.0
    """Seconds that cancelled user code gets to give way before its call is abandoned."""
    wall_clock: Callable[[], float] = time.time
    """Unix seconds, to be compared with the timestamps of commands."""
    abandoned: list[Run] = attrs.field(factory=list, init=False)
    """Runs that did not give way; they keep the cell thread until they end."""

    async def execute(self, command: NotebookCommand, run: Run) -> None:
        """Carry out a notebook command."""
        await self._call(lambda: self.engine.execute(command, run), run)

    async def apply_ui(self, batch: UIBatch, run: Run) -> None:
        """Set values, call callbacks, run dependants."""
        await self._call(lambda: self.engine.apply_ui(batch, run), run)

    async def custom_message(self, command: ModelCommand, run: Run) -> None:
        """Hand a message to a widget model."""
        await self._call(lambda: self.engine.custom_message(command, run), run)

    async def run_owed(self, run: Run) -> None:
        """Run what was left to a newer tick."""
        await self._call(lambda: self.engine.run_owed(run), run)

    async def invoke(
        self, command: InvokeFunctionCommand, run: Run
    ) -> FunctionCallResultNotification:
        """Call a function."""
        return await self._call(lambda: self.engine.invoke(command, run), run)

    async def packages_installed(self, modules: Collection[str], run: Run) -> None:
        """Run what new modules unblock."""
        await self._call(lambda: self.engine.packages_installed(modules, run), run)

    def missing_modules(self) -> frozenset[str]:
        """Return the modules that registered cells import and that cannot be found."""
        return self.find_missing(self.engine.book.imported_modules())

    def owes_cells(self) -> bool:
        """Tell whether cells wait for a tick that took them over."""
        return self.engine.owes_cells

    def interrupt(self, run: Run) -> None:
        """Interrupt one run, and any abandoned one that still keeps the cell thread from it."""
        self.engine.interrupted_at = self.wall_clock()
        for stuck in self.abandoned:
            self._break(stuck)
        self._break(run)

    def _break(self, run: Run) -> None:
        """Break the code of a run, and before that the databases that it waits for: these do not hear of it."""
        run.interrupted = True
        book = self.engine.book
        book.queries.interrupt(self.cell_thread.ident, run.current)
        interrupt_connections(tuple(book.namespace.values.values()))
        self.gate.interrupt(run)

    async def between_cells(
        self,
        function: Callable[[], T],
        *,
        limit: float,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call a function on the cell thread while no user code runs."""
        started, done = trio.Event(), trio.Event()

        def ended() -> None:
            done.set()
            if interlude.run in self.abandoned:
                self.abandoned.remove(interlude.run)

        interlude = Interlude(
            function, on_start=lambda: self._back(started.set), on_end=lambda: self._back(ended)
        )
        self.engine.interludes.add(interlude)
        self.cell_thread.submit(self._play)
        try:
            await started.wait()
            with trio.fail_after(limit):
                await done.wait()
        except BaseException:
            interlude.given_up = True
            # Not whether the word that it started has come, which may still be on its way.
            if interlude.begun and not done.is_set():
                self.abandoned.append(interlude.run)
                self.gate.interrupt(interlude.run)
                if interrupt is not None:
                    with suppress(Exception):  # no more threads: it ends by itself, or does not
                        trio.lowlevel.start_thread_soon(partial(capture, interrupt), _ignore)
            raise
        assert interlude.ended is not None
        error = interlude.ended.error
        if isinstance(error, Exception):
            raise error
        if error is not None:
            raise CallExited(error)
        value: T = interlude.ended.value
        return value

    async def _play(self) -> None:
        self.engine.interludes.play()

    def _back(self, call: Callable[[], object]) -> None:
        with suppress(Closed):  # the kernel did not wait for it any longer
            self.back.put(call)

    async def _call(self, job: Callable[[], Coroutine[Any, Any, T]], run: Run) -> T:
        done = trio.Event()
        result: list[T] = []
        failure: list[BaseException] = []
        started: list[bool] = []
        given_up: list[bool] = []

        def ended() -> None:
            done.set()
            if run in self.abandoned:
                self.abandoned.remove(run)

        async def on_cell_thread() -> None:
            if given_up:
                return  # its command has been answered; what it would do now would come too late
            started.append(True)
            try:
                result.append(await job())
            except BaseException as error:
                failure.append(error)
            finally:
                self._back(ended)
                self.back.release()

        self.back.hold()
        try:
            with trio.move_on_after(_GATHER):
                # Last, for whatever this thread does after it delays the other one.
                self.cell_thread.submit(on_cell_thread)
                await done.wait()
            while not done.is_set() and self.back.flush():
                with trio.move_on_after(_GATHER):
                    await done.wait()
            if not done.is_set():
                self.back.release()
                await done.wait()
        except trio.Cancelled:
            # User code must not overlap user code, so leaving early is no way out: break it and wait.
            self.back.release()
            self._break(run)
            with trio.move_on_after(self.grace, shield=True):
                await done.wait()
            if not done.is_set():
                given_up.append(True)
                if started:
                    self.abandoned.append(run)
            raise
        if failure:
            error = failure[0]
            if isinstance(error, HostError):
                raise error
            # Without the error itself: it may be of a user's class, whose text is made by user code.
            crash = EngineCrash(f"{run.label}: {class_name(error)}: {message_of(error)}")
            crash.add_note(traceback_text(error, own_frames=True))
            raise crash
        return result[0]


def _ignore(_: object) -> None:
    """Nobody waits for it."""


class EngineCrash(Exception):
    """The engine itself failed: a defect of callboard, not of user code."""
