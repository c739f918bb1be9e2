"""Bytes to messages and back.

Decoding is strict about types, ignores unknown fields and leaves values that belong to the user as
they are. Encoding finds some form for every value that is not endless.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import msgspec

from callboard.messages.commands import COMMAND_TYPES, Command, UpdateUIElementCommand
from callboard.messages.notifications import (
    NOTIFICATION_TYPES,
    NOTIFICATIONS,
    CellOpNotification,
    Notification,
)
from callboard.messages.payloads import CellOutput
from callboard.messages.plain import EncodeError, to_plain
from callboard.messages.replies import ID_FIELDS, IDENTIFYING
from callboard.messages.structure import first_problem, make_converter, misfit
from callboard.messages.wire import DIRECT, LISTING, camel_case
from callboard.messages.writing import write

__all__ = [
    "CommandDecodeError",
    "DecodeError",
    "EncodeError",
    "NotificationDecodeError",
    "command_to_wire",
    "decode_command",
    "decode_notification",
    "encode_command",
    "encode_notification",
    "get_ready_for",
]

_logger = logging.getLogger(__name__)

Data = bytes | bytearray | memoryview | str | Mapping[str, object]


@attrs.define(eq=False)
class DecodeError(ValueError):
    """What came in is no message; the sender's fault. The text never repeats values that were sent.

    ``path`` says where in it, such as ``executionRequests[2].code``; ``type`` is its tag and ``id``
    whatever identifies it. Each is None where it is not known.
    """

    reason: str
    path: str | None = None
    type: str | None = None
    id: str | None = None

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


@attrs.define(eq=False)
class CommandDecodeError(DecodeError):
    """What came in is no command."""


@attrs.define(eq=False)
class NotificationDecodeError(DecodeError):
    """What came in is no notification."""


_encode = msgspec.json.Encoder().encode
_parse = msgspec.json.Decoder().decode
_converter = make_converter()
_structure = _converter.structure

_NOTIFICATION_CLASSES = frozenset(NOTIFICATIONS)
# Of outputs there are few, and looking for what can be spared costs more than it spares.
_LISTING = LISTING - {CellOpNotification}
_SHORT = 100
"""How many characters of an unknown tag an error repeats."""


def decode_command(data: Data) -> Command:
    """Make a command of JSON text or of an object already parsed.

    Raises:
        CommandDecodeError: it is none; the sender's fault.
    """
    fields = _fields(data, CommandDecodeError)
    tag = fields.get("type")
    command_type = COMMAND_TYPES.get(tag) if isinstance(tag, str) else None
    if command_type is None:
        reason = _bad_tag("type", "command type", fields)
        raise CommandDecodeError(reason, "type", _short(tag), _find_id(fields, IDENTIFYING))
    try:
        command: Command = _structure(fields, command_type)
    except Exception as error:
        problem = first_problem(error)
        identified_by = [ID_FIELDS[command_type]] if command_type in ID_FIELDS else []
        raise CommandDecodeError(
            problem.reason, problem.path, tag, _find_id(fields, identified_by)
        ) from error
    if isinstance(command, UpdateUIElementCommand) and not command.token:
        _logger.warning("an update-ui-element command has an empty token")
    return command


def get_ready_for(command_type: type[Any]) -> None:
    """Make what decodes commands of a type, which the first of them would wait for: 1 to 7 ms."""
    _converter.get_structure_hook(command_type)


def decode_notification(data: Data) -> Notification:
    """Make a notification of JSON text or of an object already parsed. For clients.

    Raises:
        NotificationDecodeError: it is none; the sender's fault.
    """
    fields = _fields(data, NotificationDecodeError)
    op = fields.get("op")
    notification_type = NOTIFICATION_TYPES.get(op) if isinstance(op, str) else None
    if notification_type is None:
        reason = _bad_tag("op", "notification", fields)
        raise NotificationDecodeError(reason, "op", _short(op))
    try:
        notification: Notification = _structure(fields, notification_type)
    except Exception as error:
        problem = first_problem(error)
        raise NotificationDecodeError(problem.reason, problem.path, op) from error
    return notification


def _fields(data: Data, error_type: type[DecodeError]) -> Mapping[str, Any]:
    if isinstance(data, Mapping):
        return data
    try:
        fields = _parse(data)
    except (ValueError, RecursionError) as error:
        raise error_type(f"not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise error_type(str(misfit("an object", fields)))
    return fields


def _bad_tag(key: str, what: str, fields: Mapping[str, Any]) -> str:
    if key not in fields:
        return "missing"
    tag = fields[key]
    return (
        f"unknown {what} {_short(tag)!r}" if isinstance(tag, str) else str(misfit("a string", tag))
    )


def _short(tag: object) -> str | None:
    if not isinstance(tag, str):
        return None
    return tag if len(tag) <= _SHORT else tag[:_SHORT] + "..."


def _find_id(fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
    found = (fields.get(camel_case(name)) for name in names)
    return next((identity for identity in found if isinstance(identity, str) and identity), None)


def command_to_wire(command: Command) -> dict[str, object]:
    """Make the JSON object that a command is written as.

    Raises:
        EncodeError: it holds a value that is endless.
    """
    wire = to_plain(command)
    assert isinstance(wire, dict)
    return wire


def encode_command(command: Command) -> bytes:
    """Make the JSON text of a command.

    Raises:
        EncodeError: it holds a value that is endless.
    """
    return _encode(command_to_wire(command))


def encode_notification(notification: Notification) -> bytes:
    """Make the JSON text of a notification.

    Values of arbitrary types in it are converted by ``to_plain``, which may call their own code:
    where that must not happen on the calling thread, convert them before.

    Raises:
        EncodeError: it holds a value that is endless; send an error reply instead.
        TypeError: it is no notification; the caller's fault.
    """
    cls = type(notification)
    if isinstance(notification, CellOpNotification):
        direct = _is_direct(notification.output) and _is_direct(notification.console)
    else:
        direct = cls in DIRECT
    if direct:
        try:
            return _encode(notification)
        except Exception:
            # Text that is no valid Unicode, or a field with a value it must not have: both can
            # still be written.
            _logger.debug("%s needs conversion", cls.__name__, exc_info=True)
    elif cls not in _NOTIFICATION_CLASSES:
        raise TypeError(f"{cls.__name__} is not a notification")
    if cls in _LISTING:
        try:
            return write(notification)
        except UnicodeError:
            _logger.debug("%s has text that is not Unicode", cls.__name__)
    return _encode(to_plain(notification))


def _is_direct(output: CellOutput | list[CellOutput] | None) -> bool:
    """Say whether an output holds text, or errors, whose form is known."""
    if output is None:
        return True
    if isinstance(output, list):
        return all(type(item.data) is str for item in output)
    return type(output.data) is str or output.channel == "marimo-error"
