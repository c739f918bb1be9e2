"""Which cells run, in which order, and what happens to the others."""

from __future__ import annotations

import pytest

from callboard.messages.commands import (
    DeleteCellCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.ids import CellId
from callboard.messages.notifications import VariablesNotification
from callboard.messages.payloads import MultipleDefinitionError
from callboard.testing.driver import Driver, Heard, execute, open_driver

LAZY = UpdateUserConfigCommand({"runtime": {"on_cell_change": "lazy"}})
AUTORUN = UpdateUserConfigCommand({"runtime": {"on_cell_change": "autorun"}})


def configure(**configs: bool) -> UpdateCellConfigCommand:
    return UpdateCellConfigCommand({CellId(c): {"disabled": d} for c, d in configs.items()})


def delete(cell: str) -> DeleteCellCommand:
    return DeleteCellCommand(CellId(cell))


def variables(heard: Heard) -> dict[str, tuple[list[str], list[str]]]:
    last = heard.of(VariablesNotification)[-1]
    return {v.name: (list(v.declared_by), list(v.used_by)) for v in last.variables}


# order


async def test_cells_run_after_those_they_depend_on_whatever_order_they_are_sent_in(
    notebook: Driver,
) -> None:
    heard = await notebook.run(c="y", b="y = x", a="x = 1")
    assert heard.started == ["a", "b", "c"]


async def test_independent_cells_run_in_the_order_of_their_registration(notebook: Driver) -> None:
    heard = await notebook.run(z="1", m="2", a="3")
    assert heard.started == ["z", "m", "a"]


async def test_a_cell_that_was_changed_moves_to_the_end_of_its_equals(notebook: Driver) -> None:
    await notebook.run(root="x = 1", a="x", b="x + 1")
    await notebook.run(a="x + 2")
    assert (await notebook.run(root="x = 2")).started == ["root", "b", "a"]


async def test_a_cell_that_reads_its_own_name_does_not_depend_on_itself(notebook: Driver) -> None:
    heard = await notebook.run(a="seen = 'n' in globals() and n\nn = 2\n(seen, n)")
    assert heard.started == ["a"]
    assert heard.cell("a").output == "(False, 2)"
    assert variables(heard)["n"] == (["a"], ["a"])


async def test_the_variables_are_a_complete_list_each_time(notebook: Driver) -> None:
    assert variables(await notebook.run(a="x = 1", b="y = x")) == {
        "x": (["a"], ["b"]),
        "y": (["b"], []),
    }
    assert variables(await notebook.do(delete("b"))) == {"x": (["a"], [])}


# values between cells


async def test_an_unchanged_cell_runs_again_when_asked_to(notebook: Driver) -> None:
    await notebook.run(a="ran = []", b="ran.append(1)\nlen(ran)")
    assert (await notebook.run(b="ran.append(1)\nlen(ran)")).cell("b").output == "2"


async def test_all_variables_of_a_run_are_gone_before_its_first_cell_runs(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x")
    heard = await notebook.run(a="x = 2\n'y' in globals()")
    assert heard.cell("a").output == "False"


async def test_a_variable_that_a_cell_no_longer_binds_is_gone(notebook: Driver) -> None:
    await notebook.run(a="x = 1\ny: int = 2")
    await notebook.run(a="y: int = 2")
    heard = await notebook.run(b="('x' in globals(), sorted(__annotations__))")
    assert heard.cell("b").output == "(False, ['y'])"


async def test_private_names_do_not_meet_those_of_another_cell_and_do_not_stay(
    notebook: Driver,
) -> None:
    heard = await notebook.run(
        a="_n = 1\n_n", b="_n = 2\n_n", c="[name for name in globals() if name.endswith('_n')]"
    )
    assert [heard.cell(c).output for c in "abc"] == ["1", "2", "[]"]


async def test_a_private_name_that_a_function_needs_stays_for_it(notebook: Driver) -> None:
    heard = await notebook.run(a="_step = 2\ndef double(n):\n    return n * _step", b="double(4)")
    assert heard.cell("b").output == "8"


async def test_notebook_code_sees_itself_as_main(notebook: Driver) -> None:
    heard = await notebook.run(a="class C: pass\n(__name__, C.__module__)")
    assert heard.cell("a").output == "('__main__', '__main__')"


async def test_the_globals_are_one_dict_shared_by_all_cells(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1\nfirst = globals()", b="globals() is first")
    assert heard.cell("b").output == "True"


# conflicts between cells


async def test_a_second_definition_errors_alone_and_the_first_keeps_its_value(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", user="x")
    heard = await notebook.run(b="x = 2")
    assert heard.trace == [
        "remove-ui-elements b",
        "b: fresh",
        "b: error multiple-defs, console cleared",
        "variables",
        "completed-run",
        "settled execute-cells completed",
    ]
    assert heard.cell("b").error == MultipleDefinitionError("x", [CellId("a")])
    assert heard.cell("a").ops == ()
    assert (await notebook.run(user="x")).cell("user").output == "1"


async def test_running_the_first_definer_again_errors_both_and_takes_the_name_away(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", user="x")
    await notebook.run(b="x = 2")
    heard = await notebook.run(a="x = 1")
    assert heard.cell("a").error == MultipleDefinitionError("x", [CellId("b")])
    assert heard.cell("b").error == MultipleDefinitionError("x", [CellId("a")])
    assert heard.cell("user").error.exception_type == "NameError"


async def test_deleting_one_of_two_definers_lets_the_other_run(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="x = 2", user="x")
    heard = await notebook.do(delete("a"))
    assert heard.started == ["b", "user"]
    assert "b: output empty" in heard.trace
    assert heard.cell("user").output == "2"


async def test_cells_in_a_circle_all_show_its_edges_and_recover_when_it_is_broken(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="x = y", b="y = x")
    assert heard.started == []
    for cell in "ab":
        error = heard.cell(cell).error
        assert error.type == "cycle"
        assert sorted((edge[0], tuple(edge[1]), edge[2]) for edge in error.edges_with_vars) == [
            ("a", ("x",), "b"),
            ("b", ("y",), "a"),
        ]
    heard = await notebook.run(b="y = 3")
    assert heard.started == ["b", "a"]
    assert heard.cell("a").errors == []


async def test_the_setup_cell_may_not_depend_on_another(notebook: Driver) -> None:
    heard = await notebook.run(setup="import os\npath = other", other="other = 1")
    assert heard.cell("setup").error.type == "setup-refs"


async def test_errors_that_stay_are_told_again_at_every_change(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="x = 2")
    heard = await notebook.run(c="z = 1")
    assert heard.cell("a").error.type == heard.cell("b").error.type == "multiple-defs"
    assert "c: running, console cleared" in heard.trace


async def test_a_cell_with_a_syntax_error_is_forgotten_at_the_next_change(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="x")
    heard = await notebook.run(a="x = = 1")
    assert heard.cell("a").error.type == "syntax"
    assert heard.cell("b").error.exception_type == "NameError"
    assert (await notebook.run(c="1")).cell("a").ops == ()
    heard = await notebook.run(a="x = 5")
    assert heard.cell("b").output == "5"


# instantiation


async def test_initial_values_hold_for_the_instantiation_and_are_then_forgotten(
    notebook: Driver,
) -> None:
    codes = {"a": "import callboard as cb\ns = cb.ui.slider(0, 100, value=5)", "b": "s.value"}
    heard = await notebook.create(codes, values={"a-0": 42, "b-0": 1})
    assert heard.cell("b").output == "42"
    assert (await notebook.run(a=codes["a"])).cell("b").output == "5"


async def test_initial_values_of_a_notebook_that_does_not_run_are_discarded(
    notebook: Driver,
) -> None:
    codes = {"a": "import callboard as cb\ns = cb.ui.slider(0, 100, value=5)", "b": "s.value"}
    await notebook.create(codes, auto_run=False, values={"a-0": 42})
    assert (await notebook.run(b="s.value")).cell("b").output == "5"


async def test_executing_a_cell_of_a_notebook_that_was_only_opened_runs_what_it_needs(
    notebook: Driver,
) -> None:
    codes = {"a": "x = 1", "b": "y = x", "bad": "z = = 1", "c": "y", "other": "w = 1"}
    await notebook.create(codes, auto_run=False)
    heard = await notebook.run(c="y + 10")
    assert heard.started == ["a", "b", "c"]
    assert heard.cell("c").output == "11"
    for cell in "abc":
        trace = [line for line in heard.trace if line.startswith(f"{cell}:")]
        assert trace.index(f"{cell}: fresh") < trace.index(f"{cell}: running, console cleared")
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.started == ["other"]
    assert heard.cell("bad").error.type == "syntax"


async def test_executing_an_opened_cell_with_other_code_replaces_what_was_remembered(
    notebook: Driver,
) -> None:
    await notebook.create({"a": "x = 1", "b": "x"}, auto_run=False)
    await notebook.run(a="x = 2")
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.started == ["b"]
    assert heard.cell("b").output == "2"


async def test_a_deleted_cell_of_an_opened_notebook_is_forgotten(notebook: Driver) -> None:
    await notebook.create({"a": "x = 1", "b": "y = 2", "c": "z = 3"}, auto_run=False)
    await notebook.do(delete("a"))
    await notebook.do(SyncGraphCommand({CellId("c"): "z = 3"}, [], [CellId("b")]))
    assert (await notebook.do(ExecuteStaleCellsCommand())).started == ["c"]


# lazy mode


async def test_lazily_a_run_takes_in_stale_ancestors_and_marks_descendants(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x", c="z = y", d="z")
    await notebook.do(LAZY)
    heard = await notebook.run(a="x = 2")
    assert heard.started == ["a"]
    assert [heard.cell(c).staleness for c in "bcd"] == [[True], [True], [True]]
    heard = await notebook.run(c="z = y")
    assert heard.started == ["b", "c"]
    assert heard.cell("b").staleness[0] is False
    assert heard.cell("d").staleness == [True]
    assert (await notebook.do(ExecuteStaleCellsCommand())).started == ["d"]


async def test_lazily_the_variables_of_cells_that_do_not_run_stay_when_an_ancestor_raises(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.do(LAZY)
    heard = await notebook.run(a="x = 1 / 0")
    assert heard.cell("b").statuses == []
    heard = await notebook.do(ExecuteScratchpadCommand("y"))
    assert heard.cell("__scratch__").output == "1"


async def test_lazily_the_children_of_a_deleted_cell_are_marked_and_not_run(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x", c="y")
    await notebook.do(LAZY)
    heard = await notebook.do(delete("a"))
    assert heard.started == []
    assert [heard.cell(c).staleness for c in "bc"] == [[True], [True]]


async def test_lazily_a_cell_born_under_a_stale_one_is_stale_too(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.do(LAZY)
    await notebook.run(a="x = 2")
    heard = await notebook.do(
        SyncGraphCommand({CellId("a"): "x = 2", CellId("b"): "y = x", CellId("c"): "y"}, [], [])
    )
    heard = await notebook.run(c="y")
    assert heard.started == ["b", "c"]


async def test_run_mode_is_autorun_whatever_the_settings_say() -> None:
    from callboard.actors.notebook.settings import Settings

    async with open_driver(settings=Settings(run_mode=True, on_cell_change="lazy")) as notebook:
        await notebook.run(a="x = 1", b="x")
        assert (await notebook.run(a="x = 2")).started == ["a", "b"]


async def test_run_mode_tells_no_values_of_variables() -> None:
    from callboard.actors.notebook.settings import Settings

    async with open_driver(settings=Settings(run_mode=True)) as notebook:
        heard = await notebook.run(a="x = 1\nx")
        assert heard.trace == [
            "variables",
            "a: queued",
            "remove-ui-elements a",
            "a: running, console cleared",
            "a: output 1",
            "a: idle",
            "completed-run",
            "settled execute-cells completed",
        ]


# disabled cells


async def test_a_disabled_cell_is_marked_and_ends_idle_and_what_is_below_it_disabled(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.do(configure(a=True))
    heard = await notebook.run(a="x = 2")
    assert heard.started == []
    assert heard.cell("a").statuses == ["idle"]
    assert heard.cell("a").staleness == [True]
    assert heard.cell("b").statuses[-1] == "disabled-transitively"
    assert heard.cell("b").staleness == [True]


async def test_enabling_a_cell_runs_what_became_stale_meanwhile(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x", c="y")
    await notebook.do(configure(a=True))
    await notebook.run(a="x = 2")
    heard = await notebook.do(configure(a=False))
    assert heard.started == ["a", "b", "c"]
    assert heard.cell("c").output == "2"
    assert heard.cell("b").statuses[0] == "idle"


async def test_enabling_a_cell_that_did_not_become_stale_runs_nothing(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.do(configure(a=True))
    heard = await notebook.do(configure(a=False))
    assert heard.trace == ["b: idle", "settled update-cell-config completed"]


async def test_enabling_several_cells_at_once_runs_what_is_stale_below_each(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="x + 1", c="y = 1", d="y + 1")
    await notebook.do(configure(a=True, c=True))
    await notebook.run(a="x = 2", c="y = 2")
    heard = await notebook.do(configure(a=False, c=False))
    assert sorted(heard.started) == ["a", "b", "c", "d"]
    assert (heard.cell("b").output, heard.cell("d").output) == ("3", "3")


async def test_lazily_enabling_a_cell_runs_nothing(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x")
    await notebook.do(configure(a=True))
    await notebook.run(a="x = 2")
    await notebook.do(LAZY)
    assert (await notebook.do(configure(a=False))).started == []


async def test_a_cell_stays_disabled_while_another_ancestor_is(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = 1", c="x + y")
    await notebook.do(configure(a=True, b=True))
    heard = await notebook.do(configure(a=False))
    assert heard.cell("c").statuses == []
    assert (await notebook.do(configure(b=False))).cell("c").statuses == ["idle"]


async def test_changing_any_key_of_a_disabled_cell_tells_of_what_is_below_it_again(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="x")
    await notebook.do(configure(a=True))
    heard = await notebook.do(UpdateCellConfigCommand({CellId("a"): {"hide_code": True}}))
    assert heard.trace == ["b: disabled-transitively", "settled update-cell-config completed"]


async def test_one_key_of_a_config_leaves_the_others_over_edits_and_syntax_errors(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1")
    await notebook.do(configure(a=True))
    await notebook.do(UpdateCellConfigCommand({CellId("a"): {"hide_code": True}}))
    await notebook.run(a="x = = 1")
    assert (await notebook.run(a="x = 3")).started == []


async def test_a_deleted_cell_takes_its_config_with_it(notebook: Driver) -> None:
    await notebook.run(a="x = 1")
    await notebook.do(configure(a=True))
    await notebook.do(delete("a"))
    assert (await notebook.run(a="x = 1")).started == ["a"]


async def test_a_cell_born_under_a_disabled_one_is_disabled_with_it(notebook: Driver) -> None:
    await notebook.do(configure(a=True))
    heard = await notebook.run(a="x = 1", b="x")
    assert heard.started == []
    assert heard.cell("b").statuses == ["disabled-transitively", "disabled-transitively"]


# imports


async def test_running_an_unchanged_import_block_again_runs_no_dependants(
    notebook: Driver,
) -> None:
    await notebook.run(a="import math\nimport random", b="math.pi", c="random.random()")
    assert (await notebook.run(a="import math\nimport random")).started == ["a"]


async def test_editing_an_import_block_runs_only_what_needs_the_new_names(
    notebook: Driver,
) -> None:
    await notebook.run(a="import math", b="math.floor(1.5)", c="string.digits")
    heard = await notebook.run(a="import math\nimport string")
    assert heard.started == ["a", "c"]
    assert heard.cell("c").output == "0123456789"


async def test_an_import_that_changes_what_a_name_means_runs_its_dependants(
    notebook: Driver,
) -> None:
    await notebook.run(a="import random", b="random")
    assert (await notebook.run(a="from random import random")).started == ["a", "b"]


async def test_a_failing_import_line_is_recovered_from(notebook: Driver) -> None:
    await notebook.run(a="import math\nimport no_such_module_here", b="math.floor(2.5)")
    heard = await notebook.run(a="import math")
    assert heard.started == ["a", "b"]
    assert heard.cell("b").output == "2"


async def test_moving_an_import_out_of_an_error_runs_its_dependants(notebook: Driver) -> None:
    await notebook.run(a="import math", b="math.floor(1.5)")
    await notebook.run(a="import math\nx = 1", dup="x = 2")
    heard = await notebook.run(a="import math")
    assert "b" in heard.started


# sync-graph


@pytest.mark.parametrize("explicit", [True, False])
async def test_a_sync_deletes_what_it_names_and_what_the_file_lacks(
    notebook: Driver, explicit: bool
) -> None:
    await notebook.run(a="x = 1", b="y = x\ny")
    cells = {CellId("b"): "y = x\ny"}
    heard = await notebook.do(SyncGraphCommand(cells, [], [CellId("a")] if explicit else []))
    assert heard.cell("b").error.exception_type == "NameError"
    assert variables(heard) == {"y": (["b"], [])}


async def test_a_sync_runs_with_the_codes_of_the_file(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="x")
    heard = await notebook.do(
        SyncGraphCommand({CellId("a"): "x = 7", CellId("b"): "x"}, [CellId("a")], [])
    )
    assert heard.started == ["a", "b"]
    assert heard.cell("b").output == "7"


# the scratchpad


async def test_in_the_scratchpad_new_names_vanish_and_changes_to_objects_stay(
    notebook: Driver,
) -> None:
    await notebook.run(a="items = [1]\nn = 1")
    await notebook.do(ExecuteScratchpadCommand("items.append(2)\nn = 2\nm = 3"))
    heard = await notebook.run(b="(items, n, 'm' in globals())")
    assert heard.cell("b").output == "([1, 2], 1, False)"


async def test_the_scratchpad_awaits(notebook: Driver) -> None:
    heard = await notebook.do(
        ExecuteScratchpadCommand("import asyncio\nawait asyncio.sleep(0, result=5)")
    )
    assert heard.cell("__scratch__").output == "5"


async def test_functions_defined_in_the_scratchpad_see_its_names(notebook: Driver) -> None:
    heard = await notebook.do(ExecuteScratchpadCommand("k = 2\ndef f():\n    return k\nf()"))
    assert heard.cell("__scratch__").output == "2"


async def test_stopping_the_scratchpad_shows_the_output_given(notebook: Driver) -> None:
    heard = await notebook.do(
        ExecuteScratchpadCommand("import callboard as cb\ncb.stop(True, 'enough')\n1/0")
    )
    assert heard.cell("__scratch__").output == "enough"
    assert heard.cell("__scratch__").console_items == []


# what else the order of things depends on


async def test_a_blank_cell_runs_as_nothing_and_never_counts_as_unchanged(
    notebook: Driver,
) -> None:
    first = await notebook.run(a="# nothing yet")
    second = await notebook.run(a="# nothing yet")
    assert (
        first.trace[-5:]
        == second.trace[-5:]
        == [
            "a: running, console cleared",
            "a: output empty",
            "a: idle",
            "completed-run",
            "settled execute-cells completed",
        ]
    )
    assert second.trace.count("remove-ui-elements a") == 2


async def test_adding_to_another_cells_variable_is_a_second_definition(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1", b="x += 1")
    assert heard.cell("b").error == MultipleDefinitionError("x", [CellId("a")])


async def test_two_cells_that_delete_the_same_name_form_a_circle(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1", b="del x", c="del x")
    assert [heard.cell(cell).error.type for cell in "bc"] == ["cycle", "cycle"]
    assert heard.started == ["a"]


async def test_a_cell_that_does_not_compile_can_be_deleted(notebook: Driver) -> None:
    await notebook.run(a="x =", b="y = 1")
    heard = await notebook.do(delete("a"))
    assert heard.trace == ["variables", "settled delete-cell completed"]


async def test_a_stale_setup_cell_joins_every_run(notebook: Driver) -> None:
    await notebook.create({"setup": "import math", "a": "1", "b": "2"}, auto_run=False)
    heard = await notebook.run(a="1")
    assert heard.started == ["a"]
    await notebook.do(LAZY)
    await notebook.do(configure(setup=True))
    await notebook.run(setup="import math as m")
    await notebook.do(configure(setup=False))
    heard = await notebook.run(a="1")
    assert sorted(heard.started) == ["a", "setup"]


async def test_the_error_of_a_disabled_cell_goes_when_what_caused_it_does(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1 / 0", b="y = x", c="y")
    await notebook.do(configure(b=True))
    heard = await notebook.run(a="x = 1")
    assert heard.started == ["a"]
    for cell, status in (("b", "idle"), ("c", "disabled-transitively")):
        assert heard.cell(cell).output == ""
        assert heard.cell(cell).statuses[-1] == status


async def test_cells_that_were_interrupted_run_when_what_they_import_is_run_again(
    notebook: Driver,
) -> None:
    await notebook.run(a="import math", b="math.floor(1.5)")
    envelope = notebook.post(execute({"c": "math\nprint('started')\nwhile True: pass"}))
    await notebook.until_printed("c", "started")
    notebook.kernel.interrupt()
    await envelope.wait()
    notebook.news()
    await notebook.run(c="math.ceil(1.5)")
    assert (await notebook.run(a="import math")).started == ["a"]


async def test_a_notebook_may_be_emptied_and_opened_again(notebook: Driver) -> None:
    await notebook.create({"a": "x = 1"})
    await notebook.do(delete("a"))
    heard = await notebook.create({"a": "x = 2\nx"})
    assert heard.cell("a").output == "2"


async def test_names_that_python_itself_brings_are_no_variables(notebook: Driver) -> None:
    heard = await notebook.run(a="print(len([1]))\n__name__")
    assert variables(heard) == {}
    assert heard.cell("a").output == "__main__"
