"""Ticks that wait are merged, never past a command that could observe them, and the last value always counts."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.messages.commands import (
    Command,
    DeleteCellCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    InvokeFunctionCommand,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
    command_tag,
)
from callboard.messages.ids import CellId, FunctionCallId, ModelId
from callboard.runtime import Envelope, Outcome
from callboard.testing.driver import Driver, Hold, execute, tick

CB = {"cb": "import callboard as cb"}
SLIDERS = "s = cb.ui.slider(0, 1000)\nt = cb.ui.slider(0, 1000)"
LOG = "log = []"


async def busy(notebook: Driver) -> Hold:
    """Have the cell thread run a cell that ends when the hold is released."""
    hold = notebook.hold("hold")
    notebook.post(execute({"busy": "hold()"}))
    await hold.reached()
    notebook.news()
    return hold


def update(state: dict[str, object] | None = None, model: str = "m") -> ModelCommand:
    return ModelCommand(ModelId(model), ModelUpdateMessage(state or {}, []), [])


def custom() -> ModelCommand:
    return ModelCommand(ModelId("m"), ModelCustomMessage({}), [])


async def test_ticks_that_wait_become_one_run_with_the_last_values(notebook: Driver) -> None:
    await notebook.run(CB, LOG=LOG, a=SLIDERS, b="log.append((s.value, t.value))")
    hold = await busy(notebook)
    ticks = [notebook.post(tick({"a-0": n, "a-1": -n % 7})) for n in range(100)]
    last = notebook.post(tick({"a-0": 100}))
    hold.release()
    heard = await notebook.settle()
    assert {(await envelope.wait()).outcome for envelope in ticks} == {Outcome.SUPERSEDED}
    assert (await last.wait()).outcome is Outcome.COMPLETED
    assert heard.started == ["b"]
    told = await notebook.run(z="log")
    assert told.cell("z").output == "[(0, 0), (100, 6)]"
    # One for the cell that was busy, one for all the ticks.
    assert heard.finished == 2


async def test_ticks_of_elements_and_models_merge_whatever_their_interleaving(
    notebook: Driver,
) -> None:
    await notebook.run(CB, a=SLIDERS, b="s.value")
    hold = await busy(notebook)
    for n in range(50):
        notebook.post(tick({"a-0": n}))
        notebook.post(update({"k": n}))
    hold.release()
    heard = await notebook.settle()
    assert heard.started == ["b"]
    assert heard.cell("b").output == "49"
    # The update of an element that was merged into one of a model is finished all the same.
    assert heard.finished == 2


async def test_a_duplicate_of_a_tick_that_waits_changes_nothing(notebook: Driver) -> None:
    await notebook.run(CB, LOG=LOG, a=SLIDERS, b="log.append(s.value)")
    hold = await busy(notebook)
    notebook.post(tick({"a-0": 1}, token="one"))
    notebook.post(tick({"a-0": 2}, token="two"))
    notebook.post(tick({"a-0": 1}, token="one"))
    hold.release()
    await notebook.settle()
    assert (await notebook.run(z="log")).cell("z").output == "[0, 2]"


BARRIERS: tuple[Command, ...] = (
    execute({"seen": "s.value"}),
    ExecuteScratchpadCommand("log.append(('scratch', s.value))"),
    ExecuteStaleCellsCommand(),
    SyncGraphCommand({}, [], []),
    UpdateCellConfigCommand({}),
    UpdateUserConfigCommand({}),
    InvokeFunctionCommand(FunctionCallId("f"), "a-0", "nothing", {}),
    DeleteCellCommand(CellId("nowhere")),
    RenameNotebookCommand("x.py"),
    custom(),
)


@pytest.mark.parametrize("command", BARRIERS, ids=command_tag)
async def test_a_tick_is_not_merged_across_a_command_that_could_observe_it(
    notebook: Driver, command: Command
) -> None:
    codes = {**CB, "LOG": LOG, "a": SLIDERS, "b": "log.append(s.value)"}
    await notebook.run(codes)
    if isinstance(command, SyncGraphCommand):
        everything = {CellId(cell): code for cell, code in codes.items()}
        command = SyncGraphCommand({**everything, CellId("busy"): "hold()"}, [], [])
    hold = await busy(notebook)
    ticks = [notebook.post(tick({"a-0": 1})), notebook.post(tick({"a-0": 2}))]
    notebook.post(command)
    ticks += [notebook.post(tick({"a-0": 3})), notebook.post(tick({"a-0": 4}))]
    hold.release()
    await notebook.settle()
    outcomes = [str((await envelope.wait()).outcome) for envelope in ticks]
    assert outcomes == ["superseded", "completed", "superseded", "completed"]
    log = str((await notebook.run(z="log")).cell("z").output)
    assert [n for n in log.strip("[]").split(", ") if n.isdigit()] == ["0", "2", "4"]


async def test_a_command_sees_the_ticks_before_it_and_none_behind_it(notebook: Driver) -> None:
    await notebook.run(CB, a=SLIDERS)
    hold = await busy(notebook)
    notebook.post(tick({"a-0": 1}))
    notebook.post(execute({"seen": "s.value"}))
    notebook.post(tick({"a-0": 2}))
    notebook.post(ExecuteScratchpadCommand("s.value"))
    notebook.post(tick({"a-0": 3}))
    hold.release()
    heard = await notebook.settle()
    assert [str(output.data) for output in heard.cell("seen").outputs] == ["1", "2", "3"]
    assert heard.cell("__scratch__").output == "2"


async def test_a_command_that_needs_no_cell_thread_is_no_barrier(notebook: Driver) -> None:
    from callboard.messages.commands import ListSecretKeysCommand
    from callboard.messages.ids import RequestId

    await notebook.run(CB, a=SLIDERS, b="s.value")
    hold = await busy(notebook)
    notebook.post(tick({"a-0": 1}))
    notebook.post(ListSecretKeysCommand(RequestId("r")))
    notebook.post(tick({"a-0": 2}))
    hold.release()
    heard = await notebook.settle()
    assert heard.started == ["b"]
    assert heard.cell("b").output == "2"


# a newer tick while the dependants of one run


async def drag(notebook: Driver) -> Hold:
    """Start a tick whose first dependant is running; two more and one that is apart are to follow."""
    hold = notebook.hold("hold")
    await notebook.run(
        CB,
        LOG=LOG,
        a=SLIDERS,
        one="log.append(('one', s.value))\nif s.value == 1:\n    hold()",
        two="y = s.value\nlog.append(('two', y))",
        three="log.append(('three', y))",
        apart="log.append(('apart', t.value))",
    )
    notebook.post(execute({"LOG": LOG}))
    await notebook.settle()
    notebook.post(tick({"a-0": 1, "a-1": 1}))
    await hold.reached()
    notebook.news()
    return hold


async def ran(notebook: Driver) -> list[tuple[str, int]]:
    """What the cells have logged since the start of the drag."""
    log = (await notebook.run(z="log[4:]")).cell("z").output
    return list(eval(str(log)))  # a list of pairs as text


async def test_no_cell_starts_for_a_value_that_is_known_to_be_stale(notebook: Driver) -> None:
    hold = await drag(notebook)
    notebook.post(tick({"a-0": 2}))
    hold.release()
    heard = await notebook.settle()
    # The running cell ends; the one that the newer value does not concern runs first, the others once.
    assert await ran(notebook) == [
        ("one", 1),
        ("apart", 1),
        ("one", 2),
        ("two", 2),
        ("three", 2),
    ]
    assert heard.settled == ["update-ui-element superseded", "update-ui-element completed"]
    assert heard.finished == 1


async def test_many_newer_ticks_come_to_one_more_run(notebook: Driver) -> None:
    hold = await drag(notebook)
    for n in range(2, 50):
        notebook.post(tick({"a-0": n}))
    hold.release()
    await notebook.settle()
    assert await ran(notebook) == [
        ("one", 1),
        ("apart", 1),
        ("one", 49),
        ("two", 49),
        ("three", 49),
    ]


async def test_a_newer_tick_of_something_else_leaves_the_run_alone(notebook: Driver) -> None:
    hold = await drag(notebook)
    await_last = notebook.post(tick({"nowhere-0": 2}))
    hold.release()
    heard = await notebook.settle()
    assert (await await_last.wait()).outcome is Outcome.COMPLETED
    assert heard.settled == ["update-ui-element completed"] * 2
    assert await ran(notebook) == [("one", 1), ("two", 1), ("three", 1), ("apart", 1)]


async def test_cells_are_not_left_to_a_tick_behind_another_command(notebook: Driver) -> None:
    hold = await drag(notebook)
    notebook.post(ExecuteScratchpadCommand("log.append(('scratch', y))"))
    notebook.post(tick({"a-0": 2}))
    hold.release()
    await notebook.settle()
    assert await ran(notebook) == [
        ("one", 1),
        ("two", 1),
        ("three", 1),
        ("apart", 1),
        ("scratch", 1),
        ("one", 2),
        ("two", 2),
        ("three", 2),
    ]


FOR_THE_FIRST = [("one", 1), ("two", 1), ("three", 1), ("apart", 1)]


async def cancel_newer(notebook: Driver, hold: Hold, newer: Envelope[Any], when: str) -> None:
    """Cancel a tick before or after the run in hand has left cells to it."""
    if when == "before":
        newer.cancel("never mind")
        hold.release()
        return
    hold.release()
    # Without a checkpoint: the control thread must not hear yet that the run has ended.
    while not notebook.kernel._parts.host.owes_cells():
        pass
    newer.cancel("never mind")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_no_cell_is_left_unrun_when_the_newer_tick_is_cancelled(
    notebook: Driver, when: str
) -> None:
    hold = await drag(notebook)
    newer = notebook.post(tick({"a-0": 2}))
    await cancel_newer(notebook, hold, newer, when)
    heard = await notebook.settle()
    assert {heard.cell(cell).statuses[-1] for cell in ("two", "three", "apart")} == {"idle"}
    assert await ran(notebook) == FOR_THE_FIRST


async def test_no_cell_is_left_unrun_when_the_newer_tick_expires(notebook: Driver) -> None:
    hold = await drag(notebook)
    newer = notebook.post(tick({"a-0": 2}), timeout=0.01)
    assert (await newer.wait()).outcome is Outcome.EXPIRED
    hold.release()
    await notebook.settle()
    assert await ran(notebook) == FOR_THE_FIRST


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "command",
    [
        execute({"seen": "log.append(('seen', y))"}),
        ExecuteScratchpadCommand("log.append(('seen', y))"),
        InvokeFunctionCommand(FunctionCallId("f"), "f-0", "look", {}),
    ],
    ids=command_tag,
)
async def test_what_comes_instead_of_a_vanished_tick_finds_its_cells_run(
    notebook: Driver, command: Command, when: str
) -> None:
    await notebook.run(
        CB,
        f="""
