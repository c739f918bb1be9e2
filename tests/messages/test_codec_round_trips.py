"""Whatever is written is read back as it was, and has the form that clients know."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from callboard.messages.codec import (
    command_to_wire,
    decode_command,
    decode_notification,
    encode_command,
    encode_notification,
)
from callboard.messages.commands import (
    COMMANDS,
    Command,
    CreateNotebookCommand,
    ExecuteCellCommand,
    ExecuteScratchpadCommand,
    ModelCommand,
    ModelUpdateMessage,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId, ModelId, RequestId, UIElementId, VariableName
from callboard.messages.notifications import (
    NOTIFICATIONS,
    AlertNotification,
    CacheInfoNotification,
    CellOpNotification,
    DatasetsNotification,
    DataSourceDiscoveryResultNotification,
    ModelLifecycleNotification,
    NotebookDocumentTransactionNotification,
    Notification,
    ReloadNotification,
    StorageEntriesNotification,
)
from callboard.messages.payloads import (
    CellConfig,
    CellOutput,
    CellOutputs,
    CreateCellChange,
    CycleError,
    DataTable,
    DataTableColumn,
    DetectedDataSource,
    DetectedSetting,
    DetectionOrigin,
    DocumentCell,
    DocumentTransaction,
    EnvironmentVariableReference,
    HiddenByStorage,
    HTTPRequest,
    ModelOpened,
    ReorderCellsChange,
    RequestURL,
    StorageEntry,
)
from callboard.messages.plain import to_plain
from callboard.messages.wire import DIRECT
from callboard.testing.strategies import commands, notifications, values_of

# One run for each of more than a hundred classes, on machines that are busy with other tests.
each_class = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("cls", COMMANDS)
def test_every_command_survives_the_wire(cls: type[Command]) -> None:
    @each_class
    @given(commands(cls))
    def survives(command: Command) -> None:
        data = encode_command(command)
        assert decode_command(data) == command
        assert decode_command(data.decode()) == command
        assert decode_command(json.loads(data)) == command
        assert json.loads(data) == command_to_wire(command)

    survives()


@pytest.mark.parametrize("cls", NOTIFICATIONS)
def test_every_notification_survives_the_wire(cls: type[Notification]) -> None:
    @each_class
    @given(notifications(cls))
    def survives(notification: Notification) -> None:
        data = encode_notification(notification)
        assert decode_notification(data) == notification
        assert decode_notification(json.loads(data)) == notification

    survives()


@pytest.mark.parametrize("cls", [cls for cls in NOTIFICATIONS if cls in DIRECT])
def test_the_fast_path_writes_what_the_slow_one_does(cls: type[Notification]) -> None:
    @each_class
    @given(notifications(cls))
    def same(notification: Notification) -> None:
        assert json.loads(encode_notification(notification)) == to_plain(notification)

    same()


@settings(deadline=None)
@given(notifications(CellOpNotification))
def test_a_cell_op_is_the_same_on_either_path(notification: Notification) -> None:
    assert json.loads(encode_notification(notification)) == to_plain(notification)


def test_there_are_no_strategies_for_what_no_message_holds() -> None:
    with pytest.raises(TypeError, match="no message has values of type"):
        values_of(set[str])


def wire(notification: Notification) -> Any:
    return json.loads(encode_notification(notification))


def test_a_cell_op_writes_every_field_but_an_unset_serialization() -> None:
    notification = CellOpNotification(CellId("a"), status="idle", timestamp=1.5)
    assert wire(notification) == {
        "op": "cell-op",
        "cell_id": "a",
        "output": None,
        "console": None,
        "status": "idle",
        "stale_inputs": None,
        "run_id": None,
        "timestamp": 1.5,
    }


def test_a_cleared_serialization_is_written_as_null() -> None:
    data = encode_notification(CellOpNotification(CellId("a"), serialization=None))
    assert json.loads(data)["serialization"] is None
    kept = decode_notification(encode_notification(CellOpNotification(CellId("a"))))
    cleared = decode_notification(data)
    assert isinstance(kept, CellOpNotification)
    assert isinstance(cleared, CellOpNotification)
    assert kept.serialization is msgspec.UNSET
    assert cleared.serialization is None


def test_errors_are_tagged_objects_in_a_list() -> None:
    error = CycleError([(CellId("a"), ["x", "y"], CellId("b"))])
    output = CellOutput.errors([error])
    assert wire(CellOpNotification(CellId("a"), output=output, console=[]))["output"] == {
        "channel": "marimo-error",
        "mimetype": "application/vnd.marimo+error",
        "data": [{"type": "cycle", "edges_with_vars": [["a", ["x", "y"], "b"]]}],
        "timestamp": output.timestamp,
    }


def test_a_notification_without_fields_is_its_op() -> None:
    assert wire(ReloadNotification()) == {"op": "reload"}


def test_commands_have_camel_case_keys_and_snake_case_inside_requests_and_documents() -> None:
    request = HTTPRequest(RequestURL("/a", 80), query_params={"q": ["1"]})
    command = ExecuteScratchpadCommand(
        "1",
        request,
        [DocumentCell(CellId("a"), "x", "_", CellConfig(hide_code=True))],
        CellOutputs({}, {CellId("a"): [CellOutput("stdout", "text/plain", "hi", 2.0)]}),
    )
    url = {
        "path": "/a",
        "port": 80,
        "scheme": "",
        "netloc": "",
        "query": "",
        "hostname": None,
    }
    assert command_to_wire(command) == {
        "type": "execute-scratchpad",
        "code": "1",
        "request": {
            "url": url,
            "base_url": url | {"path": "", "port": None},
            "headers": {},
            "query_params": {"q": ["1"]},
            "path_params": {},
            "cookies": {},
            "meta": {},
            "user": {},
        },
        "notebookCells": [
            {
                "id": "a",
                "code": "x",
                "name": "_",
                "config": {"column": None, "disabled": False, "hide_code": True},
                "version": 0,
            }
        ],
        "cellOutputs": {
            "output": {},
            "console_outputs": {
                "a": [
                    {"channel": "stdout", "mimetype": "text/plain", "data": "hi", "timestamp": 2.0}
                ]
            },
        },
        "runId": None,
    }


def test_nested_commands_carry_their_tag_but_need_not() -> None:
    command = CreateNotebookCommand(
        [ExecuteCellCommand(CellId("a"), "1", timestamp=1.0)],
        [CellId("a")],
        UpdateUIElementCommand([], [], token="t"),
        auto_run=True,
    )
    data: Any = command_to_wire(command)
    assert data["executionRequests"][0].pop("type") == "execute-cell"
    assert data["setUiElementValueRequest"].pop("type") == "update-ui-element"
    assert decode_command(data) == command


def test_binary_values_are_base64_in_both_directions() -> None:
    command = ModelCommand(ModelId("m"), ModelUpdateMessage({}, [["data", 0]]), [b"\x00\xff"], "t")
    assert command_to_wire(command) == {
        "type": "model",
        "modelId": "m",
        "message": {"method": "update", "state": {}, "bufferPaths": [["data", 0]]},
        "buffers": ["AP8="],
        "token": "t",
    }
    opened = ModelLifecycleNotification(ModelId("m"), ModelOpened({}, [["data"]], [b"\x00\xff"]))
    assert wire(opened) == {
        "op": "model-lifecycle",
        "model_id": "m",
        "message": {
            "method": "open",
            "state": {},
            "buffer_paths": [["data"]],
            "buffers": ["AP8="],
            "esm_spec": None,
        },
    }


def test_storage_entries_are_camel_case_inside_a_snake_case_notification() -> None:
    entry = StorageEntry("a/b.txt", "file", 3, last_modified=1.0, mime_type="text/plain")
    notification = StorageEntriesNotification(RequestId("r"), [entry], VariableName("store"))
    assert wire(notification) == {
        "op": "storage-entries",
        "request_id": "r",
        "entries": [
            {
                "path": "a/b.txt",
                "kind": "file",
                "size": 3,
                "lastModified": 1.0,
                "metadata": {},
                "mimeType": "text/plain",
            }
        ],
        "namespace": "store",
        "prefix": None,
        "query": None,
        "error": None,
        "next_page_token": None,
    }


def test_transactions_are_camel_case_around_a_snake_case_config() -> None:
    transaction = DocumentTransaction(
        [
            CreateCellChange(CellId("b"), "1", "_", CellConfig(), after=CellId("a")),
            ReorderCellsChange([CellId("a"), CellId("b")]),
        ],
        "kernel",
    )
    assert wire(NotebookDocumentTransactionNotification(transaction)) == {
        "op": "notebook-document-transaction",
        "transaction": {
            "changes": [
                {
                    "type": "create-cell",
                    "cellId": "b",
                    "code": "1",
                    "name": "_",
                    "config": {"column": None, "disabled": False, "hide_code": False},
                    "before": None,
                    "after": "a",
                },
                {"type": "reorder-cells", "cellIds": ["a", "b"]},
            ],
            "source": "kernel",
            "version": None,
        },
    }


def test_detected_sources_are_camel_case() -> None:
    source = DetectedDataSource(
        "s3",
        "aws",
        "object-storage",
        "Amazon S3",
        "high",
        [DetectionOrigin("environment", "AWS_PROFILE")],
        [DetectedSetting("profile", EnvironmentVariableReference("AWS_PROFILE"))],
        "store = ...",
        HiddenByStorage(["s3"], ["obstore"]),
    )
    sources = wire(DataSourceDiscoveryResultNotification(RequestId("r"), [source]))["sources"]
    assert sources == [
        {
            "id": "s3",
            "integration": "aws",
            "category": "object-storage",
            "displayName": "Amazon S3",
            "confidence": "high",
            "origins": [{"type": "environment", "label": "AWS_PROFILE"}],
            "configuration": [
                {
                    "field": "profile",
                    "value": {"kind": "environment-variable", "name": "AWS_PROFILE"},
                }
            ],
            "code": "store = ...",
            "hidesWhen": {"kind": "storage", "protocols": ["s3"], "backendTypes": ["obstore"]},
        }
    ]


def test_numbers_that_are_not_finite_are_written_as_null() -> None:
    assert wire(CacheInfoNotification(1, 2, math.inf))["time"] is None
    column = DataTableColumn("x", "number", "float64", [1.5, math.nan, -math.inf])
    table = DataTable("local", "memory", "t", None, None, None, [column])
    sample = wire(DatasetsNotification([table]))["tables"][0]["columns"][0]["sample_values"]
    assert sample == [1.5, None, None]


def test_column_names_that_are_no_strings_are_written_as_text() -> None:
    name: Any = 3
    assert DataTableColumn(name, "integer", "int64", []).name == "3"


def test_text_that_is_no_valid_unicode_is_written_readably() -> None:
    output = CellOutput.stdout("caf\udce9")
    assert wire(CellOpNotification(CellId("a"), console=output))["console"]["data"] == r"caf\udce9"


def test_a_field_of_the_wrong_type_does_not_lose_the_notification() -> None:
    description: Any = ValueError("no")
    assert wire(AlertNotification("t", description))["description"] == "ValueError('no')"


def test_only_notifications_are_written_as_such() -> None:
    command: Any = UpdateUIElementCommand([], [])
    with pytest.raises(TypeError, match="UpdateUIElementCommand is not a notification"):
        encode_notification(command)


def test_values_of_elements_arrive_untouched() -> None:
    value = {"camelCase": [1, 2.0, None, {"snake_case": True}], "": []}
    command = UpdateUIElementCommand([UIElementId("a-0")], [value])
    decoded = decode_command(encode_command(command))
    assert isinstance(decoded, UpdateUIElementCommand)
    assert decoded.values == [value]
