"""The notebook, ui and functions actors: what they hand to the host, in which order, and how commands end."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors.host import HostError, NotebookHost, Run, Turns, UnblockedCells
from callboard.actors.ui import (
    RunOwedCells,
    UIConflation,
    announce_waiting,
    is_tick,
    updates_elements,
)
from callboard.messages.commands import (
    ExecuteCellsCommand,
    InvokeFunctionCommand,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    RenameNotebookCommand,
    UpdateUIElementCommand,
)
from callboard.messages.conflation import UIBatch, as_batch
from callboard.messages.ids import CellId, FunctionCallId, ModelId, UIElementId
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.runtime import Outcome
from callboard.testing.driver import tick
from callboard.testing.host import FakeHost
from tests.actors.support import Actors, open_actors


def execute(cell: str = "a") -> ExecuteCellsCommand:
    return ExecuteCellsCommand([CellId(cell)], ["1"])


def invoke(call: str = "f") -> InvokeFunctionCommand:
    return InvokeFunctionCommand(FunctionCallId(call), "e-0", "name", {})


def update(**state: object) -> ModelCommand:
    return ModelCommand(ModelId("m"), ModelUpdateMessage(state, []), [])


def custom(content: object = None) -> ModelCommand:
    return ModelCommand(ModelId("m"), ModelCustomMessage(content), [])


def test_the_fake_is_a_host() -> None:
    host: NotebookHost = FakeHost()
    assert not host.owes_cells()


# the notebook actor


async def test_a_command_is_handed_over_as_it_is_in_a_run_named_after_it() -> None:
    async with open_actors() as actors:
        command = RenameNotebookCommand("x.py")
        settlement = await actors.do(command)
        assert settlement.outcome is Outcome.COMPLETED
        [call] = actors.host.calls
        assert call.subject is command
        assert (call.run.label, call.run.gives_way) == ("rename-notebook", False)


async def test_while_a_command_runs_its_run_is_the_current_one() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        envelope = actors.post(execute())
        await block.reached.wait()
        assert actors.turns.current is actors.host.calls[0].run
        block.release()
        await envelope.wait()
        assert actors.turns.current is None


async def test_a_fault_of_the_sender_fails_the_command_and_not_the_actor() -> None:
    async with open_actors() as actors:
        actors.host.fail("execute", HostError("no such cell"))
        settlement = await actors.do(execute())
        assert (settlement.outcome, settlement.reason) == (Outcome.FAILED, "no such cell")
        assert actors.restarts["notebook"] == 0


@pytest.mark.parametrize(
    ("message", "method", "actor"),
    [
        (execute(), "execute", "notebook"),
        (tick({"a-0": 1}), "apply_ui", "ui"),
        (custom(), "custom_message", "ui"),
        (RunOwedCells(), "run_owed", "ui"),
        (invoke(), "invoke", "functions"),
    ],
    ids=["execute", "tick", "custom", "owed", "invoke"],
)
async def test_a_defect_of_the_host_fails_the_command_in_hand_and_the_actor_starts_again(
    autojump_clock: MockClock, message: object, method: str, actor: str
) -> None:
    async with open_actors() as actors:
        actors.host.fail(method, RuntimeError("defect"))
        first, second = actors.post(message), actors.post(execute("next"))
        settlement = await first.wait()
        assert settlement.outcome is Outcome.FAILED
        assert "defect" in str(settlement.reason)
        assert (await second.wait()).outcome is Outcome.COMPLETED
        assert (await actors.do(message)).outcome is Outcome.COMPLETED
        assert actors.restarts[actor] == 1
        # What raised is not tried again.
        assert actors.host.methods.count(method) == (2 if method != "execute" else 3)


async def test_cancelling_a_running_command_cancels_the_call() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        envelope = actors.post(execute())
        await block.reached.wait()
        envelope.cancel("enough")
        assert (await envelope.wait()).outcome is Outcome.CANCELLED
        assert actors.host.calls[0].outcome == "cancelled"
        assert actors.turns.current is None


async def test_the_cells_of_all_runs_are_counted() -> None:
    turns = Turns()
    for cells in (2, 3):
        with turns.run("execute-cells") as run:
            run.cells_run = cells
    assert turns.cells_run == 5


# order


async def test_commands_of_all_three_actors_are_handed_over_in_posting_order_one_at_a_time() -> (
    None
):
    async with open_actors() as actors:
        block = actors.host.block("execute")
        envelopes = [
            actors.post(message)
            for message in (
                execute(),
                tick({"a-0": 1}),
                invoke(),
                tick({"a-0": 2}),
                execute(),
                custom(),
                tick({"a-0": 3}),
                invoke(),
            )
        ]
        await wait_all_tasks_blocked()
        assert actors.host.methods == ["execute"]
        block.release()
        for envelope in envelopes:
            assert (await envelope.wait()).outcome is Outcome.COMPLETED
        assert actors.host.methods == [
            "execute",
            "apply_ui",
            "invoke",
            "apply_ui",
            "execute",
            "custom_message",
            "apply_ui",
            "invoke",
        ]


async def test_an_actor_that_starts_again_holds_up_none_of_the_others() -> None:
    # No clock that jumps: what waited for the restart would wait for real.
    async with open_actors() as actors:
        actors.host.fail("invoke", RuntimeError("defect"))
        first = actors.post(invoke("first"))
        actors.post(invoke("second"))
        third = actors.post(execute())
        await first.wait()
        assert (await third.wait()).outcome is Outcome.COMPLETED
        assert actors.host.methods[:2] == ["invoke", "execute"]


# the ui actor


async def test_ticks_that_wait_are_applied_as_one_batch() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        actors.post(execute())
        await block.reached.wait()
        ticks = [
            actors.post(message)
            for message in (
                tick({"a-0": 1, "a-1": 1}),
                update(k=1, j=1),
                tick({"a-0": 2}),
                update(k=2),
            )
        ]
        block.release()
        outcomes = [(await envelope.wait()).outcome for envelope in ticks]
        assert outcomes == [Outcome.SUPERSEDED] * 3 + [Outcome.COMPLETED]
        batch = actors.host.calls[-1].subject
        assert batch.values == {"a-0": 2, "a-1": 1}
        assert batch.models["m"].state == {"k": 2, "j": 1}
        assert [target[1] for target in batch.order] == ["a-0", "a-1", "m"]
        run = actors.host.calls[-1].run
        assert (run.label, run.gives_way) == ("update-ui-element", True)


async def test_no_tick_passes_a_custom_message() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        actors.post(execute())
        await block.reached.wait()
        last = [
            actors.post(message)
            for message in (
                tick({"a-0": 1}),
                update(k=1),
                custom("first"),
                custom("second"),
                update(k=2),
                tick({"a-0": 2}),
            )
        ][-1]
        block.release()
        await last.wait()
        assert actors.host.methods[1:] == [
            "apply_ui",
            "custom_message",
            "custom_message",
            "apply_ui",
        ]
        assert actors.host.calls[1].subject.values == {"a-0": 1}
        assert actors.host.calls[4].subject.values == {"a-0": 2}


async def test_a_run_that_left_cells_to_a_newer_tick_ends_as_superseded() -> None:
    async with open_actors() as actors:
        actors.host.leaves = 3
        settlement = await actors.do(tick({"a-0": 1}))
        assert settlement.outcome is Outcome.SUPERSEDED
        assert "3 cells" in str(settlement.reason)
        assert (await actors.do(tick({"a-0": 2}))).outcome is Outcome.COMPLETED


async def test_cells_left_over_are_run_when_the_kernel_asks_for_it() -> None:
    async with open_actors() as actors:
        assert (await actors.do(RunOwedCells())).outcome is Outcome.COMPLETED
        assert actors.host.methods == ["run_owed"]


async def test_an_update_of_nothing_is_an_update() -> None:
    async with open_actors() as actors:
        await actors.do(tick({}))
        await actors.do(update())
        assert actors.host.methods == ["apply_ui", "apply_ui"]
        assert list(actors.host.calls[1].subject.models) == ["m"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (tick({"a-0": 1}), ("a-0",)),
        (update(k=1), ("m",)),
        (custom(), ()),
        (RunOwedCells(), ()),
    ],
)
def test_a_run_is_told_of_the_tick_that_waits_right_behind_it(
    message: Any, told: tuple[str, ...]
) -> None:
    turns = Turns()
    announce_waiting(turns, message)
    with turns.run("execute-cells") as run:
        announce_waiting(turns, message)
        assert run.newer == ()
    with turns.run("update-ui-element", gives_way=True) as run:
        announce_waiting(turns, message)
        assert run.newer == told


def test_what_is_a_tick_and_what_updates_elements() -> None:
    batch = as_batch(update(k=1))
    assert batch is not None
    both = batch.absorb(_batch(tick({"a-0": 1})))
    assert [is_tick(one) for one in (tick({}), update(), both, custom(), RunOwedCells())] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert [updates_elements(one) for one in (tick({}), both, update(), custom())] == [
        True,
        True,
        False,
        False,
    ]


def test_conflation_counts_what_a_slot_holds() -> None:
    conflation = UIConflation(max_keys=7)
    assert conflation.max_size == 7
    assert conflation.size(tick({"a": 1, "b": 2})) == 2
    assert conflation.size(update(k=1, j=2)) == 2
    merged = conflation.merge(
        tick({"a": 1, "b": 2}), UpdateUIElementCommand([UIElementId("a")], [3])
    )
    assert isinstance(merged, UIBatch)
    assert (conflation.size(merged), merged.values) == (2, {"a": 3, "b": 2})
    assert conflation.key(merged) == conflation.key(tick({})) == conflation.key(update())
    assert conflation.key(custom()) is conflation.key(RunOwedCells()) is None


def _batch(message: Any) -> UIBatch:
    batch = as_batch(message)
    assert batch is not None
    return batch


# the functions actor


async def test_a_call_is_answered_with_what_the_host_returns() -> None:
    async with open_actors() as actors:
        actors.host.returns = {"rows": 3}
        settlement = await actors.do(invoke("mine"))
        reply = settlement.reply
        assert isinstance(reply, FunctionCallResultNotification)
        assert (reply.function_call_id, reply.return_value) == ("mine", {"rows": 3})
        assert actors.host.calls[0].run.label == "invoke-function"


async def test_an_interrupt_reaches_the_run_in_hand() -> None:
    async with open_actors() as actors:
        block = actors.host.block("invoke")
        envelope = actors.post(invoke())
        await block.reached.wait()
        run = actors.turns.current
        assert run is not None
        actors.host.interrupt(run)
        assert (await envelope.wait()).outcome is Outcome.COMPLETED
        assert actors.host.calls[0].outcome == "interrupted"


# cells that an installation unblocks


def unblocked(actors: Actors) -> UnblockedCells:
    return UnblockedCells(actors.host, actors.turns, lambda: actors.lane.ticket("packages"))


async def test_unblocked_cells_take_their_turn_among_the_commands() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        actors.post(execute())
        await block.reached.wait()
        actors.post(tick({"a-0": 1}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unblocked(actors).packages_installed, ["yaml"])
            await wait_all_tasks_blocked()
            last = actors.post(invoke())
            assert actors.host.methods == ["execute"]
            block.release()
            await last.wait()
        assert actors.host.methods == ["execute", "apply_ui", "packages_installed", "invoke"]
        call = actors.host.calls[2]
        assert (call.subject, call.run.label) == (frozenset({"yaml"}), "install-packages")


async def test_unblocked_cells_that_are_cancelled_while_they_wait_hold_up_nobody() -> None:
    async with open_actors() as actors:
        block = actors.host.block("execute")
        actors.post(execute())
        await block.reached.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unblocked(actors).packages_installed, ["yaml"])
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        last = actors.post(invoke())
        block.release()
        assert (await last.wait()).outcome is Outcome.COMPLETED
        assert actors.host.methods == ["execute", "invoke"]


def test_what_a_notebook_misses_is_what_its_host_says() -> None:
    host = FakeHost(missing=frozenset({"yaml"}))

    def ticket() -> Any:
        raise AssertionError("no turn is needed for that")

    assert UnblockedCells(host, Turns(), ticket).missing_modules() == {"yaml"}


def test_a_run_starts_as_nobody_has_touched_it() -> None:
    run = Run("execute-cells")
    assert (run.interrupted, run.newer, run.current, run.cells_run, run.left) == (
        False,
        (),
        None,
        0,
        0,
    )
