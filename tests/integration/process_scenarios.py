"""What happens in a process that is a kernel; run as a program, it tells how each scenario went, as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from callboard.process import OwnedProcess, run_kernel_process
from callboard.testing.driver import Driver, execute, open_driver

LONG_QUERY = "select count(*) from range(10000000000) a, range(1000) b"

Scenario = Callable[[Driver, OwnedProcess], Awaitable[Any]]


async def streams(notebook: Driver, process: OwnedProcess) -> Any:
    heard = await notebook.run(
        {
            "print": "print('by print')",
            "streams": "import sys\nsys.stdout.write('by stream')\nsys.stderr.write('error');",
            "descriptor": "import os\nos.write(1, b'by descriptor')\nos.write(2, b'errno');",
            "child": "import subprocess\nsubprocess.run(['sh', '-c', 'echo child; echo bad >&2']);",
            "c": "import ctypes\nctypes.CDLL(None).puts(b'by C');",
            "flood": "subprocess.run(['sh', '-c', 'yes 0123456789 | head -n 200000']);",
            "utf8": "os.write(1, 'naïve ✓'.encode())\nos.write(1, b'\\xff');",
        }
    )
    told: dict[str, Any] = {}
    for cell in ("print", "streams", "descriptor", "child", "c", "utf8"):
        story = heard.cell(cell)
        console = [at for at, op in enumerate(story.ops) if op.console]
        idle = [at for at, op in enumerate(story.ops) if op.status == "idle"]
        told[cell] = [story.stdout, story.stderr, max(console) < max(idle)]
    flood = heard.cell("flood").stdout
    told["flood"] = [len(flood), set(flood.split("\n")) == {"0123456789", ""}]
    return told


async def main_thread(notebook: Driver, process: OwnedProcess) -> Any:
    heard = await notebook.run(
        {
            "thread": "import threading\nthreading.current_thread() is threading.main_thread()",
            "klass": "class Point:\n    x = 1\npoint = Point()",
            "pickled": "import pickle\ntype(pickle.loads(pickle.dumps(point))) is Point",
            "main": "import __main__\n(__main__.Point is Point, vars(__main__) is globals())",
            "signals": """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print('usr1'))
signal.raise_signal(signal.SIGUSR1)
""",
        }
    )
    return [
        heard.cell("thread").output,
        heard.cell("pickled").output,
        heard.cell("main").output,
        heard.cell("signals").stdout,
    ]


async def questions(notebook: Driver, process: OwnedProcess) -> Any:
    notebook.post(execute({"a": "name = input('name? ')\nname"}))
    await notebook.until(lambda heard: "a: stdin 'name? '" in heard.trace)
    notebook.kernel.send_stdin("Ada\n")
    told = [(await notebook.settle()).cell("a").output]
    notebook.post(execute({"b": "import getpass\nsecret = getpass.getpass('key: ')\nlen(secret)"}))
    heard = await notebook.until(lambda heard: "b: stdin 'key: '" in heard.trace)
    told.append(heard.cell("b").console_items[-1].mimetype)
    notebook.kernel.send_stdin("hunter2")
    told.append((await notebook.settle()).cell("b").output)
    heard = await notebook.run(c="import os, sys\n(os.read(0, 100), sys.stdin.readline())")
    return [*told, heard.cell("c").output]


async def interrupts(notebook: Driver, process: OwnedProcess) -> Any:
    codes = [
        "import time\nprint('started', flush=True)\ntime.sleep(1000)",
        "print('started')\nwhile True: pass",
        "import asyncio\nprint('started')\nawait asyncio.sleep(1000)",
        "import subprocess\nprint('started', flush=True)\nsubprocess.run(['sleep', '1000'])",
        "print('started')\ninput('?')",
        "import threading\nprint('started', flush=True)\nthreading.Event().wait()",
        f"import callboard as cb\nprint('started', flush=True)\ncb.sql('{LONG_QUERY}')",
    ]
    told: list[Any] = []
    for n, code in enumerate(codes):
        told.append(await _interrupted(notebook, f"a{n}", code))
    told.append(notebook.kernel.interrupt())
    return [*told, (await notebook.run(c="'fine'")).cell("c").output]


async def control_c(notebook: Driver, process: OwnedProcess) -> Any:
    def ctrl_c() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    pass_on, passed_on = process.gate.on_foreign_signal, threading.Event()
    assert pass_on is not None

    def watched() -> None:
        pass_on()
        passed_on.set()

    process.gate.on_foreign_signal = watched
    ctrl_c()
    await trio.to_thread.run_sync(passed_on.wait)
    told: list[Any] = [(await notebook.run(z="sum(range(100000))")).cell("z").output]
    codes = [
        "import time\nprint('started', flush=True)\ntime.sleep(1000)",
        "print('started')\nwhile True: pass",
    ]
    for n, code in enumerate(codes):
        told.append(await _interrupted(notebook, f"a{n}", code, ctrl_c))
    return told


async def interrupts_at_any_moment(notebook: Driver, process: OwnedProcess) -> Any:
    ends = []
    for _ in range(40):
        code = "n = 0\nprint('started')\nwhile True:\n    print(n)\n    n += 1"
        envelope = notebook.post(execute({"a": code}))
        await notebook.until_printed("a", "started")
        notebook.kernel.interrupt()
        await envelope.wait()
        ends.append(notebook.news().cell("a").error.type)
    return [sorted(set(ends)), (await notebook.run(b="'fine'")).cell("b").output]


async def exits(notebook: Driver, process: OwnedProcess) -> Any:
    heard = await notebook.run(
        {
            "io": "import asyncio, sys",
            "a": "sys.exit(3)",
            "b": "raise KeyboardInterrupt",
            "c": """
