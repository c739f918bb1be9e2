"""New values of UI elements: set, announced to callbacks, and carried on to the cells that use them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Ended, Executor
from callboard.actors.notebook.failures import traceback_text
from callboard.actors.notebook.kinds import is_a
from callboard.actors.notebook.scope import Scope
from callboard.actors.notebook.variables import class_name, describe
from callboard.authoring.context import installed
from callboard.authoring.control import StopCell
from callboard.messages.ids import UIElementId, VariableName
from callboard.messages.notifications import VariableValuesNotification
from callboard.messages.payloads import VariableValue
from callboard.ui.element import UIElement
from callboard.ui.updates import Applied, PendingCallback, UpdateFailure, UpdateStage


@attrs.define(eq=False)
class Ticks:
    """Takes new raw values over. Cell thread only."""

    book: Book
    executor: Executor

    async def apply(
        self, values: Mapping[UIElementId, object], run: Run
    ) -> tuple[list[UIElement[Any]], set[str]]:
        """Set elements to raw values and call their callbacks.

        Returns the elements that changed and the public names bound to them. What callbacks and conversions raise
        goes to the stderr of the cell that made the element; the other elements still change. After an interrupt
        they change too, for the page shows them so, but no further callback is called.
        """
        changed: list[UIElement[Any]] = []
        names: set[str] = set()
        for element, raw in self.book.registry.resolve(values):
            applied = await self._apply(element, raw, run)
            bound = self.book.bindings.names(element.element_id)
            if bound:
                text, datatype = describe(element._raw_value)
                self.book.emit(
                    VariableValuesNotification(
                        [
                            VariableValue(VariableName(name), text, datatype)
                            for name in sorted(bound)
                        ]
                    )
                )
            if applied.changed:
                changed.append(element)
                names |= bound
        return changed, names

    def complete(self, elements: list[UIElement[Any]], run: Run) -> None:
        """Tell elements that their dependants have run; a run button falls back here."""
        for element in elements:
            with installed(self._scope(element)):
                ended = self.executor.finish(element._completed, run)
            if ended.error is not None:
                self._report(
                    element, partial("after the run, {!r} raised".format, element), ended.error, run
                )
        self.book.flush_console()

    async def _apply(self, element: UIElement[Any], raw: object, run: Run) -> Applied:
        with installed(self._scope(element)):
            ended = self.executor.finish(partial(element._apply, raw), run)
        if ended.error is not None:  # an interrupt: nothing else comes out of there
            self._report(
                element, partial("setting {!r} was interrupted".format, element), ended.error, run
            )
            return Applied(changed=True)
        applied: Applied = ended.value
        failures = list(applied.failures)
        for pending in applied.callbacks:
            if run.interrupted:
                break
            called = await self._call(pending, run)
            if called.error is not None and not is_a(called.error, StopCell):
                failures.append(UpdateFailure(pending.element, UpdateStage.CALLBACK, called.error))
        for failure in failures:
            self._report(failure.element, partial(str, failure), failure.error, run)
        if applied.callbacks or failures:
            self.book.flush_console()
        return applied

    async def _call(self, pending: PendingCallback, run: Run) -> Ended:
        with installed(self._scope(pending.element)):
            called = self.executor.call(pending, run)
            waiting: Awaitable[object] | None = called.value
            if called.error is not None or waiting is None:
                return called
            return await self.executor.awaitable(waiting, run)

    def _scope(self, element: UIElement[Any]) -> Scope | None:
        return self.book.callback_scope(element._creating_cell)

    def _report(
        self, element: UIElement[Any], what: Callable[[], str], error: BaseException, run: Run
    ) -> None:
        cell_id = element._creating_cell
        if cell_id is None:
            return
        # Both texts are made by user code: of the element's value, and of the exception.
        told = self.executor.finish(what, run)
        text = self.executor.finish(partial(traceback_text, error), run)
        heading = told.value or f"element {element.element_id} raised {class_name(error)}"
        self.book.console.write(cell_id, "stderr", f"{heading}\n{text.value or ''}")
