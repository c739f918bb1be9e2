"""What a run left behind: new dataframes and engines are announced, off the path of the run."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

import attrs
import trio

from callboard.actors.announcing import bound
from callboard.actors.datasets.contained import ask
from callboard.actors.datasets.failures import is_failure
from callboard.actors.datasets.frames import Frame, frame_kind
from callboard.actors.datasets.listings import call_engine
from callboard.actors.datasets.tables import describe
from callboard.actors.requests import Refused, Request
from callboard.engines import (
    DEFAULT_ENGINE_NAME,
    DEFAULT_ENGINE_NAMES,
    Engine,
    default_engine,
    engine_of,
    is_engine_type,
)
from callboard.engines.discovery import Discovery
from callboard.engines.engine import error_text
from callboard.engines.placement import Place
from callboard.messages.notifications import (
    DatasetsNotification,
    DataSourceConnectionsNotification,
)
from callboard.messages.payloads import DataSourceConnection, DataTable

_log = logging.getLogger(__name__)


@attrs.frozen
class Introspect:
    """Announce what these variables hold, as far as it is dataframes and engines. The kernel's own, no command."""

    names: frozenset[str]


def interesting(cls: type) -> bool:
    """Say whether values of a class are worth an `Introspect`. Quick; runs none of the class's code; any thread."""
    return frame_kind(cls) is not None or is_engine_type(cls)


_GROUPS: Final[dict[Frame, str]] = {
    Frame.POLARS: "in memory",
    Frame.ARROW: "in memory",
    # To know the columns of a lazy frame may mean to read files.
    Frame.POLARS_LAZY: "lazy",
    Frame.IBIS: "lazy",
    Frame.PANDAS: "between cells",
    Frame.DUCKDB: "between cells",
}


async def introspect(
    request: Request[Introspect],
    depth: Discovery,
    *,
    patience: float,
    wait: float,
) -> None:
    """Announce the dataframes and engines among the variables. A checkpoint.

    One notification for all that is read on one kind of thread, so that what can be read at once does not wait for what
    is read between cells; lazy frames, which may have to read files, have one of their own. An engine that is used
    beside cells and has said nothing for ``patience`` seconds is announced as if it were empty, and lazy frames are
    skipped then. What vanished or fails is skipped, and so is, after ``wait`` seconds, what a cell is still to bind
    again: it will be announced then.
    """
    frames: dict[str, list[tuple[str, Any, Frame]]] = {}
    engines: dict[Place, list[Engine]] = {}
    if DEFAULT_ENGINE_NAME in request.command.names and "duckdb" in sys.modules:
        with contextlib.suppress(Refused):
            built_in = await ask(request, default_engine)
            engines[built_in.placement.place] = [built_in]
    values = await bound(request, request.command.names - DEFAULT_ENGINE_NAMES, wait)
    for name, value in sorted(values.items(), key=itemgetter(0)):
        kind = frame_kind(type(value))
        if kind is not None:
            frames.setdefault(_GROUPS[kind], []).append((name, value, kind))
        elif (engine := engine_of(name, value)) is not None:
            engines.setdefault(engine.placement.place, []).append(engine)
    async with trio.open_nursery() as nursery:
        for group, found in frames.items():
            place = Place.CELL_THREAD if group == "between cells" else Place.ANY_THREAD
            limit = patience if group == "lazy" else math.inf
            nursery.start_soon(_announce_frames, request, found, place, limit)
        for place, alike in engines.items():
            # How long it takes until no cell runs says nothing of the engine.
            limit = patience if place is Place.ANY_THREAD else math.inf
            nursery.start_soon(_announce_engines, request, alike, depth, limit)


async def _announce_frames(
    request: Request[Introspect],
    found: Iterable[tuple[str, Any, Frame]],
    place: Place,
    patience: float,
) -> None:
    try:
        with trio.fail_after(patience):
            tables = await ask(request, lambda: _described(found), place)
    except (Refused, trio.TooSlowError) as error:
        _log.warning("dataframes were not looked into: %s", error_text(error))
        return
    if tables:
        request.notify(DatasetsNotification(tables))


def _described(found: Iterable[tuple[str, Any, Frame]]) -> list[DataTable]:
    tables = []
    for name, frame, kind in found:
        try:
            tables.append(describe(name, frame, kind))
        except BaseException as error:
            if not is_failure(error):
                raise
            _log.warning("the dataframe %s cannot be described: %s", name, error_text(error))
    return tables


async def _announce_engines(
    request: Request[Introspect], engines: list[Engine], depth: Discovery, patience: float
) -> None:
    # What stands if the engine does not answer in time.
    connections = [
        DataSourceConnection(engine.source, engine.dialect, engine.name, engine.display_name, [])
        for engine in engines
    ]

    async def look_into(place: int, engine: Engine) -> None:
        with trio.move_on_after(patience):
            try:
                connections[place] = await call_engine(
                    request, engine, lambda: engine.connection(depth)
                )
            except Refused as refusal:
                _log.warning("the engine %s was not looked into: %s", engine.name, refusal)

    async with trio.open_nursery() as nursery:
        for place, engine in enumerate(engines):
            nursery.start_soon(look_into, place, engine)
    request.notify(DataSourceConnectionsNotification(connections))
