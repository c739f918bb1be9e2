"""Running a program on trio: lines as they come, and nothing left over when it is cancelled."""

from __future__ import annotations

import logging
import signal
import subprocess
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.actors.packages.lines import OutputLimits, OutputReader
from callboard.actors.packages.ports import ProcessNotStarted, ProcessResult
from callboard.actors.packages.process_tree import MARK_VARIABLE, ProcessTree, new_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

logger = logging.getLogger(__name__)

_CHUNK = 16 * 1024
_POLL = 0.02


@attrs.frozen(eq=False)
class TrioProcessRunner:
    """Runs programs as children of this process, each the leader of a session of its own.

    Works in whatever thread trio runs in. ``grace`` seconds pass between asking a process tree to
    end (SIGTERM) and ending it (SIGKILL); after ``kill`` more seconds what is still there is given
    up and named in the log. ``drain`` seconds are given to output that outlives the program,
    because something it started holds the pipe.
    """

    limits: OutputLimits = attrs.field(factory=OutputLimits)
    grace: float = 2.0
    kill: float = 5.0
    drain: float = 0.5
    _limiter: trio.CapacityLimiter = attrs.field(
        factory=lambda: trio.CapacityLimiter(2), init=False
    )

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: Callable[[str], object],
    ) -> ProcessResult:
        """Run a program to its end; ``on_line`` gets each line of its output as it comes.

        Output and errors come as one stream, without line ends, within ``limits``. The standard
        input is empty. A program that fails leaves nothing running; one that succeeds may leave a
        process behind, whose output is then no longer read. Cancelled, or stopped because
        ``on_line`` raised: the whole process tree has ended before this returns, within
        ``grace + kill`` seconds.

        Raises:
            ProcessNotStarted: the program could not be started.
        """
        mark = new_mark()
        try:
            process = await trio.lowlevel.open_process(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**environ, MARK_VARIABLE: mark},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ProcessNotStarted(f"{argv[0]}: {error}") from error
        tree = ProcessTree(process.pid, mark)
        finished = False
        try:
            await self._follow(process, on_line)
            finished = process.returncode == 0
        finally:
            if not finished:
                with trio.CancelScope(shield=True):
                    await self._end(process, tree, argv[0])
            if process.stdout is not None:
                await trio.aclose_forcefully(process.stdout)
        assert process.returncode is not None
        return ProcessResult(process.returncode)

    async def _follow(self, process: trio.Process, on_line: Callable[[str], object]) -> None:
        """Pass lines on until the output ends and the program has exited."""
        assert process.stdout is not None
        reader = OutputReader(self.limits)
        reading = trio.CancelScope()
        failure: Exception | None = None

        async def stop_reading_after_exit() -> None:
            await process.wait()
            reading.deadline = trio.current_time() + self.drain

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_reading_after_exit)
            # Caught here, so that it does not leave the nursery as a group.
            try:
                with reading:
                    while chunk := await process.stdout.receive_some(_CHUNK):
                        _pass_on(reader.feed(bytes(chunk)), on_line)
                _pass_on(reader.finish(), on_line)
            except Exception as error:
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _end(self, process: trio.Process, tree: ProcessTree, name: str) -> None:
        """End the whole tree: politely, then not; wait until it is gone or time is up."""
        await self._signal(tree, signal.SIGTERM)
        with trio.move_on_after(self.grace):
            await process.wait()
            while tree.alive():  # noqa: ASYNC110 (nothing tells of the end of grandchildren)
                await trio.sleep(_POLL)
        with trio.move_on_after(self.kill):
            # A process may start another one between the look and the signal: look until all is
            # quiet.
            while await self._signal(tree, signal.SIGKILL):  # noqa: ASYNC110 (as above)
                await trio.sleep(_POLL)
            await process.wait()
            return
        left = ", ".join(str(identity.pid) for identity in tree.alive())
        logger.warning("processes of %s did not end: %s", name, left or process.pid)

    async def _signal(self, tree: ProcessTree, number: signal.Signals) -> bool:
        """Signal every member of the tree that is alive; tell whether there was one."""
        # The process table of a big machine takes milliseconds to read: not on this thread.
        members = await trio.to_thread.run_sync(tree.scan, limiter=self._limiter)
        tree.send(members, number)
        return bool(members)


def _pass_on(lines: Sequence[str], on_line: Callable[[str], object]) -> None:
    for line in lines:
        on_line(line)
