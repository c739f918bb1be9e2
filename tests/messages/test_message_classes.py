"""Every message has exactly the tag, the keys and the defaults of the protocol."""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest

from callboard.messages.commands import (
    COMMAND_TYPES,
    COMMANDS,
    ExecuteCellCommand,
    ExecuteCellsCommand,
    LengthMismatch,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    UpdateUIElementCommand,
    command_tag,
    kebab_case,
)
from callboard.messages.ids import CellId, ModelId, UIElementId
from callboard.messages.notifications import NOTIFICATION_TYPES, NOTIFICATIONS, notification_op
from callboard.messages.payloads import (
    CellOutput,
    CompletionOption,
    HTTPRequest,
    RequestURL,
    UnknownError,
)
from callboard.messages.wire import SHAPES, camel_case

# Tag, then keys; a star marks what has no default.
COMMAND_KEYS = """
create-notebook executionRequests* cellIds* setUiElementValueRequest* autoRun* request
rename-notebook filename*
code-completion id* document* cellId*
execute-cells cellIds* codes* request timestamp
execute-scratchpad code* request notebookCells cellOutputs runId
execute-stale-cells request
debug-cell cellId* request
delete-cell cellId*
sync-graph cells* runIds* deleteIds* timestamp
update-cell-config configs*
install-packages manager* versions* source
update-ui-element objectIds* values* request token
model modelId* message* buffers* token
invoke-function functionCallId* namespace* functionName* args*
update-user-config config*
preview-dataset-column sourceType* source* tableName* columnName* fullyQualifiedTableName
preview-sql-table requestId* engine* database* schema* tableName* schemaPath
list-sql-tables requestId* engine* database* schema* schemaPath
list-sql-schemas requestId* engine* database* schemaPath
list-data-source-connection engine*
validate-sql requestId* query* onlyParse* engine dialect
storage-list-entries requestId* namespace* limit* prefix pageToken
storage-download requestId* namespace* path* preview
list-secret-keys requestId*
refresh-secrets
clear-cache
get-cache-info
stop-kernel
set-breakpoints breakpoints* request
discover-data-sources requestId*
"""

NOTIFICATION_KEYS = """
cell-op cell_id* output console status stale_inputs run_id serialization timestamp
function-call-result function_call_id* return_value* status* found
send-ui-element-message ui_element* message* buffers
model-lifecycle model_id* message*
remove-ui-elements cell_id*
interrupted
completed-run run_id
completion-result completion_id* prefix_length* options*
alert title* description* variant
missing-package-alert packages* isolated* source
installing-package-alert packages* logs log_status source
variables variables*
variable-values variables*
datasets tables* clear_channel
data-column-preview table_name* column_name* chart_spec chart_code error missing_packages stats
sql-table-preview request_id* metadata* table error
sql-table-list-preview request_id* metadata* tables error
sql-schema-list-preview request_id* metadata* schemas error
data-source-connections connections*
validate-sql-result request_id* parse_result validate_result error
storage-namespaces namespaces*
storage-entries request_id* entries* namespace* prefix query error next_page_token
storage-download-ready request_id* url filename error
secret-keys-result request_id* secrets*
cache-cleared bytes_freed*
cache-info hits* misses* time* disk_to_free disk_total
query-params-set key* value*
query-params-append key* value*
query-params-delete key* value
query-params-clear
notebook-document-transaction transaction*
kernel-ready cell_ids* codes* names* configs* resumed* app_config* kiosk* capabilities* layout \
ui_values last_executed_code last_execution_time auto_instantiated consumer_capabilities
reload
reconnected
banner title* description* variant action
startup-logs content* status*
kernel-startup-error error*
focus-cell cell_id*
active-line cell_id* line
data-source-discovery-result request_id* sources*
consumer-capabilities consumer_capabilities*
command-settled type* id* outcome* domain* reason* queued_ms* ran_ms*
command-progress type* id* done* total* unit*
command-rejected reason* path type id
resync reason* seq*
"""


def rows(table: str) -> dict[str, list[str]]:
    return {
        row.split()[0]: row.split()[1:] for row in table.replace("\\\n", "").splitlines() if row
    }


def keys(cls: type) -> list[str]:
    shape = SHAPES[cls]
    return [
        shape.key(field.name) + ("*" if field.default is attrs.NOTHING else "")
        for field in attrs.fields(cls)
        if field.init
    ]


def test_commands_are_those_of_the_protocol_field_by_field() -> None:
    assert {tag: keys(cls) for tag, cls in COMMAND_TYPES.items()} == rows(COMMAND_KEYS)


def test_notifications_are_those_of_the_protocol_field_by_field() -> None:
    assert {op: keys(cls) for op, cls in NOTIFICATION_TYPES.items()} == rows(NOTIFICATION_KEYS)


