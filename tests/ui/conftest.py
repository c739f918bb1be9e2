"""A cell to make elements in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from callboard.authoring.context import installed
from callboard.authoring.queries import RunningQuery
from callboard.authoring.threads import Thread
from callboard.messages.ids import CellId, UIElementId
from callboard.messages.payloads import HTTPRequest
from callboard.ui.element import UIElement
from callboard.ui.registry import ElementRegistry


@attrs.define(eq=False)
class FakeCell:
    """A running cell; what it is asked for is recorded."""

    cell_id: CellId | None
    registry: ElementRegistry = attrs.Factory(ElementRegistry)
    request: HTTPRequest | None = None
    initial: dict[str, object] = attrs.Factory(dict)
    reads_own: bool = True
    made: int = 0
    output: list[object] = attrs.Factory(list)
    threads: list[Thread] = attrs.Factory(list)
    ended: list[Thread] = attrs.Factory(list)

    def next_element_id(self) -> UIElementId:
        self.made += 1
        return UIElementId(f"{self.cell_id}-{self.made - 1}")

    def initial_value(self, element_id: UIElementId) -> tuple[bool, object]:
        return element_id in self.initial, self.initial.get(element_id)

    def may_read(self, element: UIElement[Any]) -> bool:
        return self.reads_own or element._creating_cell != self.cell_id

    def append_output(self, value: object) -> None:
        self.output.append(value)

    def replace_output(self, value: object) -> None:
        self.output[:] = [value]

    def clear_output(self) -> None:
        self.output.clear()

    def thread_started(self, thread: Thread) -> None:
        self.threads.append(thread)

    def thread_ended(self, thread: Thread) -> None:
        self.ended.append(thread)

    def query_started(self, query: RunningQuery) -> None:
        pass

    def query_ended(self, query: RunningQuery) -> None:
        pass


@pytest.fixture(scope="session")
def new_cell() -> Callable[[CellId], FakeCell]:
    """Makes cells, for a test that needs a fresh one for each example."""
    return FakeCell


@pytest.fixture
def cell() -> Iterator[FakeCell]:
    """A cell that runs for the duration of the test."""
    fake = FakeCell(CellId("c"))
    with installed(fake):
        yield fake
