"""From posting a slider's value to the output of a dependent cell that costs nothing.

    python -m benchmarks.overhead [--rounds N] [--quick] [--json PATH] [--vs marimo==0.23.7]

One value at a time: the next is posted when the last was shown. Every round measures all contestants
in turn, each in a fresh process, and another one first; ratios are taken within a round and the table
shows their median. Times are microseconds.

bare      In one thread and nothing around it: set the value, execute the compiled cell, format its
          value, encode the notification.
hops      The same, asked for by a trio task, done on an asyncio loop in a second thread, and
          delivered to the trio task: the floor for a kernel whose user code has a thread of its own.
embedded  ``open_kernel`` in a trio application: ``post`` to the frame of a subscription.
piped     ``hops`` in a process of its own, commands and notifications as lines of JSON on pipes.
process   ``callboard kernel --stdio`` on the same pipes.
marimo    Its kernel process, on its own queues and socket (see `benchmarks.marimo_kernel`).

Required: ``process`` takes at most a fifth of marimo's time.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import attrs
import trio

from benchmarks.drag import CALLBOARD, DISTRIBUTIONS, interpreter, play
from benchmarks.environments import ROOT, InstallFailed
from benchmarks.harness import (
    Spread,
    arguments,
    machine,
    percentile,
    preamble,
    table,
    write_json,
)
from benchmarks.scenario import ELEMENT_ID, PRELUDE, Drag, Scenario, notebook

SHARE = 5
"""How many times faster than marimo a kernel process has to be."""
VIEW = "view"
MARIMO = "marimo==0.23.7"
MICRO = 1e6


def cells() -> dict[str, str]:
    """The notebook all contestants have."""
    return {PRELUDE: "import callboard as nb\nimport time", **notebook(0.0, spinning=False)}


@attrs.define(eq=False)
class Bare:
    """The cells executed in a namespace, and nothing more."""

    namespace: dict[str, Any]
    body: CodeType | None
    output: CodeType | None

    @classmethod
    def make(cls) -> Bare:
        from callboard.actors.notebook.analysis import analyse
        from callboard.messages.ids import CellId

        namespace: dict[str, Any] = {}
        *others, view = [analyse(code, CellId(name)) for name, code in cells().items()]
        for analysis in others:
            if analysis.body is not None:
                exec(analysis.body, namespace)
        return cls(namespace, view.body, view.output)

    def tick(self, value: int) -> bytes:
        """Do all that a tick needs; the encoded notification."""
        from callboard.actors.notebook.formatting import format_output
        from callboard.messages.codec import encode_notification
        from callboard.messages.ids import CellId
        from callboard.messages.notifications import CellOpNotification
        from callboard.messages.payloads import CellOutput

        self.namespace["slider"]._apply(value)
        if self.body is not None:
            exec(self.body, self.namespace)
        shown = None if self.output is None else eval(self.output, self.namespace)
        formatted = format_output(shown, 8_000_000)
        output = CellOutput("output", formatted.mimetype, str(formatted.data))
        return encode_notification(CellOpNotification(CellId(VIEW), output=output))


def bare(seconds: float) -> list[float]:
    """Seconds of each tick."""
    work = Bare.make()
    waits: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        work.tick(len(waits) + 1)
        waits.append(time.perf_counter() - started)
    return waits


@attrs.define(eq=False)
class SecondThread:
    """An asyncio loop on a thread, and the way there and back."""

    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.new_event_loop)

    def start(self) -> None:
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def do(self, work: Callable[[], bytes]) -> bytes:
        """Have work done there; a checkpoint of trio."""
        token = trio.lowlevel.current_trio_token()
        done = trio.Event()
        results: list[bytes] = []

        def there() -> None:
            results.append(work())
            token.run_sync_soon(done.set)

        self.loop.call_soon_threadsafe(there)
        await done.wait()
        return results[0]


async def hops(seconds: float) -> list[float]:
    """Seconds of each tick."""
    work, thread = Bare.make(), SecondThread()
    thread.start()
    waits: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        value = len(waits) + 1
        await thread.do(lambda: work.tick(value))  # noqa: B023  (done before the next round)
        waits.append(time.perf_counter() - started)
    return waits


async def embedded(seconds: float) -> list[float]:
    """Seconds of each tick."""
    from callboard import open_kernel
    from callboard.messages.codec import decode_command
    from callboard.messages.commands import UpdateUIElementCommand
    from callboard.messages.ids import UIElementId
    from callboard.messages.notifications import CellOpNotification

    create = {
        "type": "create-notebook",
        "executionRequests": [
            {"type": "execute-cell", "cellId": name, "code": code} for name, code in cells().items()
        ],
        "cellIds": list(cells()),
        "setUiElementValueRequest": {
            "type": "update-ui-element",
            "objectIds": [],
            "values": [],
            "token": "create",
        },
        "autoRun": True,
    }
    waits: list[float] = []
    async with open_kernel() as kernel:
        with kernel.subscribe(since=0) as frames:
            await kernel.ask(decode_command(create))
            element = None
            async for frame in frames:
                if found := ELEMENT_ID.search(frame.data.decode()):
                    element = UIElementId(found.group(1))
                if b"completed-run" in frame.data:
                    break
            assert element is not None
            end = time.perf_counter() + seconds
            while (started := time.perf_counter()) < end:
                value = len(waits) + 1
                kernel.post(UpdateUIElementCommand([element], [value], token=f"tick-{value}"))
                async for frame in frames:
                    shown = frame.message
                    if (
                        isinstance(shown, CellOpNotification)
                        and shown.output is not None
                        and shown.output.data == f"tick:{value}"
                    ):
                        break
                waits.append(time.perf_counter() - started)
    return waits


async def echo() -> None:
    """Be a process that answers each line on its standard input as `hops` does."""
    from callboard.messages.codec import decode_command
    from callboard.messages.commands import UpdateUIElementCommand

    work, thread = Bare.make(), SecondThread()
    thread.start()
    incoming, outgoing = trio.lowlevel.FdStream(os.dup(0)), trio.lowlevel.FdStream(os.dup(1))
    async with incoming, outgoing:
        async for data in incoming:
            for line in bytes(data).splitlines():
                command = decode_command(line)
                assert isinstance(command, UpdateUIElementCommand)
                value: Any = command.values[0]
                answer = await thread.do(lambda: work.tick(value))  # noqa: B023
                await outgoing.send_all(answer + b"\n")


def piped(seconds: float) -> list[float]:
    """Seconds of each tick."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.overhead", "--contestant", "echo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    waits: list[float] = []
    with process, process.stdin as to, process.stdout as back:
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            value = len(waits) + 1
            command = {
                "type": "update-ui-element",
                "objectIds": ["slider-0"],
                "values": [value],
                "token": f"tick-{value}",
            }
            to.write(json.dumps(command).encode() + b"\n")
            to.flush()
            back.readline()
            waits.append(time.perf_counter() - started)
            if value == 1:
                end = time.perf_counter() + seconds  # it has started up
    return waits[1:]


