"""User code that does not give way when its command is cancelled."""

from __future__ import annotations

import trio

from callboard.actors.notebook.host import EngineHost
from callboard.kernel import open_kernel
from callboard.messages.commands import ExecuteCellsCommand
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.runtime import Outcome

STUBBORN = """
import time
hits = 0
while hits < 2:
    try:
        while True:
            time.sleep(0.001)
    except KeyboardInterrupt:
        hits += 1
"""


async def test_abandoned_code_keeps_the_thread_to_itself_until_an_interrupt_of_the_next_run_ends_it() -> (
    None
):
    async with open_kernel() as kernel:
        host = kernel._parts.host
        assert isinstance(host, EngineHost)
        host.grace = 0.05
        with kernel.subscribe() as notifications:
            stuck = kernel.post(ExecuteCellsCommand([CellId("a")], [STUBBORN]))
            async for frame in notifications:
                note = frame.message
                if isinstance(note, CellOpNotification) and note.status == "running":
                    break
            stuck.cancel()
            assert (await stuck.wait()).outcome is Outcome.CANCELLED
            assert [run.label for run in host.abandoned] == ["execute-cells"]

            following = kernel.post(ExecuteCellsCommand([CellId("b")], ["1"]))
            while not kernel.interrupt():
                await trio.lowlevel.checkpoint()
            assert (await following.wait()).outcome is Outcome.COMPLETED
            assert host.abandoned == []
            after = await kernel.ask(ExecuteCellsCommand([CellId("c")], ["2"]))
            assert after.outcome is Outcome.COMPLETED
