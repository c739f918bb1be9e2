"""Values for UI elements given from outside by the names that the elements get bound to."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Executor
from callboard.actors.notebook.failures import message_of, traceback_text
from callboard.actors.notebook.kinds import is_a
from callboard.authoring.context import installed
from callboard.messages.ids import CellId
from callboard.ui.element import UIElement


@attrs.frozen
class PresetReport:
    """What has become of the preset values so far."""

    unused: frozenset[str]
    """Names that no element has been bound to."""
    refused: Mapping[str, str]
    """Names of elements that did not take their value, each with the reason."""
    elements: frozenset[str]
    """Names that elements have been bound to; known only if there are preset values."""


@attrs.define(eq=False, repr=False)
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
    refused: dict[str, str] = attrs.field(factory=dict, init=False)
    """Why elements did not take their value, by name."""
    elements: set[str] = attrs.field(factory=set, init=False)
    """Names that elements have been bound to, if there are values to set."""

    def __attrs_post_init__(self) -> None:
        self.unused = set(self.values)

    def apply(
        self, cell_id: CellId, defs: AbstractSet[str], values: Mapping[str, Any], run: Run
    ) -> None:
        """Set the elements that a cell has just bound to one of the names."""
        if not self.values:
            return
        for name in sorted(defs):
            element = values.get(name)
            if not is_a(element, UIElement):
                continue
            self.elements.add(name)
            if name not in self.values:
                continue
            self.unused.discard(name)
            self.refused.pop(name, None)
            with installed(self.book.callback_scope(cell_id)):
                ended = self.executor.finish(partial(element._apply, self.values[name]), run)
            failures = [] if ended.error is not None else ended.value.failures
            for failure in failures:
                self.refused[name] = message_of(failure.error)
                # The text of the element's value is made by user code.
                told = self.executor.finish(partial(str, failure), run)
                text = f"{told.value or name}\n{traceback_text(failure.error)}"
                self.book.console.write(cell_id, "stderr", text)

    def report(self) -> PresetReport:
        """Say what has become of the values; from any thread while nothing runs."""
        return PresetReport(
            frozenset(self.unused), MappingProxyType(dict(self.refused)), frozenset(self.elements)
        )