@pytest.mark.parametrize("cls", NOTIFICATIONS)
def test_the_op_of_a_notification_follows_from_its_name(cls: Any) -> None:
    assert notification_op(cls) == kebab_case(cls.__name__.removesuffix("Notification"))


def test_tags_are_unique() -> None:
    assert len(COMMAND_TYPES) == len(COMMANDS)
    assert len(NOTIFICATION_TYPES) == len(NOTIFICATIONS)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ValidateSQL", "validate-sql"),
        ("ListSQLTables", "list-sql-tables"),
        ("UpdateUIElement", "update-ui-element"),
        ("Model", "model"),
    ],
)
def test_a_run_of_capitals_stays_one_word_of_the_tag(name: str, tag: str) -> None:
    assert kebab_case(name) == tag


def test_the_tag_of_a_command_is_that_of_its_class() -> None:
    command = UpdateUIElementCommand([], [])
    assert command_tag(command) == command_tag(UpdateUIElementCommand) == "update-ui-element"
    assert command_tag(ExecuteCellCommand) == "execute-cell"
    with pytest.raises(TypeError, match="str is not a command"):
        command_tag("update-ui-element")


def test_a_single_cell_is_no_command_of_its_own() -> None:
    assert "execute-cell" not in COMMAND_TYPES


def test_messages_cannot_be_changed() -> None:
    command = UpdateUIElementCommand([], [])
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        command.token = ""  # type: ignore[misc]
    assert all("__slots__" in cls.__dict__ for cls in SHAPES)


def test_only_letters_after_an_underscore_change_in_camel_case() -> None:
    assert camel_case("set_ui_element_value_request") == "setUiElementValueRequest"
    assert camel_case("token") == "token"
    for shape in SHAPES.values():
        assert all(re.fullmatch(r"[a-zA-Z0-9]+|[a-z0-9_]+", key) for _, key in shape.keys)


def test_lists_that_belong_together_must_have_the_same_length() -> None:
    with pytest.raises(LengthMismatch, match=r"object_ids and values must .* not 1 and 0"):
        UpdateUIElementCommand([UIElementId("a-0")], [])
    with pytest.raises(ValueError, match=r"cell_ids and codes must .* not 0 and 1"):
        ExecuteCellsCommand([], ["x = 1"])
    with pytest.raises(ValueError, match=r"message.buffer_paths and buffers must .* not 1 and 0"):
        ModelCommand(ModelId("m"), ModelUpdateMessage({}, [["data"]]), [])


def test_buffers_of_a_custom_message_need_no_paths() -> None:
    command = ModelCommand(ModelId("m"), ModelCustomMessage("hello"), [b"1", b"2"])
    assert command.buffers == [b"1", b"2"]


def test_each_command_gets_a_token_of_its_own() -> None:
    first, second = UpdateUIElementCommand([], []), UpdateUIElementCommand([], [])
    assert first.token
    assert first.token != second.token


def test_a_request_keeps_no_headers_of_the_kernels_own() -> None:
    request = HTTPRequest(
        RequestURL("/"),
        headers={
            "accept": "*/*",
            "Marimo-Session-Id": "1",
            "x-marimo-token": "2",
            "callboard-x": "3",
            "X-Callboard": "4",
        },
    )
    assert request.headers == {"accept": "*/*"}


def test_meta_and_user_of_a_request_are_empty_unless_they_are_mappings() -> None:
    meta: Any = None
    user: Any = "admin"
    request = HTTPRequest(RequestURL("/"), meta=meta, user=user)
    assert request.meta == {}
    assert request.user == {}


def test_a_completion_has_no_closing_quote() -> None:
    assert CompletionOption("key'", "property").name == "key"


def test_outputs_have_the_channel_and_mimetype_of_what_they_show() -> None:
    error = UnknownError("it broke")
    outputs = [
        CellOutput.empty(),
        CellOutput.errors([error]),
        CellOutput.stdout("a"),
        CellOutput.stderr("b"),
        CellOutput.traceback("<pre>"),
        CellOutput.prompt("name? "),
        CellOutput.prompt("password: ", password=True),
    ]
    assert [(o.channel, o.mimetype, o.data) for o in outputs] == [
        ("output", "text/plain", ""),
        ("marimo-error", "application/vnd.marimo+error", [error]),
        ("stdout", "text/plain", "a"),
        ("stderr", "text/plain", "b"),
        ("stderr", "application/vnd.marimo+traceback", "<pre>"),
        ("stdin", "text/plain", "name? "),
        ("stdin", "text/password", "password: "),
    ]


def test_ids_are_strings() -> None:
    assert CellId("a") == "a"
