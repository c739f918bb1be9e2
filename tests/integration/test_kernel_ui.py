"""What a new value of a UI element leads to."""

from __future__ import annotations

import pytest

from callboard.messages.commands import (
    DeleteCellCommand,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    UpdateUserConfigCommand,
)
from callboard.messages.ids import CellId, ModelId
from callboard.messages.payloads import HTTPRequest, RequestURL
from callboard.testing.driver import Driver, create, execute, open_driver, tick

CB = {"cb": "import callboard as cb"}
LAZY = UpdateUserConfigCommand({"runtime": {"on_cell_change": "lazy"}})


# ids and reading


async def test_ids_count_from_zero_on_every_run_of_a_cell(notebook: Driver) -> None:
    code = "s = cb.ui.slider(0, 9)\nt = cb.ui.slider(0, 9)"
    await notebook.run(CB, a=code, b="(s.element_id, t.element_id)")
    heard = await notebook.run(a=code)
    assert heard.cell("b").output == "('a-0', 'a-1')"


async def test_elements_cloned_into_a_container_get_numbers_of_their_own(
    notebook: Driver,
) -> None:
    heard = await notebook.run(
        CB,
        a="s = cb.ui.slider(0, 9)\nboth = cb.ui.array([s, s])",
        b="[s.element_id, both.element_id, *(e.element_id for e in both)]",
    )
    ids = str(heard.cell("b").output)
    assert ids.count("a-") == 4
    assert len(set(ids.strip("[]").split(", "))) == 4


async def test_the_cell_that_makes_an_element_cannot_read_its_value(notebook: Driver) -> None:
    heard = await notebook.run(CB, a="s = cb.ui.slider(0, 9)\ns.value")
    assert heard.cell("a").error.exception_type == "ValueNotYetReadable"
    heard = await notebook.run(a="s = cb.ui.slider(0, 9)", b="s.value = 3")
    assert heard.cell("b").error.exception_type == "AttributeError"


async def test_a_callback_may_read_values_of_its_own_cell(notebook: Driver) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        a="s = cb.ui.slider(0, 9)\nt = cb.ui.slider(0, 9, on_change=lambda v: seen.append(s.value))",
    )
    await notebook.tick({"a-0": 4})
    await notebook.tick({"a-1": 1})
    assert (await notebook.run(z="seen")).cell("z").output == "[4]"


# what is updated


async def test_all_elements_of_a_command_change_before_its_one_run(notebook: Driver) -> None:
    await notebook.run(
        CB, a="s = cb.ui.slider(0, 9)\nt = cb.ui.slider(0, 9)", b="(s.value, t.value)", c="t.value"
    )
    heard = await notebook.tick({"a-0": 1, "nowhere-7": 5, "a-1": 2})
    assert heard.started == ["b", "c"]
    assert heard.cell("b").output == "(1, 2)"
    assert heard.finished == 1


async def test_an_update_for_an_element_that_does_not_exist_is_not_kept_for_later(
    notebook: Driver,
) -> None:
    await notebook.run(CB)
    await notebook.tick({"a-0": 7})
    heard = await notebook.run(a="s = cb.ui.slider(0, 9)", b="s.value")
    assert heard.cell("b").output == "0"


async def test_an_element_without_a_public_name_changes_and_runs_nothing(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB, seen="seen = []", a="_s = cb.ui.slider(0, 9, on_change=seen.append)\n_s", b="len(seen)"
    )
    heard = await notebook.tick({"a-0": 3})
    assert heard.trace == ["completed-run", "settled update-ui-element completed"]
    assert (await notebook.run(z="seen")).cell("z").output == "[3]"


async def test_an_element_that_nothing_holds_any_more_is_gone(notebook: Driver) -> None:
    await notebook.run(CB, seen="seen = []", a="cb.ui.slider(0, 9, on_change=seen.append);")
    heard = await notebook.tick({"a-0": 3})
    assert heard.trace == ["completed-run", "settled update-ui-element completed"]
    assert (await notebook.run(z="seen")).cell("z").output == "[]"


