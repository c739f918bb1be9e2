"""Every command ends once, a busy cell silences nothing, and a kernel stops within its time."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from callboard.actors.notebook.settings import Settings
from callboard.messages.commands import (
    ClearCacheCommand,
    Command,
    DebugCellCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    InvokeFunctionCommand,
    ListSecretKeysCommand,
    RenameNotebookCommand,
    StopKernelCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.ids import CellId, FunctionCallId, RequestId
from callboard.messages.notifications import CommandSettledNotification
from callboard.runtime import Envelope, Outcome
from callboard.testing.driver import Driver, create, execute, open_driver, tick

CB = {"cb": "import callboard as cb"}
FOREVER = "print('started')\nwhile True:\n    pass"
STUBBORN = """
print('started')
while not let_go.is_set():
    try:
        while not let_go.is_set():
            pass
    except KeyboardInterrupt:
        pass
"""


def commands() -> list[Command]:
    """One of each command of the kernel's own, in an order that makes sense; the stop is left out."""
    slider = "s = cb.ui.slider(0, 9)"
    return [
        create({**CB, "a": slider, "b": "s.value"}),
        tick({"a-0": 1}),
        RenameNotebookCommand("x.py"),
        execute({"c": "1 / 0", "d": "x ="}),
        ExecuteScratchpadCommand("1 / 0"),
        ExecuteStaleCellsCommand(),
        UpdateCellConfigCommand({CellId("b"): {"disabled": True}}),
        UpdateUserConfigCommand({"runtime": {"on_cell_change": "never"}}),
        InvokeFunctionCommand(FunctionCallId("f"), "a-0", "nothing", {}),
        SyncGraphCommand({}, [CellId("nowhere")], []),
        ListSecretKeysCommand(RequestId("r")),
        DebugCellCommand(CellId("c")),
        tick({"a-0": 2}),
    ]


def ends(notebook: Driver) -> Counter[str]:
    """How many times each type of command was announced to have ended."""
    return Counter(one.type for one in notebook.news().of(CommandSettledNotification))


async def test_every_command_is_settled_and_announced_exactly_once(notebook: Driver) -> None:
    sent = commands()
    envelopes = [notebook.post(command) for command in sent]
    settlements = [await envelope.wait() for envelope in envelopes]
    assert sum(ends(notebook).values()) == len(sent)
    ledger = notebook.kernel.ledger
    assert ledger.balanced
    assert ledger.settled == len(sent)
    assert [str(one.outcome) for one in settlements if one.outcome is not Outcome.COMPLETED] == [
        "failed",
        "failed",
        "rejected",
    ]