async def bad():
    sys.exit(4)
task = asyncio.create_task(bad())
await asyncio.wait([task])
task.exception();
""",
            "d": "'fine'",
        }
    )
    kinds = [heard.cell(cell).error.exception_type for cell in "ab"]
    return [*kinds, heard.cell("d").output]


async def forks(notebook: Driver, process: OwnedProcess) -> Any:
    heard = await notebook.run(
        {
            "io": """
import os, signal, sys, warnings
from concurrent.futures import ProcessPoolExecutor
warnings.simplefilter("ignore")
""",
            "f": "def double(n):\n    print('doubling', n)\n    return n * 2",
            "pool": "with ProcessPoolExecutor(1) as _pool:\n    r = list(_pool.map(double, [1, 2]))\nr",
            "fork": """
_child = os.fork()
if _child == 0:
    try:
        print("forked", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        sys.stderr.write("by stderr")
        try:
            input("?")
        except EOFError:
            print("nobody answers")
    finally:
        os._exit(0)
os.waitpid(_child, 0)[1]
""",
        }
    )
    pool, fork = heard.cell("pool"), heard.cell("fork")
    return [pool.output, pool.stdout, fork.output, fork.stdout, fork.stderr]


async def raises(notebook: Driver, process: OwnedProcess) -> Any:
    raise LookupError("mine")


async def _interrupted(
    notebook: Driver, cell: str, code: str, act: Callable[[], object] | None = None
) -> list[str]:
    envelope = notebook.post(execute({cell: code, f"after_{cell}": "print('ran')"}))
    await notebook.until_printed(cell, "started")
    while not envelope.settled:
        (act or notebook.kernel.interrupt)()
        # A signal from outside that comes just before a blocking call is heard when that ends: one asks again.
        with trio.move_on_after(1 if act else 40):
            await envelope.wait()
    heard = notebook.news()
    return [heard.cell(cell).error.type, heard.cell(f"after_{cell}").error.type]


SCENARIOS: tuple[Scenario, ...] = (
    streams,
    main_thread,
    questions,
    interrupts,
    control_c,
    interrupts_at_any_moment,
    exits,
    forks,
    raises,
)


def play(scenario: Scenario) -> Any:
    """Play one scenario with a kernel of its own; then all of the process must be as it was."""

    async def main(process: OwnedProcess) -> Any:
        async with open_driver(surroundings=process) as notebook:
            told = await scenario(notebook, process)
            assert notebook.restarts == 0
            return told

    before = _process()
    try:
        return run_kernel_process(main)
    finally:
        assert _process() == before


def _process() -> list[object]:
    streams = [sys.stdout, sys.stderr, sys.modules["__main__"], input]
    return [signal.getsignal(signal.SIGINT), sys.getswitchinterval(), *map(id, streams)]


def main() -> None:
    """Play all scenarios one after the other, in this one process."""
    told: dict[str, Any] = {}
    for scenario in SCENARIOS:
        try:
            told[scenario.__name__] = play(scenario)
        except LookupError as error:
            told[scenario.__name__] = f"raised {error}"
        except BaseException:
            told[scenario.__name__] = traceback.format_exc()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