async def test_every_name_of_an_element_counts_and_the_cells_that_define_one_do_not_run(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        a="s = cb.ui.slider(0, 9)",
        alias="t = s",
        space="import types\nns = types.SimpleNamespace(knob=s)",
        by_s="s.value",
        by_t="t.value",
        by_ns="ns.knob.value",
    )
    heard = await notebook.tick({"a-0": 5})
    # A cell that gives the element another name refers to the first one, and so runs for that.
    assert heard.started == ["alias", "space", "by_s", "by_t", "by_ns"]
    assert [heard.cell(c).output for c in ("by_s", "by_t", "by_ns")] == ["5", "5", "5"]
    assert "variable-values ns=5 s=5 t=5" in heard.trace


async def test_the_value_told_is_the_raw_one(notebook: Driver) -> None:
    await notebook.run(CB, a="d = cb.ui.dropdown({'one': 1, 'two': 2})", b="d.value")
    heard = await notebook.tick({"a-0": ["two"]})
    assert heard.values["d"] == "['two']"
    assert heard.cell("b").output == "2"


async def test_a_renamed_element_is_followed(notebook: Driver) -> None:
    await notebook.run(CB, a="s = cb.ui.slider(0, 9)", b="s.value")
    await notebook.run(a="t = cb.ui.slider(0, 9)", c="t.value")
    heard = await notebook.tick({"a-0": 5})
    assert heard.started == ["c"]
    assert "variable-values t=5" in heard.trace


async def test_a_deleted_cell_takes_its_elements_along(notebook: Driver) -> None:
    await notebook.run(CB, a="s = cb.ui.slider(0, 9)", b="s.value")
    await notebook.do(DeleteCellCommand(CellId("a")))
    heard = await notebook.tick({"a-0": 5})
    assert heard.started == []


# callbacks and conversion


async def test_a_callback_gets_the_converted_value_once_before_anything_runs(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        a="d = cb.ui.dropdown({'one': 1, 'two': 2}, on_change=seen.append)",
        b="(d.value, list(seen))",
    )
    assert (await notebook.tick({"a-0": ["two"]})).cell("b").output == "(2, [2])"


async def test_the_console_of_a_callback_is_that_of_the_cell_that_made_the_element(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        f="def shout(v):\n    print('now', v)",
        a="s = cb.ui.slider(0, 9, on_change=shout)",
        b="s.value",
    )
    heard = await notebook.tick({"a-0": 3})
    assert heard.cell("a").stdout == "now 3\n"
    assert heard.cell("f").ops == ()
    assert heard.trace[:2] == ["a: stdout 'now 3\\n'", "variable-values s=3"]


async def test_a_callback_that_is_async_is_awaited_before_anything_runs(notebook: Driver) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        f="import asyncio\nasync def slow(v):\n    await asyncio.sleep(0.001)\n    seen.append(v)",
        a="s = cb.ui.slider(0, 9, on_change=slow)",
        b="(s.value, list(seen))",
    )
    assert (await notebook.tick({"a-0": 3})).cell("b").output == "(3, [3])"


