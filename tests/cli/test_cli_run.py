"""``callboard run`` as it looks in a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.cli.processes import command, environment, run, started

pytestmark = pytest.mark.slow


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook whose parts depend on each other against the order of the file."""
    path = tmp_path / "nb.py"
    path.write_text(
        """\
# %% [markdown]
# # Title
# and *text*

# %% total
total

# %% slider
import callboard as cb
n = cb.ui.slider(0, 10, value=1, label="how many")
n

# %% compute
import sys
print("computing")
print("carefully", file=sys.stderr)
total = n.value + 1

# %% table
class Table:
    def _repr_html_(self):
        return "<table><tr><td>a</td><td>b</td></tr></table>"
Table()
"""
    )
    return path


def test_outputs_come_in_the_order_of_the_file_and_prints_as_they_come(notebook: Path) -> None:
    ran = run("run", notebook)
    assert ran.returncode == 0
    lines = [line.strip() for line in ran.stdout.split("\n") if line.strip()]
    assert lines == ["Title", "and text", "computing", "2", "[slider how many: 1]", "a  b"]
    assert ran.stderr == "carefully\n"


def test_elements_start_from_the_values_set_by_name(notebook: Path) -> None:
    ran = run("run", notebook, "--set", "n=7")
    assert ran.returncode == 0
    assert "8\n[slider how many: 7]\n" in ran.stdout


