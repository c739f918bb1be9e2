"""Variables that cells have bound, made known to the domains that look into them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import trio

from callboard.actors.requests import Refused, Request

_log = logging.getLogger(__name__)

GATHER_SECONDS = 0.1
"""How long after a run a domain is told of what it bound, and how often at most."""
WAIT_SECONDS = 1.0
"""For how long it waits then for variables that a cell is to bind again."""


@attrs.frozen(eq=False)
class Watch:
    """Has a domain told of variables that a cell has bound, after the run and off its path."""

    interesting: Callable[[type], bool]
    """Whether values of a type are worth it. Called on the cell thread after every cell, so it has to be quick."""
    message: Callable[[frozenset[str]], object]
    """Makes the internal message that names the variables. What it raises is logged, and nobody is told then."""
    built_in: str | None = None
    """The name of what is there without a variable, and may have changed where a cell's SQL changes a catalog."""


@attrs.define(eq=False)
class Announcer:
    """Gathers what cells bind for `GATHER_SECONDS` and tells the domains that watch for it then.

    So what waits behind a run, such as a tick, is carried out before anybody looks into what the run has made, and a
    slider that is dragged through a dataframe does not have every state of it described.
    """

    watches: Sequence[Watch]
    post: Callable[[object], object]
    """Sends a message to the domain that owns its type."""
    on_told: Callable[[], object] = lambda: None
    """Called when what was gathered has been posted."""
    _gathered: dict[Watch, frozenset[str]] = attrs.field(factory=dict, init=False)
    _some: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    @property
    def waiting(self) -> bool:
        """Whether somebody has yet to be told of something."""
        return bool(self._gathered)

    def interesting(self, types: Mapping[str, type], catalog: bool) -> dict[Watch, frozenset[str]]:
        """Say who is to be told of which of some variables; ``catalog``: a catalog has changed too. From any thread."""
        found = {}
        for watch in self.watches:
            names = frozenset(name for name, kind in types.items() if watch.interesting(kind))
            if catalog and watch.built_in is not None:
                names |= {watch.built_in}
            if names:
                found[watch] = names
        return found

    def gather(self, names: Mapping[Watch, frozenset[str]]) -> None:
        """Have domains told of variables. Not a checkpoint; for the trio thread, as the rest is."""
        if self._closed:
            return
        for watch, more in names.items():
            self._gathered[watch] = self._gathered.get(watch, frozenset()) | more
            self._some.set()

    def tell(self) -> None:
        """Tell the domains at once of what has been gathered. Not a checkpoint."""
        gathered, self._gathered = self._gathered, {}
        for watch, names in gathered.items():
            try:
                self.post(watch.message(names))
            except Exception:
                _log.exception("a domain cannot be told of %s", ", ".join(sorted(names)))
        self.on_told()

    def close(self) -> None:
        """Tell the domains a last time; nothing is gathered any more. Not a checkpoint."""
        self._closed = True
        self.tell()

    async def run(self) -> None:
        """Tell the domains, now and then; for ever."""
        while True:
            await self._some.wait()
            await trio.sleep(GATHER_SECONDS)
            self._some = trio.Event()
            self.tell()


async def bound(
    request: Request[Any], names: Iterable[str], wait: float = WAIT_SECONDS
) -> dict[str, Any]:
    """Return the values of variables that have been bound. A checkpoint.

    What vanished is left out, and so is, after ``wait`` seconds, what a cell is still to bind again: whoever is told of
    it will be told again then.
    """
    values: dict[str, Any] = {}

    async def look_up(name: str) -> None:
        with suppress(Refused):
            values[name] = await request.variable(name)

    with trio.move_on_after(wait):
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(look_up, name)
    return values
