"""Code that runs beside the notebook, on a copy of its namespace."""

from __future__ import annotations

from functools import partial

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.analysis import CellSourceError
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Ended, Executor
from callboard.actors.notebook.failures import CellFailures, traceback_html
from callboard.actors.notebook.kinds import is_a
from callboard.actors.notebook.runs import MissingPackages
from callboard.actors.notebook.sql_failures import is_sql_error
from callboard.authoring.context import installed
from callboard.authoring.control import StopCell
from callboard.messages.commands import ExecuteScratchpadCommand
from callboard.messages.ids import SCRATCHPAD_CELL
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import (
    TRACEBACK_MIMETYPE,
    CellError,
    CellOutput,
    InterruptionError,
)

_ALERTS_ELSEWHERE = "/api/kernel/execute"
"""Requests to this path report missing packages in a way of their own."""


@attrs.define(eq=False)
class Scratchpad:
    """Runs code as cell ``__scratch__``: new names vanish with the copy, changes to shared objects stay.

    Cell thread only. Nothing is registered, so nothing follows from it.
    """

    book: Book
    executor: Executor
    failures: CellFailures
    missing: MissingPackages

    async def run(self, command: ExecuteScratchpadCommand, run: Run) -> None:
        """Run the code and show what becomes of it; an interrupt breaks it as it does a cell."""
        try:
            cell = self.book.analyse(command.code, SCRATCHPAD_CELL)
        except CellSourceError as error:
            text = getattr(error.error, "msg", "") or str(error)
            self._tell(console=CellOutput.stderr(text))
            self._tell(output=CellOutput.errors([error.error]))
            self._tell(status="idle")
            return
        book = self.book
        self._tell(status="queued")
        self._tell(status="running", console=[])
        book.running = run.current = SCRATCHPAD_CELL
        run.cells_run += 1
        book.outputs.begin(SCRATCHPAD_CELL)
        namespace = book.namespace.copy()
        ended = Ended()
        with installed(book.new_scope(SCRATCHPAD_CELL)):
            for code in (cell.body, cell.output):
                if code is not None and ended.error is None:
                    ended = await self.executor.code(code, namespace, run)
            output = self._output(ended, run)
        if output is not None:
            self._tell(output=output)
        book.flush_console()
        self._tell(status="idle")
        run.current = None
        self.executor.finish(book.outputs.take(SCRATCHPAD_CELL).clear, run)
        self._report_missing(command, ended, run)

    def _output(self, ended: Ended, run: Run) -> CellOutput | None:
        error: BaseException | None = ended.error
        value = ended.value
        if is_a(error, StopCell):
            value, error = error.output, None
        if error is None:
            shown = self.executor.finish(
                lambda: self.book.outputs.result(SCRATCHPAD_CELL, value), run
            )
            if shown.error is None:
                result: CellOutput | None = shown.value
                return result
            ended = shown
        # Texts of exceptions are made by user code.
        told = self.executor.finish(lambda: self._error(ended), run)
        return CellOutput.errors([told.value or self.failures.unshown(told)])

    def _error(self, ended: Ended) -> CellError:
        error = ended.error
        assert error is not None
        if ended.interrupted or not is_sql_error(error):
            self.book.console.write(
                SCRATCHPAD_CELL, "stderr", traceback_html(error), TRACEBACK_MIMETYPE
            )
        if ended.interrupted:
            return InterruptionError()
        return self.failures.of_exception(SCRATCHPAD_CELL, error)

    def _report_missing(self, command: ExecuteScratchpadCommand, ended: Ended, run: Run) -> None:
        errors = self.book.outputs.take_import_errors()
        if is_a(ended.error, ImportError):
            errors.append(ended.error)
        path = "" if command.request is None else command.request.url.path
        if errors and not path.endswith(_ALERTS_ELSEWHERE):
            # Errors are asked for what they are about, which may be user code.
            look = partial(self.missing.after_run, errors, self.book.imported_modules())
            self.executor.finish(look, run)

    def _tell(self, **aspects: object) -> None:
        # Not Book.tell: the scratchpad's messages belong to no run.
        self.book.emit(CellOpNotification(cell_id=SCRATCHPAD_CELL, **aspects))  # type: ignore[arg-type]
