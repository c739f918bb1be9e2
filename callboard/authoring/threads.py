"""Threads that belong to a cell."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from callboard.authoring.context import current_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Thread(threading.Thread):
    """A thread whose prints and outputs go to the cell that starts it.

    It sees the context variables as they are when it is started. When its cell runs again or is
    deleted it is asked to end: look at `should_exit`, or sleep by `wait_for_exit`. In a plain
    script it is an ordinary thread.

    Unlike an ordinary thread it is a daemon unless told otherwise, because a kernel must be able
    to stop.
    """

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool = True,
    ) -> None:
        """Takes what `threading.Thread` takes."""
        super().__init__(group, target, name, args, kwargs, daemon=daemon)
        self._exit_requested = threading.Event()

    @property
    def should_exit(self) -> bool:
        """Whether the cell of this thread was invalidated or the kernel stops."""
        return self._exit_requested.is_set()

    def wait_for_exit(self, timeout: float | None = None) -> bool:
        """Sleep until `should_exit` or `timeout` (seconds) is over; return `should_exit`."""
        return self._exit_requested.wait(timeout)

    def request_exit(self) -> None:
        """Make `should_exit` true. From any thread, any number of times."""
        self._exit_requested.set()

    def start(self) -> None:
        """Start it for the running cell.

        Raises RuntimeError if it was started before: the caller's fault.
        """
        context = current_context.get()
        if context is None or self.ident is not None:
            super().start()
            return
        inherited = copy_context()
        run = self.run

        def in_context() -> None:
            try:
                run()
            except SystemExit:
                pass
            except BaseException as error:
                # threading would do this outside the context, and the cell not see the traceback
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, self))
                )
            finally:
                context.thread_ended(self)

        # not an override of `run`, so that a subclass may override it
        self.run = lambda: inherited.run(in_context)  # type: ignore[method-assign]
        context.thread_started(self)
        try:
            super().start()
        except BaseException:
            context.thread_ended(self)
            raise


def current_thread() -> Thread:
    """The thread of a cell that runs this code.

    Raises RuntimeError if it was not started as a `cb.Thread`: the caller's fault.
    """
    thread = threading.current_thread()
    if not isinstance(thread, Thread):
        raise RuntimeError("this code does not run in a cb.Thread")
    return thread
