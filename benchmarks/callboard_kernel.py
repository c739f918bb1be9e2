"""Drives a real callboard kernel through one scenario.

    python -m benchmarks.callboard_kernel < scenario.json > result.json

The kernel is a process of its own, ``callboard kernel --stdio``: commands reach it as lines of JSON
on a pipe, notifications come back on another one. What a scenario wants broken (`Scenario.faults`)
takes a kernel with another actor in the place of the domain; this module is that process when it is
called with ``--faults``, and serves the pipes by the same code.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import trio

from benchmarks.faults import faulty_domains
from benchmarks.scenario import Player, Receiver, Result, Scenario, Wire, slow_package, steady
from callboard.fd_stream import PromptFdStream
from callboard.kernel import open_kernel
from callboard.process import OwnedProcess, run_kernel_process
from callboard.stdio import serve_stdio

_CHUNK = 1024 * 1024


class CallboardKernel:
    """A callboard kernel process and the thread that reads its notifications."""

    def __init__(self, faults: Mapping[str, str], folder: Path) -> None:
        module = ["callboard.cli", "kernel", "--stdio"]
        if faults:
            module = ["benchmarks.callboard_kernel", "--faults", json.dumps(faults)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
        )

    def post(self, command: Wire) -> None:
        """Write a command; the kernel reads all the time, so the pipe always has room."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """The process of the kernel."""
        return self._process.pid

    def forward(self, receiver: Receiver) -> None:
        """Hand every notification on until the kernel goes; a thread's body."""
        assert self._process.stdout is not None
        rest = b""
        # Read as it comes, so that a notification has the time at which it came, not the time at
        # which those before it had been dealt with.
        while data := os.read(self._process.stdout.fileno(), _CHUNK):
            at = time.perf_counter()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                receiver.receive(json.loads(line), at)

    def stop(self) -> None:
        """Close its input, which ends it; what does not end then is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def kernel_name() -> str:
    """What the kernel is called in results."""
    try:
        return "callboard " + version("callboard")
    except PackageNotFoundError:  # run from the sources
        return "callboard"


def run(scenario: Scenario) -> Result:
    """Play one scenario against a kernel of its own."""
    steady()
    with tempfile.TemporaryDirectory() as folder:
        if scenario.package is not None:
            os.environ.update(slow_package(scenario.package, Path(folder, "packages")))
        kernel = CallboardKernel(scenario.faults, Path(folder))
        player = Player(scenario, "callboard", kernel.post)
        threading.Thread(target=kernel.forward, args=(player,), daemon=True).start()
        try:
            player.prepare()
            return player.play(kernel_name(), platform.python_version())
        finally:
            kernel.stop()


async def serve(faults: Mapping[str, str], process: OwnedProcess) -> None:
    """Be the kernel, until the input ends."""
    async with (
        trio.lowlevel.FdStream(os.dup(process.stdin_fd)) as receive,
        PromptFdStream(os.dup(process.stdout_fd)) as send,
        open_kernel(
            surroundings=process, domains=faulty_domains(faults), drain=0.5, kill=0.5
        ) as kernel,
    ):
        await serve_stdio(kernel, receive, send)


def main() -> None:
    """Be the driver, or with ``--faults`` the kernel."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=json.loads, help="be the kernel; JSON as in a scenario")
    options = parser.parse_args()
    if options.faults is not None:
        run_kernel_process(partial(serve, options.faults))
        return
    # What the kernel writes to its standard error belongs there; the result alone goes here.
    print(run(Scenario.from_json(sys.stdin.read())).to_json(), flush=True)


if __name__ == "__main__":
    main()
