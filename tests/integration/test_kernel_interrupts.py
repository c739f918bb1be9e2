"""What an interrupt breaks, and what it leaves alone."""

from __future__ import annotations

import sys
import time

import pytest
import trio

from callboard.messages.commands import (
    Command,
    ExecuteScratchpadCommand,
    InvokeFunctionCommand,
    SyncGraphCommand,
)
from callboard.messages.ids import CellId, FunctionCallId
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.runtime import Outcome
from callboard.testing.driver import Driver, Heard, execute, tick

CB = {"cb": "import callboard as cb"}
FOREVER = "print('started')\nwhile True:\n    pass"
SLEEPS = "import asyncio\nprint('started')\nawait asyncio.sleep(1000)"
SPINS_AND_SLEEPS = "import asyncio\nprint('started')\nwhile True:\n    await asyncio.sleep(0)"


async def interrupt(notebook: Driver, command: Command, cell: str = "a") -> Heard:
    """Post a command, interrupt it once a cell of it has printed, and return all it caused."""
    envelope = notebook.post(command)
    first = await notebook.until_printed(cell, "started")
    assert notebook.kernel.interrupt()
    await envelope.wait()
    return Heard((*first, *notebook.news()))


@pytest.mark.parametrize("code", [FOREVER, SLEEPS, SPINS_AND_SLEEPS], ids=["sync", "async", "both"])
async def test_an_interrupted_cell_says_so_keeps_its_console_and_ends_idle(
    notebook: Driver, code: str
) -> None:
    heard = await interrupt(notebook, execute({"a": code}))
    trace = heard.trace
    assert trace[trace.index("interrupted") :] == [
        "interrupted",
        *[line for line in trace if line.startswith("variable-values")],
        "a: error interruption",
        "a: traceback",
        "a: idle",
        "completed-run",
        "settled execute-cells completed",
    ]
    story = heard.cell("a")
    assert story.stdout == "started\n"
    assert "KeyboardInterrupt" in story.stderr
    assert "cell a" in story.stderr
    assert "callboard/actors" not in story.stderr


@pytest.mark.parametrize("code", [FOREVER, SLEEPS], ids=["sync", "async"])
async def test_all_cells_queued_behind_an_interrupted_one_are_cancelled_independent_ones_too(
    notebook: Driver, code: str
) -> None:
    heard = await interrupt(
        notebook, execute({"a": f"x = 1\n{code}", "below": "x", "apart": "print('ran')"})
    )
    assert heard.started == ["a"]
    apart = heard.cell("apart")
    assert apart.error.type == "interruption"
    assert apart.statuses[-1] == "idle"
    # The one below is told of the interruption first and then of what its ancestor raised.
    below = heard.cell("below")
    errors = [output.data[0].type for output in below.outputs if isinstance(output.data, list)]
    assert errors == ["interruption", "exception"]
    assert below.error.raising_cell == "a"
    assert "KeyboardInterrupt" in below.error.msg
    assert below.statuses[-1] == "idle"
    assert heard.of(FunctionCallResultNotification) == []


async def test_an_interrupt_when_nothing_runs_does_nothing(notebook: Driver) -> None:
    await notebook.run(a="x = 1")
    assert notebook.kernel.interrupt() is False
    heard = await notebook.run(b="sum(range(1000))")
    assert heard.cell("b").output == "499500"
    assert "interrupted" not in heard.trace


async def test_requests_older_than_an_interrupt_are_refused_and_newer_ones_run(
    notebook: Driver,
) -> None:
    await interrupt(notebook, execute({"a": FOREVER}))
    heard = await notebook.do(execute({"b": "x = 1", "c": "y = 1"}, timestamp=time.time() - 60))
    assert heard.trace == [
        "b: error interruption",
        "b: idle",
        "c: error interruption",
        "c: idle",
        "variables",
        "completed-run",
        "settled execute-cells completed",
    ]
    assert (await notebook.run(d="('x' in globals(), 1)")).cell("d").output == "(False, 1)"


