"""Names of databases as the graph links cells by them, beside the names of Python."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from callboard.sqlparse import ObjectKind, SQLObject

# What a name without them means, so that with and without them it is one name.
_OWN_CATALOGS = frozenset({"memory", "temp"})
_OWN_SCHEMAS = frozenset({"main", "public", "dbo"})


class SQLName(str):
    """A table or view, or a schema or catalog, of one engine. Equal for the same thing, never equal to a Python name.

    Upper and lower case are the same, and so are ``t``, ``main.t`` and ``memory.main.t``.
    """

    __slots__ = ("shown",)
    shown: str
    """The name as it was written."""

    @classmethod
    def of(cls, engine: str | None, named: SQLObject) -> SQLName | None:
        """Make the name of something; None for a schema or catalog that is always there."""
        parts = _told_apart(engine, named)
        return cls._make(engine, named, parts) if parts else None

    @classmethod
    def satisfying(cls, engine: str | None, needed: SQLObject) -> Iterator[SQLName]:
        """Make the names of all that has to be there for something to be found: itself, its schema, its catalog."""
        parts = _told_apart(engine, needed)
        if parts:
            yield cls._make(engine, needed, parts)
        for length in range(1, len(parts)):
            above = SQLObject(ObjectKind.SCHEMA, parts[:length])
            yield cls._make(engine, above, above.parts)

    @classmethod
    def _make(cls, engine: str | None, named: SQLObject, parts: tuple[str, ...]) -> SQLName:
        sort = "container" if named.kind.contains else "table"
        quoted = ".".join(part.replace(".", "..") for part in parts)
        name = cls(f"{sort} {engine or ''}:{quoted}")
        name.shown = ".".join(named.parts)
        return name


def _told_apart(engine: str | None, named: SQLObject) -> tuple[str, ...]:
    parts = [part.casefold() for part in named.parts]
    if engine is None and len(parts) > 1 and parts[0] in _OWN_CATALOGS:
        del parts[0]
    inner = 0 if named.kind.contains else 1
    if len(parts) > inner and parts[-1 - inner] in _OWN_SCHEMAS:
        del parts[-1 - inner]
    if named.kind.contains and engine is None and parts and parts[0] in _OWN_CATALOGS:
        del parts[0]
    return tuple(parts)


def shown_name(name: str) -> str:
    """Return a name of the graph as its author wrote it."""
    return name.shown if isinstance(name, SQLName) else name


@attrs.frozen
class MadeObject:
    """Something that a cell makes in a database."""

    name: SQLName
    engine: str | None
    """The variable that holds the engine; None for the built-in DuckDB."""
    made: SQLObject
