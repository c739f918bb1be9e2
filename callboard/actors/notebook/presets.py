"""Values for UI elements given from outside by the names that the elements get bound to."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Executor
from callboard.actors.notebook.failures import traceback_text
from callboard.authoring.context import installed
from callboard.messages.ids import CellId
from callboard.ui.element import UIElement


@attrs.define(eq=False)
class Presets:
    """Sets an element right after the cell that binds it has run, so that no cell sees its default.

    Cell thread only.
    """

    book: Book
    executor: Executor
    values: dict[str, object]
    """Raw values by name. They stay, so that a cell that runs again starts from them again."""
    unused: set[str] = attrs.field(init=False)
    """Names that no element has been bound to so far."""

    def __attrs_post_init__(self) -> None:
        self.unused = set(self.values)

    def apply(
        self, cell_id: CellId, defs: AbstractSet[str], values: Mapping[str, Any], run: Run
    ) -> None:
        """Set the elements that a cell has just bound to one of the names."""
        if not self.values:
            return
        for name in sorted(defs & self.values.keys()):
            element = values.get(name)
            if not isinstance(element, UIElement):
                continue
            self.unused.discard(name)
            with installed(self.book.callback_scope(cell_id)):
                ended = self.executor.call(partial(element._apply, self.values[name]), run)
            failures = [] if ended.error is not None else ended.value.failures
            for failure in failures:
                text = f"{failure}\n{traceback_text(failure.error)}"
                self.book.console.write(cell_id, "stderr", text)
