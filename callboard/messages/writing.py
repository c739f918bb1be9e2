"""Values to JSON text, with as little work for each as their types allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import attrs
import msgspec

from callboard.messages.plain import MAX_DEPTH, WRITTEN_ALIKE, EncodeError, Lowering
from callboard.messages.wire import SHAPES, Shape

PIECE = 512
"""About how many items of containers are written in one go, while no other thread can run."""
SMALL = 2000
"""How many values can be written in the time in which a tick should be."""
_CHARACTERS = 64
"""How many characters of text take the time of one value."""

_encode = msgspec.json.Encoder().encode
_STRINGS = frozenset({str})


def write(value: object) -> bytes:
    """Make the JSON text of what `to_plain` makes of a value, without making it where it can be spared.

    A large value is written in pieces, between which other threads get their turn. Calls code of the value's class,
    as `to_plain` does.

    Raises:
        EncodeError: the value contains itself, is nested too deeply or is too large.
        UnicodeError: there is text in it that `to_plain` would mend.
    """
    try:
        return _encode(_Writing().lower(value))
    except RecursionError:
        raise EncodeError("nested too deeply") from None


def is_large(value: object, limit: int = SMALL) -> bool:
    """Say whether a value takes long to write, or may: objects that are no part of a message may hold anything.

    Takes a small part of the time that it is about, and calls no code of the value's class.
    """
    waiting: list[Any] = [value]
    while waiting:
        item: Any = waiting.pop()
        cls = type(item)
        if cls is str or cls is bytes:
            limit -= len(item) // _CHARACTERS
        elif cls in WRITTEN_ALIKE or item is msgspec.UNSET:
            pass
        elif cls in _SHAPES:
            fields = _SHAPES[cls]
            limit -= len(fields.each)
            if limit >= 0:
                waiting += fields.all(item)
        elif cls is list or cls is tuple or cls is dict:
            limit -= len(item)
            if limit >= 0:
                waiting += item.values() if cls is dict else item
        else:
            return True
        if limit < 0:
            return True
    return False


@attrs.frozen
class _Fields:
    """How to get at the attributes of one class, and how they are written."""

    keys: tuple[str, ...]
    each: tuple[Callable[[Any], object], ...]
    written: Callable[..., object]
    """Makes of all attributes what the encoder writes in their order, under the right keys."""

    @classmethod
    def of(cls, kind: type, shape: Shape) -> _Fields:
        names = [name for name, _ in shape.keys]
        return cls(
            keys=tuple(key for _, key in shape.keys),
            each=tuple(map(attrgetter, names)),
            # They live as long as the walk: nothing for the garbage collector to look at.
            written=msgspec.defstruct(kind.__name__, names, rename=dict(shape.keys), gc=False),
        )

    def all(self, value: object) -> list[object]:
        return [get(value) for get in self.each]


_SHAPES: dict[type, _Fields] = {
    cls: _Fields.of(cls, shape) for cls, shape in SHAPES.items() if shape.tag is None
}


@attrs.define(eq=False)
class _Writing(Lowering):
    """One walk that stops short of what the encoder writes as `Lowering` would have it.

    That is left as it is. What is large becomes text on the way.
    """

    _least: int = 0
    """How little room a piece may leave."""

    def lower(self, value: object) -> object:
        if type(value) in WRITTEN_ALIKE:
            return value
        return super().lower(value)

    def _lower_alike(self, values: list[Any]) -> list[Any] | None:
        """Lower values of a few known types together, which is quick; None if that cannot be, or is too much."""
        room = self._room
        self._least = max(0, room - PIECE)
        lowered = self._together(values, len(self._open))
        if lowered is None:
            self._room = room
        return lowered

    def _together(self, values: list[Any], depth: int) -> list[Any] | None:
        # Attribute by attribute instead of one by one, since that is a loop in C.
        kinds = set(map(type, values))
        compound = kinds - WRITTEN_ALIKE
        if not compound:
            return values
        if len(compound) > 1 or depth >= MAX_DEPTH:
            return None
        (kind,) = compound
        these: list[Any] = (
            values if len(kinds) == 1 else [value for value in values if type(value) is kind]
        )
        fields = _SHAPES.get(kind)
        lowered: Iterable[Any]
        if fields is not None:
            columns = [self._together(list(map(get, these)), depth + 1) for get in fields.each]
            if any(column is None for column in columns):
                return None
            lowered = map(fields.written, *columns)  # type: ignore[arg-type]
        elif kind is list or kind is dict:
            self._room -= sum(map(len, these))
            if self._room < self._least:
                return None
            if kind is dict:
                if not _STRINGS.issuperset(map(type, chain.from_iterable(these))):
                    return None
                parts = list(chain.from_iterable(map(dict.values, these)))
            else:
                parts = list(chain.from_iterable(these))
            rest = self._together(parts, depth + 1)
            if rest is parts:
                return values
            if rest is None or kind is dict:
                return None
            parted = iter(rest)
            lowered = (list(islice(parted, len(value))) for value in these)
        else:
            return None
        if these is values:
            return list(lowered)
        following = iter(lowered)
        return [next(following) if type(value) is kind else value for value in values]

    def _message(self, value: object, shape: Shape) -> object:
        fields = _SHAPES.get(type(value))
        if fields is None:
            return super()._message(value, shape)
        values = fields.all(value)
        for index, item in enumerate(values):
            if type(item) not in WRITTEN_ALIKE and item is not msgspec.UNSET:
                try:
                    values[index] = self.lower(item)
                except EncodeError as error:
                    raise error.within(fields.keys[index]) from None
        return fields.written(*values)

    def _mapping(self, value: Mapping[object, object]) -> object:
        if type(value) is dict and len(value) <= PIECE and self._lower_alike([value]):
            return value
        plain = super()._mapping(value)
        assert isinstance(plain, dict)
        if len(plain) <= PIECE:
            return plain
        pairs = list(plain.items())
        texts = [_encode(dict(pairs[at : at + PIECE])) for at in range(0, len(pairs), PIECE)]
        return msgspec.Raw(b"{" + b",".join(text[1:-1] for text in texts) + b"}")

    def _sequence(self, value: Iterable[object]) -> object:
        items = list(value)
        self._take(len(items))
        done: list[object] = []
        # Those from here on have been lowered and are not text yet.
        pending = 0
        room = self._room
        at, step = 0, PIECE
        while at < len(items):
            piece = items[at : at + step]
            before = self._room
            together = self._lower_alike(piece)
            if together is not None:
                done += together
                at += len(piece)
                if 2 * (before - self._room) <= PIECE:
                    step = min(PIECE, 2 * step)
            elif step > 1:
                step = max(1, step // 4)
                continue
            else:
                try:
                    done.append(self.lower(items[at]))
                except EncodeError as error:
                    raise error.within(f"[{at}]") from None
                at += 1
            if len(done) - pending + room - self._room >= PIECE:
                done[pending:] = [_inner(done[pending:])]
                pending = len(done)
                room = self._room
        return done


def _inner(items: list[object]) -> msgspec.Raw:
    """Write the items of a list, without the brackets."""
    return msgspec.Raw(_encode(items)[1:-1])
