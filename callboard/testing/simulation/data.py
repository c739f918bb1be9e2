"""What the cells of a simulation bind that the data domains know: a storage and a database, each made of a number.

Neither has a thread, a file or a clock, and neither changes once it is made: what is answered about one tells which
it is.
"""

from __future__ import annotations

import importlib
import importlib.util
from datetime import UTC, datetime
from typing import Any

import attrs

threadsafety = 2
"""What PEP 249 has drivers say: threads may share connections."""
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def has_storages() -> bool:
    """Tell whether there is the library that `storage_of` takes."""
    return importlib.util.find_spec("fsspec") is not None


def storage_of(number: int) -> Any:
    """Make a filesystem of fsspec in memory, not shared with any other, with one file that is called by the number."""
    memory: Any = importlib.import_module("fsspec.implementations.memory")
    storage = memory.MemoryFileSystem(skip_instance_cache=True)
    # The class has one store for all.
    storage.store, storage.pseudo_dirs = {}, [""]
    file = memory.MemoryFile(storage, f"/{number}", str(number).encode())
    file.created = file.modified = _LONG_AGO
    storage.store[file.path] = file
    return storage


def database_of(number: int) -> Database:
    """Make a database with one table, which is called by the number."""
    return Database(f"t{number}")


class Error(Exception):
    """What PEP 249 has drivers raise."""


@attrs.define(eq=False)
class Database:
    """A connection of DB-API 2 to a database that has one empty table."""

    table: str

    def cursor(self) -> Cursor:
        """Begin a query."""
        return Cursor(self.table)

    def commit(self) -> None:
        """Nothing was changed."""

    def rollback(self) -> None:
        """Nothing was changed."""

    def close(self) -> None:
        """Nothing is open."""


@attrs.define(eq=False)
class Cursor:
    """Carries out one query at a time."""

    table: str
    description: list[tuple[str]] = attrs.field(factory=list, init=False)

    def execute(self, query: str) -> None:
        """Accept a query that names the table, and no other."""
        if self.table not in query.split():
            raise Error(f"there is no table but {self.table}")
        self.description = [("plan",)]

    def fetchall(self) -> list[tuple[str]]:
        """Return the rows."""
        return [(f"scan {self.table}",)]

    def close(self) -> None:
        """Nothing is open."""