def test_a_value_that_is_no_json_is_a_string(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text(
        "import callboard as cb\nt = cb.ui.text()\nu = cb.ui.text()\n# %%\n(t.value, u.value)"
    )
    ran = run("run", path, "--set", "t=a=b c", "--set", 'u="5"')
    assert "('a=b c', '5')\n" in ran.stdout


def test_a_name_that_no_element_has_is_bad_usage(notebook: Path) -> None:
    ran = run("run", notebook, "--set", "m=7", "--set", "total=1")
    assert ran.returncode == 2
    assert ran.stderr.endswith(
        "callboard: no UI element is bound to 'm', 'total'; the notebook has 'n'\n"
    )


def test_a_value_that_an_element_does_not_take_is_bad_usage(notebook: Path) -> None:
    ran = run("run", notebook, "--set", "n=many")
    assert ran.returncode == 2
    assert "callboard: 'n' does not take the value given: expected a number, not str" in ran.stderr


FAILING = """\
# %% broken
x = 1 / 0

# %% below
x + 1

# %% apart
"still there"
"""


def test_a_cell_that_fails_is_named_with_its_place_and_the_status_is_1(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text(FAILING)
    ran = run("run", path)
    assert ran.returncode == 1
    assert ran.stdout == "still there\n"
    assert "Traceback (most recent call last):" in ran.stderr
    assert f"\n{path}:2: cell 'broken': ZeroDivisionError: division by zero\n" in ran.stderr
    assert f"\n{path}:5: cell 'below': " in ran.stderr


def test_a_cell_that_does_not_compile_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("# %% one\nx = = 1\n# %% two\n2")
    ran = run("run", path)
    assert (ran.returncode, ran.stdout) == (1, "2\n")
    assert ran.stderr.startswith(f"{path}:2: cell 'one':\n    x = = 1\n")


def test_a_stop_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("# %%\nimport callboard as cb\ncb.stop(True, 'enough')\nx = 1\n# %% below\nx")
    ran = run("run", path)
    assert (ran.returncode, ran.stdout) == (0, "enough\n")
    assert "cell 'below': " in ran.stderr


def test_a_disabled_cell_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("# %% disabled=true\nprint('no')\n# %%\nprint('yes')")
    ran = run("run", path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "yes\n", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("# %%\n1\n# %% column=left\n2", "line 3 (cell 2): column must be"),
    ],
)
def test_a_file_that_is_no_notebook_is_bad_usage(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "nb.py"
    if content is not None:
        path.write_text(content)
    ran = run("run", path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert str(path) in ran.stderr
    assert reason in ran.stderr


def test_a_device_is_no_notebook_however_much_there_is_to_read() -> None:
    ran = run("run", "/dev/zero")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "/dev/zero: it is a device and no file" in ran.stderr


@pytest.mark.parametrize("bad", ["n", "=1", "1n=2", "a b=1"])
def test_an_assignment_of_another_form_is_bad_usage(notebook: Path, bad: str) -> None:
    ran = run("run", notebook, "--set", bad)
    assert ran.returncode == 2
    assert f"{bad!r} is not of the form NAME=VALUE" in ran.stderr


def test_input_reads_lines_of_stdin_until_there_are_no_more(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("a = input('first? ')\nb = input()\n(a, b)\n# %%\ninput()\n# %%\n'after'")
    ran = run("run", path, stdin="one\r\ntwo")
    assert ran.returncode == 1
    assert ran.stdout == "first? \n('one', 'two')\nafter\n"
    assert "EOFError" in ran.stderr


def test_a_notebook_is_like_a_script(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("word = 'found'")
    path = tmp_path / "nb.py"
    path.write_text(
        "import os, sys\nfrom beside_it import word\n(word, sys.argv, __file__, __name__, os.getcwd())"
    )
    ran = run("run", path.name, cwd=tmp_path)
    assert eval(ran.stdout) == (
        "found",
        ["nb.py"],
        str(path.resolve()),
        "__main__",
        str(tmp_path),
    )


async def test_ctrl_c_interrupts_the_cell_and_the_run(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("import time\nprint('here')\ntime.sleep(600)\n# %%\nprint('never')")
    async with started("run", path) as running:
        await running.text("here\n")
        running.kill(signal.SIGINT)
        assert await running.rest_of_text() == "here\n"
        assert await running.wait() == 130
        text = await running.error_text("KeyboardInterrupt\n")
    assert "time.sleep(600)" in text


async def test_a_second_ctrl_c_ends_a_run_that_ignored_the_first(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text(
        "import time\n"
        "try:\n    print('here')\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('ignored')\n    time.sleep(600)\n"
    )
    async with started("run", path) as running:
        await running.text("here\n")
        running.kill(signal.SIGINT)
        await running.text("ignored\n")
        running.kill(signal.SIGINT)
        assert await running.wait() == 130


async def test_a_second_ctrl_c_ends_a_run_that_is_stuck_in_c_code(tmp_path: Path) -> None:
    """No Python runs on the main thread any more, signal handlers included."""
    path = tmp_path / "nb.py"
    path.write_text(
        "import ctypes\n"
        "mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)\n"
        "print('here')\n"
        "libc.pthread_mutex_lock(mutex)\n"
        "libc.pthread_mutex_lock(mutex)\n"
    )
    async with started("run", path) as running:
        await running.text("here\n")
        running.kill(signal.SIGINT)
        # Two signals of one kind that are pending together are one.
        with trio.move_on_after(0.5):
            await running.rest_of_text()
        running.kill(signal.SIGINT)
        assert await running.wait() == 70
        await running.error_text("user code does not end")


async def test_sigterm_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("print('here')\nwhile True: pass")
    async with started("run", path) as running:
        await running.text("here\n")
        running.kill(signal.SIGTERM)
        assert await running.wait() == 128 + signal.SIGTERM


async def test_a_flood_is_printed_to_the_last_line_whatever_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("for n in range(200_000): print(n, flush=n % 7 == 0)")
    async with started("run", path) as running:
        with trio.CancelScope() as slowly:
            await running.text("\n1000\n")
            slowly.cancel()
        text = await running.rest_of_text()
        assert await running.wait() == 0
    assert text == "".join(f"{n}\n" for n in range(200_000))


async def test_a_reader_that_has_gone_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("while True: print('y')")
    async with started("run", path) as running:
        await running.text("y\n")
        assert running.process.stdout is not None
        await running.process.stdout.aclose()
        assert await running.wait() == 128 + signal.SIGPIPE


def test_what_cannot_be_written_ends_the_run_and_says_so(notebook: Path) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            command("run", notebook),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
    assert ran.returncode == 1
    assert "callboard: what the notebook shows cannot be written: No space" in ran.stderr


def test_a_password_is_not_echoed(tmp_path: Path) -> None:
    path = tmp_path / "nb.py"
    path.write_text("import getpass\nlen(getpass.getpass('word? '))")
    main, terminal = pty.openpty()
    with subprocess.Popen(
        command("run", path), stdin=terminal, stdout=terminal, stderr=terminal, env=environment()
    ) as process:
        os.close(terminal)
        shown = b""
        while b"word? " not in shown:
            shown += os.read(main, 1000)
        # The prompt is written before the question is put: wait for the echo to be off.
        import termios

        while termios.tcgetattr(main)[3] & termios.ECHO:
            assert process.poll() is None
        os.write(main, b"secret\n")
        try:
            while data := os.read(main, 1000):
                shown += data
        except OSError:  # the terminal is closed
            pass
        assert process.wait(30) == 0
    os.close(main)
    assert b"secret" not in shown
    assert shown.split() == [b"word?", b"6"]


def test_without_rich_markdown_is_shown_as_it_is(notebook: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['rich'] = None\n"
            "from callboard.cli import main; sys.exit(main())",
            "run",
            str(notebook),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert ran.returncode == 0, ran.stderr
    assert "# Title\nand *text*\n" in ran.stdout