async def test_age_does_not_matter_to_the_scratchpad_and_to_a_sync(notebook: Driver) -> None:
    await interrupt(notebook, execute({"a": FOREVER}))
    heard = await notebook.do(
        SyncGraphCommand({CellId("b"): "x = 1"}, [CellId("b")], [], timestamp=0.0)
    )
    assert heard.started == ["b"]
    heard = await notebook.do(ExecuteScratchpadCommand("x"))
    assert heard.cell("__scratch__").output == "1"


async def test_what_is_queued_behind_the_interrupted_run_goes_on(notebook: Driver) -> None:
    await notebook.run(CB, s="s = cb.ui.slider(0, 9)", e=SHOUTER)
    notebook.news()
    first = notebook.post(execute({"a": FOREVER}))
    await notebook.until_printed("a", "started")
    behind = [
        notebook.post(tick({"s-0": 3})),
        notebook.post(ExecuteScratchpadCommand("'after'")),
        notebook.post(InvokeFunctionCommand(FunctionCallId("f"), "e-0", "shout", {"text": "hey"})),
    ]
    old = notebook.post(execute({"z": "'too old'"}))
    notebook.kernel.interrupt()
    for envelope in (first, *behind, old):
        assert (await envelope.wait()).outcome is Outcome.COMPLETED
    heard = notebook.news()
    assert heard.cell("__scratch__").output == "after"
    assert heard.values["s"] == "3"
    assert heard.of(FunctionCallResultNotification)[0].return_value == "HEY"
    assert heard.cell("z").error.type == "interruption"


SHOUTER = """
import attrs as _attrs
from callboard.ui.functions import Function as _Function
@_attrs.define
class Args:
    text: str
def shout(args):
    return args.text.upper()
def spin(args):
    while True:
        pass
async def doze(args):
    import asyncio as _asyncio
    await _asyncio.sleep(1000)
e = cb.ui.UIElement(0, functions=[_Function(f.__name__, f, Args) for f in (shout, spin, doze)])
"""


@pytest.mark.parametrize("name", ["spin", "doze"])
async def test_an_interrupted_function_answers_that_it_was(notebook: Driver, name: str) -> None:
    await notebook.run(CB, e=SHOUTER)
    call = InvokeFunctionCommand(FunctionCallId("f"), "e-0", name, {"text": ""})
    envelope = notebook.post(call)
    while notebook.kernel.status().run != "invoke-function":
        await trio.lowlevel.checkpoint()
    assert notebook.kernel.interrupt()
    await envelope.wait()
    [result] = notebook.news().of(FunctionCallResultNotification)
    assert (result.status.code, result.status.title, result.found) == ("error", "Interrupted", True)


@pytest.mark.parametrize(
    "callback",
    [
        "def slow(v):\n    print('started')\n    while True:\n        pass",
        "import asyncio\nasync def slow(v):\n    print('started')\n    await asyncio.sleep(1000)",
    ],
    ids=["sync", "async"],
)
async def test_an_interrupted_callback_is_told_on_stderr_and_nothing_runs_for_it(
    notebook: Driver, callback: str
) -> None:
    await notebook.run(
        CB,
        f=callback,
        a="s = cb.ui.slider(0, 9, on_change=slow)\nt = cb.ui.slider(0, 9)\n[s, t]",
        b="(s.value, t.value)",
    )
    heard = await interrupt(notebook, tick({"a-0": 3, "a-1": 4}))
    assert "KeyboardInterrupt" in heard.cell("a").stderr
    assert heard.started == []
    assert heard.cell("b").error.type == "interruption"
    assert heard.finished == 1
    # The page shows both sliders moved, and so they are.
    assert (await notebook.run(b="(s.value, t.value)")).cell("b").output == "(3, 4)"


async def test_an_interrupt_between_two_cells_keeps_the_next_from_starting(
    notebook: Driver,
) -> None:
    # The first cell ends while the interrupt is on its way; an endless second one shows that none is lost.
    for _ in range(20):
        envelope = notebook.post(execute({"a": "print('started')", "b": "while True: pass"}))
        await notebook.until_printed("a", "started")
        assert notebook.kernel.interrupt()
        await envelope.wait()
        heard = notebook.news()
        assert heard.cell("b").error.type == "interruption"


async def test_user_code_may_clean_up_after_an_interrupt(notebook: Driver) -> None:
    code = """
print('started')
try:
    while True:
        pass
finally:
    kept = 'cleaned'
"""
    await interrupt(notebook, execute({"a": code}))
    assert (await notebook.run(b="kept")).cell("b").output == "cleaned"


