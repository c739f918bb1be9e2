"""Whatever is not a message is refused with the place where it is not."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.messages.codec import (
    CommandDecodeError,
    DecodeError,
    NotificationDecodeError,
    command_to_wire,
    decode_command,
    decode_notification,
)
from callboard.messages.commands import (
    Command,
    CreateNotebookCommand,
    ExecuteCellCommand,
    UpdateCellConfigCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId
from callboard.testing.strategies import commands, json_values


def refusal(data: Any) -> CommandDecodeError:
    with pytest.raises(CommandDecodeError) as caught:
        decode_command(data)
    return caught.value


def create_notebook() -> dict[str, Any]:
    cells = [ExecuteCellCommand(CellId(name), "1", timestamp=1.0) for name in "abc"]
    update = UpdateUIElementCommand([], [], token="t")
    command = CreateNotebookCommand(cells, [c.cell_id for c in cells], update, auto_run=True)
    return dict(command_to_wire(command))


VALID: dict[str, dict[str, Any]] = {
    "update-ui-element": {"objectIds": ["a-0"], "values": [1], "token": "t1"},
    "model": {
        "modelId": "m",
        "message": {"method": "update", "state": {}, "bufferPaths": []},
        "buffers": [],
        "token": "t2",
    },
    "code-completion": {"id": "c1", "document": "x", "cellId": "a"},
    "invoke-function": {
        "functionCallId": "f1",
        "namespace": "a-0",
        "functionName": "f",
        "args": {},
    },
    "storage-list-entries": {"requestId": "r1", "namespace": "s", "limit": 10},
    "preview-dataset-column": {
        "sourceType": "local",
        "source": "memory",
        "tableName": "t",
        "columnName": "c",
    },
    "execute-cells": {"cellIds": ["a"], "codes": ["1"], "timestamp": 1},
    "update-cell-config": {"configs": {"a": {"column": 1}}},
    "validate-sql": {"requestId": "r2", "query": "select 1", "onlyParse": True},
    "set-breakpoints": {"breakpoints": {"a": [1]}},
    "sync-graph": {"cells": {"a": "1"}, "runIds": [], "deleteIds": []},
}


@pytest.mark.parametrize("tag", VALID)
def test_the_commands_that_the_cases_below_break_are_valid(tag: str) -> None:
    decode_command({"type": tag, **VALID[tag]})


@pytest.mark.parametrize(
    ("tag", "change", "path", "reason", "identity"),
    [
        ("update-ui-element", {"values": ...}, "values", "missing", "t1"),
        ("update-ui-element", {"objectIds": "a-0"}, "objectIds", "a list, got a string", "t1"),
        ("update-ui-element", {"objectIds": {"a": 1}}, "objectIds", "got an object", "t1"),
        ("update-ui-element", {"objectIds": [1]}, "objectIds[0]", "a string, got an integer", "t1"),
        ("update-ui-element", {"token": 5}, "token", "a string, got an integer", None),
        ("update-ui-element", {"token": None}, "token", "a string, got null", None),
        (
            "update-ui-element",
            {"values": []},
            "values",
            "objectIds and values must have the same length, not 1 and 0",
            "t1",
        ),
        ("update-ui-element", {"request": {}}, "request.url", "missing", "t1"),
        (
            "update-ui-element",
            {"request": {"url": {"path": "/", "port": "80"}}},
            "request.url.port",
            "an integer or null, got a string",
            "t1",
        ),
        (
            "update-ui-element",
            {"request": {"url": {"path": "/"}, "query_params": {"q": "1"}}},
            "request.query_params.q",
            "a list, got a string",
            "t1",
        ),
        ("model", {"message": {}}, "message.method", "missing", "t2"),
        ("model", {"message": {"method": "shout"}}, "message.method", "'update', 'custom'", "t2"),
        ("model", {"message": {"method": 1}}, "message.method", "got an integer", "t2"),
        ("model", {"message": {"method": "custom"}}, "message.content", "missing", "t2"),
        ("model", {"message": []}, "message", "an object, got a list", "t2"),
        ("model", {"buffers": ["?"]}, "buffers[0]", "not valid base64", "t2"),
        ("model", {"buffers": [1]}, "buffers[0]", "base64 text, got an integer", "t2"),
        (
            "model",
            {"message": {"method": "update", "state": {}, "bufferPaths": [["a", True]]}},
            "message.bufferPaths[0][1]",
            "a string or an integer, got a boolean",
            "t2",
        ),
        (
            "model",
            {"message": {"method": "update", "state": {}, "bufferPaths": [["a"]]}},
            "buffers",
            "message.bufferPaths and buffers must have the same length, not 1 and 0",
            "t2",
        ),
        ("code-completion", {"document": None}, "document", "a string, got null", "c1"),
        ("invoke-function", {"args": []}, "args", "an object, got a list", "f1"),
        ("storage-list-entries", {"limit": True}, "limit", "an integer, got a boolean", "r1"),
        ("storage-list-entries", {"limit": "10"}, "limit", "an integer, got a string", "r1"),
        ("storage-list-entries", {"limit": 1.0}, "limit", "an integer, got a number", "r1"),
        ("storage-list-entries", {"prefix": 1}, "prefix", "a string or null, got an", "r1"),
        ("preview-dataset-column", {"sourceType": "cloud"}, "sourceType", "'local', 'duc", None),
        ("preview-dataset-column", {"sourceType": 1}, "sourceType", "got an integer", None),
        ("execute-cells", {"codes": []}, "codes", "cellIds and codes must", None),
        ("execute-cells", {"timestamp": "now"}, "timestamp", "a number, got a string", None),
        ("execute-cells", {"timestamp": True}, "timestamp", "a number, got a boolean", None),
        ("execute-cells", {"timestamp": 10**400}, "timestamp", "too large", None),
        ("validate-sql", {"onlyParse": 1}, "onlyParse", "a boolean, got an integer", "r2"),
        ("validate-sql", {"onlyParse": "true"}, "onlyParse", "a boolean, got a string", "r2"),
        ("update-cell-config", {"configs": {"a": 1}}, "configs.a", "an object, got an", None),
        (
            "update-cell-config",
            {"configs": {"a b": {"disabled": 1}}},
            "configs['a b'].disabled",
            "a boolean, got an integer",
            None,
        ),
        ("set-breakpoints", {"breakpoints": {"a": ["1"]}}, "breakpoints.a[0]", "an integer", None),
        ("sync-graph", {"cells": {"a": None}}, "cells.a", "a string, got null", None),
    ],
)
def test_a_command_that_does_not_fit_is_refused_where_it_does_not(
    tag: str, change: dict[str, Any], path: str, reason: str, identity: str | None
) -> None:
    fields = {"type": tag, **VALID[tag], **change}
    error = refusal({key: value for key, value in fields.items() if value is not ...})
    assert (error.path, error.type, error.id) == (path, tag, identity)
    assert reason in error.reason
    assert str(error) == f"{path}: {error.reason}"


def test_a_wrong_nested_element_is_named_by_its_place() -> None:
    fields = create_notebook()
    del fields["executionRequests"][2]["code"]
    error = refusal(json.dumps(fields))
    assert (error.path, error.reason) == ("executionRequests[2].code", "missing")
    assert error.type == "create-notebook"


def test_a_nested_command_of_another_type_is_refused() -> None:
    fields = create_notebook()
    fields["executionRequests"][1]["type"] = "delete-cell"
    error = refusal(fields)
    assert (error.path, error.reason) == ("executionRequests[1].type", "expected 'execute-cell'")


def test_mismatched_lists_of_a_nested_command_are_named() -> None:
    fields = create_notebook()
    fields["setUiElementValueRequest"]["objectIds"] = ["a-0"]
    assert refusal(fields).path == "setUiElementValueRequest.values"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"type": "stop-kernel"',
        b'{"type": "stop-kernel"} x',
        b"{'type': 'stop-kernel'}",
        b"\xff\xfe",
        b'{"type": NaN}',
        b"[" * 100_000,
        '{"type": "\ud800"}',
    ],
)
def test_malformed_json_is_refused_as_such(data: bytes | str) -> None:
    error = refusal(data)
    assert error.reason.startswith("not valid JSON: ")
    assert (error.path, error.type, error.id) == (None, None, None)
    assert str(error) == error.reason


@pytest.mark.parametrize(
    ("data", "kind"),
    [("[]", "a list"), ('"x"', "a string"), ("1", "an integer"), ("null", "null")],
)
def test_json_that_is_no_object_is_refused(data: str, kind: str) -> None:
    error = refusal(data)
    assert (error.reason, error.path) == (f"expected an object, got {kind}", None)


def test_an_unknown_type_is_named_with_the_id_that_came_along() -> None:
    error = refusal({"type": "make-coffee", "requestId": "r1", "cellId": "a"})
    assert error.reason == "unknown command type 'make-coffee'"
    assert (error.path, error.type, error.id) == ("type", "make-coffee", "r1")


def test_a_very_long_unknown_type_is_cut() -> None:
    error = refusal({"type": "x" * 10_000})
    assert len(error.reason) < 200


@pytest.mark.parametrize("tag", ["execute-cell", "UpdateUIElement", ""])
def test_only_tags_of_whole_commands_are_known(tag: str) -> None:
    assert refusal({"type": tag}).reason == f"unknown command type {tag!r}"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "missing"),
        ({"type": None}, "expected a string, got null"),
        ({"type": ["stop-kernel"]}, "expected a string, got a list"),
    ],
)
def test_a_command_without_a_proper_type_is_refused(fields: dict[str, Any], reason: str) -> None:
    error = refusal(fields)
    assert (error.reason, error.path, error.type) == (reason, "type", None)


def test_errors_never_repeat_values() -> None:
    fields = VALID["invoke-function"] | {"functionName": {"password": "hunter2"}}
    error = refusal({"type": "invoke-function", **fields})
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error)
    assert "hunter2" not in str(error.__cause__)


def test_unknown_fields_are_ignored_everywhere() -> None:
    fields = create_notebook()
    expected = decode_command(fields)
    fields["someday"] = 1
    fields["executionRequests"][0]["someday"] = 1
    assert decode_command(fields) == expected


def test_a_whole_number_is_a_number() -> None:
    command = decode_command({"type": "execute-cells", **VALID["execute-cells"]})
    assert isinstance(getattr(command, "timestamp", None), float)


def test_unknown_cell_config_keys_are_dropped_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    configs = {"a": {"disabled": True, "wide": 1}}
    with caplog.at_level(logging.WARNING):
        command = decode_command({"type": "update-cell-config", "configs": configs})
    assert command == UpdateCellConfigCommand({CellId("a"): {"disabled": True}})
    assert "wide" in caplog.text


def test_an_empty_token_is_accepted_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    fields = {"type": "update-ui-element", "objectIds": [], "values": [], "token": ""}
    with caplog.at_level(logging.WARNING):
        command = decode_command(fields)
    assert command == UpdateUIElementCommand([], [], token="")
    assert "empty token" in caplog.text


def test_a_request_without_proper_meta_and_user_has_none() -> None:
    request = {"url": {"path": "/"}, "meta": None, "user": 5}
    command = decode_command({"type": "execute-stale-cells", "request": request})
    assert getattr(command, "request", None) is not None


@pytest.mark.parametrize(
    ("data", "path", "reason", "op"),
    [
        ({"op": "make-coffee"}, "op", "unknown notification 'make-coffee'", "make-coffee"),
        ({}, "op", "missing", None),
        ("{", None, "not valid JSON", None),
        ({"op": "remove-ui-elements"}, "cell_id", "missing", "remove-ui-elements"),
        (
            {"op": "cell-op", "cell_id": "a", "console": 5},
            "console",
            "expected a list or null or an object, got an integer",
            "cell-op",
        ),
        (
            {
                "op": "cell-op",
                "cell_id": "a",
                "output": {"channel": "marimo-error", "mimetype": "x", "data": [{"type": "?"}]},
            },
            "output.data[0].type",
            "expected one of 'syntax'",
            "cell-op",
        ),
        (
            {
                "op": "cell-op",
                "cell_id": "a",
                "output": {
                    "channel": "marimo-error",
                    "mimetype": "x",
                    "data": [{"type": "cycle", "edges_with_vars": [["a", ["x"]]]}],
                },
            },
            "output.data[0].edges_with_vars[0]",
            "expected 3 items, got 2",
            "cell-op",
        ),
        (
            {
                "op": "storage-entries",
                "request_id": "r",
                "namespace": "s",
                "entries": [{"path": "a", "kind": "file", "size": 1, "lastModified": "now"}],
            },
            "entries[0].lastModified",
            "a number or null, got a string",
            "storage-entries",
        ),
    ],
)
def test_a_notification_that_does_not_fit_is_refused_where_it_does_not(
    data: Any, path: str | None, reason: str, op: str | None
) -> None:
    with pytest.raises(NotificationDecodeError) as caught:
        decode_notification(data)
    assert (caught.value.path, caught.value.type) == (path, op)
    assert reason in caught.value.reason


paths = st.lists(st.integers(0, 3), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(commands(), paths, json_values())
def test_a_damaged_command_is_refused_or_read_but_nothing_else(
    command: Command, where: list[int], damage: object
) -> None:
    fields: Any = json.loads(json.dumps(command_to_wire(command)))
    target = fields
    for step in where[:-1]:
        inner = list(target.values() if isinstance(target, dict) else target)
        inner = [value for value in inner if isinstance(value, dict | list) and value]
        if not inner:
            break
        target = inner[step % len(inner)]
    keys = list(target) if isinstance(target, dict) else list(range(len(target)))
    target[keys[where[-1] % len(keys)]] = damage
    try:
        decode_command(json.dumps(fields))
    except DecodeError as refused:
        problem = refused
    else:
        return
    assert problem.reason
    assert "not acceptable" not in problem.reason


@settings(deadline=None)
@given(json_values())
def test_arbitrary_json_is_refused(value: object) -> None:
    for decode in (decode_command, decode_notification):
        with pytest.raises(DecodeError):
            decode(json.dumps(value))
