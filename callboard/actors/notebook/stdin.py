"""Questions of user code to the user: ``input()`` and ``getpass``."""

from __future__ import annotations

import queue
from collections.abc import Callable

import attrs

from callboard.actors.notebook.console import Console
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import CellOutput

_POLL = 0.05
"""Seconds between looks: an interrupt of a thread other than the main one lands only between bytecodes."""


@attrs.define(eq=False)
class Stdin:
    """Asks by a console message and waits for the next line of a channel of its own.

    ``feed`` may be called from any thread; a line that comes before anybody asks answers the next question, at most
    ``limit`` of them (a further one is refused). ``ask`` blocks the cell thread; an interrupt ends it.
    """

    console: Console
    emit: Callable[[CellOpNotification], object]
    gate: InterruptGate
    limit: int = 1000
    closed: bool = False
    _lines: queue.SimpleQueue[str] = attrs.field(factory=queue.SimpleQueue, init=False)

    def feed(self, line: str) -> bool:
        """Answer a question; False when more lines wait than are kept, or none is taken any more."""
        if self.closed or self._lines.qsize() >= self.limit:
            return False
        self._lines.put(line)
        return True

    def close(self) -> None:
        """Take no more lines: questions beyond those that have come, the waiting one included, raise ``EOFError``."""
        self.closed = True

    def ask(self, cell_id: CellId | None, prompt: str, *, password: bool = False) -> str:
        """Send the prompt and wait for the answer, without its line end.

        Raises:
            EOFError: there is no channel to read from (run mode), or it was closed and its lines are used up.
        """
        if cell_id is None or (self.closed and self._lines.empty()):
            raise EOFError("this kernel has no standard input")
        question = CellOutput.prompt(prompt, password=password)
        with self.gate.shielded():
            self.console.flush()
            self.emit(CellOpNotification(cell_id=cell_id, console=question))
        while True:
            last = self.closed  # looked at first: whoever closes it has put in all lines before
            try:
                return self._lines.get(timeout=_POLL).rstrip("\n")
            except queue.Empty:
                if last:
                    raise EOFError("the standard input of this kernel was closed") from None