@pytest.mark.parametrize(
    "raises", ["1 / 0", "raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit"]
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_callback_that_raises_is_told_of_and_the_rest_goes_on(
    notebook: Driver, kind: str, raises: str
) -> None:
    await notebook.run(
        CB,
        f=f"{kind} bad(v):\n    {raises}",
        a="s = cb.ui.slider(0, 9, on_change=bad)\nt = cb.ui.slider(0, 9)",
        b="(s.value, t.value)",
    )
    heard = await notebook.tick({"a-0": 3, "a-1": 4})
    assert "on_change" in heard.cell("a").stderr
    assert "Traceback" in heard.cell("a").stderr
    assert "callboard/actors" not in heard.cell("a").stderr
    assert heard.cell("b").output == "(3, 4)"
    assert heard.settled == ["update-ui-element completed"]


async def test_stopping_in_a_callback_ends_it_quietly(notebook: Driver) -> None:
    await notebook.run(
        CB,
        f="def stops(v):\n    cb.stop(True)\n    1 / 0",
        a="s = cb.ui.slider(0, 9, on_change=stops)",
        b="s.value",
    )
    heard = await notebook.tick({"a-0": 3})
    assert heard.cell("a").ops == ()
    assert heard.cell("b").output == "3"


async def test_a_conversion_that_raises_is_told_of_and_dependants_run_with_the_old_value(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        a="b = cb.ui.button(on_click=lambda v: 1 / v, value=0)\ns = cb.ui.slider(0, 9)",
        c="(b.value, s.value)",
    )
    heard = await notebook.tick({"a-0": 1, "a-1": 2})
    assert "ZeroDivisionError" in heard.cell("a").stderr
    assert heard.cell("c").output == "(0, 2)"
    assert heard.values["b"] == "1"


async def test_a_value_of_a_shape_the_element_never_sends_runs_nothing(notebook: Driver) -> None:
    await notebook.run(CB, a="s = cb.ui.slider(0, 9, value=2)", b="s.value")
    heard = await notebook.tick({"a-0": {"not": "a number"}})
    assert heard.started == []
    assert "a" in {op.cell_id for op in heard.cell("a").ops}
    assert heard.finished == 1
    assert (await notebook.run(b="s.value")).cell("b").output == "2"


async def test_elements_made_in_a_callback_do_not_take_the_ids_of_the_cells_own(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        made="made = []",
        a="s = cb.ui.slider(0, 9, on_change=lambda v: made.append(cb.ui.slider(0, 9)))",
        b="s.value",
    )
    await notebook.tick({"a-0": 1})
    heard = await notebook.tick({"a-0": 2})
    assert heard.cell("b").output == "2"


async def test_code_reads_the_request_of_the_command_that_makes_it_run(notebook: Driver) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        a="s = cb.ui.slider(0, 9, on_change=lambda v: seen.append(cb.request().url.path))",
        b="(s.value, cb.request().url.path if cb.request() else None)",
    )
    request = HTTPRequest(RequestURL("/from/here"))
    heard = await notebook.do(tick({"a-0": 1}, request=request))
    assert heard.cell("b").output == "(1, '/from/here')"
    assert (await notebook.run(z="(seen, cb.request())")).cell(
        "z"
    ).output == "(['/from/here'], None)"
    heard = await notebook.do(execute({"y": "cb.request().url.path"}, request=request))
    assert heard.cell("y").output == "/from/here"
    assert (await notebook.tick({"a-0": 2})).cell("b").output == "(2, None)"


# containers


async def test_a_part_of_a_container_moves_the_whole(notebook: Driver) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        a="""
parts = cb.ui.array(
    [cb.ui.slider(0, 9, on_change=lambda v: seen.append(('part', v))) for _ in range(2)],
    on_change=lambda v: seen.append(('whole', list(v))),
)
""",
        b="parts.value",
        c="parts[1].value",
        ids="[part.element_id for part in parts]",
    )
    heard = await notebook.run(ids="[part.element_id for part in parts]")
    second = str(heard.cell("ids").output).strip("[]").split(", ")[1].strip("'")
    heard = await notebook.tick({second: 6})
    assert heard.cell("b").output == "[0, 6]"
    assert heard.cell("c").output == "6"
    assert heard.values["parts"] == "{'0': 0, '1': 6}"
    heard = await notebook.run(z="seen")
    assert heard.cell("z").output == "[('part', 6), ('whole', [0, 6])]"


