"""The commands of the datasets domain, each to what carries it out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from callboard.actors.announcing import WAIT_SECONDS
from callboard.actors.datasets.contained import ask
from callboard.actors.datasets.detectors import DETECTORS
from callboard.actors.datasets.discovery import Surroundings, detect, take_surroundings
from callboard.actors.datasets.introspection import Introspect, introspect
from callboard.actors.datasets.listings import (
    list_data_source_connection,
    list_sql_schemas,
    list_sql_tables,
    preview_sql_table,
)
from callboard.actors.datasets.previews import preview_dataset_column
from callboard.actors.requests import Request
from callboard.engines.discovery import Discovery, InvalidDiscovery
from callboard.messages.commands import (
    DiscoverDataSourcesCommand,
    ListDataSourceConnectionCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    PreviewDatasetColumnCommand,
    PreviewSQLTableCommand,
)
from callboard.messages.notifications import (
    DataSourceDiscoveryResultNotification,
    Notification,
)

_log = logging.getLogger(__name__)

COMMANDS: Final = (
    PreviewDatasetColumnCommand,
    PreviewSQLTableCommand,
    ListSQLTablesCommand,
    ListSQLSchemasCommand,
    ListDataSourceConnectionCommand,
    DiscoverDataSourcesCommand,
)
INTERNAL: Final = (Introspect,)


@attrs.frozen
class DatasetsAnswers:
    """Answers what is asked of dataframes, databases and the environment."""

    depth: Callable[[], Discovery] = Discovery
    """How deep engines are looked into unasked, by the user's configuration as it is now.

    Where that is invalid and this raises `InvalidDiscovery`, the log says so.
    """
    surroundings: Callable[[], Surroundings] = lambda: take_surroundings(os.environ)
    """Takes a snapshot of the environment; called on a worker thread."""
    patience: float = 10.0
    """Seconds that an engine may take to be announced after a run."""
    wait: float = WAIT_SECONDS
    """Seconds that the announcement of variables waits for those which a cell is to bind again."""

    def reads(self, command: Any) -> Iterable[str]:
        """Name the variables that a command names."""
        if isinstance(command, Introspect):
            return command.names
        if isinstance(command, PreviewDatasetColumnCommand):
            return (command.table_name,) if command.source_type == "local" else ()
        engine = getattr(command, "engine", None)
        return () if engine is None else (engine,)

    async def answer(self, request: Request[Any]) -> Notification | None:
        """Carry out one request. A checkpoint.

        Raises:
            Refused: it cannot be carried out.
        """
        command = request.command
        match command:
            case Introspect():
                await introspect(request, self._depth(), patience=self.patience, wait=self.wait)
                return None
            case PreviewDatasetColumnCommand():
                return await preview_dataset_column(request)
            case PreviewSQLTableCommand():
                return await preview_sql_table(request)
            case ListSQLTablesCommand():
                return await list_sql_tables(request)
            case ListSQLSchemasCommand():
                return await list_sql_schemas(request)
            case ListDataSourceConnectionCommand():
                return await list_data_source_connection(request, self._depth())
            case DiscoverDataSourcesCommand():
                surroundings = await ask(request, self.surroundings)
                sources = detect(surroundings, DETECTORS)
                return DataSourceDiscoveryResultNotification(command.request_id, sources)
        raise TypeError(f"{type(command).__name__} is no message of the datasets domain")

    def _depth(self) -> Discovery:
        try:
            return self.depth()
        except InvalidDiscovery as error:
            _log.warning("engines are looked into as if nothing were configured: %s", error)
            return Discovery()
