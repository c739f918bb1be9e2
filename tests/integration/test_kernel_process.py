"""A process that is a kernel: its streams, its main thread and its signals belong to the cells."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

INTERRUPTED = ["interruption", "interruption"]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input="not for cells\n",
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What each scenario returned; all of them were played one after the other in one process."""
    done = python("-m", "tests.integration.process_scenarios")
    assert (done.returncode, done.stderr) == (0, "")
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def test_whatever_is_written_to_the_standard_streams_is_the_running_cells(
    told: dict[str, Any],
) -> None:
    assert told["streams"] == {
        "print": ["by print\n", "", True],
        "streams": ["by stream", "error", True],
        "descriptor": ["by descriptor", "errno", True],
        "child": ["child\n", "bad\n", True],
        "c": ["by C\n", "", True],
        "utf8": ["naïve ✓�", "", True],
        "flood": [200_000 * 11, True],
    }


def test_user_code_runs_on_the_main_thread_and_is_main(told: dict[str, Any]) -> None:
    assert told["main_thread"] == ["True", "True", "(True, True)", "usr1\n"]


def test_questions_go_to_the_client_and_a_password_is_asked_for_as_one(
    told: dict[str, Any],
) -> None:
    assert told["questions"] == ["Ada", "text/password", "7", "(b'', '')"]


def test_an_interrupt_breaks_blocking_calls_loops_awaits_and_queries(told: dict[str, Any]) -> None:
    assert told["interrupts"] == [*[INTERRUPTED] * 7, False, "fine"]


def test_ctrl_c_interrupts_the_run_in_hand_and_nothing_when_there_is_none(
    told: dict[str, Any],
) -> None:
    assert told["control_c"] == ["4999950000", INTERRUPTED, INTERRUPTED]


def test_interrupts_at_any_moment_break_the_run_in_hand_and_never_the_kernel(
    told: dict[str, Any],
) -> None:
    assert told["interrupts_at_any_moment"] == [["interruption"], "fine"]


def test_user_code_that_exits_does_not_end_the_process(told: dict[str, Any]) -> None:
    assert told["exits"] == ["SystemExit", "KeyboardInterrupt", "fine"]


def test_processes_that_user_code_forks_are_ordinary_ones_whose_text_is_the_cells(
    told: dict[str, Any],
) -> None:
    assert told["forks"] == [
        "[2, 4]",
        "doubling 1\ndoubling 2\n",
        "0",
        "forked True\nnobody answers\n",
        "by stderr",
    ]


def test_what_main_raises_comes_out_and_the_process_is_as_it_was(told: dict[str, Any]) -> None:
    assert told["raises"] == "raised mine"


ONE = """
import os, threading, trio
import callboard.process
from callboard.process import run_kernel_process
from callboard.testing.driver import execute, open_driver
"""

NOBODYS_TEXT = """
async def main(process):
    async with open_driver(surroundings=process):
        print("from the control thread")
        await trio.to_thread.run_sync(lambda: print("from a plain thread"))
        os.write(1, b"by descriptor\\n")
run_kernel_process(main)
"""


def test_text_that_belongs_to_no_cell_goes_to_the_real_stderr() -> None:
    done = python("-c", ONE + NOBODYS_TEXT)
    assert done.stdout == ""
    assert sorted(done.stderr.splitlines()) == [
        "by descriptor",
        "from a plain thread",
        "from the control thread",
    ]


STUBBORN = '''
CODE = """
print("started")
while True:
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass
"""
callboard.process.GRACE = 0.05
async def main(process):
    async with open_driver(surroundings=process, drain=0.01, kill=0.05) as notebook:
        notebook.post(execute({"a": CODE}))
        await notebook.until_printed("a", "started")
run_kernel_process(main)
'''


def test_user_code_that_never_ends_does_not_keep_the_process() -> None:
    done = python("-c", ONE + STUBBORN)
    assert done.returncode == 70
    assert done.stderr == "callboard: user code does not end; exiting\n"


ELSEWHERE = """
def elsewhere():
    try:
        run_kernel_process(None)
    except RuntimeError as error:
        print(error)
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
"""


def test_it_wants_the_main_thread() -> None:
    done = python("-c", ONE + ELSEWHERE)
    assert "main thread" in done.stdout
    assert done.stderr == ""
