"""Databases as notebooks have them: which objects are engines, what they contain, and where they may be used.

Nothing here imports a database library: an engine is recognised only if the notebook has imported its library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callboard.engines.adbc import ADBCEngine
from callboard.engines.calls import Interrupted
from callboard.engines.clickhouse import ChDBEngine, ClickHouseEngine
from callboard.engines.dbapi import DBAPIEngine
from callboard.engines.discovery import Discovery, InvalidDiscovery
from callboard.engines.duckdb import DuckDBEngine, default_engine
from callboard.engines.engine import (
    DEFAULT_ENGINE_NAME,
    DEFAULT_ENGINE_NAMES,
    Engine,
    EngineError,
    NoCatalog,
    NoQueries,
    error_text,
)
from callboard.engines.ibis import ibis_engine
from callboard.engines.iceberg import IcebergEngine
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import Kind, is_engine_type, kind_of
from callboard.engines.redshift import RedshiftEngine
from callboard.engines.results import Format, MissingLibraries, QueryResult
from callboard.engines.sqlalchemy import SQLAlchemyEngine
from callboard.redaction import without_credentials as redacted

_ENGINES: Final[dict[Kind, Callable[[str, Any], Engine]]] = {
    Kind.SQLALCHEMY: SQLAlchemyEngine,
    Kind.IBIS: ibis_engine,
    Kind.DUCKDB: DuckDBEngine,
    Kind.CHDB: ChDBEngine,
    Kind.CLICKHOUSE: ClickHouseEngine,
    Kind.ICEBERG: IcebergEngine,
    Kind.REDSHIFT: RedshiftEngine,
    Kind.ADBC: ADBCEngine,
    Kind.DBAPI: DBAPIEngine,
}


def engine_of(name: str, value: object) -> Engine | None:
    """Recognise the value of a notebook variable as an engine; None if it is none.

    Runs no code of the notebook, imports nothing, asks no database. From any thread.
    """
    kind = kind_of(type(value))
    return None if kind is None else _ENGINES[kind](name, value)


__all__ = [
    "DEFAULT_ENGINE_NAME",
    "DEFAULT_ENGINE_NAMES",
    "Discovery",
    "Engine",
    "EngineError",
    "Format",
    "Interrupted",
    "InvalidDiscovery",
    "MissingLibraries",
    "NoCatalog",
    "NoQueries",
    "Place",
    "Placement",
    "QueryResult",
    "default_engine",
    "engine_of",
    "error_text",
    "is_engine_type",
    "redacted",
]
