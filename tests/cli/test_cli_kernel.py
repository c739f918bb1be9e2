"""``callboard kernel --stdio`` as the program sees it that starts it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import (
    PATIENCE,
    Line,
    command,
    console,
    environment,
    op,
    printed,
    run,
    settled,
    started,
)

pytestmark = pytest.mark.slow

NOISY = """\
# %% slider
import callboard as cb
n = cb.ui.slider(0, 1000)
n

# %% noise
import ctypes, os, subprocess, sys
value = n.value
print("printed", value)
print("to stderr", file=sys.stderr)
os.write(1, b"written {\\n")
ctypes.CDLL(None).printf(b"from C\\n")
subprocess.run(["sh", "-c", "echo from a child; echo and its stderr >&2"])
sys.__stdout__.write("the original stream\\n")

# %% shown
value
"""


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.py"
    path.write_text(NOISY)
    return path


def element_of(lines: list[Line]) -> str:
    html = next(
        line["output"]["data"]
        for line in lines
        if line["op"] == "cell-op" and line["output"] and "object-id" in str(line["output"]["data"])
    )
    return str(html).split('object-id="')[1].split('"')[0]


async def test_nothing_that_user_code_writes_gets_between_the_lines(noisy: Path) -> None:
    """`read` fails on any line that is no JSON object."""
    async with started("kernel", "--stdio", noisy) as kernel:
        await kernel.until(settled("create-notebook"))
        element = element_of(kernel.heard)
        ticks = 40
        for value in range(1, ticks + 1):
            await kernel.send(
                {"type": "update-ui-element", "objectIds": [element], "values": [value]}
            )
            await kernel.until(op("command-settled"))
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == 0
    shown = [
        line["output"]["data"]
        for line in kernel.heard
        if line.get("cell_id") == "shown" and line.get("output")
    ]
    assert shown[-1] == str(ticks)
    out = console(kernel.heard)
    for text in (f"printed {ticks}\n", "written {\n", "from C\n", "from a child\n"):
        assert text in out
    assert out.count("the original stream") == ticks + 1
    err = console(kernel.heard, "stderr")
    assert "to stderr\n" in err
    assert "and its stderr\n" in err
    assert [line["seq"] for line in kernel.heard] == list(range(1, len(kernel.heard) + 1))
    assert kernel.stderr == b""


async def test_a_drag_that_is_faster_than_the_cells_delivers_the_last_value(noisy: Path) -> None:
    async with started("kernel", "--stdio", noisy) as kernel:
        await kernel.until(settled("create-notebook"))
        element = element_of(kernel.heard)
        ticks = [
            {"type": "update-ui-element", "objectIds": [element], "values": [n]} for n in range(501)
        ]
        await kernel.send(*ticks)
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == 0
    ends = [line["outcome"] for line in kernel.heard if line.get("type") == "update-ui-element"]
    assert len(ends) == len(ticks)
    assert set(ends) <= {"completed", "superseded"}
    shown = [
        line["output"]["data"]
        for line in kernel.heard
        if line.get("cell_id") == "shown" and line.get("output")
    ]
    assert shown[-1] == "500"
    assert len(shown) < len(ticks)


async def test_without_a_notebook_the_kernel_waits_for_one() -> None:
    create = {
        "type": "create-notebook",
        "executionRequests": [{"type": "execute-cell", "cellId": "a", "code": "x = 6 * 7\nx"}],
        "cellIds": ["a"],
        "setUiElementValueRequest": {"type": "update-ui-element", "objectIds": [], "values": []},
        "autoRun": True,
    }
    async with started("kernel", "--stdio") as kernel:
        for byte in json.dumps(create).encode() + b"\r\n":
            await kernel.send_bytes(bytes([byte]))
        shown = await kernel.until(lambda line: line["op"] == "cell-op" and line["output"])
        assert shown["output"]["data"] == "42"
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == 0


async def test_lines_that_are_no_commands_are_answered() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.send(b"{]", b'{"type": "fly"}', b'"\xff"')
        await kernel.send({"type": "execute-cells", "cellIds": ["a"], "codes": []})
        rejected = [await kernel.until(op("command-rejected")) for _ in range(4)]
        assert [line["type"] for line in rejected] == [None, "fly", None, "execute-cells"]
        await kernel.execute(a="1")
        await kernel.until(settled("execute-cells"))


async def test_sigint_breaks_a_cell_that_sleeps_and_nothing_else() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="kept = 1", b="import time\nprint('here', kept)\ntime.sleep(600)")
        await kernel.until(printed("here 1"))
        kernel.kill(signal.SIGINT)
        await kernel.until(op("interrupted"))
        shown = await kernel.until(lambda line: line.get("cell_id") == "b" and line.get("output"))
        assert shown["output"]["data"] == [{"type": "interruption"}]
        await kernel.until(settled("execute-cells"))
        await kernel.execute(c="kept + 1")
        shown = await kernel.until(lambda line: line.get("cell_id") == "c" and line.get("output"))
        assert shown["output"]["data"] == "2"
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == 0


async def test_sigint_with_nothing_to_interrupt_changes_nothing() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="1")
        await kernel.until(settled("execute-cells"))
        kernel.kill(signal.SIGINT)
        await kernel.execute(a="2")
        await kernel.until(settled("execute-cells"))
        await kernel.end_input()
        assert await kernel.wait() == 0
    assert kernel.stderr == b""


async def test_input_and_getpass_are_answered_by_lines() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="import getpass\nprint(input('name? ') + getpass.getpass('word? '))")
        for prompt, mimetype in (("name? ", "text/plain"), ("word? ", "text/password")):
            question = await kernel.until(lambda line: "stdin" in str(line.get("console")))
            assert question["console"]["data"] == prompt
            assert question["console"]["mimetype"] == mimetype
            await kernel.send({"type": "stdin", "text": "x"})
        await kernel.until(printed("xx"))


async def test_user_code_reads_none_of_the_commands() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="import subprocess, sys\nsubprocess.run(['cat'])\nsys.stdin.read()")
        await kernel.execute(b="1")
        await kernel.until(settled("execute-cells"))
        await kernel.until(settled("execute-cells"))


async def test_the_end_of_input_lets_a_running_cell_end() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="import time\nprint('here')\ntime.sleep(0.3)\nprint('there')")
        await kernel.until(printed("here"))
        await kernel.end_input()
        await kernel.until(printed("there"))
        await kernel.until(settled("execute-cells"))
        assert await kernel.rest() == []
        assert await kernel.wait() == 0


async def test_the_end_of_input_waits_no_longer_than_told() -> None:
    async with started("kernel", "--stdio", "--drain", "0.1") as kernel:
        await kernel.execute(a="import time\nprint('here')\ntime.sleep(600)")
        await kernel.until(printed("here"))
        await kernel.end_input()
        await kernel.until(settled("execute-cells", "cancelled"))
        assert await kernel.rest() == []
        assert await kernel.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_end_settles_everything_first(number: signal.Signals) -> None:
    async with started("kernel", "--stdio", "--drain", "0.1") as kernel:
        await kernel.execute(a="print('here')\nwhile True: pass")
        await kernel.execute(b="1")
        await kernel.until(printed("here"))
        kernel.kill(number)
        await kernel.until(settled("execute-cells", "cancelled"))
        await kernel.until(settled("execute-cells", "cancelled"))
        assert await kernel.rest() == []
        assert await kernel.wait() == 0


async def test_a_second_sigterm_ends_the_process_at_once() -> None:
    async with started("kernel", "--stdio", "--drain", "inf") as kernel:
        await kernel.execute(
            a="import time\n"
            "try:\n    input()\n"
            "except EOFError:\n    print('asked to end')\n"
            "while True: time.sleep(0.01)"
        )
        await kernel.until(lambda line: "stdin" in str(line.get("console")))
        kernel.kill(signal.SIGTERM)
        await kernel.until(printed("asked to end"))
        kernel.kill(signal.SIGTERM)
        assert await kernel.wait() == -signal.SIGTERM


async def test_the_stop_command_ends_the_process() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.send({"type": "stop-kernel"})
        await kernel.until(settled("stop-kernel"))
        assert await kernel.wait() == 0


async def test_a_client_that_has_gone_ends_the_process() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="1")
        await kernel.until(settled("execute-cells"))
        assert kernel.process.stdout is not None
        await kernel.process.stdout.aclose()
        await kernel.execute(a="2")
        assert await kernel.wait() == 0


async def test_the_log_of_the_kernel_goes_to_stderr_and_to_no_cell() -> None:
    tick = {"type": "update-ui-element", "objectIds": [], "values": [], "token": ""}
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(a="1")
        await kernel.until(settled("execute-cells"))
        await kernel.send(tick)
        await kernel.until(settled("update-ui-element"))
        await kernel.error_text("empty token")
        await kernel.end_input()
        await kernel.rest()
    assert console(kernel.heard, "stderr") == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_not_there_is_as_if_it_were_empty(closed: str, tmp_path: Path) -> None:
    """Whatever is opened first must not take its place."""
    out = tmp_path / "out"
    code = f"open({str(out)!r}, 'w').write('ran')"
    line = {"type": "execute-cells", "cellIds": ["a"], "codes": [code]}
    given = tmp_path / "in"
    given.write_text(json.dumps(line) + "\n")
    shell = f"{shlex.join(command('kernel', '--stdio'))} < {given} {closed}"
    ran = subprocess.run(
        ["sh", "-c", shell], check=False, capture_output=True, timeout=PATIENCE, env=environment()
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert out.exists() == ("<&-" not in closed)


def test_the_streams_are_as_blocking_at_the_end_as_before() -> None:
    """They are shared with the program that started the kernel."""
    reader, writer = os.pipe()
    try:
        ran = subprocess.run(
            command("kernel", "--stdio"),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            timeout=PATIENCE,
        )
        assert ran.returncode == 0
        assert os.get_blocking(writer)
    finally:
        os.close(reader)
        os.close(writer)


async def test_a_notebook_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("word = 'found'")
    path = tmp_path / "nb.py"
    path.write_text("import sys\nfrom beside_it import word\nprint(word, sys.argv, __file__)")
    async with started("kernel", "--stdio", path, cwd="/") as kernel:
        await kernel.until(printed(f"found ['{path}'] {path.resolve()}"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"# %%\nx = 1\n# %%\ny = '\xff'", "line 4 (cell 2): not UTF-8"),
    ],
)
def test_a_file_that_is_no_notebook_is_bad_usage(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "nb.py"
    if content is not None:
        path.write_bytes(content)
    ran = run("kernel", "--stdio", path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert str(path) in ran.stderr
    assert reason in ran.stderr


@pytest.mark.slow
async def test_threads_that_user_code_leaves_do_not_keep_the_process() -> None:
    async with started("kernel", "--stdio") as kernel:
        await kernel.execute(
            a="import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
        )
        await kernel.until(settled("execute-cells"))
        await kernel.end_input()
        await kernel.rest()
        assert await kernel.wait() == 0
        assert "threads of user code do not end" in kernel.stderr.decode()
