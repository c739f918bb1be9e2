"""Requests to the datasets domain, without a kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs
import trio

from callboard.actors.datasets.answers import DatasetsAnswers
from callboard.engines import Place
from callboard.messages.commands import PreviewDatasetColumnCommand
from callboard.messages.notifications import DataColumnPreviewNotification
from callboard.testing.requests import DirectRequest

T = TypeVar("T")


@attrs.define(eq=False)
class Abandoning(DirectRequest[Any]):
    """A request whose calls are interrupted and left to themselves when it is cancelled."""

    ended: threading.Event = attrs.field(factory=threading.Event)
    """Set when a call that was left to itself is over."""

    async def call(
        self,
        function: Callable[[], T],
        place: Place = Place.ANY_THREAD,
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        self.places.append(place)
        left = False

        def call() -> T:
            try:
                return function()
            finally:
                if left:
                    self.ended.set()

        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        except trio.Cancelled:
            left = True
            if interrupt is not None:
                interrupt()
            raise


async def preview(
    table: str,
    column: str,
    variables: Mapping[str, object],
    *,
    source: Any = "local",
    qualified: str | None = None,
) -> tuple[DataColumnPreviewNotification, list[Place]]:
    """Return the reply to a preview, and where it was made."""
    command = PreviewDatasetColumnCommand(source, "memory", table, column, qualified)
    request = DirectRequest(command, variables)
    reply = await DatasetsAnswers().answer(request)
    assert isinstance(reply, DataColumnPreviewNotification)
    assert (reply.column_name, request.told) == (column, [])
    return reply, request.places
