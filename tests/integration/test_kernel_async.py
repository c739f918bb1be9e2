"""Cells that await, what they leave running, and threads of cells."""

from __future__ import annotations

import pytest
import trio

from callboard.messages.commands import DeleteCellCommand, ExecuteScratchpadCommand
from callboard.messages.ids import CellId
from callboard.testing.driver import Driver, execute, open_driver

CB = {"cb": "import callboard as cb"}
ASYNC = {"io": "import asyncio"}


async def test_body_and_last_expression_are_awaited(notebook: Driver) -> None:
    heard = await notebook.run(
        ASYNC, a="x = await asyncio.sleep(0, 1)", b="await asyncio.sleep(0, x + 1)"
    )
    assert heard.values["x"] == "1"
    assert heard.cell("b").output == "2"


async def test_all_cells_and_callbacks_share_one_running_loop(notebook: Driver) -> None:
    heard = await notebook.run(
        CB,
        io="import asyncio",
        a="first = asyncio.get_running_loop()",
        b="await asyncio.sleep(0)\nsecond = asyncio.get_running_loop()",
        c="first is second is asyncio.get_event_loop()",
        loops="loops = []",
        s="s = cb.ui.slider(0, 9, on_change=lambda v: loops.append(asyncio.get_running_loop()))",
    )
    assert heard.cell("c").output == "True"
    await notebook.tick({"s-0": 3})
    assert (await notebook.run(d="loops[0] is first")).cell("d").output == "True"


async def test_cells_run_strictly_one_after_another(notebook: Driver) -> None:
    cell = "order.append('{0} in')\nawait asyncio.sleep(0.002)\norder.append('{0} out')"
    await notebook.run(ASYNC, order="order = []")
    heard = await notebook.run(a=cell.format("a"), b=cell.format("b"), z="")
    assert heard.started == ["a", "b", "z"]
    heard = await notebook.run(y="order")
    assert heard.cell("y").output == "['a in', 'a out', 'b in', 'b out']"


async def test_background_tasks_go_on_between_commands(notebook: Driver) -> None:
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()
    notebook.share(tell=lambda: token.run_sync_soon(done.set))
    await notebook.run(
        ASYNC,
        a="""
async def forever():
    for _ in range(5):
        await asyncio.sleep(0.001)
    tell()
task = asyncio.create_task(forever())
""",
    )
    await done.wait()
    assert (await notebook.run(b="await task\ntask.done()")).cell("b").output == "True"


async def test_background_tasks_go_on_while_another_cell_awaits(notebook: Driver) -> None:
    heard = await notebook.run(
        ASYNC,
        a="""
event = asyncio.Event()
async def sets():
    await asyncio.sleep(0)
    event.set()
task = asyncio.create_task(sets())
""",
        b="await event.wait()",
    )
    assert heard.cell("b").output == "True"


async def test_what_a_background_task_prints_is_its_cells(notebook: Driver) -> None:
    await notebook.run(
        ASYNC,
        a="""
go = asyncio.Event()
async def prints():
    await go.wait()
    print("from the background")
task = asyncio.create_task(prints())
""",
    )
    heard = await notebook.run(b="go.set()\nawait task")
    assert heard.cell("a").stdout == "from the background\n"
    assert heard.cell("b").stdout == ""


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))", "[1, 2]"),
        ("await asyncio.wait_for(asyncio.sleep(0, 3), 10)", "3"),
        ("await asyncio.shield(asyncio.sleep(0, 4))", "4"),
        ("async with asyncio.timeout(10): x = 5\nx", "5"),
        ("await asyncio.to_thread(sum, [1, 2])", "3"),
        ("await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2])", "3"),
        ("[i async for i in agen()]", "[0, 1]"),
        (
            "async with asyncio.TaskGroup() as g: t = g.create_task(asyncio.sleep(0, 6))\nt.result()",
            "6",
        ),
        ("contextvar.set(7)\nawait asyncio.sleep(0)\ncontextvar.get()", "7"),
    ],
)
async def test_the_usual_ways_to_await_work(notebook: Driver, code: str, shown: str) -> None:
    await notebook.run(
        io="import asyncio\nimport contextvars",
        g="async def agen():\n    for i in range(2):\n        await asyncio.sleep(0)\n        yield i",
        v="contextvar = contextvars.ContextVar('v', default=0)",
    )
    heard = await notebook.run(a=code)
    assert heard.cell("a").output == shown
    assert heard.cell("a").errors == []


async def test_a_time_limit_that_passes_is_an_ordinary_exception(notebook: Driver) -> None:
    heard = await notebook.run(ASYNC, a="await asyncio.wait_for(asyncio.sleep(1000), 0.001)")
    assert heard.cell("a").error.exception_type == "TimeoutError"


async def test_context_variables_set_in_a_cell_are_seen_by_the_next(notebook: Driver) -> None:
    await notebook.run(v="import contextvars\nvar = contextvars.ContextVar('v')")
    await notebook.run(a="token = var.set('sync')")
    assert (await notebook.run(b="var.get()")).cell("b").output == "sync"
    await notebook.run(c="import asyncio\nawait asyncio.sleep(0)\nother = var.set('async')")
    assert (await notebook.run(b="var.get()")).cell("b").output == "async"


async def test_a_future_made_in_one_cell_is_awaited_in_another(notebook: Driver) -> None:
    heard = await notebook.run(
        ASYNC,
        a="future = asyncio.get_running_loop().create_future()",
        b="asyncio.get_running_loop().call_soon(future.set_result, 'kept')",
        c="await future",
    )
    assert heard.cell("c").output == "kept"


