"""Takes back what the SQL of cells made, as far as it is in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from callboard.actors.notebook.analysis import MadeObject
from callboard.sqlparse import ObjectKind, SQLObject

_ORDER = (ObjectKind.VIEW, ObjectKind.TABLE, ObjectKind.SCHEMA, ObjectKind.CATALOG)
"""What is inside goes before what it is in."""


def drop(made: Iterable[MadeObject], values: Mapping[str, object]) -> None:
    """Drop tables, views and schemas of DuckDB databases that are in memory, and detach catalogs. Never raises.

    What is in a file stays. ``values`` are the variables that hold other engines than the built-in one. Cell thread
    only, and only where the notebook has imported duckdb.
    """
    duckdb = sys.modules.get("duckdb")
    if duckdb is None:
        return
    by_engine: dict[str | None, list[SQLObject]] = {}
    for each in made:
        by_engine.setdefault(each.engine, []).append(each.made)
    for engine, objects in by_engine.items():
        connection = _built_in(duckdb) if engine is None else values.get(engine)
        kind = getattr(duckdb, "DuckDBPyConnection", None)
        if isinstance(kind, type) and issubclass(type(connection), kind):
            _drop_from(connection, objects)


def _built_in(duckdb: Any) -> Any:
    try:
        return duckdb.connect(":default:")
    except Exception:  # it is broken, or a module of the user's that has that name
        return None


def _drop_from(connection: Any, objects: Sequence[SQLObject]) -> None:
    in_memory = _in_memory(connection)
    for made in sorted(objects, key=lambda made: _ORDER.index(made.kind)):
        _drop(connection, made, in_memory)


def _in_memory(connection: Any) -> frozenset[str]:
    """The catalogs that are in memory, and an empty name if the current one is."""
    rows = _rows(
        connection,
        "SELECT lower(database_name), database_name = current_database() FROM duckdb_databases() "
        "WHERE path IS NULL AND (type = 'duckdb' OR internal)",
    )
    names = {name for name, _ in rows}
    return frozenset(names | {""} if any(current for _, current in rows) else names)


def _drop(connection: Any, made: SQLObject, in_memory: frozenset[str]) -> None:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in made.parts)
    if made.kind is ObjectKind.CATALOG:
        if (made.parts[0].casefold(),) in _rows(connection, "SELECT lower(current_database())"):
            _run(connection, "USE memory")
        _run(connection, f"DETACH DATABASE IF EXISTS {name}")
        return
    catalog = _catalog(connection, made)
    if catalog not in in_memory and not made.temporary:
        return
    if made.kind is ObjectKind.SCHEMA:
        _run(connection, f"DROP SCHEMA IF EXISTS {name} CASCADE")
        return
    # One kind may have been replaced by the other since, and DuckDB refuses to drop it as what it is not.
    for kind in ("VIEW", "TABLE"):
        _run(connection, f"DROP {kind} IF EXISTS {name}")


def _catalog(connection: Any, made: SQLObject) -> str:
    """The catalog that an object is in, an empty name for the current one."""
    depth = 1 if made.kind is ObjectKind.SCHEMA else 2
    if len(made.parts) > depth:
        return made.parts[0].casefold()
    if len(made.parts) < depth:
        return ""
    # One part less than with a catalog and a schema: it may be either.
    first = made.parts[0].casefold()
    known = _rows(connection, "SELECT lower(database_name) FROM duckdb_databases()")
    return first if (first,) in known and made.kind is not ObjectKind.SCHEMA else ""


def _rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    result = _run(connection, query)
    try:
        return [] if result is None else list(result.fetchall())
    except Exception:
        return []


def _run(connection: Any, statement: str) -> Any:
    try:
        return connection.execute(statement)
    except Exception:  # it is gone, in use, or in a transaction that failed: then it stays
        return None