async def test_a_failed_command_says_why_and_its_actor_goes_on(
    notebook: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        settlement = await notebook.kernel.ask(SyncGraphCommand({}, [CellId("nowhere")], []))
    assert settlement.outcome is Outcome.FAILED
    assert "nowhere" in str(settlement.reason)
    assert notebook.restarts == 0


async def test_asking_returns_the_reply_with_the_settlement(notebook: Driver) -> None:
    command = InvokeFunctionCommand(FunctionCallId("f"), "nowhere", "nothing", {})
    settlement = await notebook.kernel.ask(command)
    assert settlement.outcome is Outcome.COMPLETED
    reply: Any = settlement.reply
    assert reply.function_call_id == "f"
    assert [one.op for one in notebook.news()] == ["function-call-result", "command-settled"]


async def test_an_asker_that_is_cancelled_takes_its_command_back(notebook: Driver) -> None:
    with trio.move_on_after(0.05):
        await notebook.kernel.ask(execute({"a": FOREVER}))
    heard = await notebook.settle()
    assert heard.settled == ["execute-cells cancelled"]
    assert heard.cell("a").error.type == "interruption"


async def test_waiting_for_idleness_includes_what_commands_caused(notebook: Driver) -> None:
    await notebook.run(CB, a="s = cb.ui.slider(0, 9)", b="s.value")
    for n in range(5):
        notebook.post(tick({"a-0": n}))
        notebook.post(execute({"c": str(n)}))
    await notebook.kernel.wait_idle()
    assert notebook.kernel.ledger.balanced
    assert notebook.news().cell("c").output == "4"


# a busy cell


@pytest.fixture
async def busy(notebook: Driver) -> AsyncIterator[Driver]:
    """A kernel whose cell thread does not come back by itself."""
    await notebook.run(a="x = 1")
    notebook.post(execute({"busy": FOREVER}))
    await notebook.until_printed("busy", "started")
    yield notebook
    notebook.kernel.interrupt()


async def test_while_a_cell_is_busy_its_status_can_be_seen(busy: Driver) -> None:
    notebook_queue = busy.post(execute({"later": "1"}))
    status = busy.kernel.status()
    assert (status.run, status.cell) == ("execute-cells", "busy")
    by_name = {actor.name: actor for actor in status.actors.actors}
    assert by_name["notebook"].running
    assert by_name["notebook"].depth == 1
    assert {actor.state for actor in status.actors.actors} == {"running"}
    assert not notebook_queue.settled
    assert status.last_seq == len(busy.heard)


async def test_while_a_cell_is_busy_other_domains_answer(busy: Driver) -> None:
    for command in (ListSecretKeysCommand(RequestId("r")), ClearCacheCommand()):
        settlement = await busy.kernel.ask(command)
        assert settlement.outcome in (Outcome.COMPLETED, Outcome.REJECTED)
    heard = busy.news()
    assert {"secret-keys-result", "cache-cleared"} <= {one.op for one in heard}
    assert busy.kernel.status().cell == "busy"


async def test_while_a_cell_is_busy_what_waits_behind_it_can_be_cancelled_and_refused(
    busy: Driver,
) -> None:
    waiting = [busy.post(tick({"a-0": 1}, token="t")), busy.post(execute({"later": "1"}))]
    assert busy.kernel.cancel("t")
    assert busy.kernel.cancel(waiting[1])
    assert [envelope.outcome for envelope in waiting] == [Outcome.CANCELLED, Outcome.CANCELLED]
    assert busy.news().trace == [
        "completed-run",
        "settled update-ui-element cancelled",
        "completed-run",
        "settled execute-cells cancelled",
    ]
    assert not busy.kernel.cancel("t")


async def test_while_a_cell_is_busy_subscribers_come_and_go(busy: Driver) -> None:
    with busy.kernel.subscribe(since=0) as subscription:
        frame = await anext(subscription)
        assert frame.seq == 1
    assert busy.kernel.status().subscribers == 1


# stopping


async def test_what_is_queued_when_the_kernel_stops_is_worked_off() -> None:
    async with open_driver() as notebook:
        await notebook.run(a="log = []")
        for n in range(5):
            notebook.post(execute({f"c{n}": f"log.append({n})"}))
    assert notebook.kernel.report is not None
    assert notebook.kernel.report.clean
    heard = notebook.news()
    assert heard.started == [f"c{n}" for n in range(5)]
    assert notebook.kernel.ledger.balanced


async def test_a_cell_that_does_not_end_is_broken_at_the_drain_deadline() -> None:
    async with open_driver(drain=0.02, kill=5) as notebook:
        first = notebook.post(execute({"a": FOREVER}))
        second = notebook.post(execute({"b": "1"}))
        await notebook.until_printed("a", "started")
    report = notebook.kernel.report
    assert report is not None
    assert (report.drained, report.cancelled, report.unfinished) == (False, ("notebook",), ())
    assert [first.outcome, second.outcome] == [Outcome.CANCELLED, Outcome.CANCELLED]
    heard = notebook.news()
    assert heard.cell("a").error.type == "interruption"
    assert heard.settled == ["execute-cells cancelled"] * 2
    assert heard.finished == 2


async def test_code_that_ignores_every_interrupt_is_named_and_everything_is_settled() -> None:
    let_go = threading.Event()
    async with open_driver(drain=0.02, kill=0.05) as notebook:
        notebook.share(let_go=let_go)
        stuck = notebook.post(execute({"a": STUBBORN}))
        behind = notebook.post(tick({"a-0": 1}))
        await notebook.until_printed("a", "started")
        with trio.fail_after(60):
            report = await notebook.kernel.stop()
        let_go.set()
    assert report.unfinished == ("notebook",)
    assert [stuck.outcome, behind.outcome] == [Outcome.CANCELLED, Outcome.CANCELLED]
    assert notebook.kernel.ledger.balanced


async def test_stopping_twice_gives_the_same_report() -> None:
    async with open_driver() as notebook:
        first = await notebook.kernel.stop()
        assert await notebook.kernel.stop() is first
        late = notebook.post(execute({"a": "1"}))
        assert late.outcome is Outcome.REJECTED


async def test_a_stop_command_lets_what_is_queued_end_and_refuses_the_rest() -> None:
    async with open_driver() as notebook:
        before: Envelope[Any] = notebook.post(execute({"a": "1"}))
        stop = notebook.post(StopKernelCommand())
        after = notebook.post(execute({"b": "1"}))
        with trio.fail_after(60):
            await notebook.kernel.wait_stop_requested()
    assert [before.outcome, stop.outcome, after.outcome] == [
        Outcome.COMPLETED,
        Outcome.COMPLETED,
        Outcome.REJECTED,
    ]


async def test_the_exception_of_the_block_comes_out_unchanged() -> None:
    class Mine(Exception):
        pass

    error = Mine()
    with pytest.raises(Mine) as caught:
        async with open_driver():
            raise error
    assert caught.value is error


async def test_subscribers_hear_the_end_and_then_the_stream_ends() -> None:
    async with open_driver() as notebook:
        notebook.post(execute({"a": "1"}))
    seen = [frame.message async for frame in notebook._frames]
    assert seen[-1].op == "command-settled"


async def test_a_kernel_is_cancelled_from_outside_without_leaving_anything_behind() -> None:
    with trio.CancelScope() as scope:
        async with open_driver(drain=0.02, kill=5) as notebook:
            notebook.post(execute({"a": FOREVER}))
            scope.deadline = trio.current_time() + 0.1
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert notebook.kernel.ledger.balanced
    assert not notebook.kernel._parts.host.cell_thread._thread.is_alive()  # type: ignore[attr-defined]


async def test_settings_given_at_the_start_hold() -> None:
    async with open_driver(settings=Settings(on_cell_change="lazy"), filename="/n.py") as notebook:
        await notebook.run(a="x = 1", b="x")
        assert (await notebook.run(a="x = 2")).started == ["a"]
        assert (await notebook.run(f="__file__")).cell("f").output == "/n.py"


async def test_a_running_tick_is_cancelled_by_its_token(notebook: Driver) -> None:
    await notebook.run(CB, a="s = cb.ui.slider(0, 9)")
    await notebook.run(b="if s.value:\n    print('started')\n    while True: pass")
    envelope = notebook.post(tick({"a-0": 1}, token="mine"))
    await notebook.until_printed("b", "started")
    assert notebook.kernel.cancel("mine", "no longer wanted")
    settlement = await envelope.wait()
    assert (settlement.outcome, settlement.reason) == (Outcome.CANCELLED, "no longer wanted")
    heard = notebook.news()
    assert heard.cell("b").error.type == "interruption"
    assert heard.finished == 1


async def test_a_deadline_that_passes_in_the_queue_ends_the_command_there(
    notebook: Driver,
) -> None:
    hold = notebook.hold("hold")
    first = notebook.post(execute({"a": "hold()"}))
    await hold.reached()
    notebook.news()
    late = notebook.post(execute({"b": "'never'"}), timeout=0.01)
    assert (await late.wait()).outcome is Outcome.EXPIRED
    assert notebook.news().trace == ["completed-run", "settled execute-cells expired"]
    hold.release()
    await first.wait()
    assert (await notebook.settle()).started == []


async def test_sender_and_trace_context_come_back_with_the_settlement(notebook: Driver) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    settlement = await notebook.kernel.ask(execute({"a": "1"}), sender="page", trace=trace)
    assert (settlement.sender, settlement.trace) == ("page", trace)
    assert settlement.ran > 0
    [end] = notebook.news().of(CommandSettledNotification)
    assert end.ran_ms == pytest.approx(settlement.ran * 1000)


async def test_the_cells_of_all_runs_are_counted_in_the_status(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="x")
    await notebook.run(a="x = 2")
    assert notebook.kernel.status().run_cells == 4
