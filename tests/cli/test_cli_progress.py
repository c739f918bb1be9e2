"""The order that outputs are printed in, and the words for errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.cli.notebook import Notebook
from callboard.cli.progress import Progress, describe, failed
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import (
    AncestorStoppedError,
    CellError,
    CellOutput,
    CellStatus,
    CycleError,
    ExceptionError,
    InterruptionError,
    MultipleDefinitionError,
    SyntaxCellError,
    UnknownError,
)
from callboard.percent import parse


def op(
    cell: str, status: CellStatus | None = None, output: str | None = None
) -> CellOpNotification:
    shown = None if output is None else CellOutput("output", "text/plain", output)
    return CellOpNotification(CellId(cell), status=status, output=shown)


def printed(progress: Progress, *ops: CellOpNotification) -> list[str]:
    return [str(output.data) for each in ops for _, output in progress.take(each)]


def ran(cell: str) -> list[CellOpNotification]:
    return [op(cell, "running"), op(cell, output=f"{cell} shown"), op(cell, "idle")]


def progress_of(*cells: str) -> Progress:
    return Progress([CellId(cell) for cell in cells])


def test_an_output_is_printed_when_its_cell_has_ended() -> None:
    progress = progress_of("a")
    assert printed(progress, op("a", "queued"), op("a", "running"), op("a", output="x")) == []
    assert printed(progress, op("a", "idle")) == ["x"]


def test_of_several_outputs_while_a_cell_runs_the_last_is_printed() -> None:
    progress = progress_of("a")
    ops = [op("a", "running"), op("a", output="1"), op("a", output="2"), op("a", "idle")]
    assert printed(progress, *ops) == ["2"]


def test_an_output_waits_for_the_cells_above_it() -> None:
    progress = progress_of("a", "b")
    queued = [op("b", "queued"), op("a", "queued")]
    assert printed(progress, *queued, *ran("b")) == []
    assert printed(progress, *ran("a")) == ["a shown", "b shown"]


def test_a_cell_that_is_not_part_of_the_run_holds_up_nobody() -> None:
    progress = progress_of("broken", "b")
    assert printed(progress, op("b", "queued"), *ran("b")) == ["b shown"]


def test_what_a_cell_shows_after_its_end_is_printed_at_once() -> None:
    progress = progress_of("a", "b")
    printed(progress, op("a", "queued"), op("b", "queued"), *ran("a"))
    assert printed(progress, op("a", output="late")) == ["late"]


def test_the_output_of_an_unknown_cell_is_printed() -> None:
    assert printed(progress_of("a"), op("scratch", output="x")) == ["x"]


def test_a_cell_that_runs_again_is_printed_again() -> None:
    progress = progress_of("a")
    again = [op("a", "queued"), *ran("a")]
    assert printed(progress, *again, *again) == ["a shown", "a shown"]


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from("abcd")))
def test_outputs_come_in_the_order_of_the_file_and_none_is_lost(
    order: list[str], left_out: set[str]
) -> None:
    progress = progress_of("a", "b", "c", "d")
    run = [cell for cell in order if cell not in left_out]
    got = printed(progress, *(op(cell, "queued") for cell in run))
    got += [line for cell in run for line in printed(progress, *ran(cell))]
    got += [str(output.data) for _, output in progress.finish()]
    assert got == [f"{cell} shown" for cell in sorted(run)]


SOURCE = """\
# %% first
x = 1

# %%
y = (
  1 +
"""


@pytest.mark.parametrize(
    ("cell", "error", "text"),
    [
        ("first", ExceptionError("no", "ValueError"), "nb.py:2: cell 'first': ValueError: no"),
        (
            "cell_2",
            SyntaxCellError("line 2\n    1 +\n    ^\nSyntaxError: no", 2),
            "nb.py:6: cell 'cell_2':\n    1 +\n    ^\nSyntaxError: no",
        ),
        (
            "first",
            MultipleDefinitionError("x", [CellId("c"), CellId("b")]),
            "nb.py:2: cell 'first': 'x' is also defined by cells 'b', 'c'",
        ),
        (
            "first",
            CycleError([(CellId("a"), ["x", "y"], CellId("b"))]),
            "nb.py:2: cell 'first': the cell depends on itself: cell 'b' needs x, y of cell 'a'",
        ),
        (
            "first",
            ExceptionError("cell 'a' raised", "Ancestor raised", CellId("a")),
            "nb.py:2: cell 'first': cell 'a' raised",
        ),
        ("first", InterruptionError(), "nb.py:2: cell 'first': interrupted"),
        ("gone", UnknownError("what"), "nb.py:0: cell 'gone': what"),
    ],
)
def test_an_error_names_file_line_and_cell(cell: str, error: CellError, text: str) -> None:
    notebook = Notebook(Path("nb.py"), tuple(parse(SOURCE)))
    assert describe(notebook, CellId(cell), error) == text


def test_a_stop_and_an_interrupt_are_no_failures() -> None:
    assert not failed([AncestorStoppedError("", CellId("a")), InterruptionError()])
    assert failed([AncestorStoppedError("", CellId("a")), UnknownError("")])