from callboard.ui.functions import Function as _Function
def look():
    log.append(("seen", y))
f = cb.ui.UIElement(0, functions=[_Function("look", look)])
""",
    )
    hold = await drag(notebook)
    newer = notebook.post(tick({"a-0": 2}))
    notebook.post(command)
    await cancel_newer(notebook, hold, newer, when)
    await notebook.settle()
    log = await ran(notebook)
    assert log == [*FOR_THE_FIRST, ("seen", 1)]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_tick_behind_a_vanished_one_takes_over_from_it(notebook: Driver, when: str) -> None:
    hold = await drag(notebook)
    newer = notebook.post(tick({"a-0": 2}))
    notebook.post(custom())
    notebook.post(tick({"a-0": 3}))
    await cancel_newer(notebook, hold, newer, when)
    heard = await notebook.settle()
    log = await ran(notebook)
    assert log[: len(FOR_THE_FIRST)] == FOR_THE_FIRST
    assert log[len(FOR_THE_FIRST) :] == [("one", 3), ("two", 3), ("three", 3)]
    assert heard.cell("one").output == ""


async def test_an_interrupt_breaks_the_run_and_leaves_the_newer_tick_to_come(
    notebook: Driver,
) -> None:
    hold = await drag(notebook)
    notebook.post(tick({"a-0": 2}))
    notebook.kernel.interrupt()
    heard = await notebook.settle()
    assert await ran(notebook) == [("one", 1), ("one", 2), ("two", 2), ("three", 2)]
    assert heard.cell("apart").error.type == "interruption"
    assert heard.cell("three").errors == []
    assert hold.arrivals == 1


# bounds


async def test_a_full_mailbox_rejects_at_once_and_the_last_accepted_value_counts(
    notebook: Driver,
) -> None:
    await notebook.run(CB, a=SLIDERS, b="s.value")
    hold = await busy(notebook)
    accepted = [notebook.post(custom()) for _ in range(300)]
    rejected = [one for one in accepted if one.settled]
    assert len(rejected) == 300 - 256
    late = notebook.post(tick({"a-0": 5}))
    assert late.settled
    heard = notebook.news()
    assert heard.trace[-2:] == ["completed-run", "settled update-ui-element rejected"]
    hold.release()
    await notebook.settle()
    assert (await notebook.tick({"a-0": 6})).cell("b").output == "6"


async def test_a_slot_of_merged_ticks_is_bounded_and_loses_nothing(notebook: Driver) -> None:
    await notebook.run(CB, a=SLIDERS, b="s.value")
    hold = await busy(notebook)
    notebook.post(tick({"a-0": 1}))
    for start in range(0, 25_000, 5_000):
        notebook.post(tick({f"nowhere-{n}": n for n in range(start, start + 5_000)}))
    notebook.post(tick({"a-0": 9}))
    hold.release()
    heard = await notebook.settle()
    assert heard.cell("b").output == "9"
    assert "rejected" not in " ".join(heard.settled)
