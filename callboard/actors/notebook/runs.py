"""RUN: executes a set of cells in order, telling the page what happens to each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook import plan
from callboard.actors.notebook.analysis import CellAnalysis, shown_name
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Ended, Executor
from callboard.actors.notebook.failures import Blame, CellFailures, traceback_html
from callboard.actors.notebook.interludes import Interludes
from callboard.actors.notebook.kinds import is_a
from callboard.actors.notebook.plan import Invalidation, RunResult
from callboard.actors.notebook.presets import Presets
from callboard.actors.notebook.sql_failures import is_sql_error
from callboard.actors.notebook.variables import variable_value
from callboard.authoring.context import installed
from callboard.authoring.control import StopCell
from callboard.messages.ids import CellId, RunId, VariableName
from callboard.messages.notifications import VariableValuesNotification
from callboard.messages.payloads import (
    TRACEBACK_MIMETYPE,
    CellError,
    CellOutput,
    InterruptionError,
)


class MissingPackages(Protocol):
    """Finds out which packages a notebook lacks, and tells the page. Called on the cell thread."""

    def after_run(self, errors: Sequence[BaseException], modules: Iterable[str]) -> None:
        """Look at what cells raised, and at all modules that registered cells import."""

    def after_change(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Look at whether a change of the imported modules left fewer of them missing."""


OnBound = Callable[[Mapping[str, type], bool], object]
"""Told the types of what a cell has bound, and whether it may have changed the catalog of the built-in database."""


@attrs.define(eq=False)
class _Round:
    """One RUN under way."""

    run: Run
    order: tuple[CellId, ...]
    results: dict[CellId, RunResult] = attrs.field(factory=dict)
    bound: dict[CellId, Collection[str]] = attrs.field(factory=dict)
    cancelled: dict[CellId, Blame] = attrs.field(factory=dict)
    interrupted: tuple[CellId, ...] = ()
    import_errors: list[BaseException] = attrs.field(factory=list)
    looked_at: tuple[str, ...] = ()
    """The newer tick that was considered last."""


