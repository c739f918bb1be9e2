"""Write docs/wire.md: every message between a kernel and its clients, from the classes that make them.

python tools/wire_reference.py > docs/wire.md
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NewType, Union, get_args, get_origin, is_typeddict

import attrs
import msgspec
import trio

from callboard.kernel import open_kernel
from callboard.messages.codec import command_to_wire
from callboard.messages.commands import COMMAND_TAGS, COMMANDS, Command
from callboard.messages.notifications import NOTIFICATIONS
from callboard.messages.plain import to_plain
from callboard.messages.replies import ID_FIELDS, error_reply, finishes
from callboard.messages.wire import SHAPES, Shape

HEAD = """\
# Messages on the wire

What a client and a kernel tell each other: over the pipes of `callboard kernel --stdio` one JSON object a line,
embedded the classes of `callboard.messages` (the same names; keys in snake_case). Written by
`tools/wire_reference.py` from those classes. Unknown keys of a command are ignored; a key that is missing or of
another type is told with its path, in `command-rejected`.

A first session, as it goes over the pipes (`→` to the kernel):

```
→ {"type": "execute-cells", "cellIds": ["a"], "codes": ["6 * 7"]}
← {"op": "cell-op", "cell_id": "a", "status": "running", "seq": 4, ...}
← {"op": "cell-op", "cell_id": "a", "output": {"channel": "output", "data": "42", ...}, "seq": 5, ...}
← {"op": "completed-run", "seq": 7, ...}
← {"op": "command-settled", "type": "execute-cells", "outcome": "completed", "seq": 8, ...}
```

Over pipes each notification carries `seq`, its number in the order of all; a session may begin after one that the
client has. Three lines are no commands, and act at once, whatever the kernel does: `{"type": "interrupt"}`
interrupts the run under way, `{"type": "cancel", "id": "..."}` withdraws a command by its identity, `{"type":
"stdin", "text": "..."}` answers `input()`.

Every command ends in exactly one `command-settled`, with one outcome: `completed`, `failed`, `superseded` (merged
into a later one), `rejected` (no room, or no such domain), `cancelled` or `expired`. One that has a reply gets it
on every path, before its end.
"""

PLAIN = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    bytes: "string (base64)",
    object: "anything",
    type(None): "null",
    Any: "anything",
}


def page() -> str:
    """Return the text of the page."""
    owners = trio.run(_owners)
    payloads = {
        cls: shape for cls, shape in SHAPES.items() if cls not in (*COMMANDS, *NOTIFICATIONS)
    }
    parts = [HEAD, "## Commands\n"]
    parts += [_command(cls, owners[cls]) for cls in COMMANDS]
    parts += ["## Notifications\n"]
    parts += [_section(f"`{SHAPES[cls].constants['op']}`", cls, ("op",)) for cls in NOTIFICATIONS]
    parts += ["## Values within messages\n"]
    parts += [_section(cls.__name__, cls, ()) for cls in sorted(payloads, key=lambda c: c.__name__)]
    return "\n".join(parts)


async def _owners() -> dict[type[Any], str]:
    async with open_kernel() as kernel:
        return dict(kernel._parts.owners)


def _command(cls: type[Any], owner: str) -> str:
    identity = ID_FIELDS.get(cls)
    facts = [f"Domain: {owner}."]
    if identity is not None:
        facts.append(f"Identity: `{SHAPES[cls].key(identity)}`.")
    reply = error_reply(_sample(cls), "")
    if reply is not None:
        facts.append(f"Reply: `{reply.op}`.")
    if finishes(cls):
        facts.append("Ends with `completed-run`.")
    return _section(f"`{COMMAND_TAGS[cls]}`", cls, (), " ".join(facts))


def _section(title: str, cls: type[Any], hidden: Iterable[str], facts: str = "") -> str:
    shape = SHAPES[cls]
    lines = [f"### {title}\n", *_prose(cls, shape), *([facts, ""] if facts else [])]
    rows = [
        f"| `{key}` | {_kind(shape.types[name])} | {_default(cls, name)} |"
        for name, key in shape.keys
        if key not in hidden
    ]
    if rows:
        lines += ["| key | value | if left out |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _prose(cls: type[Any], shape: Shape) -> Iterator[str]:
    """The docstring, with attributes under the names that they have on the wire, and without what Python raises."""
    text = inspect.cleandoc(cls.__doc__ or "").partition("\n\nRaises:")[0]
    for name, key in shape.keys:
        text = text.replace(f"``{name}``", f"``{key}``")
    for paragraph in text.split("\n\n"):
        joined = " ".join(paragraph.split())
        joined = re.sub(r"\bNone\b", "null", joined).replace("UNSET leaves", "left out leaves")
        yield re.sub(r"`([A-Z]\w+)`", _linked, joined.replace("``", "`")) + "\n"


def _linked(found: re.Match[str]) -> str:
    for cls in (*COMMANDS, *NOTIFICATIONS):
        if cls.__name__ == found.group(1):
            return f"`{COMMAND_TAGS.get(cls) or SHAPES[cls].constants['op']}`"
    return found.group()


def _kind(annotation: Any) -> str:
    """Say in words what a value of a type is on the wire."""
    if isinstance(annotation, NewType):
        return f"{_kind(annotation.__supertype__)} ({_words(annotation.__name__)})"
    if isinstance(annotation, type) and annotation in SHAPES:
        anchor = COMMAND_TAGS[annotation] if annotation in COMMANDS else annotation.__name__
        return f"[{annotation.__name__}](#{anchor.lower()})"
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (Union, types.UnionType):
        given = [each for each in arguments if each is not msgspec.UnsetType]
        return " or ".join(dict.fromkeys(map(_kind, given)))
    if origin in (list, tuple, frozenset, set):
        return f"list of {_kind(arguments[0])}"
    if origin in (dict, types.MappingProxyType) or getattr(origin, "__name__", "") == "Mapping":
        return f"object, of {_kind(arguments[0])} to {_kind(arguments[1])}"
    if is_typeddict(annotation):
        keys = ", ".join(f"`{key}`" for key in annotation.__annotations__)
        return f"object with any of {keys}"
    return "anything"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _default(cls: type[Any], name: str) -> str:
    field: attrs.Attribute[Any] = getattr(attrs.fields(cls), name)
    default: Any = field.default
    if not field.init:
        return f"always `{json.dumps(default)}`"
    if default is attrs.NOTHING:
        return "must be there"
    if default is msgspec.UNSET:
        return "nothing is said of it"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        made = default.factory()
        return f"`{json.dumps(made)}`" if made in ([], {}) else "made by the kernel"
    return f"`{json.dumps(to_plain(default))}`"


def _sample(cls: type[Any]) -> Command:
    """A command with something for every attribute that has to be there."""
    hints = SHAPES[cls].types
    given = {
        field.name: _something(hints[field.name])
        for field in attrs.fields(cls)
        if field.init and field.default is attrs.NOTHING
    }
    command: Command = cls(**given)
    command_to_wire(command)
    return command


def _something(annotation: Any) -> Any:
    if isinstance(annotation, NewType):
        return _something(annotation.__supertype__)
    if isinstance(annotation, type) and annotation in SHAPES:
        return _sample(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return _something(arguments[0])
    return {list: [], dict: {}}.get(origin) if origin is not None else annotation()


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