HERE: Mapping[str, Callable[[float], list[float]]] = {
    "bare": bare,
    "hops": lambda seconds: trio.run(hops, seconds),
    "embedded": lambda seconds: trio.run(embedded, seconds),
    "piped": piped,
}


def measure(contestant: str, pythons: Mapping[str, Path], seconds: float) -> list[float]:
    """Seconds of each tick, taken in a fresh process."""
    kernel = CALLBOARD if contestant == "process" else contestant
    if contestant not in HERE:
        drag = Drag(start=0.2, seconds=seconds, rate=0.0)
        scenario = Scenario("overhead", "", notebook(0.0, spinning=False), drag)
        return play(kernel, pythons[kernel], scenario).waits()
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [
                str(pythons[CALLBOARD]),
                *("-m", "benchmarks.overhead", "--contestant", contestant),
                *("--seconds", str(seconds)),
            ],
            check=True,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    waits: list[float] = json.loads(ran.stdout)
    return waits


@attrs.frozen
class Summary:
    """What one contestant came to, in microseconds."""

    name: str
    p50s: Sequence[float]
    """Of each round."""
    p99s: Sequence[float]

    @classmethod
    def of(cls, name: str, rounds: Sequence[Sequence[float]]) -> Summary:
        return cls(
            name,
            [percentile(waits, 0.50) * MICRO for waits in rounds],
            [percentile(waits, 0.99) * MICRO for waits in rounds],
        )

    def times(self, other: Summary) -> Spread:
        """How many times the median of another one this one's is, by round."""
        return Spread.of(here / there for here, there in zip(self.p50s, other.p50s, strict=True))


def report(summaries: Mapping[str, Summary], rival: str | None) -> str:
    """The table, and whether the requirement is met."""
    rows = [
        [
            name,
            Spread.of(summary.p50s).text(0),
            Spread.of(summary.p99s).text(0),
            summary.times(summaries["bare"]).text(1),
            summary.times(summaries[rival]).text(3) if rival else "",
        ]
        for name, summary in summaries.items()
    ]
    lines = [table(["contestant", "p50", "p99", "x bare", f"x {rival or ''}"], rows)]
    if rival:
        times = summaries["process"].times(summaries[rival])
        verdict = "pass" if times.median <= 1 / SHARE else "FAIL"
        lines += [
            "",
            f"{verdict}  process: p50 at most 1/{SHARE} of {rival}'s:"
            f" {times.median:.3f} x (by round {times.text(3)})",
        ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=7, quick_rounds=2)
    parser.add_argument("--seconds", type=float, help="of each measurement; default: 1.5")
    parser.add_argument("--vs", default=MARIMO, metavar="KERNEL", help=f"default: {MARIMO}")
    parser.add_argument("--contestant", choices=[*HERE, "echo"], help="measure this one here")
    options = parser.parse_args(argv)
    seconds = options.seconds or (0.5 if options.quick else 1.5)
    if options.contestant == "echo":
        trio.run(echo)
        return
    if options.contestant is not None:
        json.dump(HERE[options.contestant](seconds), sys.stdout)
        return
    # The quick one asks no registry for anything.
    rival = None if options.quick else options.vs
    try:
        pythons = {
            kernel: interpreter(kernel, renew=False)
            for kernel in [CALLBOARD, *([rival] if rival else [])]
        }
    except InstallFailed as failure:
        sys.exit(f"an environment could not be made: {failure}")
    facts = machine(*DISTRIBUTIONS)
    contestants = [*HERE, "process", *([rival] if rival else [])]
    waits: dict[str, list[list[float]]] = {name: [] for name in contestants}
    for number in range(options.rounds or (2 if options.quick else 7)):
        for name in (
            contestants[number % len(contestants) :] + contestants[: number % len(contestants)]
        ):
            waits[name].append(measure(name, pythons, seconds))
    summaries = {name: Summary.of(name, rounds) for name, rounds in waits.items()}
    print(preamble(facts))
    print(report(summaries, rival))
    if options.json is not None:
        results = {
            name: {"p50": summary.p50s, "p99": summary.p99s} for name, summary in summaries.items()
        }
        write_json(options.json, facts, {"unit": "microseconds", "by round": results})


if __name__ == "__main__":
    main()
