"""Databases at work for user code, and how that is broken off."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from callboard.authoring.context import current_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
"""Seconds between two attempts to break off the same query."""
_STRIKE = 0.5
"""Seconds within which the interrupt that broke off a query breaks the code that asked for it, too."""

STATEMENT = "__callboard_statement__"
"""The attribute of an exception that holds the SQL that raised it."""


class RunningQuery:
    """A query that a database is working on for the code of a cell."""

    def __init__(self, interrupt: Callable[[], object]) -> None:
        """``interrupt`` breaks it off, from any thread and without waiting; it may fail, and may come too early."""
        self.thread_id = threading.get_ident()
        """The thread that waits for it."""
        self.interrupted = False
        self._interrupt = interrupt
        self._over = threading.Event()

    def interrupt(self) -> None:
        """Break it off, and go on trying until it is over. From any thread; returns at once."""
        if self.interrupted or self._over.is_set():
            return
        self.interrupted = True
        with suppress(Exception):
            self._interrupt()
        # A database that has not begun yet does not hear of it.
        threading.Thread(target=self._insist, name="callboard query", daemon=True).start()

    def over(self) -> None:
        """Say that it is over: from now on it is not interrupted."""
        self._over.set()

    def _insist(self) -> None:
        pause = _FIRST_PAUSE
        while not self._over.wait(pause):
            with suppress(Exception):
                self._interrupt()
            pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def interruptible(interrupt: Callable[[], object]) -> Iterator[None]:
    """Have an interrupt of the running cell break off a database within the block, which then cannot hear of it.

    In a plain script it does nothing: there Ctrl-C is the database's own affair.

    Raises:
        KeyboardInterrupt: the block was interrupted, whatever the database made of it.
    """
    context = current_context.get()
    if context is None:
        yield
        return
    query = RunningQuery(interrupt)
    context.query_started(query)
    try:
        yield
    except Exception:
        query.over()
        if not query.interrupted:
            raise
        # What broke off the database is about to land here as well, and once is enough.
        _wait_for_strike()
        raise KeyboardInterrupt from None
    finally:
        query.over()
        context.query_ended(query)


def _wait_for_strike() -> None:
    end = time.monotonic() + _STRIKE
    while time.monotonic() < end:
        time.sleep(0.005)


def keep_statement(error: BaseException, statement: str) -> None:
    """Note on an exception which SQL raised it, for the one who shows it."""
    with suppress(Exception):
        setattr(error, STATEMENT, statement)