async def test_two_parts_of_one_container_in_one_command_both_count(notebook: Driver) -> None:
    await notebook.run(
        CB,
        a="""
form = cb.ui.dictionary(
    {"x": cb.ui.slider(0, 9), "inner": cb.ui.array([cb.ui.slider(0, 9), cb.ui.slider(0, 9)])}
)
""",
        b="form.value",
        ids="[form['x'].element_id, *(e.element_id for e in form['inner'])]",
    )
    heard = await notebook.run(ids="[form['x'].element_id, *(e.element_id for e in form['inner'])]")
    x, first, second = (part.strip("'") for part in str(heard.cell("ids").output)[1:-1].split(", "))
    heard = await notebook.tick({first: 1, x: 2, second: 3})
    assert heard.cell("b").output == "{'x': 2, 'inner': [1, 3]}"
    assert heard.started.count("b") == 1


async def test_the_parts_of_a_container_that_do_not_differ_are_not_called(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        seen="seen = []",
        a="both = cb.ui.array([cb.ui.slider(0, 9, on_change=seen.append) for _ in range(2)])",
    )
    both = str((await notebook.run(i="both.element_id")).cell("i").output)
    await notebook.tick({both: {"0": 0, "1": 4}})
    assert (await notebook.run(z="(seen, both.value)")).cell("z").output == "([4], [0, 4])"


# buttons


async def test_a_run_button_is_true_for_its_dependants_and_false_after(notebook: Driver) -> None:
    await notebook.run(CB, a="go = cb.ui.run_button()", b="go.value")
    heard = await notebook.tick({"a-0": 1})
    assert heard.cell("b").output == "True"
    assert heard.trace[-2:] == ["completed-run", "settled update-ui-element completed"]
    assert (await notebook.run(b="go.value")).cell("b").output == "False"


async def test_a_run_button_falls_back_after_an_interrupt_too(notebook: Driver) -> None:
    await notebook.run(CB, a="go = cb.ui.run_button()")
    await notebook.run(b="if go.value:\n    print('started')\n    while True: pass")
    envelope = notebook.post(tick({"a-0": 1}))
    await notebook.until_printed("b", "started")
    notebook.kernel.interrupt()
    await envelope.wait()
    assert (await notebook.run(c="go.value")).cell("c").output == "False"


async def test_a_button_counts_presses_by_its_own_function(notebook: Driver) -> None:
    await notebook.run(CB, a="b = cb.ui.button(on_click=lambda v: v + 1, value=0)", c="b.value")
    await notebook.tick({"a-0": 1})
    assert (await notebook.tick({"a-0": 2})).cell("c").output == "2"


# lazy mode


async def test_lazily_an_update_sets_the_value_and_calls_back_but_runs_nothing(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB, seen="seen = []", a="s = cb.ui.slider(0, 9, on_change=seen.append)", b="s.value"
    )
    await notebook.do(LAZY)
    heard = await notebook.tick({"a-0": 3})
    assert heard.started == []
    assert heard.cell("b").staleness == [True]
    heard = await notebook.run(z="list(seen)")
    assert heard.cell("z").output == "[3]"


# presets


async def test_preset_values_are_there_before_anything_reads_them() -> None:
    async with open_driver(preset={"s": 7, "nothing": 1}) as notebook:
        heard = await notebook.do(create({**CB, "a": "s = cb.ui.slider(0, 9)", "b": "s.value"}))
        assert heard.cell("b").output == "7"
        assert (await notebook.run(a="s = cb.ui.slider(0, 9, value=1)")).cell("b").output == "7"


async def test_a_preset_value_that_does_not_fit_is_told_of() -> None:
    async with open_driver(preset={"s": "high"}) as notebook:
        heard = await notebook.do(create({**CB, "a": "s = cb.ui.slider(0, 9)", "b": "s.value"}))
        assert heard.cell("b").output == "0"
        assert "s" in heard.cell("a").stderr
        assert heard.cell("a").statuses[-1] == "idle"


# widget models


async def test_updates_and_messages_for_a_model_nobody_knows_are_ignored(
    notebook: Driver,
) -> None:
    model = ModelId("m")
    for message in (
        ModelUpdateMessage({"value": 1}, []),
        ModelUpdateMessage({}, []),
        ModelCustomMessage({}),
    ):
        heard = await notebook.do(ModelCommand(model, message, []))
        assert heard.trace == ["settled model completed"]
