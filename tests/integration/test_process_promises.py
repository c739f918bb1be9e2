"""The promises of the kernel, held by a real process that is a kernel: seen from its two pipes and by signals."""

from __future__ import annotations

import itertools
import json
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from callboard.process import EXIT_STUCK
from tests.cli.processes import (
    Line,
    Started,
    console,
    environment,
    op,
    printed,
    settled,
    started,
)

T = TypeVar("T")

pytestmark = pytest.mark.slow

KERNEL = ("kernel", "--stdio")
SLIDER = "import callboard as cb\ns = cb.ui.slider(0, 100000)\ns"
ELEMENT = "slider-0"


def execute(**codes: str) -> Line:
    return {"type": "execute-cells", "cellIds": list(codes), "codes": list(codes.values())}


def tick(value: int) -> Line:
    token = f"tick-{value}"
    return {
        "type": "update-ui-element",
        "objectIds": [ELEMENT],
        "values": [value],
        "token": token,
    }


def ends(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["op"] == "command-settled"]


def output(lines: list[Line], cell: str) -> list[Any]:
    return [
        line["output"]["data"]
        for line in lines
        if line["op"] == "cell-op" and line["cell_id"] == cell and line["output"]
    ]


async def finish(kernel: Started) -> list[Line]:
    """Let a kernel work off what it has, and return the rest of what it says."""
    await kernel.end_input()
    rest = await kernel.rest()
    assert await kernel.wait() == 0
    return rest


async def count_ends(kernel: Started, number: int) -> None:
    while len(ends(kernel.heard)) < number:
        assert await kernel.read() is not None


async def until(condition: Callable[[], T]) -> T:
    """Wait until something outside of this process is so."""
    while not (found := condition()):  # noqa: ASYNC110
        await trio.sleep(0.01)
    return found


# 1, 10


async def test_under_a_storm_of_sigint_every_command_ends_exactly_once() -> None:
    rng = random.Random(7)
    async with started(*KERNEL) as kernel:
        await kernel.execute(slider=SLIDER, io="import asyncio, time")
        await count_ends(kernel, 1)
        posted = 1
        for number in range(30):
            await kernel.send(
                execute(a=f"time.sleep(0.003)\nn = {number}", b="await asyncio.sleep(0.001)\nn"),
                tick(number),
                execute(c="sum(range(20000))"),
            )
            posted += 3
            for _ in range(rng.randrange(4)):
                kernel.kill(signal.SIGINT)
                await trio.sleep(rng.random() * 0.004)
        await count_ends(kernel, posted)
        # What is over is over: an interrupt may still be on its way, but not after this one's end.
        await kernel.execute(last="'alive'")
        await finish(kernel)
    told = ends(kernel.heard)
    assert len(told) == posted + 1
    assert {end["outcome"] for end in told} <= {"completed", "superseded"}
    tokens = Counter(end["id"] for end in told if end["type"] == "update-ui-element")
    assert tokens == {f"tick-{number}": 1 for number in range(30)}
    assert any(line["op"] == "interrupted" for line in kernel.heard)
    assert output(kernel.heard, "last") == ["alive"]
    assert [line["seq"] for line in kernel.heard] == list(range(1, len(kernel.heard) + 1))
    assert kernel.stderr == b""


# 2


