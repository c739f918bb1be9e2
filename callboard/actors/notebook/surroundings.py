"""How user code is connected to the process around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import attrs

from callboard.actors.notebook.cell_thread import CellThread
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.interrupts import InterruptGate, ThreadBreaker
from callboard.actors.notebook.namespace import Namespace, capturing_builtins
from callboard.actors.notebook.stdin import Stdin
from callboard.messages.ids import CellId


@attrs.frozen
class Wiring:
    """What the surroundings connect to user code."""

    namespace: Namespace
    console: Console
    stdin: Stdin
    cell_of_caller: Callable[[], CellId | None]
    """The cell that the calling code belongs to."""
    running_cell: Callable[[], CellId | None]
    """The cell that runs now or ran last: the owner of output that tells nothing of its origin."""
    on_foreign_signal: Callable[[], object]
    """To be called for an interrupt that comes from outside, such as Ctrl-C."""


class Surroundings(Protocol):
    """The thread that user code runs on, and what of the process it may change."""

    @property
    def cell_thread(self) -> CellThread:
        """The thread that user code runs on."""

    @property
    def gate(self) -> InterruptGate:
        """What lets interrupts through to user code."""

    @property
    def own_process(self) -> bool:
        """Whether the process is nothing but a kernel, so that its environment is the notebook's."""

    def connect(self, wiring: Wiring) -> AbstractContextManager[None]:
        """Connect user code for the duration of the block, and put everything back after it."""

    def drain(self) -> None:
        """Deliver console output that is still on its way to the console; called when a cell has ended."""


@attrs.define(eq=False)
class Embedded:
    """User code on a thread of its own inside somebody's application.

    Changes no signal handler, no stream, no ``sys.argv`` and no module of the process. ``print`` and ``input`` of the
    notebook's own code are captured; what libraries print goes where the application has it go.
    """

    cell_thread: CellThread = attrs.field(factory=CellThread)
    gate: InterruptGate = attrs.field(factory=InterruptGate)
    own_process: bool = attrs.field(default=False, init=False)

    @contextmanager
    def connect(self, wiring: Wiring) -> Iterator[None]:
        """Start the thread; at the end it is stopped, or left to end if user code does not give way."""

        pid = os.getpid()

        def write(text: str) -> None:
            if os.getpid() != pid:
                # A forked child of user code: the locks of the console may be held by threads that it does not have.
                sys.stdout.write(text)
                return
            cell_id = wiring.cell_of_caller() or wiring.running_cell()
            if cell_id is not None:
                with self.gate.shielded():
                    wiring.console.write(cell_id, "stdout", text)

        def read(prompt: str) -> str:
            return wiring.stdin.ask(wiring.cell_of_caller(), prompt)

        wiring.namespace.override(capturing_builtins(write, read))
        self.cell_thread.start()
        self.gate.breaker = ThreadBreaker(self.cell_thread.ident)
        try:
            yield
        finally:
            self.cell_thread.stop(timeout=0)

    def drain(self) -> None:
        """Nothing is ever on its way: text goes straight to the console."""
