"""A request without a kernel, for tests of the domains that answer requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import attrs
import trio

from callboard.actors.requests import Refused
from callboard.engines.calls import Progress
from callboard.engines.placement import Place
from callboard.messages.notifications import Notification

C = TypeVar("C")
T = TypeVar("T")


@attrs.define(eq=False)
class DirectRequest(Generic[C]):
    """A request whose variables are a mapping, and whose calls run in a thread, or here for the cell thread."""

    command: C
    variables: Mapping[str, object] = attrs.field(factory=dict)
    told: list[Notification] = attrs.field(factory=list)
    """What was notified."""
    places: list[Place] = attrs.field(factory=list)
    """Where calls ran, in their order."""
    steps: list[tuple[str, int, int | None]] = attrs.field(factory=list)
    """How far calls said that they were: unit, done, total."""
    later: list[Callable[[], object]] = attrs.field(factory=list)
    """What is to be called at a quiet moment."""

    async def variable(self, name: str) -> object:
        """Return a variable."""
        await trio.lowlevel.checkpoint()
        if name not in self.variables:
            raise Refused(f"there is no variable {name!r}")
        return self.variables[name]

    async def call(
        self,
        function: Callable[[], T],
        place: Place = Place.ANY_THREAD,
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call a function."""
        self.places.append(place)
        if place is Place.CELL_THREAD:
            await trio.lowlevel.checkpoint()
            return function()
        return await trio.to_thread.run_sync(function)

    def call_later(self, function: Callable[[], object]) -> None:
        """Take note of a call for later."""
        self.later.append(function)

    def progress(self, unit: str) -> Progress:
        """Return what takes note of each step."""
        return lambda done, total: self.steps.append((unit, done, total))

    def notify(self, notification: Notification) -> None:
        """Take note of a notification."""
        self.told.append(notification)
