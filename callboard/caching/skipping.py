"""Leaving out the body of a ``with`` statement.

Python has no way to say so. An exception that is raised at the first instruction behind ``__enter__`` does it, as
``__exit__`` can then swallow it, and a trace function is what can raise one there. Tracing is on for just this one
instruction; the tracer of a debugger or of a coverage tool is put back in ``__exit__``.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any


class BodySkipped(BaseException):
    """Raised in place of the body, and never seen outside the statement."""


class BodySkip:
    """The skip of one body: ``start`` as the last act of ``__enter__``, ``stop`` as the first of ``__exit__``."""

    def __init__(self, frame: FrameType) -> None:
        self._frame = frame
        self._tracer = sys.gettrace()
        self._local = frame.f_trace
        self._flags = frame.f_trace_lines, frame.f_trace_opcodes

    def start(self) -> None:
        """Have the frame raise ``BodySkipped`` at its next instruction."""
        frame = self._frame
        try:
            frame.f_trace = self._raise
            # Events for lines do not come in a body that begins on the line of its statement.
            frame.f_trace_opcodes = True
            # Also where a tracer is set: one written in C does not heed what frames ask for.
            sys.settrace(_trace_no_call)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Put everything back."""
        sys.settrace(self._tracer)
        frame = self._frame
        frame.f_trace = self._local
        frame.f_trace_lines, frame.f_trace_opcodes = self._flags

    def _raise(self, frame: FrameType, event: str, argument: Any) -> Any:
        raise BodySkipped


def _trace_no_call(frame: FrameType, event: str, argument: Any) -> None:
    """Trace no frame that is entered."""
