"""A process that is a kernel: its streams, its main thread and its signals belong to the cells."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PRELUDE = """
import json, os, signal, sys, threading, time
import trio
from callboard.messages.commands import *
from callboard.process import run_kernel_process
from callboard.testing.driver import *

before = (signal.getsignal(signal.SIGINT), sys.stdout, sys.stderr, sys.getswitchinterval(),
          sys.modules["__main__"], input)

async def main(process):
    global gate
    gate = process.gate
    async with open_driver(surroundings=process) as notebook:
        return await scenario(notebook)

runs = iter("abcdefghijklmnopqrstuvwxyz")

async def interrupted(notebook, code, act=None):
    cell, after = next(runs), next(runs)
    envelope = notebook.post(execute({cell: code, after: "print('ran')"}))
    await notebook.until_printed(cell, "started")
    while not envelope.settled:
        (act or notebook.kernel.interrupt)()
        # A signal from outside that comes just before a blocking call is heard when that ends: one asks again.
        with trio.move_on_after(1 if act else 40):
            await envelope.wait()
    heard = notebook.news()
    return [heard.cell(cell).error.type, heard.cell(after).error.type]
"""

POSTLUDE = """
result = run_kernel_process(main)
after = (signal.getsignal(signal.SIGINT), sys.stdout, sys.stderr, sys.getswitchinterval(),
         sys.modules["__main__"], input)
assert [a == b for a, b in zip(before, after)] == [True] * 6, (before, after)
print(json.dumps(result))
"""


def in_a_kernel_process(
    scenario: str, *, status: int = 0, stdin: str = "not for cells\n", **constants: str
) -> Any:
    """Run ``async def scenario(notebook)`` in a process of its own; return what it returned."""
    given = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    script = f"{PRELUDE}\n{given}\n{textwrap.dedent(scenario)}\n{POSTLUDE}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == status, done.stderr
    if status:
        return done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_whatever_is_written_to_the_standard_streams_is_the_running_cells() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            heard = await notebook.run({
                "print": "print('by print')",
                "streams": "import sys\nsys.stdout.write('by stream')\nsys.stderr.write('error');",
                "descriptor": "import os\nos.write(1, b'by descriptor')\nos.write(2, b'errno');",
                "child": "import subprocess\nsubprocess.run(['sh', '-c', 'echo child; echo bad >&2']);",
                "c": "import ctypes\nctypes.CDLL(None).puts(b'by C');",
                "flood": "subprocess.run(['sh', '-c', 'yes 0123456789 | head -n 200000']);",
                "utf8": "os.write(1, 'naïve ✓'.encode())\nos.write(1, b'\\xff');",
            })
            told = {}
            for cell in ("print", "streams", "descriptor", "child", "c", "utf8"):
                story = heard.cell(cell)
                console = [n for n, op in enumerate(story.ops) if op.console]
                idle = [n for n, op in enumerate(story.ops) if op.status == "idle"]
                told[cell] = [story.stdout, story.stderr, max(console) < max(idle)]
            flood = heard.cell("flood").stdout
            told["flood"] = [len(flood), set(flood.split("\n")) == {"0123456789", ""}]
            return told
        """
    )
    assert told == {
        "print": ["by print\n", "", True],
        "streams": ["by stream", "error", True],
        "descriptor": ["by descriptor", "errno", True],
        "child": ["child\n", "bad\n", True],
        "c": ["by C\n", "", True],
        "utf8": ["naïve ✓�", "", True],
        "flood": [200_000 * 11, True],
    }


def test_text_that_belongs_to_no_cell_goes_to_the_real_stderr() -> None:
    script = f"""{PRELUDE}
async def scenario(notebook):
    print("from the control thread")
    await trio.to_thread.run_sync(lambda: print("from a plain thread"))
    os.write(1, b"by descriptor\\n")
{POSTLUDE}"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout == "null\n"
    assert sorted(done.stderr.splitlines()) == [
        "by descriptor",
        "from a plain thread",
        "from the control thread",
    ]


def test_user_code_runs_on_the_main_thread_and_is_main() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            heard = await notebook.run({
                "thread": "import threading\nthreading.current_thread() is threading.main_thread()",
                "klass": "class Point:\n    x = 1\npoint = Point()",
                "pickled": "import pickle\ntype(pickle.loads(pickle.dumps(point))) is Point",
                "main": "import __main__\n(__main__.Point is Point, vars(__main__) is globals())",
                "signals": (
                    "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('usr1'))\n"
                    "signal.raise_signal(signal.SIGUSR1)"
                ),
            })
            return [heard.cell("thread").output, heard.cell("pickled").output,
                    heard.cell("main").output, heard.cell("signals").stdout]
        """
    )
    assert told == ["True", "True", "(True, True)", "usr1\n"]