@contextmanager
def silent_index() -> Iterator[str]:
    """A package index that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://me:canary-index@127.0.0.1:{server.getsockname()[1]}/simple"


async def test_an_installation_that_hangs_delays_no_tick_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    with silent_index() as index:
        env = environment(
            PIP_INDEX_URL=index, PIP_CONFIG_FILE="/dev/null", PIP_CACHE_DIR=str(tmp_path)
        )
        async with started(*KERNEL, "--drain", "0.1", env=env) as kernel:
            await kernel.execute(slider=SLIDER, value="s.value")
            await count_ends(kernel, 1)
            await kernel.send(
                {"type": "install-packages", "manager": "pip", "versions": {"hangs": ""}}
            )
            await kernel.until(
                lambda line: (
                    line["op"] == "installing-package-alert"
                    and line["packages"]["hangs"] == "installing"
                )
            )
            children = await until(lambda: children_of(kernel.process.pid))
            for value in range(1, 21):
                await kernel.send(tick(value))
                await kernel.until(settled("update-ui-element"))
            assert output(kernel.heard, "value")[-1] == "20"
            assert not [end for end in ends(kernel.heard) if end["type"] == "install-packages"]
            await finish(kernel)
    (end,) = [end for end in ends(kernel.heard) if end["type"] == "install-packages"]
    assert end["outcome"] == "cancelled"
    assert not running(children)
    assert b"canary" not in json.dumps(kernel.heard).encode() + kernel.stderr


def children_of(parent: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.add(int(stat.parent.name))
    return found


def running(processes: set[int]) -> set[int]:
    return {pid for pid in processes if Path(f"/proc/{pid}").exists()}


# 3


async def test_while_a_cell_is_busy_requests_are_answered_and_commands_withdrawn() -> None:
    async with started(*KERNEL) as kernel:
        await kernel.execute(busy="import time\nprint('busy')\ntime.sleep(600)")
        await kernel.until(printed("busy"))
        requests: list[Line] = [
            {"type": "list-secret-keys", "requestId": "r1"},
            {"type": "get-cache-info"},
            {"type": "install-packages", "manager": "none such", "versions": {}},
        ]
        for request in requests:
            await kernel.send(request)
            await kernel.until(op("command-settled", type=request["type"]))
        assert [line for line in kernel.heard if line["op"] == "secret-keys-result"]
        await kernel.send(tick(1), {"type": "cancel", "id": "tick-1"})
        await kernel.until(settled("update-ui-element", "cancelled"))
        await kernel.send(b"no command")
        await kernel.until(op("command-rejected"))
        assert not [end for end in ends(kernel.heard) if end["type"] == "execute-cells"]
        kernel.kill(signal.SIGINT)
        await kernel.until(settled("execute-cells"))


# 6


def listing(variable: str) -> Line:
    return {
        "type": "storage-list-entries",
        "requestId": variable,
        "namespace": variable,
        "limit": 10,
        "prefix": "",
    }


def directory(name: str, wait: float = 0.0) -> str:
    return f"time.sleep({wait})\n{name} = DirFileSystem('/{name}{wait:g}', fs=memory)"


async def test_a_request_sees_the_runs_before_it_and_waits_for_no_others() -> None:
    memory = (
        "import time\nfrom fsspec.implementations.dirfs import DirFileSystem\n"
        "from fsspec.implementations.memory import MemoryFileSystem\n"
        "memory = MemoryFileSystem()\n"
        "for _name in ('a0', 'a0.5', 'b0'):\n    memory.pipe_file(f'/{_name}/in {_name}', b'')"
    )
    async with started(*KERNEL) as kernel:
        await kernel.execute(memory=memory, a=directory("a"), b=directory("b"))
        # In one write, so that the requests are there long before the cell has ended.
        await kernel.send(
            execute(a=directory("a", 0.5)),
            listing("a"),
            listing("b"),
            execute(a=directory("a", 0) + " or None"),
        )
        await finish(kernel)
    replies = [line for line in kernel.heard if line["op"] == "storage-entries"]
    assert [[entry["path"] for entry in reply["entries"]] for reply in replies] == [
        ["in b0"],
        ["in a0.5"],
    ]


# 4, 5


async def test_commands_see_the_ticks_before_them_and_user_code_never_overlaps() -> None:
    guard = """
import callboard as cb, threading, time
depth, seen = [0], set()
def enter():
    seen.add((threading.current_thread() is threading.main_thread(), depth[0]))
    depth[0] += 1
    time.sleep(0.001)
    depth[0] -= 1
"""
    rounds = 25
    async with started(*KERNEL) as kernel:
        await kernel.execute(
            guard=guard,
            slider="s = cb.ui.slider(0, 100000, on_change=lambda value: enter())\ns",
            dependant="enter()\nat = s.value",
        )
        await count_ends(kernel, 1)
        burst = []
        for value in range(rounds):
            # Ticks that may be merged, then a command that could observe them.
            burst += [tick(1000 + value), tick(2000 + value), tick(value)]
            burst += [execute(look="enter()\nprint('look', s.value)")]
        await kernel.send(*burst)
        await kernel.execute(end="seen")
        await finish(kernel)
    looked, latest = [], ""
    for line in kernel.heard:
        latest = console([line]) or latest
        if line["op"] == "command-settled" and line["type"] == "execute-cells" and latest:
            looked.append(latest)
    assert looked[:rounds] == [f"look {value}\n" for value in range(rounds)]
    assert output(kernel.heard, "end") == ["{(True, 0)}"]
    assert len(ends(kernel.heard)) == 4 * rounds + 2


# 7, 8

FLOOD = """
import sys
for _n in range(300):
    sys.stdout.write(str(_n % 10) * 2_000_000)
"""
MANY = """
for _n in range(30_000):
    print(_n)
