"""What the flood benchmark calls a pass, and that it measures what it says."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.flood import (
    ASKED,
    CELLS,
    GROWTH,
    Flood,
    flood_embedded,
    loading,
    measure,
    question,
    verdicts,
)
from benchmarks.scenario import Wire
from callboard.messages.codec import decode_command
from callboard.messages.replies import command_id


def flood(**changes: object) -> Flood:
    """Ten seconds as they should be."""
    good = Flood(
        *("embedded", "1 kHz", 10.0),
        ticks=10_000,
        runs=480,
        shown=10_000,
        lag=0.03,
        growth=GROWTH - 1,
        waits={"list-secret-keys": [0.01] * 100},
    )
    return attrs.evolve(good, **changes)  # type: ignore[arg-type]


def met(*floods: Flood) -> list[bool]:
    """Runs, last value, memory, answers."""
    return [verdict.met for verdict in verdicts(floods)]


def test_a_flood_that_keeps_to_everything_passes() -> None:
    assert met(flood(), flood()) == [True] * 4


def test_a_run_more_than_fits_into_the_time_and_two_fails() -> None:
    assert met(flood(runs=502))[0]
    assert not met(flood(), flood(runs=503))[0]


def test_a_last_value_that_is_not_shown_fails() -> None:
    assert not met(flood(shown=9_999), flood())[1]


def test_the_worst_growth_of_all_rounds_counts() -> None:
    assert not met(flood(), flood(growth=GROWTH))[2]


def test_each_domain_is_judged_by_itself() -> None:
    waits = {"list-secret-keys": [0.001] * 10_000, "clear-cache": [0.01] * 50 + [0.06]}
    assert not met(flood(waits=waits))[3]
    assert "clear-cache" in verdicts([flood(waits=waits)])[3].measured


def test_two_late_answers_in_a_hundred_are_one_too_many() -> None:
    assert met(flood(waits={"a": [0.01] * 99 + [0.06]}))[3]
    assert not met(flood(waits={"a": [0.01] * 98 + [0.06] * 2}))[3]


def test_a_question_without_an_answer_fails() -> None:
    assert not met(flood(unanswered={"list-secret-keys": 2}))[3]
    assert not met(flood(waits={}))[3]


def test_of_a_client_that_fills_its_pipe_the_time_in_the_kernel_counts() -> None:
    piped = {"contestant": "process", "inside": {"list-secret-keys": [0.01] * 100}}
    waits = {"list-secret-keys": [0.2] * 100}
    assert met(flood(**piped, rate="unthrottled", waits=waits))[3]
    assert not met(flood(**piped, rate="1 kHz", waits=waits))[3]


@pytest.mark.parametrize("command", ASKED, ids=lambda command: command["type"])
def test_each_question_is_a_command_with_an_id_of_its_own(command: Wire) -> None:
    first, second = (decode_command(_json(question(command, number))) for number in (1, 2))
    assert command_id(first) is None or command_id(first) != command_id(second)


def _json(command: Wire) -> bytes:
    import json

    return json.dumps(command).encode()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_short_flood_of_an_embedded_kernel_is_measured() -> None:
    found = await flood_embedded("1 kHz", 0.5)
    assert found.shown == found.ticks > 10
    assert 1 <= found.runs <= found.allowed
    assert found.lag is not None
    assert {"status", "cancel", "list-secret-keys"} <= found.waits.keys()
    assert [verdict.met for verdict in verdicts([found])][:2] == [True, True]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_flood_of_a_kernel_process_is_measured() -> None:
    found = measure("process", "unthrottled", 0.5)
    assert found.shown == found.ticks > 10
    assert 1 <= found.runs <= found.allowed
    assert found.inside.keys() <= found.waits.keys()
    assert found.growth > 0
    assert not found.unanswered
    assert found.first.keys() >= {command["type"] for command in ASKED}
    assert max(found.first, key=lambda kind: found.first[kind]) in loading([found])


def test_the_cell_of_the_flood_takes_what_the_bound_supposes() -> None:
    assert "time.sleep(0.02)" in CELLS["view"]
