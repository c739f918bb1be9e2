"""The measuring code shared by all kernels: what it sends, and what it makes of the answers."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.scenario import (
    Answer,
    Drag,
    Player,
    Result,
    Scenario,
    SlowPackage,
    Tick,
    Timed,
    percentile,
    scenarios,
    slow_package,
)


@attrs.define
class InstantKernel:
    """Answers every command within the call that posts it; shows only some of the ticks."""

    shows: range = range(1, 1_000_000)
    posted: list[Mapping[str, Any]] = attrs.field(factory=list)
    player: Player | None = None

    def post(self, command: Mapping[str, Any]) -> None:
        self.posted.append(command)
        match command["type"]:
            case "create-notebook":
                self.output("slider", "<slider object-id='slider-0'></slider>")
                self.notify({"op": "completed-run", "run_id": None})
            case "update-ui-element" if command["values"][0] in self.shows:
                self.notify({"op": "cell-op", "cell_id": "view", "status": "running"})
                self.output("view", f"tick:{command['values'][0]}")
            case "list-secret-keys":
                self.notify({"op": "secret-keys-result", "request_id": "other"})
                self.notify({"op": "secret-keys-result", "request_id": command["requestId"]})

    def output(self, cell: str, text: str, channel: str = "output") -> None:
        output = {"channel": channel, "mimetype": "text/html", "data": text, "timestamp": 0.0}
        self.notify({"op": "cell-op", "cell_id": cell, "output": output, "status": None})

    def notify(self, notification: Mapping[str, Any]) -> None:
        assert self.player is not None
        self.player.receive(notification, time.perf_counter())


def play(scenario: Scenario, kernel: InstantKernel) -> Result:
    kernel.player = Player(scenario, "fake", kernel.post)
    kernel.player.prepare(patience=0)
    return kernel.player.play("fake 1.0", "3.11")


def drag(**changes: Any) -> Scenario:
    return Scenario("drag", "", {"slider": "", "view": ""}, Drag(0.0, 0.01, 1000.0), **changes)


def test_every_tick_goes_to_the_slider_that_was_shown_and_is_timed() -> None:
    kernel = InstantKernel()
    result = play(drag(), kernel)
    sent = [command for command in kernel.posted if command["type"] == "update-ui-element"]
    assert [(command["objectIds"], command["values"]) for command in sent] == [
        (["slider-0"], [value]) for value in range(1, 11)
    ]
    assert len({command["token"] for command in sent}) == 10
    assert all(tick.shown is not None and tick.shown >= tick.sent for tick in result.ticks)
    assert result.runs == {"view": 10}
    assert result.summary["superseded"] == 0


def test_a_later_value_catches_up_with_those_never_shown() -> None:
    result = play(drag(), InstantKernel(shows=range(5, 11, 5)))
    assert [tick.value for tick in result.ticks if tick.shown is not None] == [5, 10]
    assert all(tick.caught_up == result.ticks[4].shown for tick in result.ticks[:5])
    assert result.summary["superseded"] == 8
    assert result.summary["last_value_lag"] is not None


def test_a_last_value_never_shown_is_reported_as_never() -> None:
    result = play(drag(patience=0.0), InstantKernel(shows=range(1, 10)))
    assert result.ticks[-1].caught_up is None
    assert result.summary["last_value_lag"] is None
    assert result.summary["max"] is None
    assert result.summary["p50"] is not None


def test_an_answer_is_the_notification_with_the_fields_asked_for() -> None:
    asked = Timed(
        0.0,
        {"type": "list-secret-keys", "requestId": "mine"},
        [{"op": "never"}, {"op": "secret-keys-result", "request_id": "mine"}],
    )
    unanswered = Timed(0.0, {"type": "clear-cache"}, [{"op": "cache-cleared"}])
    result = play(drag(commands=[asked, unanswered], patience=0.0), InstantKernel())
    assert result.answers[0].answered is not None
    assert result.answers[1].answered is None


def test_a_command_that_nothing_answers_is_not_waited_for() -> None:
    unanswered = Timed(0.0, {"type": "clear-cache"})
    kernel = InstantKernel()
    started = time.perf_counter()
    result = play(drag(commands=[unanswered]), kernel)
    assert time.perf_counter() - started < drag().patience
    assert not result.answers
    assert {"type": "clear-cache"} in kernel.posted


def test_an_answer_tells_when_the_command_was_not_carried_out() -> None:
    asked = Timed(0.0, {"type": "clear-cache", "requestId": "r"}, [{"op": "cache-cleared"}])
    kernel = InstantKernel()

    def refuse(command: Mapping[str, Any]) -> None:
        InstantKernel.post(kernel, command)
        if command["type"] == "clear-cache":
            settled = {"op": "command-settled", "type": "clear-cache", "outcome": "rejected"}
            kernel.notify({"op": "cache-cleared"})
            kernel.notify({**settled, "id": "other", "reason": "not this"})
            kernel.notify({**settled, "id": "r", "reason": "no cache"})

    kernel.player = Player(drag(commands=[asked]), "fake", refuse)
    kernel.player.prepare(patience=0)
    (answer,) = kernel.player.play("fake 1.0", "3.11").answers
    assert answer.answered is not None
    assert answer.failure == "rejected: no cache"


def test_interleaved_commands_follow_each_tick_with_their_own_token() -> None:
    kernel = InstantKernel()
    play(drag(interleaved={"type": "model"}), kernel)
    kinds = [command["type"] for command in kernel.posted[1:]]
    assert kinds == ["update-ui-element", "model"] * 10
    assert len({command["token"] for command in kernel.posted[1:]}) == 20


def test_a_closed_loop_sends_the_next_tick_when_the_last_was_shown() -> None:
    result = play(attrs.evolve(drag(), drag=Drag(0.0, 0.01, 0.0)), InstantKernel())
    assert result.ticks
    for tick, following in zip(result.ticks, result.ticks[1:], strict=False):
        assert tick.shown is not None
        assert tick.shown <= following.sent


def test_a_failing_cell_ends_the_scenario_before_it_starts() -> None:
    kernel = InstantKernel()
    kernel.player = Player(drag(), "fake", lambda command: None)
    kernel.output("view", "NameError", channel="marimo-error")
    with pytest.raises(RuntimeError, match="NameError"):
        kernel.player.prepare(patience=0)


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_a_scenario_survives_json(scenario: Scenario) -> None:
    again = Scenario.from_json(scenario.to_json())
    assert json.loads(again.to_json()) == json.loads(scenario.to_json())
    assert again.drag == scenario.drag
    assert again.faults == scenario.faults
    assert again.package == scenario.package


def test_a_result_survives_json() -> None:
    result = Result(
        "s", "k 1", "3.11", [Tick(1, 0.0, 0.5, 0.5), Tick(2, 0.1)], [Answer("a", 0.2)], {"view": 1}
    )
    assert Result.from_json(result.to_json()) == result


def test_percentiles_are_measured_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([], 0.5) == math.inf


@pytest.mark.slow
def test_pip_builds_the_slow_package_without_a_registry(tmp_path: Path) -> None:
    settings = slow_package(SlowPackage("slowly-built", 0.0), tmp_path)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-qq", "slowly-built"],
        env={**os.environ, **settings},
        check=True,
    )
    assert (tmp_path / "installed" / "slowly_built.py").exists()
