"""``callboard simulate`` as somebody at a terminal meets it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from callboard.cli import main
from callboard.testing.simulation.bugs import planted

ROOT = Path(__file__).parents[2]


def test_seeds_that_pass_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "3", "--fault", "gil-held"]) == 0
    printed = capsys.readouterr().out
    assert "3 seeds from 0 in" in printed
    assert ": 0 failed," in printed
    assert "faults that struck: gil-held 3" in printed


def test_a_seed_that_fails_is_shown_with_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted("leaked task"):
        assert main(["simulate", "--seeds", "5", "--failures", "1"]) == 1
    printed = capsys.readouterr().out
    assert "VIOLATED: leak: task leaked (0)" in printed
    assert "replay with: callboard simulate --replay 0" in printed


def test_a_replay_prints_workload_faults_schedule_and_timeline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--replay", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("seed 2\nfaults: ")
    for part in ("workload:", "schedule: ", "timeline:", "settled", "fired: "):
        assert part in printed


def test_a_replay_can_leave_out_what_a_failure_does_not_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted("leaked task"):
        assert main(["simulate", "--replay", "0", "--shrink"]) == 1
    shown = capsys.readouterr().out
    steps = shown.partition("workload:")[2].partition("schedule:")[0].splitlines()
    assert not [line for line in steps if "mallory" in line or "bob" in line]


def test_an_unknown_fault_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--fault", "gremlins"]) == 2
    assert "there is no fault 'gremlins'" in capsys.readouterr().err


def test_a_fault_that_is_not_simulated_is_bad_usage_and_names_its_test(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--fault", "stream-cut"]) == 2
    assert "test_a_stream_may_be_cut_at_every_byte" in capsys.readouterr().err


def test_a_planted_bug_shows_what_a_failure_looks_like(capsys: pytest.CaptureFixture[str]) -> None:
    bug = ["--bug", "dropped last tick"]
    assert main(["simulate", "--replay", "2", *bug, "--last", "5"]) == 1
    printed = capsys.readouterr().out
    assert "VIOLATED: serial, undisturbed: element s" in printed
    assert "replay with: callboard simulate --replay 2 --bug 'dropped last tick'" in printed
    timeline = printed.partition("timeline:\n")[2].partition("VIOLATED")[0]
    assert len(timeline.splitlines()) == 6
    assert main(["simulate", "--replay", "2"]) == 0


def test_the_bugs_that_can_be_planted_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--bug", "list"]) == 0
    assert "dropped last tick" in capsys.readouterr().out
    assert main(["simulate", "--bug", "gremlins"]) == 2
    assert "there is no bug 'gremlins'" in capsys.readouterr().err


def test_several_processes_find_what_one_finds(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for jobs in ("1", "2"):
        bug = ["--bug", "silent while busy", "--failures", "1", "--last", "1"]
        assert main(["simulate", "--first", "2", "--seeds", "30", "--jobs", jobs, *bug]) == 1
        shown.append(re.sub(r" in [\d.]+ s:", "", capsys.readouterr().out))
    assert shown[0] == shown[1]
    assert "VIOLATED: meanwhile" in shown[0]


PAGES = (ROOT / "README.md", ROOT / "docs" / "testing.md")
SHOWN = re.compile(r"```console\n\$ callboard (simulate [^\n]*--bug [^\n]*)\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_show_of_a_failure_is_what_is_printed(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((command, shown),) = SHOWN.findall(page.read_text(encoding="utf-8"))
    assert main(shlex.split(command)) == 1
    printed = iter(capsys.readouterr().out.splitlines())
    lines = [line for line in shown.splitlines() if line != "..."]
    assert len(lines) > 5
    missing = [line for line in lines if line not in printed]
    assert missing == [], "in this order, with others between them"
