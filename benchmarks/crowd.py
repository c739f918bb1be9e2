"""Many kernels at once, one of which hogs the processor for a while: what it is like for the others.

    python -m benchmarks.crowd < plan.json > crowd.json

Runs inside an environment that has the kernels in question, and psutil. Plan JSON::

    {"kernel": "callboard" | "marimo" | "embedded", "count": 20, "seconds": 5.0, "rate": 4.0,
     "switch_interval": 0.0005 or null}

The kernels are started one after another, each with a notebook of a slider and a cell that costs
nothing. Then all sliders but the first kernel's are dragged, staggered, ``rate`` ticks a second each,
for three times ``seconds``. In the second third the first kernel runs a loop in pure Python.
"embedded" kernels are all in one process and one trio run, whose switch interval may be given.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.gauges import memory
from benchmarks.scenario import (
    Drag,
    Player,
    Result,
    Scenario,
    Tick,
    Timed,
    notebook,
    steady,
    working,
)

_START = 0.5
_SETTLING = 1.0
"""Seconds of rest before memory is looked at."""
_EDGE = 0.3
"""Seconds around the beginning and after the end of the loop whose ticks count for neither."""


@attrs.frozen
class Plan:
    """See the module's description of the JSON."""

    kernel: str
    count: int
    seconds: float
    rate: float
    switch_interval: float | None = None


@attrs.define
class Crowd:
    """What came of a plan. Seconds and bytes."""

    kernel: str
    starts: list[float] = attrs.field(factory=list)
    """From starting each kernel until its notebook had run."""
    rss: list[float] = attrs.field(factory=list)
    pss: list[float] = attrs.field(factory=list)
    """Of each kernel; of embedded ones the growth of the process divided by their number."""
    uss: list[float] = attrs.field(factory=list)
    quiet: list[list[float]] = attrs.field(factory=list)
    """How long each tick of each kernel took before and after the loop of the neighbour."""
    busy: list[list[float]] = attrs.field(factory=list)
    """The same beside the loop."""

    def add(self, ticks: Sequence[Tick], seconds: float) -> None:
        """Sort in the ticks of one kernel. One that was never shown took for ever."""
        begins, ends = _START + seconds, _START + 2 * seconds
        quiet, busy = [], []
        for tick in ticks:
            wait = float("inf") if tick.caught_up is None else tick.caught_up - tick.sent
            if begins + _EDGE <= tick.sent < ends - _EDGE:
                busy.append(wait)
            elif tick.sent < begins - _EDGE or tick.sent >= ends + _EDGE:
                quiet.append(wait)
        self.quiet.append(quiet)
        self.busy.append(busy)


def scenario_for(place: int, plan: Plan) -> Scenario:
    """What the kernel at a place does; the first is the neighbour."""
    cells = notebook(0.0, spinning=False)
    if place == 0:
        run = {
            "type": "execute-cells",
            "cellIds": ["busy"],
            "codes": [working(plan.seconds, spinning=True)],
        }
        idle = {"op": "cell-op", "cell_id": "busy", "status": "idle"}
        commands = [Timed(_START + plan.seconds, run, [idle])]
        return Scenario("neighbour", "", cells, Drag(0.0, 0.0, 1.0), commands=commands)
    start = _START + place / plan.count / plan.rate
    return Scenario("other", "", cells, Drag(start, 3 * plan.seconds, plan.rate))


def processes(plan: Plan) -> Crowd:
    """A process for each kernel."""
    steady()
    module: Any = importlib.import_module(f"benchmarks.{plan.kernel}_kernel")
    crowd = Crowd(plan.kernel)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        kernels, players = [], []
        for place in range(plan.count):
            started = time.perf_counter()
            if plan.kernel == "marimo":
                kernel = module.MarimoKernel(Path(folder))
                crowd.kernel = kernel.version
            else:
                kernel = module.CallboardKernel({}, Path(folder))
                crowd.kernel = module.kernel_name()
            player = Player(scenario_for(place, plan), plan.kernel, kernel.post)
            if plan.kernel == "marimo":
                kernel.start()
            stack.callback(kernel.stop)
            threading.Thread(target=kernel.forward, args=(player,), daemon=True).start()
            player.prepare()
            crowd.starts.append(time.perf_counter() - started)
            kernels.append(kernel)
            players.append(player)
        time.sleep(_SETTLING)
        for kernel in kernels:
            held = memory(kernel.pid)
            crowd.rss.append(held.rss)
            crowd.pss.append(held.pss)
            crowd.uss.append(held.uss)
        for result in _play(players)[1:]:
            crowd.add(result.ticks, plan.seconds)
    return crowd


def _play(players: Sequence[Player]) -> list[Result]:
    results: dict[int, Result] = {}
    together = threading.Barrier(len(players))

    def play(place: int) -> None:
        together.wait()
        results[place] = players[place].play("", "")

    threads = [threading.Thread(target=play, args=(place,)) for place in range(len(players))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[place] for place in range(len(players))]


def embedded(plan: Plan) -> Crowd:
    """All kernels in this process."""
    import trio

    from benchmarks.embedded import Dragged, run_neighbour
    from callboard.kernel import open_kernel

    if plan.switch_interval is not None:
        sys.setswitchinterval(plan.switch_interval)
    crowd = Crowd("embedded")
    drags = []

    async def main() -> None:
        pid = os.getpid()
        async with contextlib.AsyncExitStack() as stack:
            held = memory(pid)
            for place in range(plan.count):
                started = time.perf_counter()
                kernel = await stack.enter_async_context(open_kernel(drain=1.0, kill=1.0))
                drag = await Dragged.make(kernel, scenario_for(place, plan))
                crowd.starts.append(time.perf_counter() - started)
                drags.append(drag)
                if place == 0:  # it has loaded the modules, which the others share
                    held = memory(pid)
            await trio.sleep(_SETTLING)
            now, others = memory(pid), max(1, plan.count - 1)
            crowd.rss.append((now.rss - held.rss) / others)
            crowd.pss.append((now.pss - held.pss) / others)
            crowd.uss.append((now.uss - held.uss) / others)
            start = time.perf_counter()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_neighbour, drags[0], start)
                for drag in drags[1:]:
                    nursery.start_soon(drag.play, start)
        for drag in drags[1:]:
            crowd.add(drag.ticks, plan.seconds)

    trio.run(main)
    return crowd


def run(plan: Plan) -> Crowd:
    """Carry out a plan."""
    return embedded(plan) if plan.kernel == "embedded" else processes(plan)


if __name__ == "__main__":
    # Kernel processes may inherit standard output; the result alone belongs there.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(attrs.asdict(run(Plan(**json.load(sys.stdin))))), file=output, flush=True)
