"""marimo's half of the comparison; runs inside an environment that has marimo, and needs no other.

    python peer.py < request.json > answer.json

Request: ``{"echo": [[kind, text], ...], "samples": bool}``, kind being ``command`` or
``notification`` and text a message's JSON. Answer: ``{"version": ..., "tags": {kind: [...]},
"echo": [{"text": ...} or {"refused": reason, "path": ...}, ...],
"samples": [[kind, tag, text], ...]}``. An echo is decoded by marimo's own type and encoded again by
marimo's own encoder. The samples are made from marimo's types: every alternative of every field at
least once, encoded by marimo.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

PATH_IN_REASON = re.compile(r" - at `\$\.?(.*)`$")
ANYTHING: tuple[Any, ...] = ("text", 7, 1.5, True, None, ["a", 1], {"key": "value"})

URL = {
    "path": "/",
    "port": 2718,
    "scheme": "http",
    "netloc": "localhost:2718",
    "query": "",
    "hostname": "localhost",
}
# Fields that are open objects by type; this is what marimo's server puts there.
AGREED: dict[str, list[Any]] = {"url": [URL, {**URL, "port": None}], "base_url": [URL]}


def alternatives(info: Any, outer: tuple[type, ...] = ()) -> list[Any]:
    """JSON values that together show every variant of a type; the first is the fullest.

    ``outer`` are the classes being sampled: one inside itself has no alternatives any more.
    """
    match type(info).__name__:
        case "AnyType":
            return list(ANYTHING)
        case "StrType":
            return ["text"]
        case "IntType":
            return [7]
        case "FloatType":
            return [1.5]
        case "BoolType":
            return [True, False]
        case "NoneType":
            return [None]
        case "BytesType":
            return ["AAEC"]
        case "LiteralType":
            return list(info.values)
        case "EnumType":
            return [member.value for member in info.cls]
        case "UnionType":
            return [value for member in info.types for value in alternatives(member, outer)]
        case "ListType" | "VarTupleType" | "SetType" | "FrozenSetType":
            return [*([value] for value in alternatives(info.item_type, outer)), []]
        case "TupleType":
            parts = [alternatives(item, outer) for item in info.item_types]
            return [list(values) for values in one_at_a_time(parts)]
        case "DictType":
            values = alternatives(info.value_type, outer)
            return [*({"key": value} for value in values), {}]
        case "StructType" | "DataclassType" | "TypedDictType":
            return [] if info.cls in outer else objects(info, outer)
    raise TypeError(f"no sample for {info}")


def objects(info: Any, outer: tuple[type, ...] = ()) -> list[dict[str, Any]]:
    """A full object, one for each variant of each field, and one without the optional fields."""
    inner = (*outer, info.cls)
    is_request = info.cls.__name__ == "HTTPRequest"
    fields = {
        field.encode_name: (is_request and AGREED.get(field.name))
        or alternatives(field.type, inner)
        for field in info.fields
    }
    tag = {info.tag_field: info.tag} if getattr(info, "tag_field", None) else {}
    found = [
        tag | dict(zip(fields, values, strict=True)) for values in one_at_a_time([*fields.values()])
    ]
    required = {field.encode_name for field in info.fields if field.required}
    if len(required) < len(fields):
        found.append(tag | {name: fields[name][0] for name in required})
    return found


def one_at_a_time(parts: list[list[Any]]) -> Iterator[list[Any]]:
    """All first alternatives, then each other alternative among the first ones of the rest."""
    first = [part[0] for part in parts]
    yield first
    for index, part in enumerate(parts):
        for value in part[1:]:
            yield [*first[:index], value, *first[index + 1 :]]


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    msgspec: Any = importlib.import_module("msgspec")
    encode = importlib.import_module("marimo._messaging.msgspec_encoder").encode_json_bytes
    types = {
        "command": importlib.import_module("marimo._runtime.commands").CommandMessage,
        "notification": importlib.import_module(
            "marimo._messaging.notification"
        ).NotificationMessage,
    }

    def again(kind: str, text: str) -> dict[str, str]:
        try:
            message = msgspec.json.decode(text.encode(), type=types[kind], strict=True)
            return {"text": encode(message).decode()}
        except Exception as error:  # whatever marimo raises is the answer
            reason = f"{type(error).__name__}: {error}"
            found = PATH_IN_REASON.search(reason)
            return {
                "refused": PATH_IN_REASON.sub("", reason),
                "path": found.group(1) if found else "",
            }

    samples = []
    tags = {}
    for kind, union in types.items():
        members = msgspec.inspect.type_info(union).types
        tags[kind] = sorted(member.tag for member in members)
        for member in members if request["samples"] else ():
            for sample in objects(member):
                # Some combinations break a rule between fields; those are no messages.
                answer = again(kind, json.dumps(sample))
                if "text" in answer:
                    samples.append([kind, member.tag, answer["text"]])
    result = {
        "version": importlib.import_module("marimo").__version__,
        "tags": tags,
        "echo": [again(kind, text) for kind, text in request["echo"]],
        "samples": samples,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
