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

MAX_STACK = 1000
"""Values appended to one output that are kept; the oldest give way."""


@attrs.frozen(eq=False)
class _Shown:
    """A value as shown, and the value itself if an element in it has to live on."""

    formatted: Formatted
    holds: object = None


_LEFT_OUT = _Shown(Formatted("text/plain", "[earlier output was left out]"))


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
    _stacks: dict[CellId, list[_Shown]] = attrs.field(factory=dict, init=False)
    _results: dict[CellId, object] = attrs.field(factory=dict, init=False)
    """What cells that appended nothing ended with, as far as a page may still refer to it."""
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)

    def begin(self, cell_id: CellId) -> None:
        """Forget what an earlier execution of the cell appended."""
        self.take(cell_id)

    def append(self, cell_id: CellId, value: object) -> None:
        """Show a value below what the cell shows."""
        shown = self._format(cell_id, value)
        with self.gate.shielded(), self._lock:
            stacked = self._stacks.setdefault(cell_id, [])
            stacked.append(shown)
            if len(stacked) > MAX_STACK:
                stacked[:2] = [_LEFT_OUT]
            self._send(cell_id)

    def replace(self, cell_id: CellId, value: object) -> None:
        """Show a value alone."""
        shown = self._format(cell_id, value)
        with self.gate.shielded(), self._lock:
            self._stacks[cell_id] = [shown]
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
                shown = self._format(cell_id, value)
                if shown.holds is not None:
                    self._results[cell_id] = shown.holds
                return _output(shown.formatted)
            if value is None or (stacked and stacked[-1].holds is value):
                # What the cell showed last is what it ends with, as with a query.
                return None
            stacked.append(self._format(cell_id, value))
            return self._stacked(cell_id)

    def take(self, cell_id: CellId) -> list[object]:
        """Forget what the cell shows, and return what that kept alive: letting go of it may run user code."""
        return [self._results.pop(cell_id, None), self._stacks.pop(cell_id, None)]

    def take_import_errors(self) -> list[ImportError]:
        """Return and forget what formatters could not import."""
        errors, self.import_errors = self.import_errors, []
        return errors

    def _format(self, cell_id: CellId, value: object) -> _Shown:
        formatted = format_output(value, self.max_bytes)
        failure = formatted.failure
        if failure is not None:
            if is_a(failure, ImportError):
                self.import_errors.append(failure)
            self.console.write(cell_id, "stderr", formatted.failure_text)
        holds_nothing = issubclass(type(value), _HOLDS_NOTHING)
        return _Shown(formatted, None if holds_nothing else value)

    def _send(self, cell_id: CellId) -> None:
        self.send(cell_id, self._stacked(cell_id))

    def _stacked(self, cell_id: CellId) -> CellOutput:
        parts = [shown.formatted for shown in self._stacks[cell_id]]
        return _output(stack(parts, self.max_bytes))


def _output(formatted: Formatted) -> CellOutput:
    return CellOutput(channel="output", mimetype=formatted.mimetype, data=formatted.data)