async def test_an_async_cell_may_await_while_it_cleans_up(notebook: Driver) -> None:
    code = """
import asyncio
print('started')
try:
    await asyncio.sleep(1000)
except KeyboardInterrupt:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    kept = 'cleaned'
kept
"""
    heard = await interrupt(notebook, execute({"a": code}))
    assert heard.cell("a").output == "cleaned"


async def test_the_time_limits_of_a_clean_up_hold(notebook: Driver) -> None:
    code = """
import asyncio
print('started')
try:
    await asyncio.sleep(1000)
except KeyboardInterrupt:
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1000)
    except TimeoutError:
        kept = 'timed out'
kept
"""
    heard = await interrupt(notebook, execute({"a": code}))
    assert heard.cell("a").output == "timed out"


@pytest.mark.parametrize(
    "body",
    [
        "async with asyncio.timeout(1000):\n    await asyncio.sleep(1000)",
        "async with asyncio.TaskGroup() as g:\n    g.create_task(asyncio.sleep(1000))",
        "await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(1000))",
        "await asyncio.wait_for(asyncio.sleep(1000), 1000)",
        "await asyncio.shield(asyncio.sleep(1000))",
        "await asyncio.to_thread(__import__('threading').Event().wait, 0.5)",
        "async for x in forever(): pass",
        "await asyncio.get_running_loop().create_future()",
    ],
)
async def test_an_interrupt_breaks_whatever_an_async_cell_awaits(
    notebook: Driver, body: str
) -> None:
    setup = "import asyncio\nasync def forever():\n    while True:\n        await asyncio.sleep(0)\n        yield 1"
    await notebook.run(setup_=setup)
    heard = await interrupt(notebook, execute({"a": f"print('started')\n{body}"}))
    assert heard.cell("a").error.type == "interruption"
    assert (await notebook.run(b="await asyncio.sleep(0, 'fine')")).cell("b").output == "fine"


async def test_background_tasks_survive_an_interrupt(notebook: Driver) -> None:
    code = """
import asyncio
ticks = []
async def forever():
    while True:
        ticks.append(1)
        await asyncio.sleep(0)
task = asyncio.create_task(forever())
"""
    await notebook.run(t=code)
    await interrupt(notebook, execute({"a": SLEEPS.replace("import asyncio\n", "")}))
    heard = await notebook.run(
        b="before = len(ticks)\nawait asyncio.sleep(0.001)\n(task.done(), len(ticks) > before)"
    )
    assert heard.cell("b").output == "(False, True)"


async def test_an_interrupt_breaks_a_question_to_the_user(notebook: Driver) -> None:
    envelope = notebook.post(execute({"a": "input('name? ')"}))
    await notebook.until(lambda heard: "a: stdin 'name? '" in heard.trace)
    notebook.kernel.interrupt()
    await envelope.wait()
    assert notebook.news().cell("a").error.type == "interruption"


async def test_an_interrupt_breaks_the_scratchpad(notebook: Driver) -> None:
    heard = await interrupt(notebook, ExecuteScratchpadCommand(FOREVER), "__scratch__")
    assert heard.cell("__scratch__").error.type == "interruption"
    assert heard.cell("__scratch__").statuses[-1] == "idle"
    assert heard.finished == 1


async def test_an_interrupt_breaks_what_shows_a_value(notebook: Driver) -> None:
    code = """
class Slow:
    def _repr_html_(self):
        print('started')
        while True:
            pass
Slow()
"""
    heard = await interrupt(notebook, execute({"a": code}))
    assert heard.cell("a").error.type == "interruption"


async def test_interrupts_break_the_text_of_an_exception(notebook: Driver) -> None:
    code = """
class Slow(Exception):
    def __str__(self):
        print('started')
        while True:
            pass
raise Slow
"""
    envelope = notebook.post(execute({"a": code, "b": "1"}))
    heard = Heard(())
    while not envelope.settled:
        # The text is wanted more than once, and each interrupt breaks one attempt at it.
        more = await notebook.until(
            lambda news: "started" in news.cell("a").stdout or bool(news.settled)
        )
        heard = Heard((*heard, *more))
        notebook.kernel.interrupt()
    assert heard.cell("a").statuses[-1] == "idle"
    assert heard.cell("b").error.type == "interruption"


