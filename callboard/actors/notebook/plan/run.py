"""Which cells a run takes in, in which order, and what its end leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from callboard.actors.notebook.graph import reach
from callboard.actors.notebook.plan.state import (
    Invalidation,
    Invalidator,
    NotebookState,
    RunResult,
    known,
)
from callboard.messages.ids import SETUP_CELL, CellId


def run_set(state: NotebookState, roots: Iterable[CellId], *, autorun: bool) -> tuple[CellId, ...]:
    """The cells a run of the roots takes in, in the order they run.

    The roots and all stale cells above them; in autorun also everything these make out of date,
    in lazy mode only what of that another of them depends on, lest it run on an outdated value.
    Cells in error and unknown ones are left out; disabled ones are in, though they will not
    execute. A stale setup cell joins every run. The cost is that of the cells taken in and, if
    anything is stale, of those above the roots.
    """
    graph, stale = state.graph, state.stale
    chosen = known(graph, roots)
    if chosen and stale:
        if SETUP_CELL in stale:
            chosen[SETUP_CELL] = None
        chosen.update(dict.fromkeys(graph.ancestors(chosen) & stale))
    if autorun:
        chosen = reach(chosen, state.dependants)
    elif len(chosen) > 1:
        below = reach(chosen, state.dependants)
        if len(below) > len(chosen):
            chosen.update(dict.fromkeys(graph.ancestors(chosen) & below.keys()))
    return graph.order(cell for cell in chosen if cell not in state.errors)


@attrs.frozen
class StaleMarks:
    """Cells that are out of date from now on, each after those above it."""

    state: NotebookState
    cells: tuple[CellId, ...]


def mark_stale(state: NotebookState, roots: Iterable[CellId]) -> StaleMarks:
    """Mark cells and everything they make out of date as stale; cells in error never are."""
    below = reach(known(state.graph, roots), state.dependants)
    cells = state.graph.order(cell for cell in below if cell not in state.errors)
    return StaleMarks(attrs.evolve(state, stale=state.stale.union(cells)), cells)


@attrs.frozen
class Preparation:
    """How one cell of a run is announced: `disabled` ones as stale, the others as queued."""

    cell_id: CellId
    disabled: bool
    """By its own config."""
    blocked: bool
    """By an ancestor's."""
    was_stale: bool


@attrs.frozen
class RunPlan:
    """A run about to start. Fields take effect in their order; `state` is the one afterwards."""

    state: NotebookState
    outside: tuple[CellId, ...]
    """Cells below the run and not in it, to be announced stale. Empty in autorun."""
    preparations: tuple[Preparation, ...]
    """One for each cell, in the order they run."""
    invalidations: tuple[Invalidation, ...]
    """One for each cell, in the order they run."""

    @property
    def order(self) -> tuple[CellId, ...]:
        """The cells in the order they run."""
        return tuple(preparation.cell_id for preparation in self.preparations)


def begin_run(state: NotebookState, roots: Iterable[CellId], *, autorun: bool) -> RunPlan:
    """Plan a run of the roots, see `run_set`. The cost is that of the cells it concerns."""
    order = run_set(state, roots, autorun=autorun)
    outside: tuple[CellId, ...] = ()
    if not autorun:
        below = reach(order, state.dependants)
        members = set(order)
        outside = state.graph.order(
            cell for cell in below if cell not in members and cell not in state.errors
        )
    preparations = tuple(
        Preparation(cell, cell in state.disabled, cell in state.blocked, cell in state.stale)
        for cell in order
    )
    invalidate = Invalidator(state.graph, state.imported, state.results)
    invalidations = tuple(invalidate(state.graph.cells[cell]) for cell in order)
    idle = {p.cell_id for p in preparations if p.disabled or p.blocked}
    refreshed = {p.cell_id for p in preparations if p.was_stale} - idle
    begun = state
    # The stale set of a large notebook is not copied for a run that leaves it as it is.
    if refreshed or not state.stale.issuperset(outside) or not state.stale.issuperset(idle):
        stale = state.stale.difference(refreshed).union(outside, idle)
        begun = attrs.evolve(state, stale=stale)
    return RunPlan(begun, outside, preparations, invalidations)


@attrs.frozen
class Finish:
    """The end of a run: `recovered` are disabled cells whose error is out of date.

    Their output is cleared and their status announced: disabled by an ancestor if `state.blocked`
    has them, else idle.
    """

    state: NotebookState
    recovered: tuple[CellId, ...]


_FAILED = frozenset(
    {RunResult.EXCEPTION, RunResult.CANCELLED, RunResult.INTERRUPTED, RunResult.IN_ERROR}
)
_BLAMELESS = frozenset({RunResult.CANCELLED, RunResult.IN_ERROR})


