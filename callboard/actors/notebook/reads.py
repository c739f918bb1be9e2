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
    UpdateUserConfigCommand,
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
    closed: bool = False
    """Whether the message has ended."""


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
        read.closed = True
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
            Refused: the variable does not exist; the text says why, as far as that is known. Or the message has ended.
            KeyError: the message was opened without this name: the caller's fault.
        """
        read = self._reads.get(seq)
        event = None if read is None else read.waiting.get(name)
        if event is None:
            await trio.lowlevel.checkpoint()
        else:
            await event.wait()
        if read is None or read.closed:
            # Whoever still asks is about to be cancelled: the message was expired or given up on.
            await trio.lowlevel.checkpoint()
            raise Refused("the request has ended")
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
        run, state = self.turns.current, self.book.state
        results = {} if run is None else run.ahead.results
        text = f"there is no variable {name!r} in the notebook"
        for cell_id in state.graph.definers(name):
            result = results.get(cell_id) or state.results.get(cell_id)
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
        book = self.book
        by_ticket = {e.ticket: e.message for e in self.messages() if e.ticket}
        while True:
            owed, state = book.owed, book.state
            foresight = self._foresee_from(owed, state, tickets, by_ticket)
            # The cell thread goes on meanwhile: what is ahead has to be that of this very state.
            if book.owed is owed and book.state is state:
                return foresight

    def _foresee_from(
        self,
        owed: tuple[CellId, ...],
        state: NotebookState,
        tickets: tuple[int, ...],
        by_ticket: dict[int, Any],
    ) -> Foresight:
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
        # Which of both it will be is known when the settings have changed; more runs with autorun.
        changing = (isinstance(by_ticket.get(each), UpdateUserConfigCommand) for each in tickets)
        autorun = self.book.settings.autorun or any(changing)
        return Foresight(state, changes, autorun=autorun)

    def _under_way(self, run: Run, message: Any, state: NotebookState) -> Change:
        owed, ahead = run.owed, run.ahead
        left = ahead.order[ahead.done :]
        if ahead.unknown:
            return _EVERYTHING
        if not ahead.more:
            return Change(cells=left)
        change = _EVERYTHING if message is None else self._pending(message, state)
        return attrs.evolve(change, cells=(*change.cells, *owed, *left))

    def _pending(self, message: Any, state: NotebookState) -> Change:
        if isinstance(message, UpdateUIElementCommand | ModelCommand | UIBatch):
            return Change(read_anew=self._names_of_elements(message))
        return change_by(message, state)

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
        """Less may be ahead. On the cell thread."""
        self.from_cell_thread(self.advance)


@singledispatch
def change_by(message: object, state: NotebookState) -> Change:
    """Say what a pending command may do; those not named here change no variable."""
    return Change()


@change_by.register
def _(message: CreateNotebookCommand, state: NotebookState) -> Change:
    if state.graph.cells:
        return Change()
    codes = {each.cell_id: each.code for each in message.execution_requests}
    return Change(codes=codes) if message.auto_run else Change(dormant=codes)


@change_by.register
def _(message: ExecuteCellsCommand, state: NotebookState) -> Change:
    return Change(codes=dict(zip(message.cell_ids, message.codes, strict=True)))


@change_by.register
def _(message: ExecuteStaleCellsCommand, state: NotebookState) -> Change:
    return Change(all_stale=True)


@change_by.register
def _(message: SyncGraphCommand, state: NotebookState) -> Change:
    run = {cell: message.cells[cell] for cell in message.run_ids if cell in message.cells}
    gone = [cell for cell in state.graph.cells if cell not in message.cells]
    return Change(codes=run, gone=(*message.delete_ids, *gone))


@change_by.register
def _(message: DeleteCellCommand, state: NotebookState) -> Change:
    return Change(gone=(message.cell_id,))


@change_by.register
def _(message: RenameNotebookCommand, state: NotebookState) -> Change:
    return Change(bound=("__file__",), read_anew=("__file__",))


@change_by.register
def _(message: UpdateCellConfigCommand, state: NotebookState) -> Change:
    enables = any(patch.get("disabled") is False for patch in message.configs.values())
    return Change(if_autorun=state.stale) if enables else Change()


def _unblocked(state: NotebookState) -> Change:
    """Say what the cells may do that an installation runs: those that raised, or never ran and import something."""
    return Change(
        if_autorun=[
            CellId(cell_id)
            for cell_id, cell in state.graph.cells.items()
            if (result := state.results.get(cell_id)) is RunResult.EXCEPTION
            or (cell.modules and result is not RunResult.SUCCESS)
        ]
    )
