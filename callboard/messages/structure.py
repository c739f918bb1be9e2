"""JSON values to message classes, strictly: a value of the wrong type is an error."""

from __future__ import annotations

import logging
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

import attrs
from cattrs import BaseValidationError, ClassValidationError, Converter
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override
from cattrs.gen.typeddicts import make_dict_structure_fn as make_typed_dict_structure_fn
from msgspec import UnsetType

from callboard.messages.commands import LengthMismatch
from callboard.messages.payloads import CellConfig, CellConfigPatch, HTTPRequest
from callboard.messages.wire import SHAPES, camel_case

_logger = logging.getLogger(__name__)

StructureHook = Callable[[Any, Any], Any]

_KINDS: dict[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    str: "a string",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class Misfit(ValueError):
    """A value does not have the type it must have. The message never contains the value."""

    def at(self, step: str | int) -> Misfit:
        """Say that the value is an item of a larger one."""
        self.add_note(IterableValidationNote("", step, None))
        return self


def _kind(value: object) -> str:
    for kind, name in _KINDS.items():
        if isinstance(value, kind):
            return name
    if isinstance(value, Mapping):
        return "an object"
    return f"a {type(value).__name__}"


def misfit(expected: str, value: object) -> Misfit:
    """Make the error for a value of the wrong type; say of which, and never which value."""
    return Misfit(f"expected {expected}, got {_kind(value)}")


@attrs.frozen
class Problem:
    """What is wrong first, and where: ``executionRequests[2].code``, None for the whole."""

    reason: str
    path: str | None


def first_problem(error: BaseException) -> Problem:
    """Find the innermost cause of a failed conversion."""
    path = ""
    owner: type | None = None
    while True:
        for note in reversed(getattr(error, "__notes__", [])):
            if isinstance(note, AttributeValidationNote):
                shape = SHAPES.get(owner) if owner is not None else None
                path += _step(note.name if shape is None else shape.key(note.name))
            elif isinstance(note, IterableValidationNote):
                path += _step(note.index)
        if not isinstance(error, BaseValidationError):
            break
        owner = error.cl if isinstance(error, ClassValidationError) else None
        error = error.exceptions[0]
    if isinstance(error, LengthMismatch):
        path += _step(camel_case(error.second))
        reason = error.describe(camel_case(error.first), camel_case(error.second))
    elif isinstance(error, KeyError):
        reason = "missing"
    elif isinstance(error, Misfit):
        reason = str(error)
    else:
        reason = f"not acceptable ({type(error).__name__})"
    return Problem(reason, path.removeprefix(".") or None)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    plain = step.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return f".{step}" if plain else f"[{step!r}]"


def _string(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise misfit("a string", value)
    return value


def _boolean(value: Any, _: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise misfit("a boolean", value)


def _integer(value: Any, _: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise misfit("an integer", value)
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise misfit("a number", value)
    try:
        return float(value)
    except OverflowError:
        raise Misfit("too large a number") from None


def _bytes(value: Any, _: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise misfit("base64 text", value)
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise Misfit("not valid base64") from None


def _anything(value: Any, _: Any) -> Any:
    return value


def _literal(annotation: Any) -> StructureHook:
    choices = get_args(annotation)
    expected = "one of " + ", ".join(map(repr, choices))

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, str):
            raise misfit(expected, value)
        if value not in choices:
            raise Misfit(f"expected {expected}")
        return value

    return structure


def _list(annotation: Any, converter: Converter) -> StructureHook:
    (item_type,) = get_args(annotation)
    item_hook = converter.get_structure_hook(item_type)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise misfit("a list", value)
        result: list[Any] = []
        try:
            for item in value:
                result.append(item_hook(item, item_type))
        except Exception as error:
            error.add_note(IterableValidationNote("", len(result), item_type))
            raise
        return result

    def untouched(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise misfit("a list", value)
        return list(value)

    return untouched if item_type is object else structure


def _tuple(annotation: Any, converter: Converter) -> StructureHook:
    item_types = get_args(annotation)
    hooks = [(converter.get_structure_hook(t), t) for t in item_types]

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise misfit("a list", value)
        if len(value) != len(hooks):
            raise Misfit(f"expected {len(hooks)} items, got {len(value)}")
        result: list[Any] = []
        try:
            for item, (hook, item_type) in zip(value, hooks, strict=True):
                result.append(hook(item, item_type))
        except Exception as error:
            error.add_note(IterableValidationNote("", len(result), None))
            raise
        return tuple(result)

    return structure


def _mapping(annotation: Any, converter: Converter) -> StructureHook:
    _, item_type = get_args(annotation)
    item_hook = converter.get_structure_hook(item_type)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise misfit("an object", value)
        result: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise misfit("strings as keys", key)
            try:
                result[key] = item_hook(item, item_type)
            except Exception as error:
                error.add_note(IterableValidationNote("", key, item_type))
                raise
        return result

    def untouched(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise misfit("an object", value)
        return dict(value)

    return untouched if item_type is object else structure


def _class(cls: Any, converter: Converter) -> StructureHook:
    shape = SHAPES[cls]
    overrides: dict[str, Any] = {
        name: override(rename=key) for name, key in shape.keys if key != name
    }
    if cls is HTTPRequest:
        # The class itself replaces whatever is no mapping.
        overrides |= {name: override(struct_hook=_anything) for name in ("meta", "user")}
    generated = make_dict_structure_fn(cls, converter, **overrides)
    tags = tuple((shape.constants | dict([shape.tag] if shape.tag else [])).items())

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise misfit("an object", value)
        for key, tag in tags:
            if value.get(key, tag) != tag:
                raise Misfit(f"expected {tag!r}").at(key)
        return generated(value, cls)

    return structure


def _known_keys(value: Any, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise misfit("an object", value)
    unknown = value.keys() - keys
    if unknown:
        _logger.warning(
            "ignoring unknown cell config keys: %s", ", ".join(sorted(map(str, unknown)))
        )
    return {key: item for key, item in value.items() if key in keys}


def _cell_config(converter: Converter) -> StructureHook:
    generated = make_dict_structure_fn(CellConfig, converter)
    keys = frozenset(attribute for attribute, _ in SHAPES[CellConfig].keys)
    return lambda value, _: generated(_known_keys(value, keys), CellConfig)


def _cell_config_patch(converter: Converter) -> StructureHook:
    generated = make_typed_dict_structure_fn(CellConfigPatch, converter)
    keys = CellConfigPatch.__optional_keys__
    return lambda value, _: generated(_known_keys(value, keys), CellConfigPatch)


def _tagged(members: list[Any], converter: Converter) -> StructureHook:
    """Tell the classes of a union apart by their constant."""
    (key,) = set.intersection(*(set(SHAPES[cls].constants) for cls in members))
    hooks = {
        SHAPES[cls].constants[key]: (converter.get_structure_hook(cls), cls) for cls in members
    }
    expected = "one of " + ", ".join(map(repr, hooks))

    def structure(value: Any, _: Any) -> Any:
        if key not in value:
            raise Misfit("missing").at(key)
        tag = value[key]
        if not isinstance(tag, str):
            raise misfit(expected, tag).at(key)
        if tag not in hooks:
            raise Misfit(f"expected {expected}").at(key)
        hook, cls = hooks[tag]
        return hook(value, cls)

    return structure


def _union(annotation: Any, converter: Converter) -> StructureHook:
    """Tell the members of a union apart by the kind of JSON value that each is written as."""
    kinds: dict[type, StructureHook] = {}
    classes: list[Any] = []
    for member in get_args(annotation):
        base: Any = member.__supertype__ if isinstance(member, NewType) else member
        origin: Any = get_origin(base) or base
        if origin is UnsetType:
            continue
        if origin is Literal:
            origin = str
        if attrs.has(origin):
            classes.append(base)
        elif origin is NoneType:
            kinds[NoneType] = _anything
        else:
            kinds[origin] = converter.get_structure_hook(base)
    if classes:
        kinds[dict] = (
            converter.get_structure_hook(classes[0])
            if len(classes) == 1
            else _tagged(classes, converter)
        )
    expected = " or ".join(_KINDS[kind] for kind in kinds)

    def structure(value: Any, annotation: Any) -> Any:
        hook = kinds.get(type(value))
        if hook is None:
            hook = _hook_for_subclass(value, kinds)
        if hook is None:
            raise misfit(expected, value)
        return hook(value, annotation)

    return structure


def _hook_for_subclass(value: Any, kinds: dict[type, StructureHook]) -> StructureHook | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Mapping):
        return kinds.get(dict)
    if isinstance(value, tuple):
        return kinds.get(list)
    if isinstance(value, int) and int not in kinds:
        return kinds.get(float)
    return next((hook for kind, hook in kinds.items() if isinstance(value, kind)), None)


_SCALARS: dict[type, StructureHook] = {
    str: _string,
    bool: _boolean,
    int: _integer,
    float: _number,
    bytes: _bytes,
}


def _hook_for(annotation: Any, converter: Converter) -> StructureHook:
    if annotation is object:
        return _anything
    if isinstance(annotation, NewType):
        return converter.get_structure_hook(annotation.__supertype__)
    if annotation is CellConfig:
        return _cell_config(converter)
    if annotation is CellConfigPatch:
        return _cell_config_patch(converter)
    if annotation in SHAPES:
        return _class(annotation, converter)
    origin = get_origin(annotation)
    if origin is Literal:
        return _literal(annotation)
    if origin in (UnionType, Union):
        return _union(annotation, converter)
    by_origin = {list: _list, tuple: _tuple, dict: _mapping}
    return by_origin[origin](annotation, converter)


def make_converter() -> Converter:
    """Make a converter that takes only what messages are made of.

    Whatever its hooks raise, ``first_problem`` explains.
    """
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook_factory(lambda annotation: True, _hook_for)
    # By class, or the lenient hooks that a converter starts with would come first.
    for scalar, hook in _SCALARS.items():
        converter.register_structure_hook(scalar, hook)
    return converter
