"""The thread that runs user code, under an asyncio loop that lives across cells."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import trio

_log = logging.getLogger(__name__)

Job = Callable[[], Coroutine[Any, Any, None]]


@attrs.define(eq=False)
class CellThread:
    """One thread, one asyncio loop, one job at a time, in the order of submission.

    Background tasks that user code leaves on the loop go on between jobs and while async user code waits. Jobs
    must not raise; what one lets out all the same is logged.
    """

    _loop: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    _making: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _jobs: collections.deque[Job] = attrs.field(factory=collections.deque, init=False)
    _busy: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _ident: int | None = attrs.field(default=None, init=False)
    _started: threading.Event = attrs.field(factory=threading.Event, init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    context: contextvars.Context = attrs.field(factory=contextvars.copy_context, init=False)
    """The context of all user code, so that context variables set in one cell are seen by the next."""

    @property
    def ident(self) -> int:
        """Identifier of the thread, once it runs."""
        self._started.wait()
        assert self._ident is not None
        return self._ident

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that user code sees as the running one; made when it is first wanted."""
        with self._making:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop

    def start(self, name: str = "callboard cells") -> None:
        """Run the loop on a daemon thread: user code that ignores every interrupt must not keep a process alive."""
        self._thread = threading.Thread(target=self.run_here, name=name, daemon=True)
        self._thread.start()
        self._started.wait()

    def run_here(self) -> None:
        """Run the loop on the calling thread until ``stop``; leftover background tasks are cancelled at the end."""
        self._ident = threading.get_ident()
        loop = self.loop
        asyncio.set_event_loop(loop)
        loop.call_soon(self._started.set)
        while not self._stopping:
            # asyncio lets SystemExit and KeyboardInterrupt of any callback end the loop. A background task of user
            # code that raises one ends itself, not the kernel.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
        self._close(loop)

    def submit(self, job: Job) -> None:
        """Queue a job; safe from any thread, returns at once. After ``stop`` the job is dropped."""
        self._jobs.append(job)
        # Once the loop is closed nobody waits for jobs any more.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._next)

    def stop(self, timeout: float = 1.0) -> bool:
        """End the loop after the job in hand, waiting at most ``timeout`` seconds for a thread of our own.

        Returns whether the thread has ended. Not to be called on the cell thread itself.
        """
        self._stopping = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    async def aclose(self) -> None:
        """Stop, waiting for the thread without holding up the control thread, where this is called."""
        await trio.to_thread.run_sync(self.stop)

    def _next(self) -> None:
        if self._busy is None and self._jobs:
            self._busy = self.loop.create_task(
                self._run(self._jobs.popleft()), context=self.context
            )

    async def _run(self, job: Job) -> None:
        try:
            await job()
        except BaseException as exc:
            _log.error("a job of the cell thread raised", exc_info=exc)
        finally:
            self._busy = None
            self._next()

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs.clear()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(BaseException):
            loop.run_until_complete(asyncio.wait(tasks, timeout=0.5) if tasks else _nothing())
            loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


async def _nothing() -> None:
    return