async def test_an_awaitable_that_is_shown_is_not_awaited(notebook: Driver) -> None:
    heard = await notebook.run(ASYNC, a="f = asyncio.sleep(0)\nf", b="f.close()")
    assert heard.cell("a").errors == []


@pytest.mark.parametrize("raises", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
async def test_a_background_task_that_raises_ends_itself_alone(
    notebook: Driver, raises: str
) -> None:
    await notebook.run(
        ASYNC,
        a=f"""
async def bad():
    await asyncio.sleep(0)
    {raises}
async def good():
    await asyncio.sleep(0.002)
    return "good"
tasks = [asyncio.create_task(bad()), asyncio.create_task(good())]
""",
    )
    heard = await notebook.run(
        b="""
await asyncio.sleep(0.001)
good_one = await tasks[1]
(type(tasks[0].exception()).__name__, good_one)
"""
    )
    assert heard.cell("b").output == f"('{raises.split()[1].split('(')[0]}', 'good')"


async def test_a_cell_that_awaits_a_task_that_raised_systemexit_shows_that(
    notebook: Driver,
) -> None:
    heard = await notebook.run(
        ASYNC,
        a="""
async def bad():
    raise SystemExit(3)
await asyncio.create_task(bad())
""",
        b="'fine'",
    )
    assert heard.cell("a").error.exception_type == "SystemExit"
    assert heard.cell("b").output == "fine"


async def test_user_code_that_cancels_every_task_does_not_cancel_the_kernel(
    notebook: Driver,
) -> None:
    heard = await notebook.run(
        ASYNC,
        a="""
for _task in asyncio.all_tasks():
    _task.cancel()
await asyncio.sleep(0)
reached = True
""",
        b="'fine'",
    )
    assert heard.cell("a").error.exception_type == "CancelledError"
    assert heard.cell("b").output == "fine"
    heard = await notebook.run(c="for _task in asyncio.all_tasks(): _task.cancel()\n'sync'", d="1")
    assert heard.cell("c").output == "sync"
    assert heard.cell("d").output == "1"


async def test_user_code_that_stops_the_loop_does_not_stop_the_kernel(notebook: Driver) -> None:
    await notebook.run(ASYNC, a="asyncio.get_running_loop().stop()")
    heard = await notebook.run(b="asyncio.get_running_loop().stop()\nawait asyncio.sleep(0, 'on')")
    assert heard.cell("b").output == "on"


# threads


THREAD = """
def work():
    thread = cb.current_thread()
    while not thread.wait_for_exit(0.001):
        pass
    say_ended()
worker = cb.Thread(target=work)
worker.start()
"""


class Ends:
    """Counts what user threads say, for the test to wait for."""

    def __init__(self, notebook: Driver) -> None:
        self.count = 0
        self._changed = trio.Event()
        token = trio.lowlevel.current_trio_token()
        notebook.share(say_ended=lambda: token.run_sync_soon(self._ended))

    def _ended(self) -> None:
        self.count += 1
        self._changed.set()

    async def reached(self, count: int) -> None:
        while self.count < count:
            self._changed = trio.Event()
            await self._changed.wait()


async def test_a_thread_is_asked_to_exit_when_its_cell_is_taken_back_and_not_before(
    notebook: Driver,
) -> None:
    ends = Ends(notebook)
    await notebook.run(CB, a=THREAD, other="x = 1")
    await notebook.run(other="x = 2")
    heard = await notebook.run(check="worker.should_exit")
    assert heard.cell("check").output == "False"
    await notebook.do(DeleteCellCommand(CellId("a")))
    await ends.reached(1)


async def test_threads_of_cells_below_are_asked_to_exit_too(notebook: Driver) -> None:
    ends = Ends(notebook)
    await notebook.run(CB, root="n = 1", a=f"n\n{THREAD}")
    await notebook.run(root="n = 2")
    await ends.reached(1)
    assert (await notebook.run(check="worker.should_exit")).cell("check").output == "False"


async def test_a_thread_of_the_scratchpad_is_asked_to_exit_when_that_runs_again(
    notebook: Driver,
) -> None:
    ends = Ends(notebook)
    await notebook.run(CB)
    await notebook.do(ExecuteScratchpadCommand(THREAD))
    await notebook.do(ExecuteScratchpadCommand("1"))
    await ends.reached(1)


async def test_threads_are_asked_to_exit_when_the_kernel_stops() -> None:
    async with open_driver() as notebook:
        ends = Ends(notebook)
        await notebook.run(CB, a=THREAD)
    await ends.reached(1)


async def test_what_a_thread_prints_and_shows_is_its_cells(notebook: Driver) -> None:
    heard = await notebook.run(
        CB,
        a="""
def work():
    print("from a thread")
    cb.output.append("shown by a thread")
worker = cb.Thread(target=work)
worker.start()
worker.join()
""",
    )
    assert heard.cell("a").stdout == "from a thread\n"
    assert heard.cell("a").output == "shown by a thread"


async def test_a_thread_prints_after_its_cell_is_idle(notebook: Driver) -> None:
    await notebook.run(
        CB,
        a="""
import threading
go = threading.Event()
def work():
    go.wait()
    print("late")
worker = cb.Thread(target=work)
worker.start()
""",
        b="1",
    )
    notebook.post(execute({"c": "go.set()\nworker.join()"}))
    heard = await notebook.until_printed("a", "late")
    [op] = [op for op in heard.cell("a").ops if op.console]
    assert op.run_id is None


async def test_what_a_thread_raises_is_told_and_ends_nothing_else(notebook: Driver) -> None:
    heard = await notebook.run(
        CB,
        a="""
def work():
    raise SystemExit(3)
worker = cb.Thread(target=work)
worker.start()
worker.join()
""",
        b="'fine'",
    )
    assert heard.cell("b").output == "fine"
