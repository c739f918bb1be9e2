"""What cells show: the value of the last expression, or what they added to their output while running."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from callboard.actors.notebook.console import Console
from callboard.actors.notebook.formatting import Formatted, format_output, stack
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.actors.notebook.kinds import is_a
from callboard.messages.ids import CellId
from callboard.messages.payloads import CellOutput

_HOLDS_NOTHING = (str, bytes, int, float, complex, bool, type(None), type)
"""Values of these kinds hold no element, so their output needs nothing kept alive."""


@attrs.define(eq=False)
class Outputs:
    """Formats and sends what cells show, and keeps alive what a page may still refer to.

    ``append``, ``replace`` and ``clear`` may be called from any thread of user code; each sends the whole stack
    again. A value whose rich formatter fails is shown by its plain form, with the traceback on the console.
    """

    send: Callable[[CellId, CellOutput], object]
    console: Console
    gate: InterruptGate
    max_bytes: int
    import_errors: list[ImportError] = attrs.field(factory=list, init=False)
    """What formatters could not import since the last look: these count as missing packages."""
    _stacks: dict[CellId, list[Formatted]] = attrs.field(factory=dict, init=False)
    _kept: dict[CellId, list[object]] = attrs.field(factory=dict, init=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)

    def begin(self, cell_id: CellId) -> None:
        """Forget what an earlier execution of the cell appended."""
        self._stacks.pop(cell_id, None)

    def append(self, cell_id: CellId, value: object) -> None:
        """Show a value below what the cell shows."""
        formatted = self._format(cell_id, value)
        with self.gate.shielded(), self._lock:
            self._stacks.setdefault(cell_id, []).append(formatted)
            self._send(cell_id)

    def replace(self, cell_id: CellId, value: object) -> None:
        """Show a value alone."""
        formatted = self._format(cell_id, value)
        with self.gate.shielded(), self._lock:
            self._stacks[cell_id] = [formatted]
            self._send(cell_id)

    def clear(self, cell_id: CellId) -> None:
        """Show nothing."""
        with self.gate.shielded(), self._lock:
            self._stacks[cell_id] = []
            self._send(cell_id)

    def result(self, cell_id: CellId, value: object) -> CellOutput | None:
        """Return the output to send when a cell has ended with ``value``; None when all has been sent."""
        with self._lock:
            stacked = self._stacks.get(cell_id)
            if stacked is None:
                return _output(self._format(cell_id, value))
            if value is None:
                return None
            stacked.append(self._format(cell_id, value))
            return _output(stack(stacked, self.max_bytes))

    def release(self, cell_id: CellId) -> None:
        """Let go of what the cell's output kept alive."""
        self._kept.pop(cell_id, None)
        self._stacks.pop(cell_id, None)

    def take_import_errors(self) -> list[ImportError]:
        """Return and forget what formatters could not import."""
        errors, self.import_errors = self.import_errors, []
        return errors

    def _format(self, cell_id: CellId, value: object) -> Formatted:
        formatted = format_output(value, self.max_bytes)
        if not issubclass(type(value), _HOLDS_NOTHING):
            self._kept.setdefault(cell_id, []).append(value)
        failure = formatted.failure
        if failure is not None:
            if is_a(failure, ImportError):
                self.import_errors.append(failure)
            self.console.write(cell_id, "stderr", formatted.failure_text)
        return formatted

    def _send(self, cell_id: CellId) -> None:
        self.send(cell_id, _output(stack(self._stacks[cell_id], self.max_bytes)))


def _output(formatted: Formatted) -> CellOutput:
    return CellOutput(channel="output", mimetype=formatted.mimetype, data=formatted.data)
