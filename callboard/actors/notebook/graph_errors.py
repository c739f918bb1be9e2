"""What is wrong between cells: names bound twice, cycles, a setup cell that needs others."""

from __future__ import annotations

from collections.abc import Collection

from callboard.actors.notebook.analysis import shown_name
from callboard.actors.notebook.graph import Graph
from callboard.messages.ids import SETUP_CELL, CellId
from callboard.messages.payloads import (
    CellError,
    CycleError,
    Edge,
    MultipleDefinitionError,
    SetupRefsError,
)


def semantic_errors(
    graph: Graph, suspects: Collection[CellId] | None = None
) -> dict[CellId, list[CellError]]:
    """The errors of every cell that conflicts with others, cells in registration order.

    Each cell's errors: multiple definitions by name, then its cycle, then what setup refers to.
    With `suspects`, only conflicts that one of these cells is part of, for all their parties;
    conflicts of the setup cell always. The cost is then that of the suspects and their ancestors.
    """
    if suspects is None:
        suspects = graph.cells.keys()
    found: dict[CellId, list[CellError]] = {}
    names = {name for cell in suspects if cell in graph for name in graph.cells[cell].gives}
    for name in sorted(name for name in names if len(graph.definers(name)) > 1):
        definers = sorted(graph.definers(name))
        for cell in definers:
            others = [other for other in definers if other != cell]
            found.setdefault(cell, []).append(MultipleDefinitionError(shown_name(name), others))
    for cycle in cycles(graph, suspects):
        error = CycleError(_edges(graph, cycle, set(cycle)))
        for cell in cycle:
            found.setdefault(cell, []).append(error)
    parents = graph.parents(SETUP_CELL)
    if parents:
        edges = _edges(graph, [SETUP_CELL], parents)
        found.setdefault(SETUP_CELL, []).append(SetupRefsError(edges))
    return {cell: found[cell] for cell in graph.by_rank(found)}


def _edges(graph: Graph, targets: Collection[CellId], sources: Collection[CellId]) -> list[Edge]:
    pairs = [
        (source, target)
        for target in targets
        for source in graph.parents(target)
        if source in sources
    ]
    pairs.sort(key=lambda pair: (graph.rank(pair[0]), graph.rank(pair[1])))
    return [(source, graph.linking_names(source, target), target) for source, target in pairs]


def cycles(graph: Graph, through: Collection[CellId]) -> list[list[CellId]]:
    """Groups of cells that all depend on each other, those that hold one of the given cells.

    Each in registration order. Cells on several entwined cycles make one group. Visits the given
    cells and their ancestors.
    """
    # Tarjan's algorithm against the edges: a cell has as many parents as it has names to look up,
    # while a popular import has the whole notebook for children.
    index: dict[CellId, int] = {}
    low: dict[CellId, int] = {}
    path: list[CellId] = []
    on_path: set[CellId] = set()
    found: list[list[CellId]] = []
    for start in through:
        if start in index or start not in graph:
            continue
        work = [(start, iter(graph.parents(start)))]
        index[start] = low[start] = len(index)
        path.append(start)
        on_path.add(start)
        while work:
            cell, parents = work[-1]
            for parent in parents:
                if parent not in index:
                    index[parent] = low[parent] = len(index)
                    path.append(parent)
                    on_path.add(parent)
                    work.append((parent, iter(graph.parents(parent))))
                    break
                if parent in on_path:
                    low[cell] = min(low[cell], index[parent])
            else:
                work.pop()
                if work:
                    below = work[-1][0]
                    low[below] = min(low[below], low[cell])
                if low[cell] == index[cell]:
                    group = [path.pop()]
                    while group[-1] != cell:
                        group.append(path.pop())
                    on_path.difference_update(group)
                    if len(group) > 1:
                        found.append(graph.by_rank(group))
    given = set(through)
    kept = [group for group in found if not given.isdisjoint(group)]
    kept.sort(key=lambda group: graph.rank(group[0]))
    return kept
