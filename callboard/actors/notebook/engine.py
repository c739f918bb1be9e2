"""The reactive engine: carries out commands on the cell thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import singledispatchmethod

import attrs

from callboard.actors.host import Ahead, HostError, NotebookCommand, Run
from callboard.actors.notebook import plan
from callboard.actors.notebook.analysis import CellAnalysis
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.calls import Calls
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.executor import Executor
from callboard.actors.notebook.failures import CellFailures, missing_module
from callboard.actors.notebook.interludes import Interludes
from callboard.actors.notebook.namespace import Namespace
from callboard.actors.notebook.outputs import Outputs
from callboard.actors.notebook.plan import RunResult
from callboard.actors.notebook.presets import Presets
from callboard.actors.notebook.runs import MissingPackages, OnBound, Runner
from callboard.actors.notebook.scratchpad import Scratchpad
from callboard.actors.notebook.settings import Settings
from callboard.actors.notebook.surroundings import Surroundings
from callboard.actors.notebook.ticks import Ticks
from callboard.authoring.markdown import Markdown
from callboard.messages.commands import (
    CreateNotebookCommand,
    DeleteCellCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    InvokeFunctionCommand,
    ModelCommand,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.conflation import UIBatch
from callboard.messages.ids import CellId
from callboard.messages.notifications import (
    FunctionCallResultNotification,
    NotebookDocumentTransactionNotification,
    Notification,
    VariablesNotification,
)
from callboard.messages.payloads import (
    CellOutput,
    DocumentTransaction,
    InterruptionError,
    ReorderCellsChange,
)


@attrs.define(eq=False)
class Engine:
    """Runs notebooks. Every coroutine belongs to the cell thread; they are called one at a time, in order.

    What the engine decides is in ``plan``, which is pure; what the notebook is, in ``Book``. This class says which
    steps a command consists of.
    """

    book: Book
    executor: Executor
    runner: Runner
    ticks: Ticks
    calls: Calls
    presets: Presets
    scratchpad: Scratchpad
    interludes: Interludes
    missing: MissingPackages
    on_settings: Callable[[Settings], object]
    """Told of new settings before they take effect; may refuse them with ``HostError``."""
    on_create: Callable[[], object]
    """Called before a notebook is instantiated."""
    interrupted_at: float = 0.0
    """When the last interrupt came, in Unix seconds; set by the control thread."""

    @classmethod
    def make(
        cls,
        *,
        settings: Settings,
        surroundings: Surroundings,
        emit: Callable[[Notification], object],
        console: Console,
        missing: MissingPackages,
        on_settings: Callable[[Settings], object],
        on_bound: OnBound = lambda _types, _catalog: None,
        on_create: Callable[[], object] = lambda: None,
        filename: str | None = None,
        preset: Mapping[str, object] | None = None,
    ) -> Engine:
        """Put an engine together. ``emit`` may be called from any thread, and keeps order.

        ``on_bound`` is told after each cell, on the cell thread; it has to be quick.
        """
        gate = surroundings.gate
        executor = Executor(gate, surroundings.cell_thread)
        namespace = Namespace()
        namespace.set_filename(filename)
        outputs = Outputs(
            send=lambda cell_id, output: book.tell(cell_id, output=output),
            console=console,
            gate=gate,
            max_bytes=settings.output_max_bytes,
        )
        book = Book(settings, emit, console, outputs, namespace, surroundings.drain)
        presets = Presets(book, executor, dict(preset or {}))
        failures = CellFailures(book)
        interludes = Interludes(executor)
        return cls(
            book=book,
            executor=executor,
            runner=Runner(book, executor, missing, presets, failures, interludes, on_bound),
            ticks=Ticks(book, executor),
            calls=Calls(book, executor),
            presets=presets,
            scratchpad=Scratchpad(book, executor, failures, missing),
            interludes=interludes,
            missing=missing,
            on_settings=on_settings,
            on_create=on_create,
        )

    @property
    def running_cell(self) -> CellId | None:
        """The cell that runs, or ran last; from any thread."""
        return self.book.running

    @property
    def owes_cells(self) -> bool:
        """Whether cells were left to a newer tick and have not run since; from any thread."""
        return bool(self.book.owed)

    async def execute(self, command: NotebookCommand, run: Run) -> None:
        """Carry out one of the notebook's commands.

        Raises:
            HostError: the command cannot be carried out as sent.
        """
        await self._run_owed_first(run)
        self.book.request = getattr(command, "request", None)
        try:
            await self._execute(command, run)
        finally:
            self.book.request = None
            self.book.flush_console()

    async def apply_ui(self, batch: UIBatch, run: Run) -> None:
        """Set values, call callbacks, run the dependants once (or mark them stale)."""
        book = self.book
        book.request = batch.request
        try:
            changed, names = await self.ticks.apply(batch.values, run)
            if any(element._happening for element in changed):
                # A click is over with this run: a cell left to a newer tick would never hear of it.
                run.gives_way = False
            roots = plan.ui_roots(book.state, names)
            owed = self._take_owed(run)
            if book.settings.autorun:
                await self.runner.run(run, roots, owed=owed)
            else:
                self._mark_stale(roots)
                await self.runner.run(run, (), owed=owed)
            self.ticks.complete(changed, run)
        finally:
            book.request = None

    async def custom_message(self, command: ModelCommand, run: Run) -> None:
        """Hand a message to a widget model. There are no models yet, and unknown ones are ignored."""
        await self._run_owed_first(run)

    async def run_owed(self, run: Run) -> None:
        """Run the cells that were left to a newer tick which never came."""
        if self.book.owed:
            await self.runner.run(run, (), owed=self._take_owed(run))

    async def _run_owed_first(self, run: Run) -> None:
        """Run the cells that were left to a newer tick which is not the one that comes now.

        Whatever comes instead of it finds the notebook as if the older tick had been carried out.
        """
        if self.book.owed:
            await self.runner.run(run, (), owed=self._take_owed(run), more=True)

    def _take_owed(self, run: Run) -> tuple[CellId, ...]:
        # In both places for a moment, so that nobody who looks sees them in neither.
        run.owed = self.book.owed
        self.book.owed = ()
        return run.owed

    async def invoke(
        self, command: InvokeFunctionCommand, run: Run
    ) -> FunctionCallResultNotification:
        """Call a registered function."""
        await self._run_owed_first(run)
        return await self.calls.invoke(command, run)

    async def packages_installed(self, modules: Collection[str], run: Run) -> None:
        """Run the cells that need newly importable modules, or mark them stale."""
        await self._run_owed_first(run)
        roots = [
            cell_id
            for cell_id, cell in self.book.state.graph.cells.items()
            if self._unblocked(cell, modules)
        ]
        if self.book.settings.autorun:
            await self.runner.run(run, roots)
        else:
            self._mark_stale(roots)

    @singledispatchmethod
    async def _execute(self, command: object, run: Run) -> None:
        raise HostError(f"{type(command).__name__} is no command of the notebook")

    @_execute.register
    async def _(self, command: CreateNotebookCommand, run: Run) -> None:
        book = self.book
        self.on_create()
        book.emit(
            NotebookDocumentTransactionNotification(
                DocumentTransaction([ReorderCellsChange(list(command.cell_ids))], "kernel")
            )
        )
        if book.state.graph.cells:
            return
        codes = {request.cell_id: request.code for request in command.execution_requests}
        for cell_id, text in plan.markdown_cells(codes, analyse=self.book.analyse).items():
            del codes[cell_id]
            output = CellOutput("output", "text/markdown", Markdown(text).text)
            book.tell(cell_id, output=output, status="idle")
            book.tell(cell_id, stale=False)
        if not command.auto_run:
            marks = plan.remember(book.state, codes)
            book.state = marks.state
            for cell_id in marks.cells:
                book.tell(cell_id, stale=True)
            return
        values = command.set_ui_element_value_request
        book.initial_values.update(zip(values.object_ids, values.values, strict=True))
        try:
            await self._register_and_run(codes, run)
        finally:
            book.initial_values.clear()

    @_execute.register
    async def _(self, command: RenameNotebookCommand, run: Run) -> None:
        self.book.namespace.set_filename(command.filename)
        roots = plan.ui_roots(self.book.state, ["__file__"])
        if self.book.settings.autorun:
            await self.runner.run(run, roots)
        else:
            self._mark_stale(roots)

    @_execute.register
    async def _(self, command: ExecuteCellsCommand, run: Run) -> None:
        codes = dict(zip(command.cell_ids, command.codes, strict=True))
        if command.timestamp < self.interrupted_at:
            for cell_id in codes:
                self.book.tell(cell_id, output=CellOutput.errors([InterruptionError()]))
                self.book.tell(cell_id, status="idle")
            codes = {}
        await self._register_and_run(
            plan.wake(self.book.state, codes, analyse=self.book.analyse), run
        )

    @_execute.register
    async def _(self, command: ExecuteScratchpadCommand, run: Run) -> None:
        await self.scratchpad.run(command, run)

    @_execute.register
    async def _(self, command: ExecuteStaleCellsCommand, run: Run) -> None:
        stale = plan.plan_stale(self.book.state)
        roots = self._mutate(stale.codes, run) if stale.codes else ()
        await self.runner.run(run, (*stale.roots, *roots))

    @_execute.register
    async def _(self, command: DeleteCellCommand, run: Run) -> None:
        cell_id = command.cell_id
        state = self.book.state
        if cell_id in state.graph or cell_id in state.dormant or cell_id in state.errors:
            await self.runner.run(run, self._mutate({}, run, delete=[cell_id]))

    @_execute.register
    async def _(self, command: SyncGraphCommand, run: Run) -> None:
        try:
            sync = plan.plan_sync(
                self.book.state, command.cells, command.run_ids, command.delete_ids
            )
        except ValueError as error:
            raise HostError(str(error)) from None
        left_behind = self._mutate({}, run, delete=sync.delete)
        registered = self._mutate(sync.codes, run)
        await self.runner.run(run, (*left_behind, *registered))

    @_execute.register
    async def _(self, command: UpdateCellConfigCommand, run: Run) -> None:
        book = self.book
        change = plan.configure(book.state, command.configs, autorun=book.settings.autorun)
        book.state = change.state
        for cell_id, blocked in change.statuses.items():
            book.tell(cell_id, status="disabled-transitively" if blocked else "idle")
        if change.to_run:
            await self.runner.run(run, change.to_run)

    @_execute.register
    async def _(self, command: UpdateUserConfigCommand, run: Run) -> None:
        settings = self.book.settings.updated(command.config)
        self.on_settings(settings)
        self.book.settings = settings
        self.book.outputs.max_bytes = settings.output_max_bytes
        self.book.console.max_write = settings.std_stream_max_bytes

    async def _register_and_run(self, codes: Mapping[CellId, str], run: Run) -> None:
        await self.runner.run(run, self._mutate(codes, run))

    def _mutate(
        self, codes: Mapping[CellId, str], run: Run, delete: Iterable[CellId] = ()
    ) -> tuple[CellId, ...]:
        """MUTATE: register and delete cells, tell the page, and return the roots of the run that follows."""
        book = self.book
        # Until that run is planned: what has to run because of this is seen in neither state alone.
        run.ahead = Ahead(unknown=True)
        autorun = book.settings.autorun
        before = book.imported_modules()
        deleted = list(delete)
        mutation = plan.mutate(book.state, codes, deleted, autorun=autorun, analyse=book.analyse)
        state = book.state = mutation.state
        self.runner.invalidate(mutation.invalidated, run)
        for cell_id in deleted:
            book.scopes.pop(cell_id, None)
            book.analyse.forget(cell_id)
        self.missing.after_change(before, book.imported_modules())
        for cell_id in mutation.failed:
            if cell_id in mutation.failed_known:
                book.tell(cell_id, stale=False)
        for cell_id in mutation.born_stale:
            book.tell(cell_id, stale=True)
        for cell_id in mutation.born_blocked:
            book.tell(cell_id, status="disabled-transitively")
        if autorun:
            for cell_id in mutation.recovered:
                book.tell(cell_id, output=CellOutput.empty())
        self.runner.invalidate(mutation.errored_invalidated, run)
        for cell_id, errors in mutation.errors.items():
            if cell_id in state.blocked:
                book.tell(cell_id, status="disabled-transitively")
            book.tell(cell_id, stale=False)
            book.tell(cell_id, output=CellOutput.errors(list(errors)), console=[])
        book.emit(VariablesNotification(plan.variables(state.graph)))
        for cell_id in mutation.stale:
            book.tell(cell_id, stale=True)
        return mutation.to_run

    def _unblocked(self, cell: CellAnalysis, modules: Collection[str]) -> bool:
        """Tell whether a cell failed, or was never run, for want of one of the modules."""
        result = self.book.state.results.get(cell.cell_id)
        if result is RunResult.SUCCESS:
            return False
        name = missing_module(self.book.errors.get(cell.cell_id))
        if name is not None:
            return name in modules or name.partition(".")[0] in modules
        return not cell.modules.isdisjoint(modules)

    def _mark_stale(self, roots: Iterable[CellId]) -> None:
        marks = plan.mark_stale(self.book.state, roots)
        self.book.state = marks.state
        for cell_id in marks.cells:
            self.book.tell(cell_id, stale=True)
