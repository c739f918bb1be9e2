"""What the pool of a SQLAlchemy engine means for the threads that use it, and for the cells' transactions."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final

from callboard.engines.drivers import static
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import names_of

_POOLS: Final = "sqlalchemy.pool.impl"
_THREAD_SAFE_POOLS: Final = ("QueuePool", "NullPool")
_SHARING_POOLS: Final = ("SingletonThreadPool", "StaticPool")
_OWN_CODE: Final = (
    "sqlalchemy.engine.create",
    "sqlalchemy.engine.default",
    "sqlalchemy.util.langhelpers",
    "sqlalchemy.dialects.",
)
"""Modules whose functions SQLAlchemy itself has called on events; in others it wraps those of its users."""
_IN_MEMORY: Final = (None, "", ":memory:")


def placement_of(engine: Any) -> Placement:
    """Decide by the pool of an engine, and by where its connections come from, which threads may use it."""
    pool = getattr(engine, "pool", None)  # a property of engines that have options
    pools = {name for module, name in names_of(type(pool)) if module == _POOLS}
    called = type(pool).__name__
    dialect, url = static(engine, "dialect"), static(engine, "url")
    if static(dialect, "name") in ("sqlite", "duckdb") and _is_in_memory(url):
        return _cell(f"{called}: another thread would get a second, empty in-memory database")
    if sharing := pools & set(_SHARING_POOLS):
        return _cell(f"{sharing.pop()}: its connections are the cells' own")
    if not pools & set(_THREAD_SAFE_POOLS):
        return _cell(f"{called}: nothing says that threads may share it")
    if not _is_own(static(pool, "_creator_arg")):
        return _cell(f"{called}: its connections are made by code of the notebook")
    if _is_listened_to(engine):
        return _cell(f"{called}: code of the notebook listens to its events")
    threadsafety = static(static(dialect, "dbapi"), "threadsafety")
    if type(threadsafety) is int and threadsafety < 1:
        return _cell("threadsafety 0: threads may not share the driver")
    return Placement(Place.ANY_THREAD, f"{called}: every call has a connection of its own")


def _cell(reason: str) -> Placement:
    return Placement(Place.CELL_THREAD, reason)


def _is_own(function: Any) -> bool:
    return type(function) is FunctionType and function.__module__.startswith(_OWN_CODE)


def _is_listened_to(engine: Any) -> bool:
    for target in (engine, engine.pool, engine.dialect):
        for name in dir(target.dispatch):
            listeners = None if name.startswith("_") else getattr(target.dispatch, name)
            # Not all there is under a public name is an event.
            if isinstance(listeners, Iterable) and not all(map(_is_own, listeners)):
                return True
    return False


def _is_in_memory(url: Any) -> bool:
    database = getattr(url, "database", None)
    query = dict(getattr(url, "query", ()))
    return (
        database in _IN_MEMORY
        or query.get("mode") == "memory"
        or str(database).startswith("file::memory:")
        or "mode=memory" in str(database)
    )


def shared_connection(engine: Any) -> Any:
    """Return SQLite's connection that all of a thread share, in pools that have but one; else None."""
    if static(static(engine, "dialect"), "name") != "sqlite":
        return None
    pool = engine.pool
    pools = {name for module, name in names_of(type(pool)) if module == _POOLS}
    if "StaticPool" in pools:
        connection = pool.connection.dbapi_connection
        if connection is not None:
            return connection
    elif "SingletonThreadPool" not in pools:
        return None
    # Checked in again at once, which resets it only if the notebook has it not checked out.
    lent = engine.raw_connection()
    try:
        return lent.dbapi_connection
    finally:
        lent.close()


class Undisturbed:
    """A driver's connection whose transactions are the notebook's business, and whose end is too."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Leave the transaction as it is."""

    rollback = close = commit

    def create_function(self, *_args: Any, **_settings: Any) -> None:
        """Keep what the notebook has put in place of SQLAlchemy's functions."""
