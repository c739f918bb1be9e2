"""Whether commands that have not ended may give a name another value."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, CellSourceError, analyse, forget_source
from callboard.actors.notebook.plan.state import UNSERVED, NotebookState
from callboard.messages.ids import SETUP_CELL, CellId


@attrs.frozen
class Change:
    """What one command that has not ended may still do to the notebook, seen from here.

    Cells below those it runs are not listed; they follow from the graph.
    """

    codes: Mapping[CellId, str] = attrs.field(factory=dict)
    """Cells that it registers with these codes, and runs."""
    cells: Collection[CellId] = ()
    """Registered cells that it runs."""
    if_autorun: Collection[CellId] = ()
    """Registered cells that it runs in autorun; else they are stale then."""
    gone: Collection[CellId] = ()
    """Registered cells that it takes away."""
    read_anew: Collection[str] = ()
    """Names whose readers it runs, though they stay bound to what they are."""
    bound: Collection[str] = ()
    """Names that it binds without a cell."""
    dormant: Mapping[CellId, str] = attrs.field(factory=dict)
    """Cells that it keeps for later without registering them."""
    all_stale: bool = False
    """It runs whatever is stale by then, and all dormant cells."""
    everything: bool = False
    """It is in the middle of a change, so nothing can be said."""


class Foresight:
    """What may come of a notebook by commands that are pending or running.

    Never says no in error. It says yes although nothing comes of it where a closer look would have to carry the
    commands out; either way the name has no value for long, or one that a little later is the same:

    - A cell that will turn out to be in conflict with others, or no longer to be, to be disabled, or to be left out
      for want of a parent, counts as one that runs, and so does what is below it.
    - The commands count as given in any order, several of them as one.
    - A code counts as changed with all its names, even if its cell had it before; an import block that changes, or
      one that runs while several commands are pending, as one that brings its names anew. A cell that deletes a name
      counts as doing so once more when it is replaced or taken away.
    - While cells are registered, a dormant one counts as needed by them. While there are such, or cells are
      registered or taken away in autorun, every stale cell counts as one that runs.

    A code that changes is analysed only if a name in question is in its text, or in lazy mode to find what it needs.
    """

    def __init__(self, state: NotebookState, changes: Iterable[Change], *, autorun: bool) -> None:
        self._state = state
        self._autorun = autorun
        self._new: list[str] = []
        self._replaced: set[CellId] = set()
        self._cells: set[CellId] = set()
        self._gone: set[CellId] = set()
        self._read_anew: set[str] = set()
        self._bound: set[str] = set()
        self._all_stale = self._everything = self._rebuilds = self._wakes = False
        self._changes = 0
        self._stale = set(state.stale)
        dormant = dict(state.dormant)
        for change in changes:
            self._changes += 1
            self._register(change.codes)
            self._cells.update(change.codes, change.cells)
            (self._cells if autorun else self._stale).update(change.if_autorun)
            self._gone.update(change.gone)
            self._read_anew.update(change.read_anew)
            self._bound.update(change.bound)
            self._all_stale |= change.all_stale
            self._everything |= change.everything
            dormant.update(change.dormant)
            self._rebuilds |= bool(change.codes or change.gone or change.all_stale)
            self._wakes |= bool(change.codes or change.all_stale)
        self._wakes &= bool(dormant)
        if self._wakes:
            self._new += dormant.values()
        self._runs_any = bool(
            self._cells or self._all_stale or (autorun and (self._gone or self._read_anew))
        )

    def _register(self, codes: Mapping[CellId, str]) -> None:
        """Take note of codes; what the graph says of a cell is true of a code that stays as it is."""
        for cell_id, code in codes.items():
            registered = self._state.graph.cells.get(cell_id)
            if registered is None or registered.code != code:
                self._new.append(code)
                self._replaced.add(cell_id)

    def may_rebind(self, name: str) -> bool:
        """Tell whether the name may be bound, bound anew or taken away before all of it has ended."""
        if self._everything:
            return True
        if not (self._runs_any or self._rebuilds or self._bound):
            return False
        if self._is_given(name):
            return True
        graph = self._state.graph
        above = dict.fromkeys((*graph.definers(name), *graph.deleters(name)))
        queue = list(above)
        for cell_id in queue:
            if self._runs(cell_id) or self._clashes(graph.cells[cell_id]):
                return True
            if self._autorun or self._is_above(cell_id):
                parents = self._parents(graph.cells[cell_id])
                if parents is None:
                    return True
                queue += [parent for parent in parents if parent not in above]
                above.update(parents)
        return False

    def _parents(self, cell: CellAnalysis) -> dict[CellId, None] | None:
        """The cells that take a cell along when they run; None if something else does already."""
        graph, cell_id = self._state.graph, cell.cell_id
        parents: dict[CellId, None] = {}
        for ref in cell.refs:
            # A cell that binds the name itself is not run for what the name is bound to.
            if (ref in self._read_anew and ref not in cell.defs) or self._is_given(ref):
                return None
            for parent in graph.definers(ref):
                if not (self._runs(parent) and self._is_spared(cell_id, parent, ref)):
                    parents[parent] = None
        for name in cell.deleted:
            if any(name in _names(code).refs for code in self._new if _mentions(code, name)):
                return None
            parents.update(dict.fromkeys(graph.referrers(name)))
        return parents

    def _runs(self, cell_id: CellId) -> bool:
        """Tell whether a cell is run or taken away, whatever happens to those above it."""
        state = self._state
        if cell_id in self._cells or cell_id in self._gone:
            return True
        if cell_id in self._stale and (
            self._wakes or (self._autorun and self._rebuilds) or self._is_above(cell_id)
        ):
            return True
        # One that conflicts with nothing any more.
        return self._rebuilds and cell_id in state.errors

    def _clashes(self, cell: CellAnalysis) -> bool:
        """Tell whether a name of a cell may be bound by another one, which takes all its names away."""
        return bool(self._new) and any(self._is_given(name) for name in cell.defs)

    def _is_given(self, name: str) -> bool:
        """Tell whether a name is bound by something other than the cells that are there."""
        return name in self._bound or any(
            name in _defs(code) for code in self._new if _mentions(code, name)
        )

    def _is_spared(self, cell_id: CellId, parent: CellId, name: str) -> bool:
        """Tell whether a cell need not run again though an import block does, for it has the name already."""
        state = self._state
        return (
            self._changes == 1
            and name in state.imported.get(parent, ())
            and state.results.get(cell_id) not in UNSERVED
            and parent not in self._gone
            and parent not in self._replaced
        )

    def _is_above(self, cell_id: CellId) -> bool:
        """Tell whether a cell runs together with one below it, should it be stale by then."""
        if self._all_stale or self._wakes:
            return True
        return cell_id in self._above or (cell_id == SETUP_CELL and self._runs_any)

    @cached_property
    def _above(self) -> set[CellId]:
        graph = self._state.graph
        direct: set[CellId] = set()
        for names in map(_names, self._new):
            for name in names.refs:
                direct.update(graph.definers(name))
            for name in names.deleted:
                direct.update(graph.referrers(name))
        starts = self._cells | direct
        if self._autorun:
            for name in self._read_anew:
                starts.update(graph.referrers(name))
        return graph.ancestors(starts) | direct


@attrs.frozen
class _Names:
    """What a code does with names."""

    defs: frozenset[str] = frozenset()
    refs: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def _names(code: str) -> _Names:
    kernel_key = "to come"
    cell_id = CellId("?")
    try:
        analysis = analyse(code, cell_id, kernel_key=kernel_key)
    except CellSourceError:
        return _Names()
    finally:
        forget_source(cell_id, kernel_key)
    return _Names(analysis.defs, analysis.refs, analysis.deleted)


def _mentions(code: str, name: str) -> bool:
    """Tell whether a name may be in a code: identifiers are compared in their compatible form."""
    return name in (code if code.isascii() else unicodedata.normalize("NFKC", code))


def _defs(code: str) -> frozenset[str]:
    names = _names(code)
    return names.defs | names.deleted