def test_questions_go_to_the_client_and_a_password_is_asked_for_as_one() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            notebook.post(execute({"a": "name = input('name? ')\nname"}))
            await notebook.until(lambda heard: "a: stdin 'name? '" in heard.trace)
            notebook.kernel.send_stdin("Ada\n")
            told = [(await notebook.settle()).cell("a").output]
            notebook.post(execute({"b": "import getpass\nsecret = getpass.getpass('key: ')\nlen(secret)"}))
            heard = await notebook.until(lambda heard: "b: stdin 'key: '" in heard.trace)
            told.append(heard.cell("b").console_items[-1].mimetype)
            notebook.kernel.send_stdin("hunter2")
            heard = await notebook.settle()
            told.append(heard.cell("b").output)
            heard = await notebook.run(c="import os, sys\n(os.read(0, 100), sys.stdin.readline())")
            told.append(heard.cell("c").output)
            return told
        """
    )
    assert told == ["Ada", "text/password", "7", "(b'', '')"]


def test_an_interrupt_breaks_blocking_calls_loops_and_awaits() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            codes = [
                "import time as _time\nprint('started', flush=True)\n_time.sleep(1000)",
                "print('started')\nwhile True: pass",
                "import asyncio\nprint('started')\nawait asyncio.sleep(1000)",
                "import subprocess\nprint('started', flush=True)\nsubprocess.run(['sleep', '1000'])",
                "print('started')\ninput('?')",
                "import threading\nprint('started', flush=True)\nthreading.Event().wait()",
            ]
            told = [await interrupted(notebook, code) for code in codes]
            told.append(notebook.kernel.interrupt())
            told.append((await notebook.run(c="'fine'")).cell("c").output)
            return told
        """
    )
    assert told == [["interruption", "interruption"]] * 6 + [False, "fine"]


def test_ctrl_c_interrupts_the_run_in_hand_and_nothing_when_there_is_none() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            def ctrl_c():
                os.kill(os.getpid(), signal.SIGINT)

            pass_on, passed_on = gate.on_foreign_signal, threading.Event()
            gate.on_foreign_signal = lambda: (pass_on(), passed_on.set())
            ctrl_c()
            await trio.to_thread.run_sync(passed_on.wait)
            told = [(await notebook.run(z="sum(range(100000))")).cell("z").output]
            code = "import time\nprint('started', flush=True)\ntime.sleep(1000)"
            told.append(await interrupted(notebook, code, ctrl_c))
            told.append(await interrupted(notebook, "print('started')\nwhile True: pass", ctrl_c))
            return told
        """
    )
    assert told == ["4999950000", *[["interruption", "interruption"]] * 2]


def test_interrupts_at_any_moment_break_the_run_in_hand_and_never_the_kernel() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            for n in range(60):
                code = f"n = 0\nprint('started')\nwhile True:\n    print(n)\n    n += 1"
                envelope = notebook.post(execute({"a": code}))
                await notebook.until_printed("a", "started")
                notebook.kernel.interrupt()
                await envelope.wait()
                heard = notebook.news()
                assert heard.cell("a").error.type == "interruption", heard.trace
            return [notebook.restarts, (await notebook.run(b="'fine'")).cell("b").output]
        """
    )
    assert told == [0, "fine"]


def test_user_code_that_exits_does_not_end_the_process() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            heard = await notebook.run({
                "io": "import asyncio, sys",
                "a": "sys.exit(3)",
                "b": "raise KeyboardInterrupt",
                "c": "async def bad():\n    sys.exit(4)\ntask = asyncio.create_task(bad())\nawait asyncio.sleep(0)",
                "d": "'fine'",
            })
            return [heard.cell(cell).errors[0].exception_type for cell in "ab"] + [heard.cell("d").output]
        """
    )
    assert told == ["SystemExit", "KeyboardInterrupt", "fine"]


FORKS = """
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
"""


def test_processes_that_user_code_forks_are_ordinary_ones_whose_text_is_the_cells() -> None:
    told = in_a_kernel_process(
        r"""
        async def scenario(notebook):
            heard = await notebook.run({
                "io": "import os, signal, sys\nfrom concurrent.futures import ProcessPoolExecutor",
                "f": "def double(n):\n    print('doubling', n)\n    return n * 2",
                "pool": "with ProcessPoolExecutor(1) as _pool:\n    r = list(_pool.map(double, [1, 2]))\nr",
                "fork": FORK,
            })
            pool, fork = heard.cell("pool"), heard.cell("fork")
            return [pool.output, pool.stdout, fork.output, fork.stdout, fork.stderr]
        """,
        FORK=FORKS,
    )
    assert told == [
        "[2, 4]",
        "doubling 1\ndoubling 2\n",
        "0",
        "forked True\nnobody answers\n",
        "by stderr",
    ]


def test_what_main_raises_comes_out() -> None:
    script = f"""{PRELUDE}
async def scenario(notebook):
    raise LookupError("mine")
try:
    run_kernel_process(main)
except LookupError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("mine\n", "")


def test_user_code_that_never_ends_does_not_keep_the_process() -> None:
    stderr = in_a_kernel_process(
        r"""
        import callboard.process
        callboard.process.GRACE = 0.05

        STUBBORN = (
            "print('started')\nwhile True:\n    try:\n        while True:\n            pass\n"
            "    except KeyboardInterrupt:\n        pass"
        )

        async def main(process):
            async with open_driver(surroundings=process, drain=0.01, kill=0.05) as notebook:
                notebook.post(execute({"a": STUBBORN}))
                await notebook.until_printed("a", "started")
        """,
        status=70,
    )
    assert stderr == "callboard: user code does not end; exiting\n"


def test_it_wants_the_main_thread() -> None:
    script = f"""{PRELUDE}
def elsewhere():
    try:
        run_kernel_process(main)
    except RuntimeError as error:
        print(error)
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert "main thread" in done.stdout
    assert done.stderr == ""
