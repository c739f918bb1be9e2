"""What DB-API 2 drivers say of themselves, and how to use their connections without disturbing anybody."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from callboard.engines.calls import Cancel
from callboard.engines.recognition import has_method, modules_of

_CANCEL_TIMEOUT: Final = 5.0  # seconds that asking a server to cancel may take

_SAVEPOINT: Final = "callboard_check"


def threadsafety_of(cls: type) -> int | None:
    """Return what the module that defines a connection type says of threads (PEP 249); None for nothing.

    Looked up in loaded modules only, from the defining one to its top-level package.
    """
    for module in modules_of(cls):
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            loaded = sys.modules.get(".".join(parts[:length]))
            level = vars(loaded).get("threadsafety") if loaded is not None else None
            if type(level) is int:
                return level
    return None


def static(value: object, name: str) -> Any:
    """Look an attribute up without running a descriptor or ``__getattr__``; None if there is none."""
    return inspect.getattr_static(value, name, None)


def is_of(value: object, *packages: str) -> bool:
    """Tell whether a type, or one of its bases, comes from one of some packages."""
    return any(module.partition(".")[0] in packages for module in modules_of(type(value)))


def canceller(connection: Any) -> Cancel | None:
    """Find how to break off whatever a driver's connection is doing; None where it cannot be."""
    if connection is None:
        return None
    cls = type(connection)
    if has_method(cls, "interrupt"):
        return Cancel(connection.interrupt)
    if has_method(cls, "cancel_safe"):
        return Cancel(lambda: connection.cancel_safe(timeout=_CANCEL_TIMEOUT), remote=True)
    for name in ("cancel", "adbc_cancel"):
        if has_method(cls, name):
            return Cancel(getattr(connection, name), remote=True)
    return None


def cursor_canceller(cursor: Any) -> Cancel | None:
    """Find how to break off what one cursor is doing; None where the driver has no such thing."""
    for name in ("adbc_cancel", "cancel"):
        if has_method(type(cursor), name):
            return Cancel(getattr(cursor, name), remote=True)
    return None


def in_transaction(connection: Any) -> bool | None:
    """Tell whether a connection is in the middle of a transaction; None where its driver does not say.

    Asks no server. For the thread that may use the connection.
    """
    try:
        if is_of(connection, "psycopg"):
            return bool(int(connection.info.transaction_status))
        if is_of(connection, "psycopg2"):
            return bool(connection.get_transaction_status())
        # sqlite3, and what descends from pg8000, such as redshift_connector
        for name in ("in_transaction", "_in_transaction"):
            state = getattr(connection, name, None)
            if isinstance(state, bool):
                return state
    except Exception:
        return None
    return None


@contextmanager
def undisturbed(connection: Any) -> Iterator[None]:
    """Leave the transaction of a connection as it was, even if a statement in the block fails.

    PostgreSQL and its kin open a transaction at any statement, and an error spoils the one that is open.
    For the thread that may use the connection.
    """
    kin = is_of(connection, "psycopg", "psycopg2", "pg8000", "redshift_connector")
    state = in_transaction(connection) if kin else None
    if state:
        with _savepoint(connection):
            yield
    elif state is False:
        try:
            yield
        finally:
            if in_transaction(connection):
                with suppress(Exception):
                    connection.rollback()
    else:
        yield


@contextmanager
def _savepoint(connection: Any) -> Iterator[None]:
    try:
        _run(connection, f"SAVEPOINT {_SAVEPOINT}")
    except Exception:
        # In a spoiled transaction, or in none: what the block says of it is what there is to say.
        yield
        return
    try:
        yield
    finally:
        with suppress(Exception):
            _run(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            _run(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _run(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        with suppress(Exception):
            cursor.close()


def fetch(cursor: Any) -> tuple[list[str], Sequence[Any]]:
    """Fetch all that a statement gave: the names of its columns and its rows; none for one without rows."""
    description = cursor.description
    if not description:
        return [], []
    return [str(column[0]) for column in description], cursor.fetchall()