open({done!r}, "w").close()
"""


def peak_memory(pid: int) -> int:
    """Bytes that a process has had resident at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) * 1024


async def test_a_client_that_does_not_read_delays_nobody_and_costs_bounded_memory(
    tmp_path: Path,
) -> None:
    done = tmp_path / "done"
    commands = 200
    async with started(*KERNEL) as kernel:
        await kernel.execute(a="1")
        await kernel.until(settled("execute-cells"))
        before = peak_memory(kernel.process.pid)
        await kernel.execute(flood=FLOOD, many=MANY.format(done=str(done)))
        await kernel.send(*(execute(c=str(number)) for number in range(commands)))
        await until(done.exists)  # the cells end although nobody takes what they print
        grown = peak_memory(kernel.process.pid) - before
        await kernel.execute(b="'still there'")
        await kernel.until(lambda line: output([line], "b"))
        await finish(kernel)
    assert grown < 250_000_000
    # That much is more than is kept for it: it is told so, and not waited for.
    assert any(line["op"] == "resync" for line in kernel.heard)
    assert output(kernel.heard, "c")[-1] == str(commands - 1)


async def test_a_client_that_is_too_far_behind_is_told_that_it_missed_something(
    tmp_path: Path,
) -> None:
    done = tmp_path / "done"
    requests = 6000
    async with started(*KERNEL) as kernel:
        # Each is answered and ended; the kernel goes on reading while nobody reads what it says.
        await kernel.send(
            *({"type": "list-secret-keys", "requestId": str(n)} for n in range(requests))
        )
        await kernel.execute(a=f"open({str(done)!r}, 'w').close()")
        await until(done.exists)
        await kernel.until(op("resync"))
        await kernel.execute(b="'still there'")
        await kernel.until(lambda line: output([line], "b"))
        await finish(kernel)
    resyncs = 0
    for earlier, later in itertools.pairwise(kernel.heard):
        resyncs += later["op"] == "resync"
        assert later["seq"] == earlier["seq"] + 1 or "resync" in (earlier["op"], later["op"])
    assert resyncs
    told = Counter(line["request_id"] for line in kernel.heard if "request_id" in line)
    assert set(told.values()) == {1}
    assert len(told) < requests


async def test_what_has_no_room_is_rejected_at_once_and_answered() -> None:
    calls = 600
    async with started(*KERNEL) as kernel:
        await kernel.execute(busy="import time\nprint('busy')\ntime.sleep(600)")
        await kernel.until(printed("busy"))
        await kernel.send(
            *(
                {
                    "type": "invoke-function",
                    "functionCallId": f"call-{number}",
                    "namespace": "nobody",
                    "functionName": "f",
                    "args": {},
                }
                for number in range(calls)
            )
        )
        rejected = [await kernel.until(op("command-settled")) for _ in range(calls - 256)]
        assert {end["outcome"] for end in rejected} == {"rejected"}
        assert "full" in rejected[0]["reason"]
        kernel.kill(signal.SIGINT)
        await finish(kernel)
    replies = Counter(
        line["function_call_id"] for line in kernel.heard if line["op"] == "function-call-result"
    )
    assert replies == {f"call-{number}": 1 for number in range(calls)}


# 9


async def test_whatever_user_code_does_to_the_process_ends_that_code_alone() -> None:
    codes = {
        "exit": "import sys\nsys.exit(3)",
        "interrupt": "raise KeyboardInterrupt",
        "signalled": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(600)",
        "deep": "def f():\n    return f()\nf()",
        "handler": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL);",
        "closed": "import sys\nsys.stdout.close(); sys.stderr = None",
        "group": "raise BaseExceptionGroup('g', [SystemExit(1), KeyboardInterrupt()])",
        "system": "import asyncio\nasyncio.get_running_loop().stop()\nawait asyncio.sleep(0)",
    }
    async with started(*KERNEL) as kernel:
        for number, (cell, code) in enumerate(codes.items(), 1):
            await kernel.execute(**{cell: code})
            await count_ends(kernel, number)
        await kernel.execute(last="import time\nprint('sleeping')\ntime.sleep(600)")
        await trio.sleep(0.2)
        kernel.kill(signal.SIGINT)
        await kernel.until(settled("execute-cells"))
        await kernel.execute(alive="6 * 7")
        await finish(kernel)
    assert output(kernel.heard, "alive") == ["42"]
    assert {end["outcome"] for end in ends(kernel.heard)} == {"completed"}


# 11

