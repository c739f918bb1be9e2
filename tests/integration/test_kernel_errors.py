"""How cells fail and stop, and what they show."""

from __future__ import annotations

import sys

import pytest

from callboard.actors.notebook.settings import Settings
from callboard.messages.commands import DeleteCellCommand, UpdateUserConfigCommand
from callboard.messages.ids import CellId
from callboard.messages.payloads import (
    AncestorStoppedError,
    ExceptionError,
    ImportStarError,
    SyntaxCellError,
)
from callboard.testing.driver import Driver, open_driver

CB = {"cb": "import callboard as cb"}


# source errors


@pytest.mark.parametrize(
    ("code", "starts"),
    [
        ("x = = 1", "line 1"),
        ("x = 1\n!ls", "line 2"),
        ("%time x", "line 1"),
        ("!pip install x", "line 1"),
    ],
)
async def test_a_syntax_error_says_the_line(notebook: Driver, code: str, starts: str) -> None:
    error = (await notebook.run(a=code)).cell("a").error
    assert isinstance(error, SyntaxCellError)
    assert error.msg.startswith(starts)
    assert error.lineno == int(starts.removeprefix("line "))


async def test_a_star_import_is_refused_before_anything_runs(notebook: Driver) -> None:
    heard = await notebook.run(a="print('ran')\nfrom math import *")
    assert isinstance(heard.cell("a").error, ImportStarError)
    assert heard.started == []


async def test_the_other_cells_of_a_command_run_past_one_that_does_not_compile(
    notebook: Driver,
) -> None:
    heard = await notebook.run(bad="x = = 1", good="1 + 1")
    assert heard.cell("good").output == "2"


# exceptions


async def test_an_exception_shows_its_text_and_class_and_a_traceback_with_the_source_line(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="def f():\n    raise ValueError('no such row')\nf()")
    assert heard.cell("a").error == ExceptionError("no such row", "ValueError")
    text = heard.cell("a").stderr
    assert "ValueError" in text
    assert "no such row" in text
    assert "callboard/actors" not in text
    assert heard.settled == ["execute-cells completed"]


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(3)",
        "raise SystemExit",
        "import sys\nsys.exit()",
        "exit()",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "import asyncio\nraise asyncio.CancelledError",
        "await __import__('asyncio').sleep(0)\nraise SystemExit(3)",
        "await __import__('asyncio').sleep(0)\nraise KeyboardInterrupt",
        "raise BaseExceptionGroup('many', [SystemExit(), KeyboardInterrupt()])",
        "raise StopIteration",
        "await __import__('asyncio').sleep(0)\nraise StopIteration(3)",
        "raise StopAsyncIteration",
    ],
)
async def test_whatever_a_cell_raises_ends_that_cell_and_not_the_kernel(
    notebook: Driver, code: str
) -> None:
    heard = await notebook.run(a=code, b="'fine'")
    assert heard.cell("a").error.type == "exception"
    assert heard.cell("a").error.raising_cell is None
    assert heard.cell("a").statuses[-1] == "idle"
    assert heard.cell("b").output == "fine"
    assert heard.settled == ["execute-cells completed"]
    assert (await notebook.run(c="'still here'")).cell("c").output == "still here"
    assert notebook.restarts == 0


async def test_an_exception_without_text_gets_one_that_names_its_class(notebook: Driver) -> None:
    error = (await notebook.run(a="raise ValueError")).cell("a").error
    assert "ValueError" in error.msg


async def test_an_exception_whose_text_cannot_be_made_is_shown_all_the_same(
    notebook: Driver,
) -> None:
    code = """
class Broken(Exception):
    def __str__(self):
        raise SystemExit("even this")
    __repr__ = __str__
raise Broken
"""
    heard = await notebook.run(a=code, b="'fine'")
    assert heard.cell("a").error.exception_type == "Broken"
    assert heard.cell("b").output == "fine"


async def test_what_depends_on_a_cell_that_raised_is_not_run_and_blames_it(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="x = 1 / 0", b="y = x", c="print('never')\ny", d="'apart'")
    assert heard.started == ["a", "d"]
    for cell in "bc":
        error = heard.cell(cell).error
        assert (error.exception_type, error.raising_cell) == ("Ancestor raised", "a")
        assert "ZeroDivisionError" in error.msg
        assert heard.cell(cell).statuses[-1] == "idle"
        assert [op.console for op in heard.cell(cell).ops if op.output][-1] == []


