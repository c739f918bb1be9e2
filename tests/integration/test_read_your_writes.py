"""A domain command sees every run that was sent before it, and waits for nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.answering import RequestDomain
from callboard.actors.requests import Refused, Request
from callboard.kernel import Kernel, Outside, open_kernel
from callboard.messages.commands import (
    Command,
    DeleteCellCommand,
    ExecuteCellsCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.notifications import Notification, StorageEntriesNotification
from callboard.runtime import Envelope, Outcome
from callboard.testing.driver import create, tick
from callboard.testing.driver import execute as execute_cells
from callboard.testing.simulation.cells import SimulatedSurroundings
from callboard.testing.simulation.scheduler import run_seeded


class Reader:
    """Answers with the text of a variable."""

    def reads(self, command: StorageListEntriesCommand) -> Iterable[str]:
        return (command.namespace,)

    async def answer(self, request: Request[Any]) -> Notification:
        command = request.command
        value = await request.variable(command.namespace)
        return StorageEntriesNotification(command.request_id, [], command.namespace, str(value))


READER = RequestDomain("storage", (StorageListEntriesCommand, StorageDownloadCommand), Reader())


@asynccontextmanager
async def open_reader() -> AsyncIterator[Kernel]:
    async with open_kernel(
        surroundings=SimulatedSurroundings(), domains=[READER], outside=Outside()
    ) as kernel:
        yield kernel


def read(name: str) -> StorageListEntriesCommand:
    return StorageListEntriesCommand("r", name, 10)  # type: ignore[arg-type]


async def answer(envelope: Envelope[Any]) -> tuple[str | None, float]:
    """What a read answered, None if there is no such variable, and how long that took."""
    settlement = await envelope.wait()
    seconds = settlement.queued + settlement.ran
    if settlement.outcome is Outcome.FAILED:
        assert isinstance(settlement.error, Refused)
        return None, seconds
    assert settlement.outcome is Outcome.COMPLETED, settlement
    assert isinstance(settlement.reply, StorageEntriesNotification)
    return settlement.reply.prefix, seconds


SLOW = "await __import__('asyncio').sleep(5)\n"


def run(**codes: str) -> ExecuteCellsCommand:
    """Run cells; never refused for their age, for virtual time is no wall clock."""
    return execute_cells(codes, timestamp=1e12)


async def test_a_read_waits_for_the_pending_cell_that_defines_its_name_and_no_longer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"x": "x = 1"}))
        kernel.post(run(x=f"{SLOW}x = 2", slow=SLOW))
        assert await answer(kernel.post(read("x"))) == ("2", 5)


async def test_unrelated_cells_add_no_wait_whether_they_run_or_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"x": "x = 1", "y": "y = x"}))
        kernel.post(run(other=SLOW))
        kernel.post(run(another=SLOW + "z = x"))
        assert await answer(kernel.post(read("y"))) == ("1", 0)
        assert await answer(kernel.post(read("z"))) == ("1", 10)


async def test_a_cell_below_one_that_is_edited_counts_as_one_that_will_run(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"a": "a = 1", "b": "b = a + 1", "c": "c = b + 1"}))
        kernel.post(run(a=SLOW + "a = 10"))
        assert await answer(kernel.post(read("c"))) == ("12", 5)


async def test_one_that_is_handled_late_still_sees_nothing_that_was_sent_after_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"x": "x = 1"}))
        first = kernel.post(read("x"))
        kernel.post(run(x="x = 2"))
        second = kernel.post(read("x"))
        kernel.post(run(x="x = 3"))
        assert (await answer(first))[0] == "1"
        assert (await answer(second))[0] == "2"


async def test_a_read_between_two_ticks_sees_the_first_and_not_the_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(
            create(
                {
                    "s": "import callboard as cb\ns = cb.ui.slider(0, 10)\ns",
                    "w": SLOW + "w = s.value",
                    "v": "v = w",
                }
            )
        )
        kernel.post(tick({"s-0": 1}))
        between = kernel.post(read("v"))
        kernel.post(tick({"s-0": 2}))
        after = kernel.post(read("v"))
        assert (await answer(between))[0] == "1"
        assert (await answer(after))[0] == "2"


async def test_why_a_variable_is_lacking_is_said(autojump_clock: trio.testing.MockClock) -> None:
    async with open_reader() as kernel:
        await kernel.ask(
            create({"bad": "bad = 1 / 0", "below": "below = bad", "cond": "if 0:\n    never = 1"})
        )
        for name, text in {
            "nothing": "there is no variable 'nothing' in the notebook",
            "bad": "cell 'bad', which defines it, raised ZeroDivisionError",
            "below": "cell 'below', which defines it, did not run (cancelled)",
            "never": "cell 'cond' ran without defining it",
        }.items():
            settlement = await kernel.post(read(name)).wait()
            assert str(settlement.reason).endswith(text)
            assert settlement.reply is not None
            assert settlement.reply.error == settlement.reason  # type: ignore[attr-defined]


async def test_why_it_is_lacking_is_said_as_of_the_run_that_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        codes = {"a": "a = 1", "below": "if a > 9: below = 1", "slow": f"a\n{SLOW}"}
        await kernel.ask(create(codes))
        kernel.post(run(a="a = 1 / 0", other=SLOW))
        settlement = await kernel.post(read("below")).wait()
        assert str(settlement.reason).endswith("which defines it, did not run (cancelled)")
        assert settlement.queued + settlement.ran < 1


async def test_a_cancelled_run_is_waited_for_no_longer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"x": "x = 1", "slow": ""}))
        kernel.post(run(slow=SLOW))
        pending = kernel.post(run(x="x = 2"))
        reading = kernel.post(read("x"))
        await trio.sleep(1)
        assert not reading.settled
        pending.cancel()
        assert await answer(reading) == ("1", 1)


async def test_waiting_has_a_deadline_and_can_be_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(UpdateUserConfigCommand({"runtime": {"request_timeout": 3}}))
        kernel.post(run(x=SLOW + "x = 2"))
        late, withdrawn = kernel.post(read("x")), kernel.post(read("x"))
        await trio.sleep(1)
        assert kernel.cancel(withdrawn)
        assert (await withdrawn.wait()).outcome is Outcome.CANCELLED
        settlement = await late.wait()
        assert (settlement.outcome, settlement.queued + settlement.ran) == (Outcome.EXPIRED, 3)


async def test_many_that_wait_hold_up_none_that_need_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"x": "x = 1", "y": "y = 1"}))
        kernel.post(run(x=SLOW + "x = 2"))
        waiting = [kernel.post(read("x")) for _ in range(50)]
        assert await answer(kernel.post(read("y"))) == ("1", 0)
        for envelope in waiting:
            assert await answer(envelope) == ("2", 5)


async def test_in_lazy_mode_only_what_runs_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        await kernel.ask(create({"a": "a = 1", "b": "b = a", "c": "c = b"}))
        await kernel.ask(UpdateUserConfigCommand({"runtime": {"on_cell_change": "lazy"}}))
        kernel.post(run(a=SLOW + "a = 2"))
        assert await answer(kernel.post(read("c"))) == ("1", 0)
        await kernel.wait_idle()
        # b is stale now and runs with c, which needs it.
        kernel.post(run(slow=SLOW, c="c = (b, 0)"))
        assert (await answer(kernel.post(read("b"))))[0] == "2"


async def test_a_variable_that_its_message_holds_goes_with_its_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_reader() as kernel:
        code = (
            "import weakref\nclass Thing: pass\nx = Thing()\n"
            "gone = []\n_ = weakref.finalize(x, gone.append, 1)"
        )
        await kernel.ask(create({"x": code, "w": "w = gone"}))
        kernel.post(run(slow=SLOW + "y = 1"))
        await answer(kernel.post(read("x")))
        await kernel.ask(DeleteCellCommand("x"))  # type: ignore[arg-type]
        assert not kernel._parts.reads._reads
        await kernel.wait_idle()


# The property: whatever happens at once answers as if all of it happened one after another.

NAMES = 5


@attrs.frozen
class Edit:
    cell: int
    needs: tuple[int, ...]
    seconds: int
    slider: bool

    def command(self, revision: int) -> ExecuteCellsCommand:
        parts = [f"v{each}" for each in self.needs if each != self.cell]
        parts += ["s.value"] if self.slider else []
        wait = f"await __import__('asyncio').sleep({self.seconds})\n" if self.seconds else ""
        value = f"({revision}, {', '.join([*parts, ''])})" if parts else str(revision)
        return run(**{f"c{self.cell}": f"{wait}v{self.cell} = {value}"})


@attrs.frozen
class Delete:
    cell: int

    def command(self, revision: int) -> Command:
        return DeleteCellCommand(f"c{self.cell}")  # type: ignore[arg-type]


@attrs.frozen
class Tick:
    def command(self, revision: int) -> Command:
        return tick({"s-0": revision % 100})


@attrs.frozen
class Look:
    cell: int

    def command(self, revision: int) -> Command:
        return read(f"v{self.cell}")


CELLS = st.integers(0, NAMES - 1)
OPERATIONS = st.one_of(
    st.builds(
        Edit,
        CELLS,
        st.lists(CELLS, max_size=2, unique=True).map(tuple),
        st.integers(0, 3),
        st.booleans(),
    ),
    st.builds(Delete, CELLS),
    st.just(Tick()),
    st.just(Tick()),
    st.builds(Look, CELLS),
    st.builds(Look, CELLS),
)


SLIDER = "import callboard as cb\ns = cb.ui.slider(0, 99)\ns"


@st.composite
def notebooks(draw: st.DrawFn) -> list[Edit]:
    """Cells that take time, read the slider or need cells before them."""
    return [
        Edit(
            cell,
            tuple(draw(st.lists(st.integers(0, cell - 1), max_size=1))) if cell else (),
            draw(st.integers(0, 2)),
            draw(st.booleans()),
        )
        for cell in range(NAMES)
    ]


async def play(
    notebook: list[Edit],
    operations: list[tuple[int, Edit | Delete | Tick | Look]],
    *,
    serially: bool,
) -> list[str | None]:
    reads: list[Envelope[Any]] = []
    async with open_reader() as kernel:
        codes = {"s": SLIDER}
        for edit in notebook:
            command = edit.command(0)
            codes |= dict(zip(command.cell_ids, command.codes, strict=True))
        await kernel.ask(create(codes))
        for revision, (pause, operation) in enumerate(operations):
            envelope = kernel.post(operation.command(revision))
            if isinstance(operation, Look):
                reads.append(envelope)
            if serially:
                await envelope.wait()
            else:
                await trio.sleep(pause / 2)
        return [found for found, _ in [await answer(envelope) for envelope in reads]]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    notebooks(),
    st.lists(st.tuples(st.integers(0, 3), OPERATIONS), min_size=3, max_size=14),
    st.integers(0, 2**32),
)
def test_every_read_answers_as_a_strictly_serial_kernel_does(
    notebook: list[Edit], operations: list[tuple[int, Edit | Delete | Tick | Look]], seed: int
) -> None:
    async def both() -> None:
        expected = await play(notebook, operations, serially=True)
        assert await play(notebook, operations, serially=False) == expected

    run_seeded(seed, both)
