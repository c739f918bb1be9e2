"""A notebook in a kernel of this very process, for benchmarks that need no pipe."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import attrs
import trio

from benchmarks.scenario import ELEMENT_ID, PRELUDE, TICK, Scenario, Tick
from callboard.kernel import Kernel
from callboard.messages.codec import decode_command
from callboard.messages.commands import (
    CreateNotebookCommand,
    ExecuteCellCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId, UIElementId
from callboard.messages.notifications import CellOpNotification, Notification
from callboard.runtime import Subscription

PATIENCE = 60.0


async def instantiate(
    kernel: Kernel, cells: Mapping[str, str], slider: str = "slider"
) -> UIElementId:
    """Run a notebook, with `nb` and `time` imported, and return the element that a cell shows.

    Raises:
        RuntimeError: the element was not shown, as a cell failed.
    """
    codes = {PRELUDE: "import callboard as nb\nimport time", **cells}
    create = CreateNotebookCommand(
        [ExecuteCellCommand(CellId(cell), code) for cell, code in codes.items()],
        [CellId(cell) for cell in codes],
        UpdateUIElementCommand([], [], token="create"),
        auto_run=True,
    )
    found: str | None = None
    with kernel.subscribe(name="instantiate") as frames, trio.fail_after(PATIENCE):
        await kernel.ask(create)
        await kernel.wait_idle()
        while (frame := frames.next_nowait()) is not None:
            output = getattr(frame.message, "output", None)
            if output is None:
                continue
            if str(output.channel).endswith("error"):
                raise RuntimeError(f"cells failed: {frame.data.decode()}")
            shown = ELEMENT_ID.search(frame.data.decode())
            if frame.message.cell_id == slider and shown is not None:  # type: ignore[union-attr]
                found = shown.group(1)
    if found is None:
        raise RuntimeError("the kernel did not show the slider")
    return UIElementId(found)


@attrs.define(eq=False)
class Dragged:
    """A kernel of this process whose slider is dragged as a scenario says."""

    kernel: Kernel
    scenario: Scenario
    element: UIElementId
    ticks: list[Tick] = attrs.field(factory=list)
    """Times in seconds since the start that `play` was given."""
    _waiting: int = 0
    """Index of the first tick that has not been caught up with."""
    _shown: trio.Event = attrs.field(factory=trio.Event)
    """Set, and replaced, at every value."""

    @classmethod
    async def make(cls, kernel: Kernel, scenario: Scenario) -> Dragged:
        """Run the notebook of a scenario."""
        return cls(kernel, scenario, await instantiate(kernel, scenario.cells, scenario.slider))

    async def play(self, start: float) -> None:
        """Drag, counting time from a `time.perf_counter` reading, until the last value is shown."""
        drag = self.scenario.drag
        with self.kernel.subscribe(name="drag") as frames:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, frames, start)
                for number in range(round(drag.seconds * drag.rate)):
                    due = start + drag.start + number / drag.rate
                    await trio.sleep(max(0.0, due - time.perf_counter()))
                    self._tick(start)
                with trio.move_on_after(self.scenario.patience):
                    while self._waiting < len(self.ticks):
                        await self._shown.wait()
                nursery.cancel_scope.cancel()

    def _tick(self, start: float) -> None:
        value = len(self.ticks) + 1
        self.ticks.append(Tick(value, time.perf_counter() - start))
        self.kernel.post(UpdateUIElementCommand([self.element], [value], token=f"tick-{value}"))

    async def _read(self, frames: Subscription[Notification], start: float) -> None:
        async for frame in frames:
            shown = frame.message
            if isinstance(shown, CellOpNotification) and shown.output is not None:
                found = TICK.search(str(shown.output.data))
                if found is not None and shown.cell_id == self.scenario.observed:
                    self._show(int(found.group(1)), time.perf_counter() - start)

    def _show(self, value: int, at: float) -> None:
        while self._waiting < min(value, len(self.ticks)):
            self.ticks[self._waiting].caught_up = at
            self._waiting += 1
        self._shown.set()
        self._shown = trio.Event()


async def run_neighbour(dragged: Dragged, start: float) -> None:
    """Post the commands of a scenario at their times, and wait until all have ended."""
    for timed in dragged.scenario.commands:
        await trio.sleep(max(0.0, start + timed.at - time.perf_counter()))
        dragged.kernel.post(decode_command(json.dumps(timed.command)))
    await dragged.kernel.wait_idle()
