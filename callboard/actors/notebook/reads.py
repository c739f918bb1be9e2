"""Read your writes: the value of a variable as of the place of a command in the order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Any

import attrs
import trio

from callboard.actors.host import Run, Turns
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.plan import Change, Foresight, NotebookState, RunResult
from callboard.actors.notebook.variables import class_name
from callboard.actors.requests import Refused
from callboard.messages.commands import (
    CreateNotebookCommand,
    DeleteCellCommand,
    ExecuteCellsCommand,
    ExecuteStaleCellsCommand,
    ModelCommand,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUIElementCommand,
)
from callboard.messages.conflation import UIBatch
from callboard.messages.ids import CellId
from callboard.runtime import Envelope, Lane

_EVERYTHING = Change(everything=True)


@attrs.define(eq=False)
class _Read:
    """What one message reads: values that are known, and events for those that are not yet."""

    seq: int
    values: dict[str, object] = attrs.field(factory=dict)
    lacking: dict[str, str] = attrs.field(factory=dict)
    """Why a variable has no value."""
    waiting: dict[str, trio.Event] = attrs.field(factory=dict)


@attrs.define(eq=False)
class NotebookReads:
    """Captures what messages read, as soon as no run that was asked for before them can change it any more.

    That is at once, unless such a run is pending or under way and (re)defines the name; and before any later run
    begins, so a message that is handled late sees nothing that was sent after it. Trio thread only; of the book it
    reads what is replaced as a whole, so no lock is needed.
    """

    book: Book
    lane: Lane
    turns: Turns
    messages: Callable[[], Iterable[Envelope[Any]]]
    """The messages that have been accepted and have not ended."""
    from_cell_thread: Callable[[Callable[[], object]], object]
    """Has something called on the trio thread, in order with what user code emits."""
    let_go: Callable[[list[object]], object]
    """Drops the last references to values where destructors of user code may run."""
    _reads: dict[int, _Read] = attrs.field(factory=dict, init=False)
    _waiting: dict[int, _Read] = attrs.field(factory=dict, init=False)

    def open(self, envelope: Envelope[Any], names: Iterable[str]) -> None:
        """Begin to look for what a message reads, when it has been accepted. Not a checkpoint."""
        wanted = dict.fromkeys(names)
        if not wanted:
            return
        read = self._reads[envelope.seq] = _Read(envelope.seq)
        read.waiting = {name: trio.Event() for name in wanted}
        self._waiting[read.seq] = read
        # Before looking: what ends meanwhile is either seen or told.
        self._watch(True)
        self.advance()

    def close(self, seq: int) -> None:
        """Let go of what a message read, as it has ended."""
        read = self._reads.pop(seq, None)
        if read is None:
            return
        self._waiting.pop(seq, None)
        if not self._waiting:
            self._watch(False)
        current = self.book.namespace.values
        gone = [value for name, value in read.values.items() if current.get(name) is not value]
        read.values.clear()
        if gone:
            self.let_go(gone)

    async def value(self, seq: int, name: str) -> object:
        """Return the value of a variable for a message; waits if need be. A checkpoint.

        Raises:
            Refused: the variable does not exist; the text says why, as far as that is known.
            KeyError: the message was opened without this name, or has ended: the caller's fault.
        """
        read = self._reads[seq]
        event = read.waiting.get(name)
        if event is None:
            await trio.lowlevel.checkpoint()
        else:
            await event.wait()
        if name in read.lacking:
            raise Refused(read.lacking[name])
        return read.values[name]

    def waits_before(self, seq: int) -> bool:
        """Tell whether a message sent before another one waits for a run."""
        return bool(self._waiting) and min(self._waiting) < seq

    def advance(self) -> None:
        """Capture what has become certain."""
        foresights: dict[tuple[int, ...], Foresight] = {}
        for read in tuple(self._waiting.values()):
            tickets = tuple(self.lane.until(read.seq))
            foresight = foresights.get(tickets)
            if foresight is None:
                foresight = foresights[tickets] = self._foresee(tickets)
            for name in tuple(read.waiting):
                if not foresight.may_rebind(name):
                    self._capture(read, name)
            if not read.waiting:
                del self._waiting[read.seq]
        if not self._waiting:
            self._watch(False)

    def _capture(self, read: _Read, name: str) -> None:
        values = self.book.namespace.values
        try:
            read.values[name] = values[name]
        except KeyError:
            read.lacking[name] = self._why_lacking(name)
        read.waiting.pop(name).set()

    def _why_lacking(self, name: str) -> str:
        # Read before the state, into which it goes.
        passed = self.book.results
        state = self.book.state
        text = f"there is no variable {name!r} in the notebook"
        for cell_id in state.graph.definers(name):
            result = passed.get(cell_id) or state.results.get(cell_id)
            if cell_id in state.errors:
                return f"{text}: cell {cell_id!r}, which defines it, conflicts with other cells"
            if result is RunResult.EXCEPTION:
                error = self.book.errors.get(cell_id)
                how = "was stopped" if error is None else f"raised {class_name(error)}"
                return f"{text}: cell {cell_id!r}, which defines it, {how}"
            if result is RunResult.SUCCESS:
                return f"{text}: cell {cell_id!r} ran without defining it"
            how = "has not run" if result is None else f"did not run ({result})"
            return f"{text}: cell {cell_id!r}, which defines it, {how}"
        return text

    def _foresee(self, tickets: tuple[int, ...]) -> Foresight:
        # Read before the state: cells are there before they are owed.
        owed = self.book.owed
        state = self.book.state
        by_ticket = {e.ticket: e.message for e in self.messages() if e.ticket}
        changes = [Change(cells=owed)] if owed else []
        for ticket in tickets:
            message = by_ticket.get(ticket)
            run = self.turns.current if ticket == self.lane.holder else None
            if run is not None:
                changes.append(self._under_way(run, message, state))
            elif message is not None:
                changes.append(self._pending(message, state))
            else:
                changes.append(_unblocked(state))
        return Foresight(state, changes, autorun=self.book.settings.autorun)

    def _under_way(self, run: Run, message: Any, state: NotebookState) -> Change:
        order, done = run.order, run.done
        if run.rebuilding:
            return _EVERYTHING
        if order is not None:
            return Change(cells=order[done:])
        change = _EVERYTHING if message is None else self._pending(message, state)
        return attrs.evolve(change, cells=(*change.cells, *run.owed)) if run.owed else change

    def _pending(self, message: Any, state: NotebookState) -> Change:
        if isinstance(message, UpdateUIElementCommand | ModelCommand | UIBatch):
            return Change(read_anew=self._names_of_elements(message))
        return _change(message, state)

    def _names_of_elements(
        self, message: UpdateUIElementCommand | ModelCommand | UIBatch
    ) -> set[str]:
        if isinstance(message, ModelCommand):
            return set()
        ids = message.values if isinstance(message, UIBatch) else message.object_ids
        names: set[str] = set()
        for element, _ in self.book.registry.resolve(dict.fromkeys(ids)):
            names |= self.book.bindings.names(element.element_id)
        return names

    def _watch(self, watch: bool) -> None:
        """Ask to be told of whatever may make something certain, or do so no more."""
        on_progress = self._progressed if watch else None
        self.lane.on_freed = self.advance if watch else None
        self.turns.on_progress = on_progress
        if self.turns.current is not None:
            self.turns.current.on_progress = on_progress

    def _progressed(self) -> None:
        """A cell has ended. On the cell thread."""
        self.from_cell_thread(self.advance)


@singledispatch
def _change(message: object, state: NotebookState) -> Change:
    """Say what a pending command may do; those not named here change no variable."""
    return Change()


@_change.register
def _(message: CreateNotebookCommand, state: NotebookState) -> Change:
    if not message.auto_run or state.graph.cells:
        return Change()
    return Change(codes={each.cell_id: each.code for each in message.execution_requests})


@_change.register
def _(message: ExecuteCellsCommand, state: NotebookState) -> Change:
    return Change(codes=dict(zip(message.cell_ids, message.codes, strict=True)))


@_change.register
def _(message: ExecuteStaleCellsCommand, state: NotebookState) -> Change:
    return Change(codes=state.dormant, cells=state.stale)


@_change.register
def _(message: SyncGraphCommand, state: NotebookState) -> Change:
    run = {cell: message.cells[cell] for cell in message.run_ids if cell in message.cells}
    gone = [cell for cell in state.graph.cells if cell not in message.cells]
    return Change(codes=run, cells=(*message.delete_ids, *gone))


@_change.register
def _(message: DeleteCellCommand, state: NotebookState) -> Change:
    return Change(cells=(message.cell_id,))


@_change.register
def _(message: RenameNotebookCommand, state: NotebookState) -> Change:
    return Change(bound=("__file__",), read_anew=("__file__",))


@_change.register
def _(message: UpdateCellConfigCommand, state: NotebookState) -> Change:
    return Change(cells=state.stale)


def _unblocked(state: NotebookState) -> Change:
    """Say what the cells may do that an installation runs: those that failed or never ran, and import something."""
    return Change(
        cells=[
            CellId(cell_id)
            for cell_id, cell in state.graph.cells.items()
            if cell.modules and state.results.get(cell_id) is not RunResult.SUCCESS
        ]
    )