async def test_variables_of_cells_not_run_are_gone(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.run(a="x = 1 / 0")
    heard = await notebook.run(c="'y' in globals()")
    assert heard.cell("c").output == "False"


async def test_values_are_told_of_a_cell_that_raised_too(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1\ny = 1 / 0")
    assert heard.values == {"x": "1", "y": "None"}
    assert heard.trace.index("variable-values x=1 y=None") < heard.trace.index("a: error exception")


async def test_a_name_that_another_cell_has_not_bound_is_blamed_on_that_cell(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="if False:\n    x = 1", b="x")
    error = heard.cell("b").error
    assert (error.exception_type, error.raising_cell) == ("NameError", "a")
    assert "'a'" in error.msg


async def test_a_name_that_another_cell_deletes_is_said_to_be_deleted(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1", b="del x", c="x")
    assert heard.started == ["a", "c", "b"]
    error = (await notebook.run(c="x")).cell("c").error
    assert error.exception_type == "NameError"
    assert "deleted by cell 'b'" in error.msg


async def test_a_cell_that_needs_what_a_failed_cell_never_bound_is_cancelled_later_too(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1 / 0", b="z = 1")
    heard = await notebook.run(c="x + z", d="c = 1")
    assert heard.started == ["d"]
    assert heard.cell("c").error.raising_cell == "a"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="only printed by the interpreter itself")
async def test_the_suggestion_of_the_interpreter_is_part_of_the_text(notebook: Driver) -> None:
    error = (await notebook.run(a="import math\nmath.sqr(4)")).cell("a").error
    assert "sqrt" in error.msg


async def test_a_cell_recovers_once_what_it_depends_on_does(notebook: Driver) -> None:
    await notebook.run(a="x = 1 / 0", b="x")
    heard = await notebook.run(a="x = 1")
    assert heard.cell("b").output == "1"
    assert heard.cell("b").errors == []


# run mode


async def test_in_run_mode_an_error_shows_no_details() -> None:
    async with open_driver(settings=Settings(run_mode=True)) as notebook:
        heard = await notebook.run(a="secret = 'hunter2'\nraise ValueError(secret)", b="secret")
        for cell in "ab":
            error = heard.cell(cell).error
            assert error.type == "internal"
            assert error.error_id
            assert "hunter2" not in repr(heard.cell(cell).ops)
        assert heard.cell("a").console_items == []
        assert (
            heard.cell("a").error.error_id
            != (await notebook.run(a="1 / 0")).cell("a").error.error_id
        )


async def test_in_run_mode_tracebacks_are_shown_where_that_is_wanted() -> None:
    async with open_driver(settings=Settings(run_mode=True, show_tracebacks=True)) as notebook:
        error = (await notebook.run(a="1 / 0")).cell("a").error
        assert error.type == "exception"
        assert "ZeroDivisionError" in str(error.traceback)


async def test_in_run_mode_a_stop_is_told_as_it_is() -> None:
    async with open_driver(settings=Settings(run_mode=True)) as notebook:
        heard = await notebook.run(CB, a="cb.stop(True)\nx = 1", b="x")
        assert heard.cell("b").error.type == "ancestor-stopped"


# stop


async def test_a_stopped_cell_shows_the_output_given_and_keeps_what_it_set(
    notebook: Driver,
) -> None:
    heard = await notebook.run(CB, a="x = 1\ncb.stop(x == 1, 'not now')\ny = 2", b="y", c="x")
    assert heard.cell("a").output == "not now"
    assert heard.cell("a").console_items == []
    for cell in "bc":
        assert isinstance(heard.cell(cell).error, AncestorStoppedError)
        assert heard.cell(cell).error.raising_cell == "a"
    assert heard.started == ["cb", "a"]
    assert heard.values["x"] == "1"


async def test_a_stop_that_does_not_apply_changes_nothing(notebook: Driver) -> None:
    heard = await notebook.run(CB, a="cb.stop(False)\nx = 1\nx")
    assert heard.cell("a").output == "1"


async def test_a_stop_is_not_caught_as_an_exception(notebook: Driver) -> None:
    heard = await notebook.run(CB, a="try:\n    cb.stop(True)\nexcept Exception:\n    1 / 0")
    assert heard.cell("a").errors == []


async def test_a_cell_below_two_stopped_ones_waits_for_both(notebook: Driver) -> None:
    stopping = {"a": "cb.stop(go < 1)\nx = 1", "b": "cb.stop(go < 2)\ny = 1"}
    await notebook.run({**CB, "go": "go = 0", **stopping, "c": "x + y"})
    heard = await notebook.run(a="cb.stop(False)\nx = 1")
    assert "c" not in heard.started
    assert heard.cell("c").error.type == "ancestor-stopped"
    heard = await notebook.run(b="cb.stop(False)\ny = 1")
    assert heard.cell("c").output == "2"


async def test_a_stop_in_an_async_cell_ends_it_alike(notebook: Driver) -> None:
    heard = await notebook.run(
        CB, a="import asyncio\nawait asyncio.sleep(0)\ncb.stop(True, 'enough')\nx = 1", b="x"
    )
    assert heard.cell("a").output == "enough"
    assert heard.cell("b").error.type == "ancestor-stopped"


# output


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("None", ""),
        ("x = 1", ""),
        ("1;", ""),
        ("1  # a comment", "1"),
        ("1;  # a comment", ""),
        ("'text'", "text"),
        ("''", ""),
        ("1\n# the end", "1"),
        ("0.0", "0.0"),
        ("float('nan')", "nan"),
        ("", ""),
        ("# nothing", ""),
        ("'\\ud800'", "\\ud800"),
    ],
)
async def test_the_last_expression_is_what_a_cell_shows(
    notebook: Driver, code: str, shown: str
) -> None:
    heard = await notebook.run(a=code)
    assert heard.cell("a").output == shown
    assert heard.cell("a").outputs[-1].channel == "output"
    assert heard.cell("a").outputs[-1].mimetype == "text/plain"


async def test_each_append_shows_all_so_far_and_a_last_value_is_added(notebook: Driver) -> None:
    heard = await notebook.run(CB, a="cb.output.append('one')\ncb.output.append('two')\n'three'")
    outputs = [str(output.data) for output in heard.cell("a").outputs]
    assert len(outputs) == 3
    assert "one" in outputs[0]
    assert "two" not in outputs[0]
    assert all(part in outputs[1] for part in ("one", "two"))
    assert all(part in outputs[2] for part in ("one", "two", "three"))


async def test_nothing_is_added_to_what_was_appended_when_there_is_no_last_value(
    notebook: Driver,
) -> None:
    heard = await notebook.run(CB, a="cb.output.append('one')")
    assert [output.data for output in heard.cell("a").outputs] == ["one"]


async def test_replace_and_clear_take_back_what_was_shown(notebook: Driver) -> None:
    heard = await notebook.run(
        CB,
        a="cb.output.append('one')\ncb.output.replace('two')",
        b="cb.output.append('one')\ncb.output.clear()",
    )
    assert heard.cell("a").output == "two"
    assert heard.cell("b").output == ""


async def test_what_an_earlier_run_appended_is_forgotten(notebook: Driver) -> None:
    await notebook.run(CB, a="cb.output.append('one')")
    heard = await notebook.run(a="cb.output.append('two')")
    assert heard.cell("a").output == "two"


async def test_output_appended_before_an_exception_is_followed_by_the_error(
    notebook: Driver,
) -> None:
    heard = await notebook.run(CB, a="cb.output.append('one')\n1 / 0")
    assert heard.cell("a").outputs[0].data == "one"
    assert heard.cell("a").error.exception_type == "ZeroDivisionError"


async def test_a_formatter_that_raises_leaves_the_cell_a_success_shown_as_text(
    notebook: Driver,
) -> None:
    code = """
class Rich:
    def _repr_html_(self):
        raise RuntimeError("not today")
    def __repr__(self):
        return "plain"
x = Rich()
x
"""
    heard = await notebook.run(a=code, b="x")
    assert heard.cell("a").output == "plain"
    assert "not today" in heard.cell("a").stderr
    assert heard.cell("b").output == "plain"


@pytest.mark.parametrize(
    "error", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "ValueError"]
)
async def test_showing_a_value_ends_nothing_but_its_cell(notebook: Driver, error: str) -> None:
    code = f"class Bad:\n    def __repr__(self):\n        raise {error}\nBad()"
    heard = await notebook.run(a=code, b="'fine'")
    assert heard.cell("a").statuses[-1] == "idle"
    assert heard.cell("b").output == "fine"


async def test_output_that_is_too_large_is_replaced_by_a_warning() -> None:
    async with open_driver(settings=Settings(output_max_bytes=1000)) as notebook:
        heard = await notebook.run(a="'x' * 1001", b="'x' * 1000")
        assert "too large" in str(heard.cell("a").output)
        assert heard.cell("b").output == "x" * 1000
        await notebook.do(UpdateUserConfigCommand({"runtime": {"output_max_bytes": 10}}))
        assert "too large" in str((await notebook.run(b="'x' * 11")).cell("b").output)


async def test_an_element_that_is_only_shown_lives_until_its_cell_is_taken_back(
    notebook: Driver,
) -> None:
    await notebook.run(CB, seen="seen = []", a="[cb.ui.slider(0, 10, on_change=seen.append)]")
    await notebook.tick({"a-0": 3})
    assert (await notebook.run(b="seen")).cell("b").output == "[3]"
    await notebook.do(DeleteCellCommand(CellId("a")))
    await notebook.tick({"a-0": 4})
    assert (await notebook.run(b="seen")).cell("b").output == "[3]"
