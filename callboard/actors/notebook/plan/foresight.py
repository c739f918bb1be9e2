"""Whether commands that have not ended may give a name another value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, CellSourceError, analyse, forget_source
from callboard.actors.notebook.plan.dormant import wake
from callboard.actors.notebook.plan.state import NotebookState
from callboard.messages.ids import CellId


@attrs.frozen
class Change:
    """What one command that has not ended may still do to the notebook, seen from here.

    Cells below those it runs are not listed; they follow from the graph.
    """

    codes: Mapping[CellId, str] = attrs.field(factory=dict)
    """Cells that it registers with these codes, and runs."""
    cells: Collection[CellId] = ()
    """Registered cells that it runs or takes away."""
    read_anew: Collection[str] = ()
    """Names whose readers it runs, though they stay bound to what they are."""
    bound: Collection[str] = ()
    """Names that it binds without a cell."""
    everything: bool = False
    """It is in the middle of a change, so nothing can be said."""


class Foresight:
    """What may come of a notebook by commands that are pending or running.

    Exact but for this: a cell that will turn out to be in conflict with others, or to be left out for want of a
    parent, counts as one that runs; either way its names vanish. A code is analysed only if a name in question is
    in its text.
    """

    def __init__(self, state: NotebookState, changes: Iterable[Change], *, autorun: bool) -> None:
        self._state = state
        self._autorun = autorun
        self._codes: list[tuple[CellId, str]] = []
        self._cells: set[CellId] = set()
        self._read_anew: set[str] = set()
        self._bound: set[str] = set()
        self._everything = False
        for change in changes:
            self._codes += change.codes.items()
            self._cells.update(change.codes, change.cells)
            self._read_anew.update(change.read_anew)
            self._bound.update(change.bound)
            self._everything |= change.everything

    def may_rebind(self, name: str) -> bool:
        """Tell whether the name may be bound, bound anew or taken away before all of it has ended."""
        if self._everything:
            return True
        graph = self._state.graph
        seen, pending = {name}, [name]
        while pending:
            looked_at = pending.pop()
            if looked_at in self._bound or self._in_a_new_code(looked_at):
                return True
            for cell_id in (*graph.definers(looked_at), *graph.deleters(looked_at)):
                if self._runs(cell_id):
                    if looked_at == name or not self._stays_imported(cell_id, looked_at):
                        return True
                    continue
                if not self._autorun:
                    continue
                refs = graph.cells[cell_id].refs
                if not refs.isdisjoint(self._read_anew):
                    return True
                pending += refs - seen
                seen |= refs
        return False

    def _runs(self, cell_id: CellId) -> bool:
        return cell_id in self._cells or (
            cell_id in self._state.stale and cell_id in self._stale_ancestors
        )

    def _in_a_new_code(self, name: str) -> bool:
        if any(name in _defs(code) for _, code in self._codes if name in code):
            return True
        dormant = [cell for cell, code in self._state.dormant.items() if name in code]
        return any(
            cell in self._woken and name in _defs(self._state.dormant[cell]) for cell in dormant
        )

    def _stays_imported(self, cell_id: CellId, name: str) -> bool:
        """Tell whether an import block that runs again has brought a name already, so that no reader runs for it."""
        cell = self._state.graph.cells[cell_id]
        return name in self._state.imported.get(cell_id, ()) and all(
            code == cell.code for registered, code in self._codes if registered == cell_id
        )

    @cached_property
    def _stale_ancestors(self) -> set[CellId]:
        """Cells above those that run, which run with them if they are stale."""
        graph = self._state.graph
        starts = {cell for name in self._read_anew for cell in graph.referrers(name)}
        starts |= self._cells
        above = {
            definer
            for _, code in self._codes
            for name in _refs(code)
            for definer in graph.definers(name)
        }
        return graph.ancestors(starts | above) | above

    @cached_property
    def _woken(self) -> Collection[CellId]:
        return wake(self._state, dict(self._codes)) if self._codes else ()


@lru_cache(maxsize=512)
def _names(code: str) -> tuple[frozenset[str], frozenset[str]]:
    kernel_key = "to come"
    cell_id = CellId("?")
    try:
        analysis: CellAnalysis = analyse(code, cell_id, kernel_key=kernel_key)
    except CellSourceError:
        return frozenset(), frozenset()
    finally:
        forget_source(cell_id, kernel_key)
    return analysis.defs | analysis.deleted, analysis.refs


def _defs(code: str) -> frozenset[str]:
    return _names(code)[0]


def _refs(code: str) -> frozenset[str]:
    return _names(code)[1]