@attrs.define(eq=False)
class Runner:
    """Runs sets of cells. Cell thread only; one run at a time."""

    book: Book
    executor: Executor
    missing: MissingPackages
    presets: Presets
    failures: CellFailures
    interludes: Interludes
    on_bound: OnBound
    _run_ids: int = attrs.field(factory=lambda: uuid.uuid4().int >> 1, init=False)
    """The next id of a run, unlike those of any other kernel. To draw each at random passes the interpreter lock on."""

    async def run(self, run: Run, roots: Iterable[CellId], *, owed: Sequence[CellId] = ()) -> None:
        """Run ``roots`` and what follows from them; before that the cells of ``owed`` that this does not take in.

        A run that gives way leaves the cells it has not started in ``book.owed`` when a newer tick would run some of
        them again.
        """
        book = self.book
        if owed:
            owed = [cell for cell in owed if cell in book.state.graph]
            replan = plan.replan(book.state, owed, roots)
            started, order = replan.run, replan.order
        else:
            started = plan.begin_run(book.state, roots, autorun=book.settings.autorun)
            order = started.order
        book.state = started.state
        if not order and not started.outside:
            return
        book.run_id = RunId(f"{self._run_ids:032x}")
        self._run_ids += 1
        # Before anything is taken back: whoever looks for a variable of these cells has to wait for it.
        run.done, run.order = 0, order
        try:
            self._announce(started)
            self.invalidate(started.invalidations, run)
            round_ = _Round(run, order)
            book.results = round_.results
            await self._cells(round_)
            self._finish(round_)
        finally:
            book.run_id = None
            book.results = {}
            run.current = run.order = None
            run.owed = ()

    async def _cells(self, round_: _Round) -> None:
        run, order = round_.run, round_.order
        for position, cell_id in enumerate(order):
            if run.interrupted:
                round_.interrupted = order[position:]
                return
            self.interludes.play()
            if run.gives_way and run.newer is not round_.looked_at:
                round_.looked_at = run.newer
                if position and self._taken_over(run.newer, order[position:]):
                    self.book.owed = order[position:]
                    run.left = len(self.book.owed)
                    return
            await self._cell(round_, cell_id)
            run.done = position + 1
            if run.on_progress is not None:
                run.on_progress()

    def _taken_over(self, newer: Sequence[str], rest: Sequence[CellId]) -> bool:
        """Tell whether the tick that waits would run a cell again that has not started."""
        book = self.book
        names: set[str] = set()
        for element, _ in book.registry.resolve(dict.fromkeys(newer)):
            names |= book.bindings.names(element.element_id)
        roots = plan.ui_roots(book.state, names)
        return not set(rest).isdisjoint(plan.run_set(book.state, roots, autorun=True))

    def _announce(self, started: plan.RunPlan) -> None:
        tell = self.book.tell
        for cell_id in started.outside:
            tell(cell_id, stale=True)
        for preparation in started.preparations:
            if preparation.disabled or preparation.blocked:
                tell(preparation.cell_id, stale=True)
                continue
            tell(preparation.cell_id, status="queued")
            if preparation.was_stale:
                tell(preparation.cell_id, stale=False)

    def invalidate(self, invalidations: Sequence[Invalidation], run: Run) -> None:
        """Take back what cells left behind. Destructors are user code, and so can be interrupted; no more than that."""
        for invalidation in invalidations:
            taken = self.book.invalidate(invalidation)
            self.executor.finish(taken.clear, run)

    async def _cell(self, round_: _Round, cell_id: CellId) -> None:
        """Run one cell, or say why it is not run."""
        book, state = self.book, self.book.state
        cell = state.graph.cells[cell_id]
        blame = round_.cancelled.get(cell_id) or self._lost_parent(cell, round_)
        if blame is not None:
            self._cancel(round_, cell_id, blame)
            round_.results[cell_id] = RunResult.CANCELLED
            book.tell(cell_id, status="idle")
            return
        if cell_id in state.disabled:
            round_.results[cell_id] = RunResult.DISABLED
            book.tell(cell_id, status="idle")
            return
        if cell_id in state.blocked:
            round_.results[cell_id] = RunResult.DISABLED
            book.tell(cell_id, status="disabled-transitively")
            return
        round_.run.current = book.running = cell_id
        round_.run.cells_run += 1
        book.errors.pop(cell_id, None)
        if not book.settings.autorun and not plan.has_stale_ancestor(state, cell_id):
            book.tell(cell_id, stale=False)
        book.tell(cell_id, status="running", console=[])
        ended = await self._execute(cell, round_.run)
        self._settle_cell(round_, cell, ended)
        round_.run.current = None
        if ended.error is not None:
            blame = Blame(cell_id, ended.error)
            self._cancel(round_, cell_id, blame)
            round_.cancelled.pop(cell_id, None)

    async def _execute(self, cell: CellAnalysis, run: Run) -> Ended:
        book = self.book
        book.outputs.begin(cell.cell_id)
        ended = Ended()
        with installed(book.new_scope(cell.cell_id)):
            for code in (cell.body, cell.output):
                if code is not None:
                    ended = await self.executor.code(code, book.namespace.values, run)
                    if ended.error is not None:
                        break
            # Before anything is shown: an element is shown with its value, not with its default.
            self.presets.apply(cell.cell_id, cell.defs, book.namespace.values, run)
            if ended.error is None:
                return self._show(cell, ended.value, run, ended)
            if is_a(ended.error, StopCell):
                return self._show(cell, ended.error.output, run, ended)
            return ended

    def _show(self, cell: CellAnalysis, value: object, run: Run, ended: Ended) -> Ended:
        """Format what the cell shows, which runs methods of the value and so is user code too."""
        shown = self.executor.finish(lambda: self.book.outputs.result(cell.cell_id, value), run)
        if shown.error is not None:
            return shown
        return Ended(shown.value, ended.error, ended.interrupted)

    def _settle_cell(self, round_: _Round, cell: CellAnalysis, ended: Ended) -> None:
        """Take note of how a cell ended, and tell the page: values, output, console, idle, in this order."""
        book, cell_id = self.book, cell.cell_id
        values = book.namespace.values
        if cell.temporaries:
            taken = book.namespace.take(cell.temporaries)
            self.executor.finish(taken.clear, round_.run)
        book.bindings.update(cell_id, cell.defs, values)
        output: CellOutput | None
        if ended.error is None or is_a(ended.error, StopCell):
            output = ended.value
        else:
            # Texts of exceptions are made by user code.
            told = self.executor.finish(lambda: self._error(round_, cell, ended), round_.run)
            output = CellOutput.errors([told.value or self.failures.unshown(told)])
        round_.results[cell_id] = _result(ended)
        if cell.import_block:
            round_.bound[cell_id] = [name for name in cell.defs if name in values]
        names = cell.defs
        if cell.sql_makes:
            # A variable of the same name has a value to show, and a table has none.
            tables = {shown_name(made.name) for made in cell.sql_makes}
            names |= {name for name in tables if name not in values}
        if names and not book.settings.run_mode:
            book.emit(
                VariableValuesNotification(
                    [variable_value(VariableName(name), values.get(name)) for name in sorted(names)]
                )
            )
        if ended.error is not None and not ended.interrupted and is_sql_error(ended.error):
            book.flush_console()
            book.tell(cell_id, output=output, console=[])
        elif output is not None:
            book.tell(cell_id, output=output)
        book.flush_console()
        book.tell(cell_id, status="idle")
        if (cell.defs or cell.changes_catalog) and not book.settings.run_mode:
            bound = {name: type(values[name]) for name in cell.defs if name in values}
            self.on_bound(bound, cell.changes_catalog)

    def _error(self, round_: _Round, cell: CellAnalysis, ended: Ended) -> CellError:
        error = ended.error
        assert error is not None
        book = self.book
        shows = not book.settings.run_mode or book.settings.show_tracebacks
        if shows and (ended.interrupted or not is_sql_error(error)):
            book.console.write(cell.cell_id, "stderr", traceback_html(error), TRACEBACK_MIMETYPE)
        if ended.interrupted:
            return InterruptionError()
        book.errors[cell.cell_id] = error
        if is_a(error, ImportError):
            round_.import_errors.append(error)
        return self.failures.of_exception(cell.cell_id, error)

    def _lost_parent(self, cell: CellAnalysis, round_: _Round) -> Blame | None:
        """Find the cell that raised or stopped before, and so left a name unbound that this one needs."""
        book = self.book
        values = book.namespace.values
        lost = [name for name in cell.refs if name not in values]
        if not lost:
            return None
        blamed = plan.blame(book.state, cell.cell_id, lost, round_.order)
        if blamed is None:
            return None
        return Blame(blamed, book.errors.get(blamed) or StopCell())

    def _cancel(self, round_: _Round, cell_id: CellId, blame: Blame) -> None:
        round_.cancelled.setdefault(cell_id, blame)
        below = self.book.state.graph.descendants([cell_id])
        for queued in round_.order:
            if queued in below and queued not in round_.results:
                round_.cancelled.setdefault(queued, blame)

    def _finish(self, round_: _Round) -> None:
        book = self.book
        for cell_id in round_.interrupted:
            round_.results[cell_id] = RunResult.INTERRUPTED
            book.tell(cell_id, status="idle")
            book.tell(cell_id, output=CellOutput.errors([InterruptionError()]), console=[])
        for cell_id, blame in round_.cancelled.items():
            if cell_id not in round_.results:
                continue  # it was left to a newer tick
            book.tell(
                cell_id,
                status="idle",
                output=CellOutput.errors([self.failures.of_ancestor(blame)]),
                console=[],
            )
        finish = plan.finish_run(book.state, round_.results, round_.bound)
        book.state = finish.state
        for cell_id in finish.recovered:
            blocked = cell_id in book.state.blocked
            book.tell(
                cell_id,
                status="disabled-transitively" if blocked else "idle",
                output=CellOutput.empty(),
            )
        import_errors = [*round_.import_errors, *book.outputs.take_import_errors()]
        if import_errors:
            # Errors are asked for what they are about, which may be user code.
            look = partial(self.missing.after_run, import_errors, book.imported_modules())
            self.executor.finish(look, round_.run)


def _result(ended: Ended) -> RunResult:
    if ended.error is None:
        return RunResult.SUCCESS
    return RunResult.INTERRUPTED if ended.interrupted else RunResult.EXCEPTION