STUCK = """
import callboard.cli, callboard.process, sys
callboard.process.GRACE = 0.1
sys.exit(callboard.cli.main(["kernel", "--stdio", "--drain", "0.1"]))
"""
DEADLOCK = """
import ctypes
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
print("started", flush=True)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)
"""


async def test_a_cell_that_never_gives_way_is_settled_and_ends_with_the_process() -> None:
    async with started(argv=[sys.executable, "-c", STUCK]) as kernel:
        await kernel.send(execute(stuck=DEADLOCK), execute(behind="1"), tick(1))
        await kernel.until(printed("started"))
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == EXIT_STUCK
        await kernel.error_text("callboard: user code does not end; exiting\n")
    told = Counter((end["type"], end["outcome"]) for end in ends(kernel.heard))
    assert told == {("execute-cells", "cancelled"): 2, ("update-ui-element", "cancelled"): 1}
    assert len([line for line in kernel.heard if line["op"] == "completed-run"]) == 3


# 12


async def test_no_secret_of_the_process_shows_on_its_streams(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".env").write_text("PLANTED_FILE=canary-file\ncanary-without-name\n")
    notebook = tmp_path / "notebook.py"
    notebook.write_text("# %% a\nimport os\nlen(os.environ['PLANTED'])\n")
    env = environment(PLANTED="canary-env", PLANTED_URL="https://me:canary-url@host/")
    async with started(*KERNEL, notebook, env=env, cwd=tmp_path) as kernel:
        await kernel.until(settled("create-notebook"))
        await kernel.send(
            {"type": "list-secret-keys", "requestId": "r"},
            {"type": "refresh-secrets"},
            b"canary-typed-into-the-wrong-place",
            b'{"type": "execute-cells", "cellIds": "canary", "codes": ["canary"]}',
            b'{"type": "stdin", "text": {"canary": 1}}',
            b'"canary"',
            b'{"type": "canary',
            b"\xffcanary",
            {"type": "update-user-config", "config": {"runtime": {"on_cell_change": "canary"}}},
            {"type": "update-user-config", "config": {"runtime": {"output_max_bytes": "canary"}}},
            {"type": "update-user-config", "config": {"runtime": {"dotenv": "canary"}}},
            {"type": "update-user-config", "config": {"ai": {"api_key": "canary"}}},
        )
        await kernel.send({"type": "stdin", "text": "canary-answer"})
        await kernel.execute(b="import getpass\nlen(getpass.getpass('key: '))")
        await kernel.until(settled("execute-cells"))
        await finish(kernel)
    assert output(kernel.heard, "a") == ["10"]
    assert output(kernel.heard, "b") == ["13"]
    assert len([line for line in kernel.heard if line["op"] == "command-rejected"]) == 6
    assert "canary" not in json.dumps(kernel.heard)
    assert b"canary" not in kernel.stderr


async def test_a_refresh_changes_what_cells_see_and_no_cell_hears_of_bad_files(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    (tmp_path / "pyproject.toml").touch()
    file.write_text("PLANTED=canary-1\nGONE=canary\n")
    notebook = tmp_path / "notebook.py"
    notebook.write_text("# %% a\nimport os\nlen(os.environ['PLANTED']), 'GONE' in os.environ\n")
    async with started(*KERNEL, notebook, cwd=tmp_path) as kernel:
        await kernel.until(settled("create-notebook"))
        await kernel.execute(busy="print('busy')\nimport time\ntime.sleep(600)")
        await kernel.until(printed("busy"))
        file.write_text("PLANTED=canary-twelve\n!canary\n")
        await kernel.send({"type": "list-secret-keys", "requestId": "r"})
        await kernel.until(op("secret-keys-result"))
        file.write_text("PLANTED=canary-twelve\n")
        await kernel.send({"type": "refresh-secrets"})
        kernel.kill(signal.SIGINT)
        await kernel.until(settled("refresh-secrets"))
        await kernel.execute(b="len(os.environ['PLANTED']), 'GONE' in os.environ")
        await finish(kernel)
        await kernel.error_text("one statement could not be read, at line 2")
    listed = next(line for line in kernel.heard if line["op"] == "secret-keys-result")
    assert {"provider": "dotenv", "name": ".env", "keys": ["PLANTED"]} in listed["secrets"]
    assert output(kernel.heard, "a") == ["(8, True)"]
    assert output(kernel.heard, "b") == ["(13, False)"]
    assert "dotenv file" not in console(kernel.heard, "stderr")
    assert "canary" not in json.dumps(kernel.heard)
    assert b"canary" not in kernel.stderr
