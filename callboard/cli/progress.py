"""When what cells show is printed, and how their errors are worded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from callboard.cli.notebook import Notebook
from callboard.cli.plain import listed
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import (
    AncestorStoppedError,
    CellError,
    CellOutput,
    CycleError,
    ExceptionError,
    ImportStarError,
    InterruptionError,
    MultipleDefinitionError,
    SetupRefsError,
    SyntaxCellError,
)

Shown = tuple[CellId, CellOutput]


@attrs.define(eq=False)
class Progress:
    """Puts the outputs of cells into the order of the file, each as soon as those before it are known.

    Cells run in the order of their dependencies. An output waits until all cells above have ended, or are known not
    to run; what a cell shows later on comes at once.
    """

    order: Sequence[CellId]
    _outputs: dict[CellId, CellOutput] = attrs.field(factory=dict, init=False)
    _under_way: set[CellId] = attrs.field(init=False)
    """Cells of which more is to come before they have ended."""
    _queued: set[CellId] = attrs.field(factory=set, init=False)
    _position: dict[CellId, int] = attrs.field(init=False)
    _next: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._under_way = set(self.order)
        self._position = {cell_id: position for position, cell_id in enumerate(self.order)}

    def take(self, op: CellOpNotification) -> list[Shown]:
        """Take note of what happened to a cell, and return what can be printed now."""
        if op.output is not None:
            self._outputs[op.cell_id] = op.output
        if op.status == "queued":
            self._queued.add(op.cell_id)
            self._under_way.add(op.cell_id)
        elif op.status == "running":
            # All cells of a run are queued before the first one runs: the others do not run.
            self._under_way &= self._queued
            self._under_way.add(op.cell_id)
        elif op.status is not None:
            self._under_way.discard(op.cell_id)
        return self._ready()

    def finish(self) -> list[Shown]:
        """Return what is left when nothing more is going to run."""
        self._under_way.clear()
        return self._ready()

    def _ready(self) -> list[Shown]:
        while self._next < len(self.order) and self.order[self._next] not in self._under_way:
            self._next += 1
        ready = [
            cell_id
            for cell_id in self._outputs
            if cell_id not in self._under_way and self._position.get(cell_id, -1) < self._next
        ]
        ready.sort(key=lambda cell_id: self._position.get(cell_id, -1))
        return [(cell_id, self._outputs.pop(cell_id)) for cell_id in ready]


def failed(errors: Iterable[CellError]) -> bool:
    """Whether errors are the notebook's failure: an interrupt is not, nor is ``cb.stop`` in a cell above."""
    return not all(isinstance(error, AncestorStoppedError | InterruptionError) for error in errors)


def describe(notebook: Notebook, cell_id: CellId, error: CellError) -> str:
    """Word an error, with the place in the file in front of it, as compilers do."""
    cell = notebook.cell(cell_id)
    line = 0 if cell is None else cell.line
    name = cell.name if cell is not None and cell.name else cell_id
    match error:
        case SyntaxCellError(lineno=lineno) | ImportStarError(lineno=lineno):
            line += (lineno or 1) - 1
            _, _, text = error.msg.partition("\n")
        case ExceptionError(raising_cell=None):
            text = f"{error.exception_type}: {error.msg}"
        case MultipleDefinitionError():
            text = f"{error.name!r} is also defined by {_cells(error.cells)}"
        case CycleError():
            text = f"the cell depends on itself: {_edges(error)}"
        case SetupRefsError():
            text = f"the setup cell must not depend on other cells: {_edges(error)}"
        case InterruptionError():
            text = "interrupted"
        case _:
            text = error.msg
    separator = "\n" if text.startswith(" ") else " "
    return f"{notebook.path}:{line}: cell {name!r}:{separator}{text}"


def _cells(cells: Sequence[CellId]) -> str:
    return f"cell{'s' if len(cells) > 1 else ''} {listed(cells)}"


def _edges(error: CycleError | SetupRefsError) -> str:
    return "; ".join(
        f"cell {to!r} needs {', '.join(names)} of cell {origin!r}"
        for origin, names, to in error.edges_with_vars
    )
