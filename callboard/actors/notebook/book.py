"""The notebook as the cell thread has it: pure state, live namespace, and the voice to the page."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

import attrs

from callboard.actors.notebook import sql_objects
from callboard.actors.notebook.analysis import Analyser
from callboard.actors.notebook.bindings import Bindings
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.namespace import Namespace
from callboard.actors.notebook.outputs import Outputs
from callboard.actors.notebook.plan import Invalidation, NotebookState, RunResult
from callboard.actors.notebook.queries import RunningQueries
from callboard.actors.notebook.scope import Scope
from callboard.actors.notebook.settings import Settings
from callboard.authoring.context import current_context
from callboard.messages.ids import CellId, RunId, UIElementId
from callboard.messages.notifications import (
    CellOpNotification,
    Notification,
    RemoveUIElementsNotification,
)
from callboard.messages.payloads import CellOutput, CellStatus, HTTPRequest
from callboard.ui.registry import ElementRegistry


@attrs.define(eq=False, repr=False)
class Book:
    """Everything about the notebook that one run hands to the next. Cell thread only, unless said otherwise."""

    settings: Settings
    emit: Callable[[Notification], object]
    """Sends a notification on its way, in order; from any thread; may wait for the control thread to keep up."""
    console: Console
    outputs: Outputs
    namespace: Namespace
    drain: Callable[[], object]
    """Brings console output that is on its way to the console."""
    analyse: Analyser = attrs.field(factory=lambda: Analyser(uuid.uuid4().hex[:6]))
    """Keeps source lines apart from those of other kernels in this process."""
    registry: ElementRegistry = attrs.field(factory=ElementRegistry)
    bindings: Bindings = attrs.field(factory=Bindings)
    scopes: dict[CellId, Scope] = attrs.field(factory=dict)
    queries: RunningQueries = attrs.field(factory=RunningQueries)
    state: NotebookState = attrs.field(factory=NotebookState)
    """Replaced as a whole, never changed, so other threads may read it at any time."""
    owed: tuple[CellId, ...] = ()
    """Cells that a run left to a newer tick, in order; prepared and not run."""
    errors: dict[CellId, BaseException] = attrs.field(factory=dict)
    """What each cell raised in its last run."""
    results: Mapping[CellId, RunResult] = attrs.field(factory=dict)
    """How the cells ended that the run under way has passed; it goes into the state when the run is over."""
    request: HTTPRequest | None = None
    """The request that the command in hand carries."""
    initial_values: dict[UIElementId, object] = attrs.field(factory=dict)
    """Raw values for elements that will be created, for the duration of an instantiation."""
    run_id: RunId | None = None
    """Stamps the cell-ops of the run in hand."""
    running: CellId | None = None
    """The cell that runs, or ran last; read from any thread."""

    def new_scope(self, cell_id: CellId) -> Scope:
        """Make the scope of one execution of a cell, replacing that of the last one."""
        last = self.scopes.get(cell_id)
        if last is not None:
            last.release()
        scope = Scope(
            cell_id=cell_id,
            registry=self.registry,
            outputs=self.outputs,
            request_of=lambda: self.request,
            initial_values=self.initial_values,
            prefix=cell_id,
            queries=self.queries,
            graph_of=lambda: self.state.graph,
        )
        self.scopes[cell_id] = scope
        return scope

    def callback_scope(self, cell_id: CellId | None) -> Scope | None:
        """Make the scope for a callback of an element of a cell; none for an element made outside any cell."""
        return None if cell_id is None else self._last_scope(cell_id).for_callback()

    def function_scope(self, cell_id: CellId) -> Scope:
        """Make the scope for a function of an element of a cell."""
        return self._last_scope(cell_id).for_function()

    def _last_scope(self, cell_id: CellId) -> Scope:
        return self.scopes.get(cell_id) or self.new_scope(cell_id)

    def release_threads(self) -> None:
        """Ask the threads of all cells to exit, as the kernel stops; from any thread."""
        for scope in tuple(self.scopes.values()):
            scope.release()

    def flush_console(self) -> None:
        """Deliver all console output so far, so that it comes before what is told next."""
        self.drain()
        self.console.flush()

    def tell(
        self,
        cell_id: CellId,
        *,
        status: CellStatus | None = None,
        stale: bool | None = None,
        output: CellOutput | None = None,
        console: CellOutput | list[CellOutput] | None = None,
    ) -> None:
        """Send one ``cell-op``; what is None stays as the page has it."""
        self.emit(
            CellOpNotification(
                cell_id=cell_id,
                output=output,
                console=console,
                status=status,
                stale_inputs=stale,
                run_id=None if status == "idle" else self.run_id,
            )
        )

    def invalidate(self, invalidation: Invalidation) -> list[object]:
        """Take back what a cell left behind, and tell the page that its elements are gone.

        Returns it, because to let go of it may run user code. Threads of the cell and of what depends on it are asked
        to exit.
        """
        cell_id = invalidation.cell_id
        if invalidation.sql:
            sql_objects.drop(invalidation.sql, self.namespace.values)
        taken = self.namespace.take(invalidation.names)
        self.bindings.forget(cell_id)
        taken += self.outputs.take(cell_id)
        taken.append(self.errors.pop(cell_id, None))
        for owner in invalidation.dispose:
            scope = self.scopes.get(owner)
            if scope is not None:
                scope.release()
        self.emit(RemoveUIElementsNotification(cell_id))
        return taken

    def imported_modules(self) -> frozenset[str]:
        """Return the modules that registered cells import, with their packages; from any thread."""
        found: set[str] = set()
        for cell in self.state.graph.cells.values():
            found |= cell.modules
            found.update(each.module for each in cell.imports if not each.level)
        return frozenset(found)


def cell_of_caller() -> CellId | None:
    """Return the cell that the calling code belongs to, from any thread or task that inherited its context."""
    context = current_context.get()
    return None if context is None else context.cell_id
