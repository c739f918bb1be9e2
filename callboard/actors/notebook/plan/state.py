"""What the planner knows of a notebook between two commands."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping

import attrs

from callboard.actors.notebook.analysis import CellAnalysis, MadeObject, shown_name
from callboard.actors.notebook.graph import Graph
from callboard.messages.ids import CellId, VariableName
from callboard.messages.payloads import CellConfig, CellError, VariableDeclaration


class RunResult(enum.StrEnum):
    """How the last run of a cell ended; a cell that has none never ran in its present version."""

    SUCCESS = "success"
    EXCEPTION = "exception"
    """It raised or stopped."""
    CANCELLED = "cancelled"
    """Not run, for what happened to a cell it depends on."""
    INTERRUPTED = "interrupted"
    IN_ERROR = "in-error"
    """Not run, because it conflicts with other cells."""
    DISABLED = "disabled"


UNSERVED = frozenset({None, RunResult.INTERRUPTED, RunResult.CANCELLED, RunResult.IN_ERROR})
"""Results after which a cell has yet to see the names that an import block brought."""


@attrs.frozen(eq=False)
class NotebookState:
    """The notebook as an immutable value. Every collection is read-only.

    `errors` are the cells in error: those that conflict with others, and those whose last code
    did not compile, which are not in the graph. `disabled` and `blocked` are the cells of the
    graph that are disabled themselves and by an ancestor; a cell can be both. `imported` holds
    for each import block the names it has bound in the namespace. `dormant` are the codes of
    cells that a notebook opened without running has and that were never registered.
    """

    graph: Graph = attrs.field(factory=Graph)
    configs: Mapping[CellId, CellConfig] = attrs.field(factory=dict)
    stale: frozenset[CellId] = frozenset()
    disabled: frozenset[CellId] = frozenset()
    blocked: frozenset[CellId] = frozenset()
    errors: Mapping[CellId, tuple[CellError, ...]] = attrs.field(factory=dict)
    results: Mapping[CellId, RunResult] = attrs.field(factory=dict)
    imported: Mapping[CellId, frozenset[str]] = attrs.field(factory=dict)
    dormant: Mapping[CellId, str] = attrs.field(factory=dict)

    def is_disabled(self, cell_id: CellId) -> bool:
        """Whether the cell does not run, by its own config or an ancestor's."""
        return cell_id in self.disabled or cell_id in self.blocked

    def dependants(self, cell_id: CellId) -> set[CellId]:
        """The children that a run of the cell makes out of date.

        All of them; but of an import block only those that need a name it has not brought yet,
        or that have not come to use the names since.
        """
        return dependants(self.graph, self.imported, self.results, cell_id)


def dependants(
    graph: Graph,
    imported: Mapping[CellId, Collection[str]],
    results: Mapping[CellId, RunResult],
    cell_id: CellId,
) -> set[CellId]:
    """`NotebookState.dependants` for its parts."""
    present = imported.get(cell_id)
    if not present:
        return graph.children(cell_id)
    defs = graph.cells[cell_id].defs
    found = graph.children_by(cell_id, defs.difference(present))
    for name in defs.intersection(present):
        found.update(c for c in graph.referrers(name) if results.get(c) in UNSERVED)
    found.discard(cell_id)
    return found


def disabled_cells(
    graph: Graph, configs: Mapping[CellId, CellConfig]
) -> tuple[frozenset[CellId], frozenset[CellId]]:
    """The cells of the graph that are disabled themselves, and those an ancestor disables."""
    disabled = frozenset(
        cell for cell, config in configs.items() if config.disabled and cell in graph
    )
    return disabled, frozenset(graph.descendants(disabled)) if disabled else disabled


@attrs.frozen
class Invalidation:
    """The state of one cell that has to go.

    Remove `names` (public and mangled private ones) from the namespace, dispose of the life-cycle
    items of the cells in `dispose` (this cell first, then those below it that no invalidation
    before this one named), drop `sql` from databases in memory, and announce that the UI elements of
    the cell are gone.
    """

    cell_id: CellId
    names: frozenset[str]
    dispose: tuple[CellId, ...]
    sql: tuple[MadeObject, ...] = ()


class Invalidator:
    """Makes the invalidations of one batch, which together visit each cell below them once."""

    def __init__(
        self,
        graph: Graph,
        imported: Mapping[CellId, Collection[str]],
        results: Mapping[CellId, RunResult],
    ) -> None:
        self._graph = graph
        self._imported = imported
        self._results = results
        self._seen: set[CellId] = set()

    def __call__(self, analysis: CellAnalysis, keep: Collection[str] = ()) -> Invalidation:
        cell_id = analysis.cell_id
        names = analysis.defs | analysis.private if analysis.private else analysis.defs
        sql = analysis.sql_makes
        if keep:
            names = names.difference(keep)
            sql = tuple(made for made in sql if made.name not in keep)
        dispose: tuple[CellId, ...] = (cell_id,)
        seen = self._seen
        if cell_id not in seen:
            seen.add(cell_id)
            below: list[CellId] = []
            stack = [cell_id]
            while stack:
                for child in dependants(self._graph, self._imported, self._results, stack.pop()):
                    if child not in seen:
                        seen.add(child)
                        below.append(child)
                        stack.append(child)
            dispose += tuple(self._graph.by_rank(below))
        return Invalidation(cell_id, names, dispose, sql)


def variables(graph: Graph) -> list[VariableDeclaration]:
    """Every variable of the notebook and what its SQL makes by name, with the cells that bind and that read it."""
    names = sorted(graph.defined_names, key=lambda name: (shown_name(name), name))
    return [
        VariableDeclaration(
            VariableName(shown_name(name)), list(graph.definers(name)), list(graph.referrers(name))
        )
        for name in names
    ]


def known(graph: Graph, cells: Iterable[CellId]) -> dict[CellId, None]:
    """The cells that the graph has, each once, in the order given."""
    return dict.fromkeys(cell for cell in cells if cell in graph)
