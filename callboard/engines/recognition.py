"""Which types are engines: told from names alone, so that no code of the notebook runs and nothing is imported."""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final


class Kind(enum.Enum):
    """A kind of engine, in the order in which they are tried."""

    SQLALCHEMY = "sqlalchemy"
    IBIS = "ibis"
    DUCKDB = "duckdb"
    CHDB = "chdb"
    CLICKHOUSE = "clickhouse"
    ICEBERG = "iceberg"
    REDSHIFT = "redshift"
    ADBC = "adbc"
    DBAPI = "dbapi"


_NAMED: Final[dict[tuple[str, str], Kind]] = {
    ("sqlalchemy.engine.base", "Engine"): Kind.SQLALCHEMY,
    ("ibis.backends.sql", "SQLBackend"): Kind.IBIS,
    ("_duckdb", "DuckDBPyConnection"): Kind.DUCKDB,
    ("duckdb", "DuckDBPyConnection"): Kind.DUCKDB,
    ("duckdb.duckdb", "DuckDBPyConnection"): Kind.DUCKDB,
    ("chdb.state.sqlitelike", "Connection"): Kind.CHDB,
    ("clickhouse_connect.driver.client", "Client"): Kind.CLICKHOUSE,
    ("pyiceberg.catalog", "Catalog"): Kind.ICEBERG,
    ("redshift_connector.core", "Connection"): Kind.REDSHIFT,
}

_REFUSED: Final = frozenset({("clickhouse_connect.driver.asyncclient", "AsyncClient")})
"""Types that look like engines and whose calls have to be awaited."""

_ADBC: Final = ("adbc_get_objects", "adbc_get_table_schema", "adbc_get_info")
_DBAPI: Final = ("cursor", "commit", "rollback", "close")

_mro_of: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
_dict_of: Final[Callable[[type], dict[str, Any]]] = type.__dict__["__dict__"].__get__
_module_of: Final[Callable[[type], object]] = type.__dict__["__module__"].__get__
_qualname_of: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__

_COROUTINE: Final = 0x80 | 0x100  # CO_COROUTINE, and CO_ITERABLE_COROUTINE of old decorators

# By id, since hashing a type may call code of its metaclass.
_known: dict[int, tuple[weakref.ref[type], Kind | None]] = {}


def is_engine_type(cls: type) -> bool:
    """Tell whether values of a type are engines. Cheap, cached, from any thread; runs no code of the type."""
    return kind_of(cls) is not None


def kind_of(cls: type) -> Kind | None:
    """Tell which kind of engine the values of a type are; None for none."""
    identity = id(cls)
    entry = _known.get(identity)
    if entry is not None and entry[0]() is cls:
        return entry[1]
    kind = _recognise(cls)

    def forget(gone: weakref.ref[type]) -> None:
        current = _known.get(identity)
        if current is not None and current[0] is gone:
            del _known[identity]

    _known[identity] = weakref.ref(cls, forget), kind
    return kind


def names_of(cls: type) -> frozenset[tuple[str, str]]:
    """Name a type and its bases, each as module and qualified name."""
    names = set()
    for base in _mro_of(cls):
        module = _module_of(base)
        if type(module) is str:
            names.add((module, _qualname_of(base)))
    return frozenset(names)


def modules_of(cls: type) -> list[str]:
    """Name the modules that define a type and its bases, the type's own first."""
    modules = [_module_of(base) for base in _mro_of(cls) if base is not object]
    return list(dict.fromkeys(module for module in modules if type(module) is str))


def attribute_of(cls: type, name: str) -> object | None:
    """Look a class attribute up without running any descriptor or ``__getattr__``; None if there is none."""
    for base in _mro_of(cls):
        attributes = _dict_of(base)
        if name in attributes:
            found: object = attributes[name]
            return found
    return None


def has_method(cls: type, name: str) -> bool:
    """Tell whether a type has a method that can be called without awaiting it."""
    found = attribute_of(cls, name)
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    if isinstance(found, FunctionType):
        return not found.__code__.co_flags & _COROUTINE
    return found is not None and callable(found)


def _recognise(cls: type) -> Kind | None:
    names = names_of(cls)
    if names & _REFUSED:
        return None
    named = {_NAMED[name] for name in names & _NAMED.keys()}
    for kind in Kind:
        if kind in named:
            return kind
    # A type of types, and modules, have none of these as attributes of their own.
    if not all(has_method(cls, name) for name in _DBAPI):
        return None
    if all(has_method(cls, name) for name in _ADBC):
        return Kind.ADBC
    return Kind.DBAPI
