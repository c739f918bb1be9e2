"""Drives a real callboard kernel through one scenario.

    python -m benchmarks.callboard_kernel < scenario.json > result.json

The kernel is a process of its own: commands reach it as lines of JSON on a pipe, notifications come
back on another one. With ``--kernel`` this module is that process; what a scenario wants broken
(`Scenario.faults`) is broken there, by putting another actor in the place of the domain.
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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import trio

from benchmarks.faults import faulty_domains
from benchmarks.scenario import Player, Result, Scenario, Wire, slow_package
from callboard.kernel import Kernel, open_kernel
from callboard.messages.codec import decode_command
from callboard.process import OwnedProcess, run_kernel_process

_READ = 64 * 1024


class CallboardKernel:
    """A callboard kernel process and the thread that reads its notifications."""

    def __init__(self, faults: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.callboard_kernel", "--kernel", json.dumps(faults)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
        )

    def post(self, command: Wire) -> None:
        """Write a command; the kernel reads all the time, so the pipe always has room."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def forward(self, player: Player) -> None:
        """Hand every notification to the player until the kernel goes; a thread's body."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at = time.perf_counter()
            player.receive(json.loads(line), at)

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
    # The two driver threads must not delay each other by a whole switch interval.
    sys.setswitchinterval(0.0005)
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


async def serve(process: OwnedProcess, faults: Mapping[str, str]) -> None:
    """Be the kernel, until the input ends."""
    async with (
        trio.lowlevel.FdStream(os.dup(process.stdin_fd)) as incoming,
        trio.lowlevel.FdStream(os.dup(process.stdout_fd)) as outgoing,
        open_kernel(
            surroundings=process, domains=faulty_domains(faults), drain=0.5, kill=0.5
        ) as kernel,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_write, kernel, outgoing)
        await _read(kernel, incoming)
        nursery.cancel_scope.cancel()


async def _read(kernel: Kernel, stream: trio.abc.ReceiveStream) -> None:
    rest = b""
    while data := await stream.receive_some(_READ):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            kernel.post(decode_command(line))


async def _write(kernel: Kernel, stream: trio.abc.SendStream) -> None:
    with kernel.subscribe(max_buffer=100_000) as notifications:
        async for frame in notifications:
            lines = [frame.data]
            while (more := notifications.next_nowait()) is not None:
                lines.append(more.data)
            await stream.send_all(b"\n".join([*lines, b""]))


def main() -> None:
    """Be the driver, or with ``--kernel`` the kernel."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kernel", metavar="FAULTS", help="be the kernel; JSON as in a scenario")
    options = parser.parse_args()
    if options.kernel is not None:
        faults: dict[str, Any] = json.loads(options.kernel)

        async def kernel_main(process: OwnedProcess) -> None:
            await serve(process, faults)

        run_kernel_process(kernel_main)
        return
    # What the kernel writes to its standard error belongs there; the result alone goes here.
    print(run(Scenario.from_json(sys.stdin.read())).to_json(), flush=True)


if __name__ == "__main__":
    main()
