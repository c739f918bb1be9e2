"""What each command of the notebook makes a client hear, in order."""

from __future__ import annotations

import pytest

from callboard.messages.commands import (
    ClearCacheCommand,
    CodeCompletionCommand,
    Command,
    DebugCellCommand,
    DeleteCellCommand,
    DiscoverDataSourcesCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    GetCacheInfoCommand,
    ListDataSourceConnectionCommand,
    ListSecretKeysCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewDatasetColumnCommand,
    PreviewSQLTableCommand,
    RefreshSecretsCommand,
    RenameNotebookCommand,
    SetBreakpointsCommand,
    StopKernelCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
    ValidateSQLCommand,
    command_tag,
)
from callboard.messages.ids import CellId, RequestId, RunId, VariableName
from callboard.messages.notifications import (
    CommandSettledNotification,
    NotebookDocumentTransactionNotification,
    VariablesNotification,
)
from callboard.messages.payloads import ReorderCellsChange
from callboard.messages.replies import error_reply
from callboard.testing.driver import Driver, open_driver

SLIDER = "import callboard as cb\ns = cb.ui.slider(0, 100, value=5)"


def lazily() -> UpdateUserConfigCommand:
    return UpdateUserConfigCommand({"runtime": {"on_cell_change": "lazy"}})


# create-notebook


async def test_an_instantiation_that_runs_shows_every_cell_in_order(notebook: Driver) -> None:
    heard = await notebook.create({"a": "x = 1", "b": "y = x + 1\ny"})
    assert heard.trace == [
        "notebook-document-transaction",
        "variables",
        "a: queued",
        "b: queued",
        "remove-ui-elements a",
        "remove-ui-elements b",
        "a: running, console cleared",
        "variable-values x=1",
        "a: output empty",
        "a: idle",
        "b: running, console cleared",
        "variable-values y=2",
        "b: output 2",
        "b: idle",
        "completed-run",
        "settled create-notebook completed",
    ]
    [transaction] = heard.of(NotebookDocumentTransactionNotification)
    assert transaction.transaction.source == "kernel"
    assert transaction.transaction.changes == [ReorderCellsChange([CellId("a"), CellId("b")])]


async def test_an_instantiation_without_running_announces_cells_that_are_not_blank_as_stale(
    notebook: Driver,
) -> None:
    heard = await notebook.create({"a": "x = 1", "blank": "  \n", "b": "x"}, auto_run=False)
    assert heard.trace == [
        "notebook-document-transaction",
        "a: stale",
        "b: stale",
        "completed-run",
        "settled create-notebook completed",
    ]


async def test_a_second_instantiation_changes_nothing_and_finishes(notebook: Driver) -> None:
    await notebook.create({"a": "x = 1"})
    heard = await notebook.create({"a": "x = 2"})
    assert heard.trace == [
        "notebook-document-transaction",
        "completed-run",
        "settled create-notebook completed",
    ]
    assert (await notebook.run(b="x")).cell("b").output == "1"


@pytest.mark.parametrize("auto_run", [True, False])
async def test_markdown_cells_are_shown_without_being_run(notebook: Driver, auto_run: bool) -> None:
    heard = await notebook.create(
        {"text": 'cb.md("# Hello")', "imports": "import callboard as cb"}, auto_run=auto_run
    )
    assert heard.trace[:3] == [
        "notebook-document-transaction",
        "text: idle, output text/markdown",
        "text: fresh",
    ]
    assert "text" not in heard.started
    assert heard.cell("text").output == "# Hello"
    declared = [
        cell for one in heard.of(VariablesNotification) for v in one.variables for cell in v.used_by
    ]
    assert "text" not in declared


async def test_markdown_cells_run_like_others_where_nothing_brings_the_module(
    notebook: Driver,
) -> None:
    heard = await notebook.create({"text": 'cb.md("# Hello")'})
    assert heard.started == ["text"]
    assert heard.cell("text").error.exception_type == "NameError"


# execute-cells


async def test_executing_a_cell_registers_it_and_runs_it(notebook: Driver) -> None:
    heard = await notebook.run(a="x = 1\nx")
    assert heard.trace == [
        "variables",
        "a: queued",
        "remove-ui-elements a",
        "a: running, console cleared",
        "variable-values x=1",
        "a: output 1",
        "a: idle",
        "completed-run",
        "settled execute-cells completed",
    ]


async def test_executing_no_cells_still_tells_the_variables_and_finishes(notebook: Driver) -> None:
    heard = await notebook.run({})
    assert heard.trace == ["variables", "completed-run", "settled execute-cells completed"]


