"""Each command has the one form of reply, end and identity that clients wait for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from callboard.messages.codec import decode_notification, encode_notification
from callboard.messages.commands import (
    COMMAND_TYPES,
    COMMANDS,
    Command,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    InvokeFunctionCommand,
    ListDataSourceConnectionCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewDatasetColumnCommand,
    StorageListEntriesCommand,
    UpdateUIElementCommand,
    ValidateSQLCommand,
    command_tag,
)
from callboard.messages.ids import FunctionCallId, RequestId, RunId, VariableName
from callboard.messages.notifications import (
    CompletedRunNotification,
    DataColumnPreviewNotification,
    DataSourceConnectionsNotification,
    FunctionCallResultNotification,
    SQLSchemaListPreviewNotification,
    SQLTableListPreviewNotification,
    StorageEntriesNotification,
    ValidateSQLResultNotification,
)
from callboard.messages.payloads import HumanReadableStatus, SQLMetadata, SQLSchemaListMetadata
from callboard.messages.replies import (
    IDENTIFYING,
    command_id,
    completed_run,
    error_reply,
    finishes,
)
from callboard.testing.strategies import commands

REPLIES = {
    "code-completion": "completion-result",
    "invoke-function": "function-call-result",
    "preview-dataset-column": "data-column-preview",
    "preview-sql-table": "sql-table-preview",
    "list-sql-tables": "sql-table-list-preview",
    "list-sql-schemas": "sql-schema-list-preview",
    "list-data-source-connection": "data-source-connections",
    "validate-sql": "validate-sql-result",
    "storage-list-entries": "storage-entries",
    "storage-download": "storage-download-ready",
    "list-secret-keys": "secret-keys-result",
    "clear-cache": "cache-cleared",
    "get-cache-info": "cache-info",
    "discover-data-sources": "data-source-discovery-result",
}

FINISHED = {
    "create-notebook",
    "execute-cells",
    "execute-scratchpad",
    "execute-stale-cells",
    "sync-graph",
    "install-packages",
    "update-ui-element",
}


@pytest.mark.parametrize("cls", COMMANDS)
def test_every_request_has_an_error_reply_that_carries_its_id(cls: type[Command]) -> None:
    expected = REPLIES.get(command_tag(cls))

    @settings(max_examples=25, deadline=None)
    @given(commands(cls))
    def replies(command: Command) -> None:
        reply = error_reply(command, "out of order")
        assert (reply and reply.op) == expected
        if reply is None:
            return
        assert decode_notification(encode_notification(reply)) == reply
        for key in ("request_id", "function_call_id"):
            assert getattr(reply, key, None) == getattr(command, key, None)
        assert getattr(reply, "error", "out of order") == "out of order"

    replies()


def test_error_replies_say_what_they_answer() -> None:
    request, engine = RequestId("r"), VariableName("db")
    cases: list[tuple[Command, object]] = [
        (
            InvokeFunctionCommand(FunctionCallId("f"), "a-0", "fetch", {}),
            FunctionCallResultNotification(
                FunctionCallId("f"), None, HumanReadableStatus("error", "Exception", "no")
            ),
        ),
        (
            PreviewDatasetColumnCommand("local", "memory", "t", "c"),
            DataColumnPreviewNotification("t", "c", error="no"),
        ),
        (
            ListSQLTablesCommand(request, engine, "d", "s", ["p"]),
            SQLTableListPreviewNotification(
                request, SQLMetadata("db", "d", "s", ["p"]), error="no"
            ),
        ),
        (
            ListSQLSchemasCommand(request, engine, "d"),
            SQLSchemaListPreviewNotification(request, SQLSchemaListMetadata("db", "d"), error="no"),
        ),
        (ListDataSourceConnectionCommand(engine), DataSourceConnectionsNotification([])),
        (
            ValidateSQLCommand(request, "select", only_parse=False),
            ValidateSQLResultNotification(request, error="no"),
        ),
        (
            StorageListEntriesCommand(request, VariableName("s3"), 10, "a/"),
            StorageEntriesNotification(request, [], VariableName("s3"), "a/", error="no"),
        ),
    ]
    for command, reply in cases:
        assert error_reply(command, "no") == reply


def test_commands_that_run_cells_are_finished_whatever_becomes_of_them() -> None:
    assert {tag for tag, cls in COMMAND_TYPES.items() if finishes(cls)} == FINISHED


def test_completed_run_names_the_run_of_a_scratchpad_only() -> None:
    scratchpad = ExecuteScratchpadCommand("1", run_id=RunId("run"))
    assert completed_run(scratchpad) == CompletedRunNotification(RunId("run"))
    assert completed_run(UpdateUIElementCommand([], [])) == CompletedRunNotification(None)


@settings(deadline=None)
@given(commands())
def test_the_id_of_a_command_is_one_of_its_identifying_fields(command: Command) -> None:
    identity = command_id(command)
    values = [getattr(command, name) for name in IDENTIFYING if hasattr(command, name)]
    assert identity in values if identity is not None else not any(values[:1])


def test_a_command_is_identified_by_what_its_reply_carries() -> None:
    assert command_id(UpdateUIElementCommand([], [], token="t")) == "t"
    assert command_id(UpdateUIElementCommand([], [], token="")) is None
    assert command_id(InvokeFunctionCommand(FunctionCallId("f"), "a-0", "fetch", {})) == "f"
    assert command_id(ExecuteScratchpadCommand("1")) is None
    assert command_id(ExecuteCellsCommand([], [])) is None
