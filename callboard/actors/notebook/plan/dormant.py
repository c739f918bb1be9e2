"""Cells a notebook has but never registered, and commands that name cells wholesale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, CellSourceError
from callboard.actors.notebook.analysis import analyse as analyse_cell
from callboard.actors.notebook.graph import Graph
from callboard.actors.notebook.plan.mutation import Analyse
from callboard.actors.notebook.plan.run import StaleMarks
from callboard.actors.notebook.plan.state import NotebookState
from callboard.messages.ids import CellId


def remember(state: NotebookState, codes: Mapping[CellId, str]) -> StaleMarks:
    """Keep cells for later without registering them; those that are not blank count as stale."""
    kept = attrs.evolve(state, dormant={**state.dormant, **codes})
    return StaleMarks(kept, tuple(cell for cell, code in codes.items() if code.strip()))


def wake(
    state: NotebookState, codes: Mapping[CellId, str], *, analyse: Analyse = analyse_cell
) -> dict[CellId, str]:
    """The codes to register when some are executed: these and the dormant cells they need.

    Needed transitively, as far as the codes can be parsed. Dormant cells come first, in the order
    they were remembered in, which is the document's. The state changes when they are registered.
    """
    if not state.dormant:
        return dict(codes)
    merged = {**state.dormant, **codes}
    sources = Graph().change(
        [found for cell, code in merged.items() if (found := _try(analyse, code, cell))]
    )
    wanted = sources.ancestors(codes) | codes.keys()
    return {c: code for c, code in merged.items() if c in wanted}


def _try(analyse: Analyse, code: str, cell_id: CellId) -> CellAnalysis | None:
    try:
        return analyse(code, cell_id)
    except CellSourceError:
        return None


def markdown_cells(
    codes: Mapping[CellId, str], *, analyse: Analyse = analyse_cell
) -> dict[CellId, str]:
    """The cells that only show a literal text, with that text.

    They need not run if another cell binds the module they call; if none does, there are none.
    """
    # Looking for the words first spares analysing a notebook without such cells.
    maybe = {c: _try(analyse, code, c) for c, code in codes.items() if ".md(" in code}
    candidates = {c: a for c, a in maybe.items() if a is not None and a.markdown is not None}
    modules = {name: False for a in candidates.values() for name in a.refs}
    for cell, code in codes.items():
        sought = [name for name, found in modules.items() if not found and name in code]
        if not sought or cell in candidates:
            continue
        analysis = _try(analyse, code, cell)
        if analysis is not None:
            modules.update(dict.fromkeys(analysis.defs.intersection(sought), True))
    return {
        cell: analysis.markdown
        for cell, analysis in candidates.items()
        if analysis.markdown is not None and all(modules[name] for name in analysis.refs)
    }


@attrs.frozen
class StalePlan:
    """What running everything stale comes to: register `codes`, then run them and `roots`."""

    codes: Mapping[CellId, str]
    roots: tuple[CellId, ...]


def plan_stale(state: NotebookState) -> StalePlan:
    """All dormant cells, and the stale ones that are not disabled, in registration order."""
    roots = state.graph.by_rank(cell for cell in state.stale if not state.is_disabled(cell))
    return StalePlan(dict(state.dormant), tuple(roots))


@attrs.frozen
class SyncPlan:
    """What matching the graph to a file comes to: first delete, then register `codes`.

    The run that follows takes in what both leave to be run: cells that deletion left behind as
    well as those registered.
    """

    delete: tuple[CellId, ...]
    codes: Mapping[CellId, str]


def plan_sync(
    state: NotebookState,
    cells: Mapping[CellId, str],
    run_ids: Iterable[CellId],
    delete_ids: Iterable[CellId],
) -> SyncPlan:
    """Delete what is named and what the file no longer has; run what is named.

    Raises:
        ValueError: a cell to run is not in `cells`; the caller's fault.
    """
    run_ids = dict.fromkeys(run_ids)
    unknown = [cell for cell in run_ids if cell not in cells]
    if unknown:
        raise ValueError(f"cells to run that the notebook does not have: {', '.join(unknown)}")
    gone = dict.fromkeys([*delete_ids, *(c for c in state.graph.cells if c not in cells)])
    return SyncPlan(tuple(gone), {cell: cells[cell] for cell in run_ids})
