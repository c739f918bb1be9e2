"""What the code of one cell sees of the kernel while it runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from callboard.actors.notebook.queries import RunningQueries
from callboard.authoring.queries import RunningQuery
from callboard.authoring.threads import Thread
from callboard.messages.ids import CellId, UIElementId
from callboard.messages.payloads import HTTPRequest
from callboard.ui.registry import ElementRegistry

if TYPE_CHECKING:
    from callboard.ui.element import UIElement


class OutputSink(Protocol):
    """Shows values that a cell adds to its output while it runs; safe from any thread."""

    def append(self, cell_id: CellId, value: object) -> None:
        """Show ``value`` below what the cell shows."""

    def replace(self, cell_id: CellId, value: object) -> None:
        """Show ``value`` alone."""

    def clear(self, cell_id: CellId) -> None:
        """Show nothing."""


@attrs.define(eq=False, repr=False)
class Scope:
    """The cell context of one execution of a cell, with its callbacks, functions, tasks and threads.

    Element ids count from 0 on every execution, so they are the same in every session for a cell that does the same.
    """

    cell_id: CellId
    registry: ElementRegistry
    outputs: OutputSink
    request_of: Callable[[], HTTPRequest | None]
    initial_values: dict[UIElementId, object]
    prefix: str
    queries: RunningQueries = attrs.field(factory=RunningQueries)
    """Those of the whole notebook."""
    reads_own: bool = False
    """Whether elements of the cell may be read: in callbacks and functions, not in the cell itself."""
    threads: set[Thread] = attrs.field(factory=set)
    _made: int = attrs.field(default=0, init=False)
    _for_callbacks: Scope | None = attrs.field(default=None, init=False)

    @property
    def request(self) -> HTTPRequest | None:
        """The request that the command being handled carries."""
        return self.request_of()

    def next_element_id(self) -> UIElementId:
        """Return the next id: prefix and running number."""
        number = self._made
        self._made = number + 1
        return UIElementId(f"{self.prefix}-{number}")

    def initial_value(self, element_id: UIElementId) -> tuple[bool, object]:
        """Return the value a client gave for an element before it existed."""
        if element_id in self.initial_values:
            return True, self.initial_values[element_id]
        return False, None

    def may_read(self, element: UIElement[Any]) -> bool:
        """Refuse the creating cell: it would not run again when the value changes."""
        return self.reads_own or element._creating_cell != self.cell_id

    def append_output(self, value: object) -> None:
        """Show a value below what the cell shows."""
        self.outputs.append(self.cell_id, value)

    def replace_output(self, value: object) -> None:
        """Show a value alone."""
        self.outputs.replace(self.cell_id, value)

    def clear_output(self) -> None:
        """Show nothing."""
        self.outputs.clear(self.cell_id)

    def thread_started(self, thread: Thread) -> None:
        """Remember a thread, to ask it to exit when the cell is invalidated."""
        self.threads.add(thread)

    def thread_ended(self, thread: Thread) -> None:
        """Forget a thread that is through."""
        self.threads.discard(thread)

    def query_started(self, query: RunningQuery) -> None:
        """Take note of a query, to break it off on an interrupt."""
        self.queries.started(query, self.cell_id)

    def query_ended(self, query: RunningQuery) -> None:
        """Forget a query that is over."""
        self.queries.ended(query)

    def for_callback(self) -> Scope:
        """Return the scope of all callbacks of the cell's elements; elements made there get ids of their own."""
        if self._for_callbacks is None:
            prefix = f"{self.cell_id}-{uuid.uuid4().hex[:8]}"
            self._for_callbacks = attrs.evolve(self, prefix=prefix, reads_own=True)
        return self._for_callbacks

    def for_function(self) -> Scope:
        """Make the scope of a function call: elements made there have a random prefix and not the cell's."""
        return attrs.evolve(self, prefix=uuid.uuid4().hex, reads_own=True)

    def release(self) -> None:
        """Ask the cell's threads to exit, as the cell was invalidated."""
        for thread in tuple(self.threads):
            thread.request_exit()