async def test_changing_a_cell_takes_its_state_back_before_anything_is_announced(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x")
    heard = await notebook.run(a="x = 2")
    assert heard.trace == [
        "remove-ui-elements a",
        "variables",
        "a: queued",
        "b: queued",
        "remove-ui-elements a",
        "remove-ui-elements b",
        "a: running, console cleared",
        "variable-values x=2",
        "a: output empty",
        "a: idle",
        "b: running, console cleared",
        "variable-values y=2",
        "b: output empty",
        "b: idle",
        "completed-run",
        "settled execute-cells completed",
    ]


async def test_a_cell_that_does_not_compile_is_shown_in_error(notebook: Driver) -> None:
    await notebook.run(a="x = 1")
    heard = await notebook.run(a="x =")
    assert heard.trace == [
        "remove-ui-elements a",
        "a: fresh",
        "a: fresh",
        "a: error syntax, console cleared",
        "variables",
        "completed-run",
        "settled execute-cells completed",
    ]


async def test_the_run_is_stamped_on_what_it_tells_of_cells_but_not_on_idle(
    notebook: Driver,
) -> None:
    heard = await notebook.run(a="x = 1", b="x")
    ops = [*heard.cell("a").ops, *heard.cell("b").ops]
    stamps = {op.run_id for op in ops if op.status != "idle"}
    assert len(stamps) == 1
    assert None not in stamps
    assert {op.run_id for op in ops if op.status == "idle"} == {None}
    again = await notebook.run(b="x")
    assert {op.run_id for op in again.cell("b").ops if op.status != "idle"}.isdisjoint(stamps)


# execute-scratchpad


async def test_the_scratchpad_tells_of_its_own_cell_alone(notebook: Driver) -> None:
    await notebook.run(a="x = [1]")
    heard = await notebook.do(ExecuteScratchpadCommand("y = x + [2]\ny", run_id=RunId("mine")))
    assert heard.trace == [
        "__scratch__: queued",
        "__scratch__: running, console cleared",
        "__scratch__: output [1, 2]",
        "__scratch__: idle",
        "completed-run mine",
        "settled execute-scratchpad completed",
    ]
    assert {op.run_id for op in heard.cell("__scratch__").ops} == {None}


async def test_a_scratchpad_that_does_not_compile_says_so_and_finishes(notebook: Driver) -> None:
    heard = await notebook.do(ExecuteScratchpadCommand("y =", run_id=RunId("mine")))
    assert [line.split(" '")[0] for line in heard.trace] == [
        "__scratch__: stderr",
        "__scratch__: error syntax",
        "__scratch__: idle",
        "completed-run mine",
        "settled execute-scratchpad completed",
    ]


async def test_a_scratchpad_that_raises_shows_error_and_traceback_and_finishes(
    notebook: Driver,
) -> None:
    heard = await notebook.do(ExecuteScratchpadCommand("1 / 0", run_id=RunId("mine")))
    assert heard.trace == [
        "__scratch__: queued",
        "__scratch__: running, console cleared",
        "__scratch__: error exception",
        "__scratch__: traceback",
        "__scratch__: idle",
        "completed-run mine",
        "settled execute-scratchpad completed",
    ]


# execute-stale-cells


async def test_running_what_is_stale_when_nothing_is_only_finishes(notebook: Driver) -> None:
    await notebook.run(a="x = 1")
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.trace == ["completed-run", "settled execute-stale-cells completed"]


async def test_running_what_is_stale_registers_and_runs_a_notebook_that_was_only_opened(
    notebook: Driver,
) -> None:
    await notebook.create({"a": "x = 1", "b": "x"}, auto_run=False)
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.trace == [
        "variables",
        "a: queued",
        "a: fresh",
        "b: queued",
        "b: fresh",
        "remove-ui-elements a",
        "remove-ui-elements b",
        "a: running, console cleared",
        "variable-values x=1",
        "a: output empty",
        "a: idle",
        "b: running, console cleared",
        "b: output 1",
        "b: idle",
        "completed-run",
        "settled execute-stale-cells completed",
    ]


async def test_running_what_is_stale_shows_the_cell_that_does_not_compile_and_runs_the_rest(
    notebook: Driver,
) -> None:
    await notebook.create({"bad": "x =", "good": "y = 1\ny"}, auto_run=False)
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.cell("bad").error.type == "syntax"
    assert heard.started == ["good"]
    assert heard.cell("good").output == "1"
    assert heard.finished == 1


# delete-cell


async def test_deleting_a_cell_takes_it_back_and_runs_what_depended_on_it(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="y = x")
    heard = await notebook.do(DeleteCellCommand(CellId("a")))
    assert heard.trace == [
        "remove-ui-elements a",
        "variables",
        "b: queued",
        "remove-ui-elements b",
        "b: running, console cleared",
        "variable-values y=None",
        "b: error exception",
        "b: traceback",
        "b: idle",
        "settled delete-cell completed",
    ]
    assert heard.cell("b").error.exception_type == "NameError"


async def test_deleting_an_unknown_cell_tells_nothing(notebook: Driver) -> None:
    await notebook.run(a="x = 1")
    heard = await notebook.do(DeleteCellCommand(CellId("z")))
    assert heard.trace == ["settled delete-cell completed"]


# sync-graph


async def test_matching_the_file_deletes_then_registers_then_runs_once(notebook: Driver) -> None:
    await notebook.run(gone="x = 1", left="y = x", old="z = 1")
    heard = await notebook.do(
        SyncGraphCommand(
            cells={CellId("left"): "y = x", CellId("old"): "z = 2"},
            run_ids=[CellId("old")],
            delete_ids=[],
        )
    )
    assert heard.trace == [
        "remove-ui-elements gone",
        "variables",
        "remove-ui-elements old",
        "variables",
        "left: queued",
        "old: queued",
        "remove-ui-elements left",
        "remove-ui-elements old",
        "left: running, console cleared",
        "variable-values y=None",
        "left: error exception",
        "left: traceback",
        "left: idle",
        "old: running, console cleared",
        "variable-values z=2",
        "old: output empty",
        "old: idle",
        "completed-run",
        "settled sync-graph completed",
    ]


async def test_a_sync_with_a_cell_to_run_that_the_file_lacks_fails_and_finishes(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1")
    heard = await notebook.do(
        SyncGraphCommand(cells={}, run_ids=[CellId("nowhere")], delete_ids=[CellId("a")])
    )
    assert heard.trace == ["completed-run", "settled sync-graph failed"]
    assert "nowhere" in str(heard.of(CommandSettledNotification)[0].reason)
    assert (await notebook.run(b="x")).cell("b").output == "1"


# rename-notebook


async def test_a_new_filename_runs_the_cells_that_read_it(notebook: Driver) -> None:
    await notebook.run(a="f = __file__", b="f", other="x = 1")
    heard = await notebook.do(RenameNotebookCommand("/books/new.py"))
    assert heard.trace == [
        "a: queued",
        "b: queued",
        "remove-ui-elements a",
        "remove-ui-elements b",
        "a: running, console cleared",
        "variable-values f=/books/new.py",
        "a: output empty",
        "a: idle",
        "b: running, console cleared",
        "b: output /books/new.py",
        "b: idle",
        "settled rename-notebook completed",
    ]


async def test_in_lazy_mode_a_new_filename_marks_its_readers_and_what_is_below_them(
    notebook: Driver,
) -> None:
    await notebook.run(a="f = __file__", b="f", other="x = 1")
    await notebook.do(lazily())
    heard = await notebook.do(RenameNotebookCommand("/books/new.py"))
    assert heard.trace == ["a: stale", "b: stale", "settled rename-notebook completed"]
    assert (await notebook.run(z="__file__")).cell("z").output == "/books/new.py"


# update-cell-config, update-user-config


async def test_disabling_a_cell_tells_of_what_is_below_it_alone(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="y = x", c="y")
    heard = await notebook.do(UpdateCellConfigCommand({CellId("a"): {"disabled": True}}))
    assert heard.trace == [
        "b: disabled-transitively",
        "c: disabled-transitively",
        "settled update-cell-config completed",
    ]


async def test_the_config_of_an_unknown_cell_is_kept_silently(notebook: Driver) -> None:
    heard = await notebook.do(UpdateCellConfigCommand({CellId("a"): {"disabled": True}}))
    assert heard.trace == ["settled update-cell-config completed"]
    heard = await notebook.run(a="x = 1")
    assert heard.started == []
    assert heard.cell("a").statuses == ["idle"]
    assert heard.cell("a").staleness == [True]


async def test_new_settings_tell_nothing_and_take_effect_at_once(notebook: Driver) -> None:
    await notebook.run(a="x = 1", b="x")
    heard = await notebook.do(lazily())
    assert heard.trace == ["settled update-user-config completed"]
    assert (await notebook.run(a="x = 2")).started == ["a"]


async def test_settings_that_make_no_sense_fail_naming_the_field_and_change_nothing(
    notebook: Driver,
) -> None:
    await notebook.run(a="x = 1", b="x")
    heard = await notebook.do(UpdateUserConfigCommand({"runtime": {"on_cell_change": "sometimes"}}))
    assert heard.trace == ["settled update-user-config failed"]
    assert "on_cell_change" in str(heard.of(CommandSettledNotification)[0].reason)
    assert (await notebook.run(a="x = 2")).started == ["a", "b"]


# update-ui-element


async def test_an_element_that_moves_tells_its_value_and_runs_its_dependants_once(
    notebook: Driver,
) -> None:
    await notebook.run(a=SLIDER, b="y = s.value", c="y")
    heard = await notebook.tick({"a-0": 7})
    assert heard.trace == [
        "variable-values s=7",
        "b: queued",
        "c: queued",
        "remove-ui-elements b",
        "remove-ui-elements c",
        "b: running, console cleared",
        "variable-values y=7",
        "b: output empty",
        "b: idle",
        "c: running, console cleared",
        "c: output 7",
        "c: idle",
        "completed-run",
        "settled update-ui-element completed",
    ]


@pytest.mark.parametrize("values", [{}, {"nowhere-0": 1}], ids=["empty", "unknown"])
async def test_an_update_of_nothing_finishes(notebook: Driver, values: dict[str, object]) -> None:
    await notebook.run(a=SLIDER, b="s.value")
    heard = await notebook.tick(values)
    assert heard.trace == ["completed-run", "settled update-ui-element completed"]


async def test_in_lazy_mode_an_element_that_moves_marks_what_depends_on_it(
    notebook: Driver,
) -> None:
    await notebook.run(a=SLIDER, b="y = s.value", c="y")
    await notebook.do(lazily())
    heard = await notebook.tick({"a-0": 7})
    assert heard.trace == [
        "variable-values s=7",
        "b: stale",
        "c: stale",
        "completed-run",
        "settled update-ui-element completed",
    ]


# stop-kernel and domains that are not there


async def test_stopping_ends_intake_at_once(notebook: Driver) -> None:
    stop = notebook.post(StopKernelCommand())
    late = notebook.post(RenameNotebookCommand("x"))
    assert late.settled
    await stop.wait()
    await notebook.kernel.wait_stop_requested()
    assert notebook.news().trace == [
        "settled rename-notebook rejected",
        "settled stop-kernel completed",
    ]


async def test_what_is_posted_after_the_stop_is_answered_and_finished_all_the_same(
    notebook: Driver,
) -> None:
    await notebook.do(StopKernelCommand())
    heard = await notebook.do(ExecuteStaleCellsCommand())
    assert heard.trace == ["completed-run", "settled execute-stale-cells rejected"]
    heard = await notebook.do(ListSecretKeysCommand(RequestId("r")))
    assert heard.trace == ["secret-keys-result", "settled list-secret-keys rejected"]


R, V = RequestId("r"), VariableName("engine")
ABSENT: tuple[Command, ...] = (
    CodeCompletionCommand(R, "x.", CellId("a")),
    DebugCellCommand(CellId("a")),
    SetBreakpointsCommand({}),
    PreviewDatasetColumnCommand("local", "memory", "t", "c"),
    PreviewSQLTableCommand(R, V, "db", "s", "t"),
    ListSQLTablesCommand(R, V, "db", "s"),
    ListSQLSchemasCommand(R, V, "db"),
    ListDataSourceConnectionCommand(V),
    DiscoverDataSourcesCommand(R),
    ValidateSQLCommand(R, "select 1", only_parse=True),
    StorageListEntriesCommand(R, V, 10),
    StorageDownloadCommand(R, V, "p"),
    ListSecretKeysCommand(R),
    RefreshSecretsCommand(),
    ClearCacheCommand(),
    GetCacheInfoCommand(),
)


@pytest.mark.parametrize("command", ABSENT, ids=command_tag)
async def test_a_command_of_a_domain_that_is_not_there_gets_its_error_reply_at_once(
    command: Command,
) -> None:
    async with open_driver() as notebook:
        if type(command) in {c for d in notebook.kernel._parts.domains for c in d.commands}:
            pytest.skip("the kernel has this domain")
        envelope = notebook.post(command)
        assert envelope.settled
        heard = notebook.news()
        [end] = heard.of(CommandSettledNotification)
        assert (end.type, end.outcome) == (command_tag(command), "rejected")
        assert end.domain in str(end.reason)
        reply = error_reply(command, str(end.reason))
        assert [one.op for one in heard] == [
            *([reply.op] if reply is not None else []),
            "command-settled",
        ]