async def test_interrupts_that_hit_prints_lose_no_line_and_break_nothing(
    notebook: Driver,
) -> None:
    # Interrupts land at arbitrary bytecodes; those inside the console have to wait until it is consistent.
    for _ in range(30):
        code = "n = 0\nprint('started')\nwhile True:\n    print(n)\n    n += 1"
        heard = await interrupt(notebook, execute({"a": code}))
        lines = heard.cell("a").stdout.split()
        assert lines[0] == "started"
        assert lines[1:] == [str(n) for n in range(len(lines) - 1)]
        told = int(str((await notebook.run(b="n")).cell("b").output))
        assert told in (len(lines) - 1, len(lines) - 2)


async def test_a_second_interrupt_breaks_a_clean_up_that_does_not_end(notebook: Driver) -> None:
    code = """
print('started')
try:
    while True:
        pass
except KeyboardInterrupt:
    print('cleaning')
    while True:
        pass
"""
    envelope = notebook.post(execute({"a": code}))
    await notebook.until_printed("a", "started")
    notebook.kernel.interrupt()
    await notebook.until_printed("a", "cleaning")
    notebook.kernel.interrupt()
    await envelope.wait()
    assert notebook.news().cell("a").error.type == "interruption"


async def test_user_code_that_raises_keyboardinterrupt_is_not_taken_for_interrupted(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="raise KeyboardInterrupt", b="'runs'")
    assert heard.cell("a").error.exception_type == "KeyboardInterrupt"
    assert heard.cell("b").output == "runs"


# cancelling one command


async def test_cancelling_a_running_command_breaks_its_code_and_settles_it(
    notebook: Driver,
) -> None:
    envelope = notebook.post(execute({"a": FOREVER, "b": "'apart'"}))
    await notebook.until_printed("a", "started")
    assert notebook.kernel.cancel(envelope, "enough")
    settlement = await envelope.wait()
    assert settlement.outcome is Outcome.CANCELLED
    heard = notebook.news()
    assert heard.cell("a").error.type == "interruption"
    assert heard.cell("b").error.type == "interruption"
    assert heard.trace[-2:] == ["completed-run", "settled execute-cells cancelled"]
    # It was no interrupt of everything: requests that were sent before it still run.
    heard = await notebook.do(execute({"c": "'runs'"}, timestamp=time.time() - 60))
    assert heard.cell("c").output == "runs"


async def test_cancelling_a_queued_command_settles_it_at_once(notebook: Driver) -> None:
    hold = notebook.hold("hold")
    first = notebook.post(execute({"a": "hold()"}))
    await hold.reached()
    second = notebook.post(execute({"b": "'never'"}))
    assert notebook.kernel.cancel(second)
    assert second.settled
    hold.release()
    await first.wait()
    heard = await notebook.settle()
    assert heard.started == ["a"]


async def test_a_deadline_that_passes_breaks_user_code(notebook: Driver) -> None:
    envelope = notebook.post(execute({"a": FOREVER}), timeout=0.05)
    settlement = await envelope.wait()
    assert settlement.outcome is Outcome.EXPIRED
    heard = await notebook.run(b="'fine'")
    assert heard.cell("b").output == "fine"
    assert "a: error interruption" in heard.trace


async def test_an_interrupt_breaks_a_destructor_and_leaves_nothing_half_removed(
    notebook: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The interpreter ignores whatever a destructor raises, but the destructor ends.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    code = """
class Slow:
    def __del__(self):
        print('started')
        while True:
            pass
x = Slow()
y = 1
z = 2
"""
    await notebook.run(a=code, b="z")
    # What prints outside of any cell is heard from the one that ran last.
    heard = await interrupt(notebook, execute({"a": "x = y = z = 3"}), "b")
    assert heard.settled == ["execute-cells completed"]
    assert heard.cell("a").error.type == "interruption"
    assert heard.trace.count("remove-ui-elements a") == 2
    told = await notebook.run(c="sorted({'x', 'y', 'z'} & globals().keys())")
    assert told.cell("c").output == "[]"
