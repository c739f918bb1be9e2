"""Arguments of a call from the page, as sent, into the class a function declares."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from callboard.ui.functions import BadArguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

A = TypeVar("A")

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(key: str) -> str:
    """`pageSize` as `page_size`; a run of capitals is one word."""
    return _WORD_START.sub("_", key).lower()


def structure(arguments: Mapping[str, object], cls: type[A]) -> A:
    """An instance of the argument class.

    Raises:
        BadArguments: an unknown, missing or repeated key, or a value of the wrong type; says which.
    """
    try:
        return _converter.structure(arguments, cls)
    except BadArguments:
        raise
    except Exception as error:
        raise BadArguments("; ".join(_reasons(error))) from error


def _reasons(error: Exception) -> list[str]:
    reasons = []
    for reason in cattrs.transform_error(error, format_exception=_reason):
        # cattrs says "reason @ $.path"
        text, _, path = reason.rpartition(" @ $")
        reasons.append(f"{path.removeprefix('.')}: {text}" if path else text)
    return reasons


def _reason(error: BaseException, kind: type | None) -> str:
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown argument {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, KeyError):
        return "missing"
    return str(error) or type(error).__name__


def _keys(sent: object, cls: type) -> dict[str, object]:
    if not isinstance(sent, dict):
        raise TypeError(f"expected an object for {cls.__name__}, not {_named(sent)}")
    renamed: dict[str, object] = {}
    for key, value in sent.items():
        if key.startswith("_"):
            continue
        name = snake_case(key)
        if name in renamed:
            raise ValueError(f"argument {name} given twice")
        renamed[name] = value
    return renamed


def _class_hook(cls: type) -> Callable[[object, Any], Any]:
    fill = cast(
        "Callable[[object, Any], Any]",
        make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True),
    )
    return lambda sent, kind: fill(_keys(sent, cls), kind)


def _named(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _exactly(kind: type, words: str) -> Callable[[object, Any], Any]:
    def check(sent: object, _: Any) -> object:
        if type(sent) is kind:
            return sent
        raise TypeError(f"expected {words}, not {_named(sent)}")

    return check


def _integer(sent: object, _: Any) -> int:
    if type(sent) is int:
        return sent
    if type(sent) is float and sent.is_integer():  # JavaScript has one kind of number
        return int(sent)
    raise TypeError(f"expected an integer, not {sent if type(sent) is float else _named(sent)}")


def _number(sent: object, _: Any) -> float:
    if type(sent) is float or type(sent) is int:
        return float(sent)
    raise TypeError(f"expected a number, not {_named(sent)}")


def _iso(kind: type[Any]) -> Callable[[object, Any], Any]:
    def parse(sent: object, _: Any) -> Any:
        if type(sent) is not str:
            raise TypeError(f"expected an ISO {kind.__name__}, not {_named(sent)}")
        try:
            return kind.fromisoformat(sent)
        except ValueError:
            raise ValueError(f"expected an ISO {kind.__name__}, not {sent!r}") from None

    return parse


_converter = cattrs.Converter()
_converter.register_structure_hook_factory(
    lambda kind: isinstance(kind, type) and (attrs.has(kind) or dataclasses.is_dataclass(kind)),
    _class_hook,
)
_converter.register_structure_hook(bool, _exactly(bool, "true or false"))
_converter.register_structure_hook(str, _exactly(str, "a string"))
_converter.register_structure_hook(int, _integer)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook(datetime.date, _iso(datetime.date))
_converter.register_structure_hook(datetime.datetime, _iso(datetime.datetime))
_converter.register_structure_hook(datetime.time, _iso(datetime.time))
