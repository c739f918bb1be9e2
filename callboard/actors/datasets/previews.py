"""Column previews: fetching the dataframe or table, and reading it where it may be read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import trio

from callboard.actors.datasets.columns import STEPS, NoSuchColumn, Preview, preview_column
from callboard.actors.datasets.contained import ask
from callboard.actors.datasets.cursors import CursorPreview, table_named
from callboard.actors.datasets.frames import PLACEMENTS, Frame, frame_kind
from callboard.actors.datasets.processors import POLARS_THREADS
from callboard.actors.datasets.queries import snapshot_of_pandas
from callboard.actors.datasets.sql_names import MalformedName, split_name
from callboard.actors.progress import EVERY_SECONDS
from callboard.actors.requests import Refused, Request
from callboard.engines import default_engine, engine_of
from callboard.engines.placement import Place
from callboard.messages.commands import PreviewDatasetColumnCommand
from callboard.messages.notifications import DataColumnPreviewNotification
from callboard.messages.payloads import ColumnStats

_NOTHING = Preview(ColumnStats())


async def preview_dataset_column(
    request: Request[PreviewDatasetColumnCommand],
) -> DataColumnPreviewNotification:
    """Summarise a column. A checkpoint.

    Raises:
        Refused: the source is not supported, or there is no such table.
    """
    command = request.command
    table_name = command.table_name
    match command.source_type:
        case "local":
            preview = await _local(request)
        case "duckdb":
            table_name = command.fully_qualified_table_name or table_name
            preview = await _duckdb(request, table_name)
        case _:
            raise Refused(f"column previews of a {command.source_type} are not supported")
    return DataColumnPreviewNotification(
        table_name,
        command.column_name,
        chart_spec=preview.chart_spec,
        chart_code=preview.chart_code,
        error=preview.error,
        missing_packages=preview.missing_packages,
        stats=preview.stats,
    )


_IN_MEMORY: Final = frozenset({Frame.POLARS, Frame.ARROW, Frame.PANDAS})
_PROCESSORS: Final = object()
"""What summaries of columns in memory take turns on: each uses every processor there is, and cells want some, too."""


async def _local(request: Request[PreviewDatasetColumnCommand]) -> Preview:
    variable, column = request.command.table_name, request.command.column_name
    value: Any = await request.variable(variable)
    kind = frame_kind(type(value))
    if kind is None:
        raise Refused(f"the column {column!r} was not found: {variable!r} is not a dataframe")
    place = PLACEMENTS[kind].place
    if kind is Frame.PANDAS:
        frame = value
        value = await ask(request, lambda: snapshot_of_pandas(frame, column), place)
        if value is None:
            return _NOTHING
        place = Place.ANY_THREAD
    elif kind is Frame.IBIS:
        return await _ibis(request, value)
    native = value
    # What a relation is bound to is private to DuckDB; without, its query cannot be broken off.
    connection = getattr(native, "_con", None) if kind is Frame.DUCKDB else None
    if connection is not None:
        return await _preview(request, _on(connection, native, column, variable), place)
    summarise = partial(preview_column, native, column, variable=variable, reached=_told(request))
    return await _preview(
        request,
        partial(_beside_cells, summarise) if kind is Frame.POLARS else summarise,
        place,
        # A lazy frame may wait for a file or a server, and is not to be waited for.
        exclusive=_PROCESSORS if kind in _IN_MEMORY else None,
    )


def _beside_cells(preview: Callable[[], Preview]) -> Preview:
    with POLARS_THREADS.one_left():
        return preview()


def _on(connection: Any, frame: Any, column: str, variable: str) -> CursorPreview:
    """Make the preview of a dataframe that asks this DuckDB connection itself."""
    return CursorPreview(
        connection,
        lambda _: frame,
        column,
        variable=variable,
        is_database=False,
        private=False,
    )


def _told(request: Request[Any]) -> Callable[[int], object]:
    """Return what tells how many steps of a preview are done."""
    progress = request.progress("percent")
    return lambda steps: progress(100 * steps // STEPS, 100)


async def _preview(
    request: Request[Any],
    preview: Callable[[], Preview],
    place: Place,
    *,
    exclusive: object | None = None,
) -> Preview:
    """Make the preview of a column of a dataframe, which is empty for a column that there is not."""
    try:
        if isinstance(preview, CursorPreview):
            return await _watched(request, preview, place, exclusive)
        return await ask(request, preview, place, exclusive=exclusive)
    except NoSuchColumn:
        return _NOTHING


async def _watched(
    request: Request[Any], preview: CursorPreview, place: Place, exclusive: object | None
) -> Preview:
    """Make a preview, and tell meanwhile how far its queries are."""
    progress = request.progress("percent")

    async def tell() -> None:
        while True:
            await trio.sleep(EVERY_SECONDS)
            progress(preview.percent(), 100)

    made: Preview | Refused | NoSuchColumn
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        try:
            made = await ask(
                request, preview, place, exclusive=exclusive, interrupt=preview.interrupt
            )
        except (Refused, NoSuchColumn) as error:
            made = error
        nursery.cancel_scope.cancel()
    if isinstance(made, Exception):
        raise made
    return made


async def _ibis(request: Request[PreviewDatasetColumnCommand], table: Any) -> Preview:
    """Preview a column of an ibis table, on a cursor of its own if its backend is DuckDB."""
    variable, column = request.command.table_name, request.command.column_name
    backend: Any = await ask(request, lambda: _backend_of(table))
    engine = None if backend is None else engine_of(variable, backend)
    between_cells = PLACEMENTS[Frame.IBIS].place
    if engine is None or engine.dialect != "duckdb":
        return await _preview(
            request,
            partial(preview_column, table, column, variable=variable, reached=_told(request)),
            between_cells,
            exclusive=None if engine is None else engine.exclusive,
        )
    own_cursor = CursorPreview(
        backend.con,
        lambda cursor: cursor.sql(str(backend.compile(table))),
        column,
        variable=variable,
        is_database=False,
    )
    try:
        return await _preview(
            request, own_cursor, engine.placement.place, exclusive=engine.exclusive
        )
    except Refused:
        # Dataframes and temporary tables are there on the backend's own connection only.
        return await _preview(
            request,
            _on(backend.con, table, column, variable),
            between_cells,
            exclusive=engine.exclusive,
        )


def _backend_of(table: Any) -> object | None:
    """Return the connection of an ibis table; None for one that is bound to none."""
    try:
        backend: object = table.get_backend()
    except Exception:
        return None
    return backend


async def _duckdb(request: Request[PreviewDatasetColumnCommand], table_name: str) -> Preview:
    try:
        parts = split_name(table_name)
    except MalformedName as error:
        raise Refused(str(error)) from None
    if "duckdb" not in sys.modules:
        raise Refused(f"there is no table {table_name!r}: the notebook has not imported duckdb")
    engine = await ask(request, default_engine)
    column = request.command.column_name
    # Temporary tables, and dataframes that were registered, belong to the connection alone.
    private = len(parts) == 1 or parts[0].lower() != "temp"
    preview = CursorPreview(engine.value, table_named(parts), column, private=private)
    place = engine.placement.place if private else Place.CELL_THREAD
    try:
        return await _watched(request, preview, place, engine.exclusive)
    except NoSuchColumn:
        raise Refused(f"there is no column {column!r} in {table_name!r}") from None
