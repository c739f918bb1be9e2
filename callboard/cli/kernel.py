"""``callboard kernel``: a kernel for the program that started this process."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from functools import partial

import trio
from trio.lowlevel import FdStream

from callboard.cli import fail
from callboard.cli.notebook import Notebook, explain, pose_as_script
from callboard.cli.signals import Signals, received_signals
from callboard.fd_stream import PromptFdStream
from callboard.kernel import open_kernel
from callboard.percent import NotebookFormatError
from callboard.process import OwnedProcess, leave_behind, run_kernel_process
from callboard.stdio import serve_stdio


def main(options: Namespace) -> int:
    """Serve until the client is done; returns the exit status."""
    notebook = None
    if options.notebook is not None:
        try:
            notebook = Notebook.read(options.notebook)
        except (OSError, NotebookFormatError) as error:
            return fail(explain(options.notebook, error))
    pose_as_script(notebook)
    with received_signals() as signals:
        run_kernel_process(partial(_serve, notebook, options.drain, signals))
    return leave_behind(0)


async def _serve(
    notebook: Notebook | None, drain: float, signals: Signals, process: OwnedProcess
) -> None:
    closing = trio.Event()

    async def watch() -> None:
        async for number in signals:
            if number in (signal.SIGTERM, signal.SIGHUP):
                closing.set()

    filename = None if notebook is None else notebook.filename
    async with (
        FdStream(os.dup(process.stdin_fd)) as receive,
        PromptFdStream(os.dup(process.stdout_fd)) as send,
        trio.open_nursery() as nursery,
        # A client at the other end of a pipe could not ask for a file.
        open_kernel(
            surroundings=process, filename=filename, virtual_files=False, drain=drain
        ) as kernel,
    ):
        nursery.start_soon(watch)
        for command in [] if notebook is None else notebook.commands():
            kernel.post(command)
        await serve_stdio(kernel, receive, send, since=0, closing=closing)
        nursery.cancel_scope.cancel()
