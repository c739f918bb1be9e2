"""``callboard demo`` as a whole: with a real kernel, a real installer, and a terminal or none."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import command, environment, run, started

# Making the environment alone takes seconds.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# Figures depend on what else the machine does.
MAY_BREAK = ("p99 during the install",)


def without_index(**variables: str) -> dict[str, str]:
    """An environment in which no package index answers."""
    return environment(
        PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
        UV_OFFLINE="1",
        UV_NO_CONFIG="1",
        **variables,
    )


def keeps_promises(broken: list[str]) -> bool:
    return all(sentence.startswith(MAY_BREAK) for sentence in broken)


async def play(*arguments: str | Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Play it to its end; returns exit status, stdout and stderr."""
    async with started("demo", *arguments, env=env, patience=200) as demo:
        out = await demo.rest_of_text()
        status = await demo.wait()
        await demo.stderr_ended.wait()
        return status, out, demo.stderr.decode()


async def test_without_a_terminal_it_ends_with_the_figures_as_json() -> None:
    status, out, err = await play("--seconds", "2", "--json", env=environment())
    report = json.loads(out)
    assert keeps_promises(report["broken"]), err
    assert status == (1 if report["broken"] else 0)
    assert report["installed"]
    assert report["last_shown"] == report["last_sent"]
    assert report["sent"] == report["idle"]["count"] + report["installing"]["count"]
    assert f"package      {report['package']} installed" in err


async def test_without_a_package_index_it_installs_a_wheel_and_says_so() -> None:
    status, out, err = await play("--seconds", "2", env=without_index())
    assert "a wheel built on the spot" in out, err
    assert "callboard-demo-package installed in" in out, (status, out, err)
    assert "Successfully installed callboard-demo-package" in out
    assert status == (1 if "BROKEN" in out else 0)
    assert err == ""


def test_on_a_terminal_it_is_a_picture_and_a_table(tmp_path: Path) -> None:
    svg = tmp_path / "demo.svg"
    main, terminal = pty.openpty()
    env = without_index(TERM="xterm-256color", COLUMNS="100", LINES="50")
    with subprocess.Popen(
        command("demo", "--seconds", "2", "--svg", svg),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=env,
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while data := os.read(main, 65536):
                shown += data
        except OSError:  # the terminal is closed
            pass
        assert process.wait() in (0, 1)
    os.close(main)
    text = shown.decode()
    for part in ("examples/drag.py", "the installer's log", "packages", "tick latency", "ledger"):
        assert part in text
    assert "Traceback" not in text
    assert svg.read_text().startswith("<svg")


async def test_ctrl_c_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    env = without_index(TMPDIR=str(tmp_path))
    async with started("demo", env=env, patience=200) as demo:
        await demo.text("values sent")
        assert len(os.listdir(tmp_path)) == 1
        demo.kill(signal.SIGINT)
        await demo.rest_of_text()
        assert await demo.wait() == 130
    assert os.listdir(tmp_path) == []


def test_a_picture_that_cannot_be_written_is_bad_usage(tmp_path: Path) -> None:
    ran = run("demo", "--svg", tmp_path / "nowhere" / "demo.svg")
    assert ran.returncode == 2
    assert "there is no such directory" in ran.stderr


def test_without_rich_it_says_what_to_install(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['rich'] = None\n"
            "from callboard.cli import main; sys.exit(main())",
            "demo",
            "--svg",
            str(tmp_path / "demo.svg"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert ran.returncode == 2
    assert "pip install 'callboard[cli]'" in ran.stderr
