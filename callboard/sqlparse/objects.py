"""Which tables, views, schemas and catalogs a query makes, and which it needs."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import attrs

from callboard.sqlparse.dialects import parser_library, without_warnings

_CHANGES = re.compile(r"(?i)\b(create|alter|attach|detach)\b")
_EXPLAIN = re.compile(r"(?is)\s*analyze\b")


class ObjectKind(enum.StrEnum):
    """What sort of thing a name of a database stands for."""

    TABLE = "table"
    VIEW = "view"
    SCHEMA = "schema"
    CATALOG = "catalog"

    @property
    def contains(self) -> bool:
        """Whether it holds other objects."""
        return self in (ObjectKind.SCHEMA, ObjectKind.CATALOG)


@attrs.frozen
class SQLObject:
    """A name of a database: its parts from the outermost one given to the innermost, as they are written."""

    kind: ObjectKind
    parts: tuple[str, ...]
    temporary: bool = False


@attrs.frozen
class SQLUse:
    """What a text of SQL makes and needs, each in the order of the text.

    ``needs`` holds tables and views that were there before the text ran, those it changes or drops too, and schemas
    and catalogs that it names by themselves.
    """

    makes: tuple[SQLObject, ...] = ()
    needs: tuple[SQLObject, ...] = ()


def changes_catalog(query: str) -> bool:
    """Tell whether a text may create, alter, attach or detach something. It may say yes too often, never no."""
    return _CHANGES.search(query) is not None


def use_of(query: str, dialect: str | None = "duckdb") -> SQLUse:
    """Find what a text of SQL makes and needs.

    ``dialect`` is sqlglot's name of it, None for what dialects have in common.

    Raises:
        ParserMissing: sqlglot is not installed.
        Exception: whatever the parser raises of a text that it does not understand.
    """
    sqlglot = parser_library()
    with without_warnings():
        reader = _Reader(sqlglot.exp, dialect, sqlglot.parse)
        reader.text(query)
    return SQLUse(tuple(reader.makes), tuple(reader.needs))


class _Reader:
    def __init__(self, exp: Any, dialect: str | None, parse: Any) -> None:
        self.exp = exp
        self.dialect = dialect
        self.parse = parse
        self.makes: dict[SQLObject, None] = {}
        self.needs: dict[SQLObject, None] = {}
        self.made: set[tuple[str, ...]] = set()

    def text(self, query: str) -> None:
        for statement in self.parse(query, dialect=self.dialect):
            if statement is not None:
                self.statement(statement)

    def statement(self, node: Any) -> None:
        exp = self.exp
        if isinstance(node, exp.Create):
            self.create(node)
        elif isinstance(node, exp.Attach):
            self.attach(node)
        elif isinstance(node, exp.Detach):
            self.need(ObjectKind.CATALOG, (node.name,))
        elif isinstance(node, exp.Use):
            self.use(node)
        elif isinstance(node, exp.Drop) and str(node.args.get("kind")).upper() == "SCHEMA":
            for table in node.find_all(exp.Table):
                self.need(ObjectKind.SCHEMA, _parts(exp, table))
        elif isinstance(node, exp.Command):
            if str(node.this).upper() == "EXPLAIN":
                self.text(_EXPLAIN.sub("", node.expression.name))
        else:
            self.read(node, frozenset())

    def create(self, node: Any) -> None:
        exp = self.exp
        kind = str(node.args.get("kind") or "").upper()
        target = node.this
        table = target.this if isinstance(target, exp.Schema) else target
        if kind in ("TABLE", "VIEW") and isinstance(table, exp.Table):
            self.read(node, frozenset(), skip=table)
            parts = _parts(exp, table)
            if len(parts) > 1 and parts not in self.made:
                self.need(ObjectKind.SCHEMA, parts[:-1])
            temporary = node.find(exp.TemporaryProperty) is not None
            self.make(SQLObject(ObjectKind(kind.lower()), parts, temporary))
        elif kind == "SCHEMA" and isinstance(table, exp.Table):
            parts = _parts(exp, table)
            if len(parts) > 1:
                self.need(ObjectKind.CATALOG, parts[:-1])
            self.make(SQLObject(ObjectKind.SCHEMA, parts))
        elif kind == "DATABASE" and isinstance(table, exp.Table):
            self.make(SQLObject(ObjectKind.CATALOG, _parts(exp, table)))
        elif kind == "INDEX":
            self.read(node, frozenset())
        # What functions and macros read they read when they are called.

    def attach(self, node: Any) -> None:
        source = node.this
        alias = source.alias if isinstance(source, self.exp.Alias) else ""
        name = alias or PurePath(source.name).stem
        if name:
            self.make(SQLObject(ObjectKind.CATALOG, (name,)))

    def use(self, node: Any) -> None:
        for table in node.find_all(self.exp.Table):
            self.need(ObjectKind.SCHEMA, _parts(self.exp, table))

    def make(self, made: SQLObject) -> None:
        if made.parts and all(made.parts):
            self.makes[made] = None
            self.made.add(tuple(part.lower() for part in made.parts))

    def need(self, kind: ObjectKind, parts: tuple[str, ...]) -> None:
        if not parts or not all(parts):
            return
        lowered = tuple(part.lower() for part in parts)
        # Made by the text itself, before it is needed.
        if lowered not in self.made:
            self.needs[SQLObject(kind, parts)] = None

    def read(self, node: Any, hidden: frozenset[str], skip: Any = None) -> None:
        """Find the tables below a node. ``hidden`` are the names that common table expressions have here."""
        exp = self.exp
        if node is skip:
            return
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None:
            recursive = bool(with_.args.get("recursive"))
            for each in with_.expressions:
                own = hidden | {each.alias.lower()}
                self.read(each.this, own if recursive else hidden, skip)
                hidden = own
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier | exp.Dot):
            parts = _parts(exp, node)
            if len(parts) > 1 or parts[0].lower() not in hidden:
                self.need(ObjectKind.TABLE, parts)
        for child in _children(exp, node):
            if child is not with_:
                self.read(child, hidden, skip)


def _children(exp: Any, node: Any) -> Iterator[Any]:
    for value in node.args.values():
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, exp.Expression):
                yield child


def _parts(exp: Any, table: Any) -> tuple[str, ...]:
    return tuple(part.name for part in table.parts)
