"""What running user code may ask of the kernel that runs it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callboard.authoring.queries import RunningQuery
    from callboard.authoring.threads import Thread
    from callboard.messages.ids import CellId, UIElementId
    from callboard.messages.payloads import HTTPRequest
    from callboard.ui.element import UIElement
    from callboard.ui.registry import ElementRegistry


class OutsideCell(RuntimeError):
    """Something that needs a running cell was used where none runs: the caller's fault."""


class CellContext(Protocol):
    """The kernel as seen by the code of one cell, or by one callback or function on its behalf.

    The kernel installs one in `current_context` while user code runs. Tasks and `cb.Thread`s
    started by that code inherit it and may outlive the run, so every method must tolerate a call
    from another thread and after the cell was invalidated.
    """

    @property
    def cell_id(self) -> CellId | None:
        """The cell the code belongs to; elements made now belong to it too."""

    @property
    def registry(self) -> ElementRegistry:
        """Where elements made by this code are registered."""

    @property
    def request(self) -> HTTPRequest | None:
        """The request that the command being handled carries, if any."""

    def next_element_id(self) -> UIElementId:
        """A fresh element id, deterministic for a deterministic cell."""

    def initial_value(self, element_id: UIElementId) -> tuple[bool, object]:
        """Whether the client gave a starting raw value for this id, and that value."""

    def may_read(self, element: UIElement[Any]) -> bool:
        """Whether this code may read the element's value; the creating cell itself may not."""

    def append_output(self, value: object) -> None:
        """Add a value below what the cell shows already."""

    def replace_output(self, value: object) -> None:
        """Show this value instead of what the cell shows already."""

    def clear_output(self) -> None:
        """Show nothing."""

    def thread_started(self, thread: Thread) -> None:
        """A thread of this cell is about to run; called on the thread that starts it.

        The kernel calls `thread.request_exit()` when the cell is invalidated.
        """

    def thread_ended(self, thread: Thread) -> None:
        """A thread of this cell is through; called on that thread, in its inherited context."""

    def query_started(self, query: RunningQuery) -> None:
        """A database is about to work for this code; called on the thread that waits for it.

        An interrupt of the run calls `query.interrupt()` before it breaks the code.
        """

    def query_ended(self, query: RunningQuery) -> None:
        """A database is through with a query, or was interrupted; called on the thread that started it."""


current_context: ContextVar[CellContext | None] = ContextVar("callboard_cell", default=None)
"""The context of the user code running now; none in a plain script and on the kernel's own tasks.
"""


def require_context() -> CellContext:
    """The context of the running cell.

    Raises:
        OutsideCell: no cell, callback or function of a kernel is running here.
    """
    context = current_context.get()
    if context is None:
        raise OutsideCell("this needs a running cell, and no kernel runs this code")
    return context


@contextmanager
def installed(context: CellContext | None) -> Iterator[None]:
    """Make a context current for the block, in this thread or task only."""
    token = current_context.set(context)
    try:
        yield
    finally:
        current_context.reset(token)
