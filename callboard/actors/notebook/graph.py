"""Which cell feeds which, as an immutable value.

Edges are not stored: they follow from two indices, name to definers and name to referrers, so a
change costs what the changed cells mention, and a query costs what it visits.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, shown_name
from callboard.messages.ids import CellId

_NONE: Mapping[CellId, None] = {}
_Index = dict[str, dict[CellId, None]]


def reach(
    starts: Iterable[CellId], step: Callable[[CellId], Iterable[CellId]]
) -> dict[CellId, None]:
    """The starts and everything that `step` leads to from them, transitively."""
    seen = dict.fromkeys(starts)
    stack = list(seen)
    while stack:
        for cell in step(stack.pop()):
            if cell not in seen:
                seen[cell] = None
                stack.append(cell)
    return seen


@attrs.frozen(eq=False, repr=False)
class Graph:
    """The registered cells and the names that link them.

    There is an edge from u to v when v refers to a name that u defines, and when v deletes a name
    that u refers to. Names are variables, and what SQL makes and needs in databases. A cell never
    depends on itself. Treat every collection it returns as
    read-only: some are the indices themselves.
    """

    cells: Mapping[CellId, CellAnalysis] = attrs.field(factory=dict)
    """In registration order; a cell registered again has moved to the end."""
    _ranks: dict[CellId, int] = attrs.field(factory=dict, alias="ranks")
    _next_rank: int = attrs.field(default=0, alias="next_rank")
    _definers: _Index = attrs.field(factory=dict, alias="definers")
    _referrers: _Index = attrs.field(factory=dict, alias="referrers")
    _deleters: _Index = attrs.field(factory=dict, alias="deleters")

    def change(
        self, register: Sequence[CellAnalysis] = (), delete: Collection[CellId] = ()
    ) -> Graph:
        """A graph without the deleted cells and with the given ones registered, in their order.

        A cell that is there already is replaced and moves to the end; deleting an unknown one is
        no error. A cell both registered and deleted ends up
        registered, one registered twice as its last version. Costs a copy of the
        indices plus the names of the changed cells.
        """
        cells = dict(self.cells)
        ranks = self._ranks.copy()
        rank = self._next_rank
        definers = _Edit(self._definers)
        referrers = _Edit(self._referrers)
        deleters = _Edit(self._deleters)
        latest = {analysis.cell_id: analysis for analysis in register}
        for cell_id in (*delete, *latest):
            old = cells.pop(cell_id, None)
            if old is None:
                continue
            del ranks[cell_id]
            definers.discard(cell_id, old.gives)
            referrers.discard(cell_id, old.takes)
            deleters.discard(cell_id, old.deleted)
        for cell_id, analysis in latest.items():
            cells[cell_id] = analysis
            ranks[cell_id] = rank
            rank += 1
            definers.add(cell_id, analysis.gives)
            referrers.add(cell_id, analysis.takes)
            deleters.add(cell_id, analysis.deleted)
        return Graph(cells, ranks, rank, definers.index, referrers.index, deleters.index)

    def __contains__(self, cell_id: object) -> bool:
        return cell_id in self.cells

    def __len__(self) -> int:
        return len(self.cells)

    def definers(self, name: str) -> Collection[CellId]:
        """The cells that bind the name, in registration order."""
        return self._definers.get(name, _NONE)

    def referrers(self, name: str) -> Collection[CellId]:
        """The cells that need the name, in registration order; definers can be among them."""
        return self._referrers.get(name, _NONE)

    def deleters(self, name: str) -> Collection[CellId]:
        """The cells that delete the name without binding it, in registration order."""
        return self._deleters.get(name, _NONE)

    @property
    def defined_names(self) -> Collection[str]:
        """Every name that some cell binds, an ``SQLName`` for what SQL makes."""
        return self._definers.keys()

    def parents(self, cell_id: CellId) -> set[CellId]:
        """The cells this one depends on directly; empty for an unknown cell."""
        cell = self.cells.get(cell_id)
        if cell is None:
            return set()
        found: set[CellId] = set()
        for name in cell.takes:
            found.update(self._definers.get(name, ()))
        for name in cell.deleted:
            found.update(self._referrers.get(name, ()))
        found.discard(cell_id)
        return found

    def children(self, cell_id: CellId) -> set[CellId]:
        """The cells that depend on this one directly; empty for an unknown cell."""
        cell = self.cells.get(cell_id)
        if cell is None:
            return set()
        return self.children_by(cell_id, cell.gives)

    def children_by(self, cell_id: CellId, defs: Iterable[str]) -> set[CellId]:
        """The children of a cell that some of its names, or a deletion, make so."""
        found: set[CellId] = set()
        for name in defs:
            found.update(self._referrers.get(name, ()))
        if self._deleters:
            for name in self.cells[cell_id].refs:
                found.update(self._deleters.get(name, ()))
        found.discard(cell_id)
        return found

    def linking_names(self, parent: CellId, child: CellId) -> list[str]:
        """The names that make one cell depend on another as their authors wrote them, sorted."""
        u, v = self.cells[parent], self.cells[child]
        return sorted({shown_name(name) for name in (u.gives & v.takes) | (u.refs & v.deleted)})

    def ancestors(self, cells: Iterable[CellId]) -> set[CellId]:
        """Everything the cells depend on, transitively; themselves only if on a cycle."""
        starts = set(cells)
        parents = {parent for cell in starts for parent in self.parents(cell)}
        return set(reach(parents, self.parents))

    def descendants(self, cells: Iterable[CellId]) -> set[CellId]:
        """Everything that depends on the cells, transitively; themselves only if on a cycle."""
        starts = set(cells)
        children = {child for cell in starts for child in self.children(cell)}
        return set(reach(children, self.children))

    def rank(self, cell_id: CellId) -> int:
        """A number that grows in registration order. Raises KeyError for an unknown cell."""
        return self._ranks[cell_id]

    def by_rank(self, cells: Iterable[CellId]) -> list[CellId]:
        """The cells in registration order, unknown ones left out."""
        ranks = self._ranks
        return sorted((cell for cell in cells if cell in ranks), key=ranks.__getitem__)

    def order(self, subset: Iterable[CellId]) -> tuple[CellId, ...]:
        """The cells of a subset, each after those it depends on; ties in registration order.

        Unknown cells are left out. Only edges within the subset count. Cells on a cycle, and what
        depends on them, come last in registration order. The cost grows with the subset and what
        its cells mention, not with the notebook.
        """
        ranks = self._ranks
        members = {cell for cell in subset if cell in ranks}
        if len(members) < 2:
            return tuple(members)
        cells, definers = self.cells, self._definers
        deleters: dict[str, list[CellId]] = {}
        if self._deleters:
            for cell in members:
                for name in cells[cell].deleted:
                    deleters.setdefault(name, []).append(cell)
        edges: set[tuple[CellId, CellId]] = set()
        for cell in members:
            for name in cells[cell].takes:
                if name in definers:
                    edges.update((parent, cell) for parent in definers[name] if parent in members)
                if name in deleters:
                    edges.update((cell, child) for child in deleters[name])
        children: dict[CellId, list[CellId]] = {}
        waiting: dict[CellId, int] = {}
        for parent, child in edges:
            if parent != child:
                children.setdefault(parent, []).append(child)
                waiting[child] = waiting.get(child, 0) + 1
        ready = [(ranks[cell], cell) for cell in members if cell not in waiting]
        heapq.heapify(ready)
        ordered: list[CellId] = []
        while ready:
            _, cell = heapq.heappop(ready)
            ordered.append(cell)
            for child in children.get(cell, ()):
                waiting[child] -= 1
                if not waiting[child]:
                    del waiting[child]
                    heapq.heappush(ready, (ranks[child], child))
        ordered += self.by_rank(waiting)
        return tuple(ordered)


class _Edit:
    """Copy on write for one index: an entry is copied when it is first touched."""

    def __init__(self, index: _Index) -> None:
        self.index = index.copy()
        self.owned: set[str] = set()

    def discard(self, cell_id: CellId, names: Iterable[str]) -> None:
        for name in names:
            entry = self.entry(name)
            del entry[cell_id]
            if not entry:
                del self.index[name]
                self.owned.discard(name)

    def add(self, cell_id: CellId, names: Iterable[str]) -> None:
        for name in names:
            self.entry(name)[cell_id] = None

    def entry(self, name: str) -> dict[CellId, None]:
        if name in self.owned:
            return self.index[name]
        entry = self.index[name] = self.index.get(name, {}).copy()
        self.owned.add(name)
        return entry
