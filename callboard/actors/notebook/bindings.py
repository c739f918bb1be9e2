"""Which global names stand for which UI elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from callboard.messages.ids import CellId
from callboard.ui.registry import bound_elements


@attrs.define(eq=False)
class Bindings:
    """An index from element ids to the names bound to them or to a view of them.

    Kept up to date per cell, so that finding the names of an element costs nothing for unrelated cells.
    """

    _names: dict[str, set[str]] = attrs.field(factory=dict, init=False)
    _of_cell: dict[CellId, list[tuple[str, str]]] = attrs.field(factory=dict, init=False)

    def update(self, cell_id: CellId, defs: Iterable[str], values: Mapping[str, Any]) -> None:
        """Look at what a cell has just bound."""
        self.forget(cell_id)
        pairs = [
            (element_id, name)
            for name in defs
            if name in values
            for element_id in bound_elements(values[name])
        ]
        if not pairs:
            return
        self._of_cell[cell_id] = pairs
        for element_id, name in pairs:
            self._names.setdefault(element_id, set()).add(name)

    def forget(self, cell_id: CellId) -> None:
        """Drop the names of a cell."""
        for element_id, name in self._of_cell.pop(cell_id, ()):
            names = self._names.get(element_id)
            if names is not None:
                names.discard(name)
                if not names:
                    del self._names[element_id]

    def names(self, element_id: str) -> frozenset[str]:
        """Return the public names bound to an element."""
        return frozenset(self._names.get(element_id, ()))
