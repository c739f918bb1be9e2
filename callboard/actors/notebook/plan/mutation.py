"""Registering and deleting cells: which state goes, who is in error, and what has to run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, CellSourceError, ImportedName
from callboard.actors.notebook.analysis import analyse as analyse_cell
from callboard.actors.notebook.graph import Graph, reach
from callboard.actors.notebook.graph_errors import semantic_errors
from callboard.actors.notebook.plan.state import (
    Invalidation,
    Invalidator,
    NotebookState,
    RunResult,
    disabled_cells,
    known,
)
from callboard.messages.ids import CellId
from callboard.messages.payloads import CellError

Analyse = Callable[[str, CellId], CellAnalysis]


@attrs.frozen
class Mutation:
    """What registering and deleting cells leads to, field by field in the order it takes effect.

    `state` is the state afterwards; everything else refers to it unless it says otherwise.
    """

    state: NotebookState
    invalidated: tuple[Invalidation, ...]
    """Of replaced cells in the order given, then of deleted ones; cells in error own no state."""
    failed: Mapping[CellId, CellError]
    """Cells that do not compile; they have left the graph."""
    failed_known: frozenset[CellId]
    """Those of `failed` that were in the graph before."""
    born_stale: tuple[CellId, ...]
    """Newly registered cells that begin stale because a cell above them is."""
    born_blocked: tuple[CellId, ...]
    """Newly registered cells that an ancestor disables."""
    recovered: tuple[CellId, ...]
    """Cells that are in error no more. In autorun their output is cleared."""
    errored_invalidated: tuple[Invalidation, ...]
    """Of cells that are in error now and were not before, sparing names that valid cells bind."""
    errors: Mapping[CellId, tuple[CellError, ...]]
    """To be sent, changed or not: conflicting cells in registration order, then failed ones."""
    stale: tuple[CellId, ...]
    """Lazy only: cells to be announced stale, each after those above it."""
    to_run: tuple[CellId, ...]
    """The roots of the run that follows, in registration order."""
    registered: tuple[CellId, ...]
    """The requested cells that are in the graph now, changed or not."""


def mutate(
    state: NotebookState,
    codes: Mapping[CellId, str],
    delete: Iterable[CellId] = (),
    *,
    autorun: bool,
    analyse: Analyse = analyse_cell,
) -> Mutation:
    """Register cells under the given codes, in their order, and delete others.

    A cell whose code is unchanged keeps its registration but counts as requested; a blank one is
    always registered anew. A cell to be deleted is not registered. Dormant cells among either
    are dormant no more. Costs a copy of the state's tables, and what the changed cells, the cells
    in error and those below them mention.
    """
    change = _Change(state, codes, dict.fromkeys(delete), analyse)
    before, after = state.graph, change.graph
    configs = state.configs
    if change.delete:
        configs = {c: config for c, config in configs.items() if c not in change.delete}
    imported = _carried_imports(state, change)
    invalidate = Invalidator(before, imported, state.results)
    invalidated = tuple(
        invalidate(before.cells[cell])
        for cell in (*change.replaced, *change.deleted)
        if cell not in state.errors
    )

    semantic = _errors(state, change)
    errors = semantic | {cell: (error,) for cell, error in change.failed.items()}
    newly = [cell for cell in semantic if cell not in state.errors]
    recovered = after.by_rank(cell for cell in state.errors if cell not in errors)
    # Whatever such a cell brought is gone, or was never there.
    for cell in (*semantic, *recovered):
        imported.pop(cell, None)
    invalidate = Invalidator(after, imported, state.results)
    errored_invalidated = tuple(
        invalidate(after.cells[cell], _kept_alive(after, cell, errors)) for cell in newly
    )

    redo = _lost_a_parent(state, change, imported)
    for cell in newly:
        if cell in before:
            redo |= after.children(cell)
    redo.update(recovered)
    redo -= errors.keys()

    results = dict(state.results)
    for cell in (*change.replaced, *change.deleted, *change.fresh):
        results.pop(cell, None)
    results.update(dict.fromkeys(semantic, RunResult.IN_ERROR))
    disabled, blocked = disabled_cells(after, configs)
    stale, born_stale = _staleness(state, change, semantic)
    marked: tuple[CellId, ...] = ()
    if not autorun:
        left_over = redo.difference(change.registered)
        if left_over:
            interim = NotebookState(after, imported=imported, results=results)
            below = reach(left_over, interim.dependants)
            marked = after.order(cell for cell in below if cell not in errors)
            stale |= frozenset(marked)
    roots = [cell for cell in change.registered if cell not in errors]
    return Mutation(
        state=NotebookState(
            after, configs, stale, disabled, blocked, errors, results, imported, change.dormant
        ),
        invalidated=invalidated,
        failed=change.failed,
        failed_known=frozenset(cell for cell in change.failed if cell in before),
        born_stale=born_stale,
        born_blocked=tuple(cell for cell in change.fresh if cell in blocked),
        recovered=tuple(recovered),
        errored_invalidated=errored_invalidated,
        errors=errors,
        stale=marked,
        to_run=tuple(after.by_rank({*roots, *redo} if autorun else roots)),
        registered=change.registered,
    )


class _Change:
    """The difference that codes and deletions make to the graph."""

    def __init__(
        self,
        state: NotebookState,
        codes: Mapping[CellId, str],
        delete: dict[CellId, None],
        analyse: Analyse,
    ) -> None:
        before = state.graph
        self.delete = delete
        self.deleted = tuple(cell for cell in delete if cell in before)
        self.failed: dict[CellId, CellError] = {}
        self.fresh: dict[CellId, CellAnalysis] = {}
        replaced: list[CellId] = []
        registered: list[CellId] = []
        for cell, code in codes.items():
            if cell in delete:
                continue
            old = before.cells.get(cell)
            if old is not None and old.code == code and not old.empty:
                registered.append(cell)
                continue
            if old is not None:
                replaced.append(cell)
            try:
                self.fresh[cell] = analyse(code, cell)
            except CellSourceError as error:
                self.failed[cell] = error.error
            else:
                registered.append(cell)
        self.replaced = tuple(replaced)
        self.registered = tuple(registered)
        self.graph = before
        if self.fresh or self.replaced or self.deleted:
            self.graph = before.change(list(self.fresh.values()), (*self.failed, *self.deleted))
        self.woken = [cell for cell in codes if cell in state.dormant and cell not in delete]
        self.dormant = state.dormant
        if state.dormant:
            gone = {*codes, *delete}
            self.dormant = {c: code for c, code in state.dormant.items() if c not in gone}


def _carried_imports(state: NotebookState, change: _Change) -> dict[CellId, frozenset[str]]:
    """The names that import blocks have brought and still stand for the same thing."""
    imported = {c: names for c, names in state.imported.items() if c not in change.delete}
    for cell in change.replaced:
        present = imported.pop(cell, None)
        new = change.fresh.get(cell)
        if not present or new is None or not new.import_block:
            continue
        old = _by_name(state.graph.cells[cell].imports)
        names = frozenset(
            name for name, how in _by_name(new.imports).items() if how == old.get(name)
        )
        if names & present:
            imported[cell] = names & present
    return imported


def _by_name(imports: Iterable[ImportedName]) -> dict[str, tuple[ImportedName, ...]]:
    # `import a.b` and `import a.c` bind the same name, which then stands for both.
    found: dict[str, tuple[ImportedName, ...]] = {}
    for item in imports:
        found[item.name] = (*found.get(item.name, ()), item)
    return found


def _errors(state: NotebookState, change: _Change) -> dict[CellId, tuple[CellError, ...]]:
    """Who conflicts now, without putting in error at a distance what was valid and untouched."""
    graph = change.graph
    suspects = {*change.registered, *known(graph, state.errors)}
    found = semantic_errors(graph, suspects)
    untouched = [
        cell
        for cell in found
        if cell in state.graph and cell not in state.errors and cell not in change.registered
    ]
    if untouched:
        below = graph.descendants(change.registered)
        for cell in untouched:
            if cell not in below:
                del found[cell]
    return {cell: tuple(errors) for cell, errors in found.items()}


def _kept_alive(graph: Graph, cell_id: CellId, errors: Collection[CellId]) -> set[str]:
    return {
        name
        for name in graph.cells[cell_id].gives
        if any(definer not in errors for definer in graph.definers(name))
    }


def _lost_a_parent(
    state: NotebookState, change: _Change, imported: Collection[CellId]
) -> set[CellId]:
    """The cells that depended on a replaced or deleted cell for something it no longer gives."""
    lost: set[CellId] = set()
    for cell in (*change.replaced, *change.deleted):
        lost |= state.graph.children(cell) - change.graph.children(cell)
        if cell in imported:
            # A run of the cell will pass over those that still use one of its other imports.
            old, new = state.graph.cells[cell], change.graph.cells[cell]
            for name in old.defs - new.defs:
                lost.update(change.graph.referrers(name))
    return {cell for cell in lost if cell in change.graph}


def _staleness(
    state: NotebookState, change: _Change, errors: Collection[CellId]
) -> tuple[frozenset[CellId], tuple[CellId, ...]]:
    """The stale cells, and those newly registered ones that are so for a cell above them."""
    graph = change.graph
    stale = set(state.stale).difference(change.replaced, change.deleted)
    woken = [cell for cell in change.woken if cell in change.fresh]
    stale.update(woken)
    born: tuple[CellId, ...] = ()
    if stale and change.fresh:
        above = graph.ancestors(change.fresh)
        below = graph.descendants(stale & above)
        born = tuple(c for c in change.fresh if c in below and c not in errors and c not in stale)
        stale.update(born)
    stale.difference_update(errors)
    return frozenset(stale), born
