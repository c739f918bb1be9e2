"""``callboard demo --fault``: something goes wrong before a user's eyes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from callboard.cli import main
from callboard.cli.demo.sabotage import DEMONSTRATED, demonstrated
from tests.cli.processes import environment, started


def test_the_faults_that_can_be_shown_are_listed_with_what_they_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--fault", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for kind in demonstrated():
        assert any(line.split("  ")[0] == kind.name and kind.meaning in line for line in lines)
    assert {"handler-crash", "crash-loop", "installer-hung", "gil-held"} <= set(DEMONSTRATED)


def test_a_fault_that_there_is_nothing_to_show_of_is_bad_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--fault", "gremlins"]) == 2
    said = capsys.readouterr().err
    assert "there is no fault 'gremlins' to show; there are handler-crash, " in said
    assert all(name in said for name in DEMONSTRATED)


def test_a_demonstration_without_a_fault_does_not_load_the_testing_kit() -> None:
    code = (
        "import sys, callboard.cli.demo.play, callboard.cli.demo.painter\n"
        "print([name for name in sys.modules if name.startswith('callboard.testing')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert ran.stdout.strip() == "[]"


# What a user sees of each kind: of a behaviour, of the installer, of notebook code, of readers.
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("handler-crash", "packages running -> backoff: crashed: InjectedFault: handler-crash"),
        ("installer-killed", "its commands: 1"),
        ("gil-held", "its commands: 1"),
        ("slow-reader", "cut off: subscriber 'slow'"),
    ],
)
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_fault_is_put_in_shown_and_judged(name: str, shown: str) -> None:
    env = environment(
        PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", UV_OFFLINE="1"
    )
    arguments = ("demo", "--seconds", "2", "--json", "--fault", name)
    async with started(*arguments, env=env, patience=200) as demo:
        report = json.loads(await demo.rest_of_text())
        await demo.wait()
        await demo.stderr_ended.wait()
    said = demo.stderr.decode()
    assert all(sentence.startswith("p99 ") for sentence in report["broken"]), said
    assert report["incident"]["name"] == name
    assert report["incident"]["strikes"] >= 1
    assert report["disturbed"]["count"] >= 1
    assert any(shown in line for line in report["incident"]["lines"]), said
    assert f"fault        {name}: " in said
    assert shown in said
    assert "Traceback" not in said
