"""``callboard simulate`` as somebody at a terminal meets it."""

from __future__ import annotations

import pytest

from callboard.cli import main
from callboard.testing.simulation.bugs import planted


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
