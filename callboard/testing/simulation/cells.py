"""User code in the thread of the simulation: an asyncio loop that trio turns, on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import attrs
import trio

from callboard.actors.notebook.cell_thread import CellThread
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.actors.notebook.namespace import capturing_builtins
from callboard.actors.notebook.surroundings import Wiring


class _NoFiles:
    """The selector of a loop that watches nothing."""

    def select(self, timeout: float | None = None) -> list[Any]:
        return []


class TurnedLoop(asyncio.BaseEventLoop):
    """An asyncio loop without a thread, turned by a trio task; its time is trio's.

    It has no files, sockets, processes or threads: what user code of a simulation does there has to be simulated.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoFiles()
        self._called = trio.Event()

    def time(self) -> float:
        """Now, on the clock of the trio run."""
        return trio.current_time()

    def turn(self) -> None:
        """Call what is ready, once; what a callback lets out of its own accord comes out of here."""
        self.stop()
        self.run_forever()

    async def wait_ready(self) -> None:
        """Wait until there is something to call, or `call_soon_threadsafe` was called. A checkpoint."""
        if self._ready:
            await trio.lowlevel.checkpoint()
            return
        self._called = trio.Event()
        with trio.move_on_at(self._scheduled[0]._when if self._scheduled else inf):
            await self._called.wait()

    def _write_to_self(self) -> None:
        self._called.set()

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing is watched, so nothing happens."""

    _ready: Any
    _scheduled: Any


@attrs.define(eq=False)
class SimulatedCells(CellThread):
    """Runs jobs as the cell thread does, between the steps of the other trio tasks."""

    _loop: asyncio.AbstractEventLoop = attrs.field(factory=TurnedLoop, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)

    def start(self, name: str = "simulated cells") -> None:
        """Start the task that turns the loop."""
        self._ident = threading.get_ident()
        self._started.set()
        trio.lowlevel.spawn_system_task(self._turn, name=name)

    def stop(self, timeout: float = 1.0) -> bool:
        """Have the task end after the job in hand; returns whether it has."""
        self._stopping = True
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + timeout)
        if isinstance(self._loop, TurnedLoop):
            self._loop._called.set()
        return self._ended.is_set()

    async def aclose(self) -> None:
        """Stop, and wait until the task has ended; user code that does not give way is left where it is."""
        self.stop()
        await self._ended.wait()

    async def _turn(self) -> None:
        loop = self._loop
        assert isinstance(loop, TurnedLoop)
        try:
            with self._scope:
                while not (self._stopping and self._busy is None):
                    # As on the thread: a background task of user code that raises one of these ends itself.
                    with contextlib.suppress(SystemExit, KeyboardInterrupt):
                        loop.turn()
                    await loop.wait_ready()
        finally:
            self._discard(loop)
            self._ended.set()

    def _discard(self, loop: TurnedLoop) -> None:
        self._jobs.clear()
        for _ in range(10):
            tasks = asyncio.all_tasks(loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.turn()
        for task in asyncio.all_tasks(loop):
            # Its code waits on, whatever is done; asyncio is not to complain about that later.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()


@attrs.define(eq=False)
class SimulatedSurroundings:
    """User code on virtual time in the trio thread; to be made inside the trio run.

    ``await asyncio.sleep(...)`` in a cell takes virtual time, and other tasks run meanwhile; synchronous code takes
    none. An interrupt breaks such a wait; synchronous code cannot be broken, for nobody else runs meanwhile.
    ``input`` finds no standard input.
    """

    cell_thread: SimulatedCells = attrs.field(factory=SimulatedCells)
    gate: InterruptGate = attrs.field(factory=InterruptGate)
    own_process: bool = attrs.field(default=False, init=False)

    @contextmanager
    def connect(self, wiring: Wiring) -> Iterator[None]:
        """Start the loop for the duration of the block."""

        def write(text: str) -> None:
            cell_id = wiring.cell_of_caller() or wiring.running_cell()
            if cell_id is not None:
                wiring.console.write(cell_id, "stdout", text)

        def read(prompt: str) -> str:
            raise EOFError("a simulation has no standard input")

        wiring.namespace.override(capturing_builtins(write, read))
        self.cell_thread.start()
        try:
            yield
        finally:
            self.cell_thread.stop(timeout=0)

    def drain(self) -> None:
        """Nothing is ever on its way: text goes straight to the console."""
