"""What engines contain, as listings of schemas, tables and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from callboard.actors.datasets.contained import ask
from callboard.actors.requests import Refused, Request
from callboard.engines import Engine, engine_of
from callboard.engines.discovery import Discovery
from callboard.messages.commands import (
    ListDataSourceConnectionCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewSQLTableCommand,
)
from callboard.messages.notifications import (
    DataSourceConnectionsNotification,
    SQLSchemaListPreviewNotification,
    SQLTableListPreviewNotification,
    SQLTablePreviewNotification,
)
from callboard.messages.payloads import SQLMetadata, SQLSchemaListMetadata

T = TypeVar("T")


async def engine_named(request: Request[Any], name: str) -> Engine:
    """Return the engine in a notebook variable. A checkpoint.

    Raises:
        Refused: there is no such variable, or its value is no engine.
    """
    engine = engine_of(name, await request.variable(name))
    if engine is None:
        raise Refused(f"the engine {name!r} was not found: the variable is no database connection")
    return engine


async def call_engine(request: Request[Any], engine: Engine, function: Callable[[], T]) -> T:
    """Call a blocking method of an engine where the engine may be used. A checkpoint.

    Raises:
        Refused: it failed, or cannot do that.
    """
    return await ask(
        request,
        function,
        engine.placement.place,
        exclusive=engine.exclusive,
        interrupt=engine.interrupt,
    )


async def preview_sql_table(
    request: Request[PreviewSQLTableCommand],
) -> SQLTablePreviewNotification:
    """Describe a table with its columns and keys. A checkpoint."""
    asked = request.command
    engine = await _catalog(request, asked.engine)
    table = await call_engine(
        request,
        engine,
        lambda: engine.table(asked.database, asked.schema, asked.table_name, asked.schema_path),
    )
    metadata = SQLMetadata(asked.engine, asked.database, asked.schema, asked.schema_path)
    return SQLTablePreviewNotification(asked.request_id, metadata, table)


async def list_sql_tables(
    request: Request[ListSQLTablesCommand],
) -> SQLTableListPreviewNotification:
    """List the tables of a schema. A checkpoint."""
    asked = request.command
    engine = await _catalog(request, asked.engine)
    tables = await call_engine(
        request, engine, lambda: engine.tables(asked.database, asked.schema, asked.schema_path)
    )
    metadata = SQLMetadata(asked.engine, asked.database, asked.schema, asked.schema_path)
    return SQLTableListPreviewNotification(asked.request_id, metadata, list(tables))


async def list_sql_schemas(
    request: Request[ListSQLSchemasCommand],
) -> SQLSchemaListPreviewNotification:
    """List the schemas of a database, or within a schema. A checkpoint."""
    asked = request.command
    engine = await _catalog(request, asked.engine)
    schemas = await call_engine(
        request, engine, lambda: engine.schemas(asked.database, asked.schema_path)
    )
    metadata = SQLSchemaListMetadata(asked.engine, asked.database, asked.schema_path)
    return SQLSchemaListPreviewNotification(asked.request_id, metadata, list(schemas))


async def _catalog(request: Request[Any], name: str) -> Engine:
    engine = await engine_named(request, name)
    if not engine.has_catalog:
        raise Refused(
            f"the engine {name!r} does not support catalog operations; it only runs queries"
        )
    return engine


async def list_data_source_connection(
    request: Request[ListDataSourceConnectionCommand], depth: Discovery
) -> DataSourceConnectionsNotification:
    """Describe one engine. A checkpoint."""
    engine = await engine_named(request, request.command.engine)
    progress = request.progress("schemas")
    connection = await call_engine(request, engine, lambda: engine.connection(depth, progress))
    return DataSourceConnectionsNotification([connection])
