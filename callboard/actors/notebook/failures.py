"""What a cell shows of an exception: the error for its output, the traceback for its console."""

from __future__ import annotations

import logging
import os
import traceback
import uuid

import attrs

from callboard.actors.notebook import formatting
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Ended
from callboard.actors.notebook.kinds import is_a
from callboard.actors.notebook.sql_failures import is_sql_error, sql_error
from callboard.actors.notebook.variables import class_name
from callboard.authoring.control import StopCell
from callboard.messages.ids import CellId
from callboard.messages.payloads import (
    AncestorStoppedError,
    CellError,
    ExceptionError,
    InternalError,
    InterruptionError,
    SQLError,
    UnknownError,
)
from callboard.redaction import excerpt

_log = logging.getLogger(__name__)

ANCESTOR_RAISED = "Ancestor raised"
_LOGGED_LINES = 200
"""Lines of a traceback that the log gets, the last ones."""
_LOGGED_LINE = 2000
"""Characters of one of them."""
_OWN_FRAMES = os.path.join(os.path.dirname(__file__), "")


@attrs.frozen
class Blame:
    """Why a cell is not run: the cell that raised or stopped, and what it raised."""

    cell_id: CellId
    error: BaseException


@attrs.define(eq=False)
class CellFailures:
    """Turns exceptions into what the page shows. In run mode it shows no details, and the log has them."""

    book: Book

    def of_exception(self, cell_id: CellId, error: BaseException) -> CellError:
        """Make the error of a cell that raised."""
        if is_sql_error(error):
            shown_sql = sql_error(error, self.book.analyse.filename(cell_id))
            return self._guarded(cell_id, shown_sql, error)
        raising_cell, note = None, ""
        name = error.name if is_a(error, NameError) else None
        if issubclass(type(name), str):  # it is what user code gave it
            raising_cell, note = self._definer(cell_id, name)
        shown = ExceptionError(
            msg=message_of(error) + note,
            exception_type=class_name(error),
            raising_cell=raising_cell,
        )
        return self._guarded(cell_id, shown, error)

    def of_ancestor(self, blame: Blame) -> CellError:
        """Make the error of a cell that was not run because of another."""
        if is_a(blame.error, StopCell):
            return AncestorStoppedError(
                msg=f"This cell was not run because cell {blame.cell_id!r} was stopped",
                raising_cell=blame.cell_id,
            )
        name = class_name(blame.error)
        shown = ExceptionError(
            msg=f"This cell was not run because cell {blame.cell_id!r} raised {name}",
            exception_type=ANCESTOR_RAISED,
            raising_cell=blame.cell_id,
        )
        return self._guarded(None, shown, blame.error)

    def unshown(self, told: Ended) -> CellError:
        """Make the error of a cell whose own error could not be made: its class fails at that, or an interrupt came."""
        if told.interrupted:
            return InterruptionError()
        name = None if told.error is None else class_name(told.error)
        return UnknownError("This cell raised an exception that cannot be shown", name)

    def _guarded(
        self, cell_id: CellId | None, shown: ExceptionError | SQLError, error: BaseException
    ) -> CellError:
        settings = self.book.settings
        if not settings.run_mode:
            return shown
        if settings.show_tracebacks:
            if isinstance(shown, SQLError):
                return shown
            return attrs.evolve(shown, traceback=traceback_html(error))
        error_id = uuid.uuid4().hex
        if cell_id is not None:
            _log.error("error %s in cell %s\n%s", error_id, cell_id, traceback_for_log(error))
        return InternalError(error_id, "An internal error occurred")

    def _definer(self, cell_id: CellId, name: str | None) -> tuple[CellId | None, str]:
        """Find another cell that defines a name which this one found unbound."""
        if name is None:
            return None, ""
        graph = self.book.state.graph
        definers = [other for other in graph.definers(name) if other != cell_id]
        if not definers:
            return None, ""
        deleters = list(graph.deleters(name))
        note = f". It is defined by cell {definers[0]!r}"
        note += (
            f" and deleted by cell {deleters[0]!r}." if deleters else ", which has not bound it."
        )
        return definers[0], note


def message_of(error: BaseException) -> str:
    """Text of an exception, with the interpreter's own suggestions; never empty and never raises.

    >>> message_of(ValueError("no such row"))
    'no such row'
    >>> message_of(KeyboardInterrupt())
    'This cell raised an exception: KeyboardInterrupt'
    """
    text = _str(error)
    if issubclass(type(error), (NameError, AttributeError, ImportError)):
        text = _with_suggestion(error) or text
    return text or f"This cell raised an exception: {class_name(error)}"


def _with_suggestion(error: BaseException) -> str:
    try:
        lines = list(traceback.TracebackException.from_exception(error).format_exception_only())
    except BaseException:  # the suggestion looks at the user's objects, and those may fail at that
        return ""
    _, _, text = "".join(lines).strip().partition(": ")
    return text


def _str(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # user code computes the text, and may fail at it in any way
        return ""


def missing_module(error: BaseException | None) -> str | None:
    """Return the module that an exception says it did not find; never raises."""
    if not is_a(error, ModuleNotFoundError):
        return None
    try:
        name = error.name
    except BaseException:  # a class of the user's may compute it, and fail at it
        return None
    return name if type(name) is str else None


def traceback_text(error: BaseException, *, own_frames: bool = False) -> str:
    """Format the traceback of an exception as an interpreter would; never raises.

    Without the kernel's own frames, unless they are wanted.
    """
    try:
        formatted: traceback.TracebackException | None = (
            traceback.TracebackException.from_exception(error)
        )
        top = formatted
        while formatted is not None:
            formatted.stack = traceback.StackSummary.from_list(
                [
                    frame
                    for frame in formatted.stack
                    if own_frames or not frame.filename.startswith(_OWN_FRAMES)
                ]
            )
            formatted = formatted.__cause__ or formatted.__context__
        assert top is not None
        return "".join(top.format())
    except BaseException as broken:  # user code computes texts of exceptions, and may fail at it
        name = class_name(broken)
        return f"{class_name(error)} (its traceback cannot be formatted: {name})\n"


def traceback_for_log(error: BaseException, *, own_frames: bool = False) -> str:
    """Format a traceback for the log: bounded and without credentials; never raises.

    It is logged as text and not as ``exc_info``: there are log handlers that record what local variables hold.
    """
    lines = traceback_text(error, own_frames=own_frames).splitlines()
    return "\n".join(excerpt(line, _LOGGED_LINE) for line in lines[-_LOGGED_LINES:])


def traceback_html(error: BaseException) -> str:
    """Format the traceback of an exception as HTML."""
    return formatting.traceback_html(traceback_text(error))
