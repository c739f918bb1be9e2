"""Two kernels in one process share nothing."""

from __future__ import annotations

import signal
import sys

from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import ExecuteCellsCommand
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification, CompletedRunNotification
from callboard.messages.payloads import CellOutput


async def run(kernel: Kernel, code: str) -> list[CellOutput]:
    shown: list[CellOutput] = []
    with kernel.subscribe() as notifications:
        kernel.post(ExecuteCellsCommand([CellId("a")], [code]))
        async for frame in notifications:
            note = frame.message
            if isinstance(note, CellOpNotification):
                console = note.console if isinstance(note.console, list) else [note.console]
                shown += [item for item in (note.output, *console) if item is not None]
            if isinstance(note, CompletedRunNotification):
                break
    return shown


def texts(shown: list[CellOutput]) -> str:
    return "\n".join(str(item.data) for item in shown)


async def test_cells_of_the_same_id_keep_their_own_names_and_source_lines() -> None:
    async with open_kernel() as one, open_kernel() as two:
        await run(one, "def fail():\n    raise ValueError('first source')\nx = 1")
        await run(two, "def fail():\n    raise KeyError('second source')\nx = 2")
        with one.subscribe() as notifications:
            one.post(ExecuteCellsCommand([CellId("b")], ["fail()"]))
            console = ""
            async for frame in notifications:
                note = frame.message
                if isinstance(note, CellOpNotification) and isinstance(note.console, CellOutput):
                    console += str(note.console.data)
                if isinstance(note, CompletedRunNotification):
                    break
    assert "first source" in console
    assert "second source" not in console


async def test_nothing_of_the_process_is_changed_while_a_kernel_runs() -> None:
    def state() -> tuple[object, ...]:
        return (
            signal.getsignal(signal.SIGINT),
            sys.stdout,
            sys.stderr,
            sys.stdin,
            tuple(sys.argv),
            sys.modules["__main__"],
            sys.getswitchinterval(),
            sys.excepthook,
        )

    before = state()
    async with open_kernel() as kernel:
        assert "hello" in texts(await run(kernel, "print('hello')"))
        assert state() == before
    assert state() == before
