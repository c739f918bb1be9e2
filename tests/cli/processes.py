"""Commands of callboard as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

Line = dict[str, Any]

PATIENCE = 100.0
"""Seconds for a whole test: more than a busy machine needs, less than the test runner allows."""


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "callboard.cli", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    """That of this process, with a terminal of known width and no colours."""
    return {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", **variables}


def run(
    *arguments: str | Path,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
        env=environment() if env is None else env,
    )


@attrs.define(eq=False)
class Started:
    """A command that runs, and what it has written so far."""

    process: trio.Process
    heard: list[Line] = attrs.field(factory=list)
    """Lines of stdout, each an object, where `read` or `until` are used."""
    stderr: bytearray = attrs.field(factory=bytearray)
    _stdout: bytearray = attrs.field(factory=bytearray)
    stderr_ended: trio.Event = attrs.field(factory=trio.Event)
    _stderr_grew: trio.Event = attrs.field(factory=trio.Event)

    async def send(self, *lines: Line | bytes) -> None:
        """Write lines to stdin, in one piece."""
        data = b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )
        await self.send_bytes(data)

    async def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(data)

    async def execute(self, **codes: str) -> None:
        await self.send(
            {"type": "execute-cells", "cellIds": list(codes), "codes": list(codes.values())}
        )

    async def end_input(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    async def read(self) -> Line | None:
        """The next line of stdout; None at its end. Fails if it is no JSON object."""
        while b"\n" not in self._stdout:
            if not await self._receive():
                assert not self._stdout, f"half a line at the end: {bytes(self._stdout[:200])!r}"
                return None
        line, _, rest = bytes(self._stdout).partition(b"\n")
        self._stdout[:] = rest
        fields = json.loads(line)
        assert isinstance(fields, dict)
        self.heard.append(fields)
        return fields

    async def until(self, wanted: Callable[[Line], object]) -> Line:
        """Read up to the first line that is wanted."""
        while True:
            line = await self.read()
            assert line is not None, f"the end came after {self.heard[-3:]}\n{self.stderr.decode()}"
            if wanted(line):
                return line

    async def text(self, wanted: str) -> str:
        """Read stdout as text until it holds something; returns all of it."""
        while wanted.encode() not in self._stdout:
            assert await self._receive(), f"the end came after {bytes(self._stdout)!r}"
        return self._stdout.decode()

    async def error_text(self, wanted: str) -> str:
        """Wait until stderr holds something; returns all of it."""
        while wanted.encode() not in self.stderr:
            await self._stderr_grew.wait()
        return self.stderr.decode()

    async def rest(self) -> list[Line]:
        """Read to the end."""
        start = len(self.heard)
        while await self.read() is not None:
            pass
        return self.heard[start:]

    async def rest_of_text(self) -> str:
        while await self._receive():
            pass
        return self._stdout.decode()

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end; returns the exit status."""
        return await self.process.wait()

    async def _receive(self) -> bool:
        assert self.process.stdout is not None
        data = await self.process.stdout.receive_some()
        self._stdout += data
        return bool(data)

    async def collect_stderr(self) -> None:
        assert self.process.stderr is not None
        async for data in self.process.stderr:
            self.stderr += data
            self._stderr_grew.set()
            self._stderr_grew = trio.Event()
        self.stderr_ended.set()


@asynccontextmanager
async def started(
    *arguments: str | Path,
    patience: float = PATIENCE,
    argv: Sequence[str] | None = None,
    **options: Any,
) -> AsyncIterator[Started]:
    """Start a command, or the program ``argv``; it is killed if it runs at the end of the block."""
    options.setdefault("env", environment())
    with trio.fail_after(patience):
        process = await trio.lowlevel.open_process(
            command(*arguments) if argv is None else list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        try:
            async with trio.open_nursery() as nursery:
                running = Started(process)
                nursery.start_soon(running.collect_stderr)
                yield running
                nursery.cancel_scope.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    await trio.aclose_forcefully(stream)


def op(name: str, **fields: object) -> Callable[[Line], bool]:
    """Wants a notification with these fields."""
    wanted = {"op": name, **fields}
    return lambda line: wanted.items() <= line.items()


def settled(kind: str, outcome: str = "completed") -> Callable[[Line], bool]:
    """Wants the end of a command."""
    return op("command-settled", type=kind, outcome=outcome)


def console(lines: list[Line], channel: str = "stdout") -> str:
    """All console text on a channel."""
    text = []
    for line in lines:
        if line["op"] == "cell-op" and line["console"]:
            items = line["console"]
            for item in items if isinstance(items, list) else [items]:
                if item["channel"] == channel:
                    text.append(item["data"])
    return "".join(text)


def printed(text: str) -> Callable[[Line], bool]:
    """Wants a piece of console text."""
    return lambda line: text in console([line])
