"""What a demonstration measures, what it concludes, and how that is drawn."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rich")

from rich.console import Console
from rich.text import Text

from callboard.cli.demo.drag import Drag, Latencies
from callboard.cli.demo.painter import pack, paint, unpack
from callboard.cli.demo.report import BOUND, SLOWER, Report
from callboard.cli.demo.stage import Incident, Stage
from callboard.cli.demo.view import as_svg, draw, draw_report


def dragged(values: int, *, installing_from: int = 10**9) -> Drag:
    """A drag of some values, one a second."""
    drag = Drag()
    for second in range(values):
        value = drag.next_value(second)
        drag.send(value, float(second), installing=second >= installing_from)
    return drag


def shown(drag: Drag, index: int) -> str:
    return f"a landscape\nposition {drag.ticks[index].value:.2f}"


def test_no_value_is_sent_twice() -> None:
    values = [tick.value for tick in dragged(5000).ticks]
    assert len(set(values)) == len(values)
    assert all(0 <= value <= 100 for value in values)


def test_an_output_catches_up_with_the_values_before_it_too() -> None:
    drag = dragged(4)
    drag.show(shown(drag, 1), 1.5)
    assert [tick.caught_up for tick in drag.ticks] == [1.5, 1.5, None, None]
    assert not drag.caught_up
    drag.show(shown(drag, 3), 3.5)
    assert drag.latencies(installing=False) == [1.5, 0.5, 1.5, 0.5]
    assert drag.caught_up


def test_an_output_of_no_value_that_was_sent_counts_for_nothing() -> None:
    drag = dragged(1)
    drag.show("position 12.345 and no more", 1.0)
    drag.show("nothing", 1.0)
    assert drag.latencies(installing=False) == [math.inf]
    assert drag.shown == 0


def test_a_last_output_that_is_older_than_the_last_value_is_no_catching_up() -> None:
    drag = dragged(2)
    drag.show(shown(drag, 1), 2.0)
    drag.show(shown(drag, 0), 3.0)
    assert not drag.caught_up


@given(st.lists(st.integers(0, 19), max_size=30))
def test_no_tick_waits_longer_than_for_the_first_output_of_it_or_of_a_later_one(
    outputs: list[int],
) -> None:
    drag = dragged(20)
    for at, index in enumerate(outputs):
        drag.show(shown(drag, index), 20.0 + at)
    for index, tick in enumerate(drag.ticks):
        times = [20.0 + at for at, output in enumerate(outputs) if output >= index]
        assert tick.caught_up == min(times, default=None)


def test_quantiles_are_of_what_was_measured() -> None:
    figures = Latencies.of([n / 1000 for n in range(1, 101)])
    assert figures == Latencies(100, 0.05, 0.099, 0.1)
    assert Latencies.of([]) == Latencies(0, 0.0, 0.0, 0.0)


GOOD = Report(
    seconds=10.0,
    idle=Latencies(400, 0.004, 0.006, 0.01),
    installing=Latencies(200, 0.004, 0.009, 0.02),
    sent=600,
    shown=590,
    skipped=0,
    last_sent=42.5,
    last_shown=42.5,
    cell_runs=1800,
    package="rich",
    source="from a package index",
    installed=True,
    install_seconds=3.3,
    log_lines=12,
    posted=602,
    settlements=602,
    accepted=602,
    rejected=0,
    in_flight=0,
    outcomes={"completed": 592, "superseded": 10},
    waited=0.5,
    restarts=0,
    listener_errors=0,
)


def test_a_demonstration_that_went_well_breaks_no_promise() -> None:
    assert GOOD.broken == []
    assert GOOD.lines[-1] == "promises     all kept"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"last_shown": 42.4}, "the last value, 42.50, never came"),
        ({"last_shown": None}, "the last value, 42.50, never came"),
        ({"installed": False}, "rich was not installed"),
        ({"installing": Latencies.of([])}, "no value was sent while the package installed"),
        (
            {"installing": Latencies(9, 0.1, BOUND + 0.001, 0.2)},
            "p99 during the install is above 100.0 ms",
        ),
        ({"installing": Latencies.of([math.inf])}, "p99 during the install is above 100.0 ms"),
        ({"in_flight": 1, "posted": 602}, "1 commands have not ended"),
        ({"accepted": 603}, "603 commands came in and 602 ended"),
        ({"settlements": 601}, "of 602 commands, the end of 601 was told"),
        ({"rejected": 1, "accepted": 601}, "1 commands were rejected"),
        (
            {"outcomes": {"completed": 591, "superseded": 10, "failed": 1}},
            "1 commands failed",
        ),
        ({"restarts": 2}, "actors had to be restarted 2 times"),
        ({"listener_errors": 3}, "3 ends of commands were not dealt with"),
    ],
)
def test_each_broken_promise_is_found(changes: dict[str, Any], sentence: str) -> None:
    report = attrs.evolve(GOOD, **changes)
    assert sentence in report.broken
    assert f"BROKEN: {sentence}" in report.lines[-1]


def test_on_a_machine_that_is_slow_anyway_the_bound_is_relative() -> None:
    slow = attrs.evolve(GOOD, idle=Latencies(400, 0.05, 0.08, 0.2))
    assert slow.bound == 0.08 * SLOWER
    just = Latencies(9, 0.1, slow.bound, 0.2)
    assert attrs.evolve(slow, installing=just).broken == []


def test_it_says_how_much_of_the_time_the_machine_was_busy_with_others() -> None:
    assert any("cells waited 5% of the time" in line for line in GOOD.lines)
    unknown = attrs.evolve(GOOD, waited=None)
    assert not any("processor" in line for line in unknown.lines)


def test_as_json_nothing_is_infinite() -> None:
    report = attrs.evolve(GOOD, installing=Latencies.of([math.inf]))
    whole = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert whole["installing"]["p99"] is None
    assert whole["broken"] == report.broken


def stage() -> Stage:
    stage = Stage(10.0, drag=dragged(100, installing_from=50), package="rich")
    for index in range(90):
        stage.drag.show(shown(stage.drag, index), index + 0.005)
    stage.outputs = {"bar": "███", "landscape": "▁▂▃\n▄▅▆\nposition 1.00"}
    stage.install_began = 1.0
    stage.at = 2.0
    stage.log_text("Collecting [bold]rich[/bold]\n\nDownloading\n")
    return stage


def text_of(drawing: Any) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(drawing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_shows_notebook_drag_installation_and_log() -> None:
    text = text_of(draw(stage().picture()))
    for part in ("▄▅▆", "position 1.00", "100 values sent, 90 shown", "1.0 s, waiting"):
        assert part in text
    assert "Collecting [bold]rich[/bold]" in text, "log lines are no markup"


def test_before_the_drag_the_picture_says_what_is_being_done() -> None:
    assert (
        text_of(draw(Stage(10.0, phase="making something").picture())) == "making something ...\n"
    )


def test_the_picture_in_a_file_holds_the_report_and_needs_nothing_from_elsewhere() -> None:
    svg = as_svg(draw_report(stage().picture(), GOOD))
    assert svg.startswith("<svg")
    assert "all&#160;kept" in svg
    assert "@font-face" not in svg
    assert "url(http" not in svg


def test_the_picture_in_a_file_depends_on_no_blanks_at_the_start_of_a_text() -> None:
    """Some programs take them away, and all that follows would stand too far to the left."""
    svg = as_svg(Text.assemble("   in <b>\n", ("  ", "bold red"), ("x", "bold blue")))
    texts = re.findall(
        r'<text class="[^"]*" x="([^"]*)" y="[^"]*" textLength="([^"]*)"[^>]*>(.*?)<', svg
    )
    shown = [text for text in texts if text[2].strip()]
    assert shown == [("36.6", "73.2", "in&#160;&lt;b&gt;"), ("24.4", "12.2", "x")]


def test_the_painter_draws_every_picture_until_there_are_no_more() -> None:
    pictures = io.BytesIO(pack(Stage(1.0, phase="first").picture()) + pack(stage().picture()))
    console = Console(file=io.StringIO(), width=100)
    paint(pictures, console)
    assert isinstance(console.file, io.StringIO)
    assert "position 1.00" in console.file.getvalue()


def test_a_picture_that_was_cut_off_is_none() -> None:
    assert unpack(io.BytesIO(pack(stage().picture())[:-1])) is None
    assert unpack(io.BytesIO(b"")) is None


def incident(**changes: Any) -> Incident:
    whole = Incident("handler-crash", "a handler raises", "nothing else", "packages", timely=True)
    whole.began, whole.ended, whole.strikes = 1.0, 3.0, 1
    whole.outcomes = {"failed": 1, "rejected": 2}
    return attrs.evolve(whole, **changes)


UNDER_A_FAULT = attrs.evolve(
    GOOD,
    incident=incident(),
    posted=605,
    settlements=605,
    rejected=2,
    outcomes={"completed": 592, "superseded": 10, "failed": 1, "rejected": 2},
    accepted=603,
    restarts=4,
    restarts_aimed_at=4,
)


def test_what_belongs_to_a_fault_is_not_held_against_the_kernel() -> None:
    assert UNDER_A_FAULT.broken == []
    assert attrs.evolve(UNDER_A_FAULT, incident=None, restarts_aimed_at=0).broken == [
        "2 commands were rejected",
        "1 commands failed",
        "actors had to be restarted 4 times",
    ]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"restarts": 5}, ["actors had to be restarted 1 times"]),
        ({"incident": incident(strikes=0)}, ["handler-crash never struck"]),
        ({"incident": incident(ended=None)}, ["an actor was still not up again"]),
        (
            {"disturbed": Latencies(9, 0.1, BOUND + 0.001, 0.2)},
            ["p99 under the fault is above 100.0 ms"],
        ),
        (
            {
                "disturbed": Latencies(9, 0.1, BOUND + 0.001, 0.2),
                "incident": incident(timely=False),
            },
            [],
        ),
    ],
)
def test_promises_are_judged_under_a_fault_too(changes: dict[str, Any], broken: list[str]) -> None:
    assert attrs.evolve(UNDER_A_FAULT, **changes).broken == broken


def test_ticks_under_a_fault_are_counted_apart() -> None:
    drag = Drag()
    for second in range(4):
        drag.send(drag.next_value(second), second, installing=False, disturbed=second >= 2)
    drag.show(shown(drag, 3), 4.0)
    assert drag.latencies(installing=False) == [4.0, 3.0]
    assert drag.latencies_disturbed() == [2.0, 1.0]


def test_the_picture_and_the_report_tell_the_story_of_a_fault() -> None:
    staged = stage()
    staged.incident = incident(ended=None)
    staged.incident.struck_at(1.25)
    staged.incident.note(1.5, "packages running -> backoff: crashed")
    text = text_of(draw(staged.picture()))
    assert "the fault is at work since 1.0 s" in text
    assert "handler-crash in packages: a handler raises" in text
    assert "1.50 s  packages running -> backoff: crashed" in text
    assert "disturbed" in text
    lines = "\n".join(attrs.evolve(UNDER_A_FAULT, incident=staged.incident).lines)
    assert "fault        handler-crash: a handler raises" in lines
    assert "from 1.0 s to the end; must hold: nothing else" in lines
    assert "1.25 s  strikes again" in lines
    assert "under the fault" in lines


def test_a_long_story_is_told_without_its_middle() -> None:
    long = incident(ended=None)
    for number in range(50):
        long.note(number, f"event {number}")
    assert len(long.story) == 13
    assert "event 0" in long.story[0]
    assert long.story[6] == "... 38 lines ..."
    assert "event 49" in long.story[-1]
