"""Runs user code on the cell thread: code objects, callbacks and coroutines, each breakable by an interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from types import CodeType
from typing import Any

import attrs

from callboard.actors.notebook.cell_thread import CellThread
from callboard.actors.notebook.interrupts import InterruptGate, Interruptible
from callboard.actors.notebook.kinds import is_a
from callboard.actors.notebook.queries import is_broken_off


@attrs.frozen
class Ended:
    """How a piece of user code ended: with a value, or with an exception of any kind, ``SystemExit`` included."""

    value: Any = None
    error: BaseException | None = None
    interrupted: bool = False
    """True when the error is the ``KeyboardInterrupt`` of an interrupt aimed at the run."""


@attrs.define(eq=False)
class Executor:
    """Runs user code one piece at a time. Cell thread only; nothing here raises what user code raised."""

    gate: InterruptGate
    cell_thread: CellThread

    async def code(self, code: CodeType, namespace: dict[str, Any], run: Interruptible) -> Ended:
        """Run a compiled body (value None) or expression; awaits it when its top level awaits."""
        if code.co_flags & inspect.CO_COROUTINE:
            return await self.coroutine(eval(code, namespace), run)  # noqa: S307
        return self.call(lambda: eval(code, namespace), run)  # noqa: S307

    def call(self, function: Callable[[], Any], run: Interruptible) -> Ended:
        """Call synchronous user code; an interrupt that came when none was running has it end before it starts."""
        try:
            return Ended(value=self.gate.call(run, function))
        except BaseException as error:
            return _broken(error, run)

    def finish(self, function: Callable[[], Any], run: Interruptible) -> Ended:
        """Call user code that belongs to the end of what has run: an interrupt before it does not prevent it."""
        try:
            return Ended(value=self.gate.finish(run, function))
        except BaseException as error:
            return _broken(error, run)

    async def awaitable(self, awaitable: Awaitable[Any], run: Interruptible) -> Ended:
        """Await what user code returned."""
        if inspect.iscoroutine(awaitable):
            # Not inside another one: it is closed if an interrupt comes before its first step.
            return await self.coroutine(awaitable, run)

        async def wait() -> Any:
            return await awaitable

        return await self.coroutine(wait(), run)

    async def coroutine(self, coroutine: Coroutine[Any, Any, Any], run: Interruptible) -> Ended:
        """Run a coroutine of user code in a task of its own, so that it may cancel or time out itself."""
        loop = asyncio.get_running_loop()

        async def drive() -> Ended:
            try:
                return Ended(value=await self.gate.drive(run, coroutine, wake))
            except BaseException as error:
                return _broken(error, run)

        def wake() -> None:
            loop.call_soon_threadsafe(task.cancel)

        task = loop.create_task(drive(), context=self.cell_thread.context)
        while not task.done():
            # User code that cancels all tasks of the loop means its own, and this one is the kernel's.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        return task.result()


def _broken(error: BaseException, run: Interruptible) -> Ended:
    if run.interrupted and is_broken_off(error):
        # The database that the code waited for was interrupted first, and the code ended with that.
        error = KeyboardInterrupt().with_traceback(error.__traceback__)
    return Ended(error=error, interrupted=is_a(error, KeyboardInterrupt) and run.interrupted)