def finish_run(
    state: NotebookState,
    results: Mapping[CellId, RunResult],
    bound: Mapping[CellId, Collection[str]] | None = None,
) -> Finish:
    """Record how the cells of a run ended, in the order they did.

    `bound` tells for import blocks which names they left in the namespace; without an entry
    all of them after a success and none otherwise. Cells that are gone meanwhile are ignored.
    """
    graph = state.graph
    news: dict[CellId, RunResult] = {}
    imports: dict[CellId, frozenset[str]] = {}
    disabled: list[CellId] = []
    for cell, result in results.items():
        analysis = graph.cells.get(cell)
        if analysis is None:
            continue
        if analysis.import_block:
            names: Collection[str] = analysis.defs if result is RunResult.SUCCESS else ()
            if bound is not None:
                names = bound.get(cell, names)
            imports[cell] = analysis.defs.intersection(names)
        before = state.results.get(cell)
        if result is RunResult.DISABLED and before in _BLAMELESS:
            disabled.append(cell)
        elif result is not before:
            news[cell] = result
    finished = state
    if news or any(state.imported.get(cell) != names for cell, names in imports.items()):
        finished = attrs.evolve(
            state, results={**state.results, **news}, imported={**state.imported, **imports}
        )
    # The others keep the result that tells their error is still shown.
    fresh: dict[CellId, RunResult] = {}
    for cell in disabled:
        # In the order they ran: one that recovers is no reason for those below it not to.
        if not _fails_above(finished, fresh, cell):
            fresh[cell] = RunResult.DISABLED
    if fresh:
        finished = attrs.evolve(finished, results={**finished.results, **fresh})
    return Finish(finished, tuple(fresh))


def _fails_above(state: NotebookState, fresh: Mapping[CellId, RunResult], cell_id: CellId) -> bool:
    return any(
        cell in state.errors or (cell not in fresh and state.results.get(cell) in _FAILED)
        for cell in state.graph.ancestors([cell_id])
    )


def blame(
    state: NotebookState, cell_id: CellId, missing: Iterable[str], running: Collection[CellId]
) -> CellId | None:
    """The cell to blame for a name that a cell of a run needs and the namespace lacks.

    That is its definer if this is no part of the run and last raised or stopped; if it was
    cancelled instead, the cell above it that raised or stopped. None if nothing of that kind is
    behind the missing names.
    """
    graph, results = state.graph, state.results
    for name in sorted(missing):
        seen = {cell_id, *running}
        queue = [definer for definer in graph.definers(name) if definer not in seen]
        for cell in queue:
            if results.get(cell) is RunResult.EXCEPTION:
                return cell
            if results.get(cell) is RunResult.CANCELLED and cell not in seen:
                seen.add(cell)
                queue += graph.by_rank(graph.parents(cell) - seen)
    return None


def has_stale_ancestor(state: NotebookState, cell_id: CellId) -> bool:
    """Whether anything the cell depends on is stale."""
    return bool(state.stale) and not state.stale.isdisjoint(state.graph.ancestors([cell_id]))


@attrs.frozen
class Replan:
    """A run under way, after something newer asks for cells of it: `kept` run first, then `run`.

    `dropped` are the cells not yet started that `run` takes in again.
    """

    kept: tuple[CellId, ...]
    dropped: tuple[CellId, ...]
    run: RunPlan

    @property
    def order(self) -> tuple[CellId, ...]:
        """What remains to be run, in order."""
        return (*self.kept, *self.run.order)


def replan(state: NotebookState, leftover: Sequence[CellId], roots: Iterable[CellId]) -> Replan:
    """Fit the cells an autorun run has not started yet around a newer run of the roots.

    No cell runs for a value that is known to be out of date, and none is left un-run: leftover
    cells that the newer run takes in wait for it, and the others cannot depend on it, so they
    run first. They are prepared already; prepare those of `run` as for any run.
    """
    run = begin_run(state, roots, autorun=True)
    members = set(run.order)
    kept = tuple(cell for cell in leftover if cell not in members)
    dropped = tuple(cell for cell in leftover if cell in members)
    return Replan(kept, dropped, run)


def ui_roots(state: NotebookState, names: Iterable[str]) -> tuple[CellId, ...]:
    """The cells to run when the values bound to names change, in registration order.

    For each name the cells that refer to it but for those that define it.
    """
    graph = state.graph
    found: set[CellId] = set()
    for name in names:
        found |= dict.fromkeys(graph.referrers(name)).keys() - graph.definers(name)
    return tuple(graph.by_rank(found))


@attrs.frozen
class StateWrite:
    """A state object that was set during a round.

    `names` are the global names bound to its getter, `setter` the last cell that set it, None if
    that happened outside any cell.
    """

    names: frozenset[str]
    setter: CellId | None
    allow_self_loops: bool = False


def state_roots(
    state: NotebookState, writes: Iterable[StateWrite], ran: Sequence[CellId]
) -> tuple[CellId, ...]:
    """The cells that have to run because state they read was set, in registration order.

    `ran` are the cells of the round in the order they ran: one that ran after the setting cell
    has seen the value. Cells in error or cancelled are left out.
    """
    graph = state.graph
    position = {cell: at for at, cell in enumerate(ran)}
    found: set[CellId] = set()
    for write in writes:
        since = position.get(write.setter, len(ran)) if write.setter is not None else len(ran)
        for name in write.names:
            for cell in graph.referrers(name):
                if cell == write.setter and not write.allow_self_loops:
                    continue
                if position.get(cell, -1) > since:
                    continue
                if cell in state.errors or state.results.get(cell) is RunResult.CANCELLED:
                    continue
                found.add(cell)
    return tuple(graph.by_rank(found))
