"""What a client is owed for each command, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from callboard.messages.commands import (
    COMMANDS,
    ClearCacheCommand,
    CodeCompletionCommand,
    Command,
    CreateNotebookCommand,
    DiscoverDataSourcesCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    GetCacheInfoCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    ListDataSourceConnectionCommand,
    ListSecretKeysCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewDatasetColumnCommand,
    PreviewSQLTableCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
    SyncGraphCommand,
    UpdateUIElementCommand,
    ValidateSQLCommand,
)
from callboard.messages.notifications import (
    CacheClearedNotification,
    CacheInfoNotification,
    CompletedRunNotification,
    CompletionResultNotification,
    DataColumnPreviewNotification,
    DataSourceConnectionsNotification,
    DataSourceDiscoveryResultNotification,
    FunctionCallResultNotification,
    Notification,
    SecretKeysResultNotification,
    SQLSchemaListPreviewNotification,
    SQLTableListPreviewNotification,
    SQLTablePreviewNotification,
    StorageDownloadReadyNotification,
    StorageEntriesNotification,
    ValidateSQLResultNotification,
)
from callboard.messages.payloads import (
    HumanReadableStatus,
    SQLMetadata,
    SQLSchemaListMetadata,
)

IDENTIFYING = (
    "token",
    "request_id",
    "function_call_id",
    "id",
    "run_id",
    "cell_id",
    "engine",
)
"""The attributes that can identify a command, the most telling first."""


def _id_field(command_type: type) -> str | None:
    names = {field.name for field in attrs.fields(command_type)}
    return next((name for name in IDENTIFYING if name in names), None)


ID_FIELDS: dict[type, str] = {
    command_type: name for command_type in COMMANDS if (name := _id_field(command_type)) is not None
}
"""The attribute by which a client recognises a command of its own, for the types that have one."""


def command_id(command: Command) -> str | None:
    """Return whatever identifies a command, None if nothing does."""
    name = ID_FIELDS.get(type(command))
    identity = None if name is None else getattr(command, name)
    return identity or None


_FINISHES = frozenset(
    {
        CreateNotebookCommand,
        ExecuteCellsCommand,
        ExecuteScratchpadCommand,
        ExecuteStaleCellsCommand,
        SyncGraphCommand,
        InstallPackagesCommand,
        UpdateUIElementCommand,
    }
)


def finishes(command_type: type[Command]) -> bool:
    """Say whether ``completed-run`` follows whatever becomes of a command of this type.

    For ``model`` it depends on what was processed, so its domain decides.
    """
    return command_type in _FINISHES


def completed_run(command: Command) -> CompletedRunNotification:
    """Make the ``completed-run`` that ends a command."""
    if isinstance(command, ExecuteScratchpadCommand):
        return CompletedRunNotification(command.run_id)
    return CompletedRunNotification()


def _code_completion(command: CodeCompletionCommand, message: str) -> Notification:
    return CompletionResultNotification(command.id, 0, [])


def _invoke_function(command: InvokeFunctionCommand, message: str) -> Notification:
    return FunctionCallResultNotification(
        command.function_call_id, None, HumanReadableStatus("error", "Exception", message)
    )


def _preview_dataset_column(command: PreviewDatasetColumnCommand, message: str) -> Notification:
    return DataColumnPreviewNotification(command.table_name, command.column_name, error=message)


def _preview_sql_table(command: PreviewSQLTableCommand, message: str) -> Notification:
    metadata = SQLMetadata(command.engine, command.database, command.schema, command.schema_path)
    return SQLTablePreviewNotification(command.request_id, metadata, error=message)


def _list_sql_tables(command: ListSQLTablesCommand, message: str) -> Notification:
    metadata = SQLMetadata(command.engine, command.database, command.schema, command.schema_path)
    return SQLTableListPreviewNotification(command.request_id, metadata, error=message)


def _list_sql_schemas(command: ListSQLSchemasCommand, message: str) -> Notification:
    metadata = SQLSchemaListMetadata(command.engine, command.database, command.schema_path)
    return SQLSchemaListPreviewNotification(command.request_id, metadata, error=message)


def _list_data_source_connection(
    command: ListDataSourceConnectionCommand, message: str
) -> Notification:
    return DataSourceConnectionsNotification([])


def _validate_sql(command: ValidateSQLCommand, message: str) -> Notification:
    return ValidateSQLResultNotification(command.request_id, error=message)


def _storage_list_entries(command: StorageListEntriesCommand, message: str) -> Notification:
    return StorageEntriesNotification(
        command.request_id, [], command.namespace, command.prefix, error=message
    )


def _storage_download(command: StorageDownloadCommand, message: str) -> Notification:
    return StorageDownloadReadyNotification(command.request_id, error=message)


def _list_secret_keys(command: ListSecretKeysCommand, message: str) -> Notification:
    return SecretKeysResultNotification(command.request_id, [])


def _clear_cache(command: ClearCacheCommand, message: str) -> Notification:
    return CacheClearedNotification(0)


def _get_cache_info(command: GetCacheInfoCommand, message: str) -> Notification:
    return CacheInfoNotification(0, 0, 0.0)


def _discover_data_sources(command: DiscoverDataSourcesCommand, message: str) -> Notification:
    return DataSourceDiscoveryResultNotification(command.request_id, [])


_ERROR_REPLIES: dict[type, Callable[[Any, str], Notification]] = {
    CodeCompletionCommand: _code_completion,
    InvokeFunctionCommand: _invoke_function,
    PreviewDatasetColumnCommand: _preview_dataset_column,
    PreviewSQLTableCommand: _preview_sql_table,
    ListSQLTablesCommand: _list_sql_tables,
    ListSQLSchemasCommand: _list_sql_schemas,
    ListDataSourceConnectionCommand: _list_data_source_connection,
    ValidateSQLCommand: _validate_sql,
    StorageListEntriesCommand: _storage_list_entries,
    StorageDownloadCommand: _storage_download,
    ListSecretKeysCommand: _list_secret_keys,
    ClearCacheCommand: _clear_cache,
    GetCacheInfoCommand: _get_cache_info,
    DiscoverDataSourcesCommand: _discover_data_sources,
}


def error_reply(command: Command, message: str) -> Notification | None:
    """Make the reply to a request that could not be carried out; None for a command without reply.

    Replies that have no place for an error are empty: the client stops waiting, and the outcome of
    the command tells it why. ``message`` is shown to the user.
    """
    make = _ERROR_REPLIES.get(type(command))
    return None if make is None else make(command, message)
