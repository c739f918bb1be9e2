"""The actors that run user code, wired up as in a kernel, on a host that runs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from callboard.actors.host import Turns
from callboard.kernel.domains import cell_domains, connect
from callboard.runtime import Envelope, Lane, Ledger, Router, Settlement, Supervisor
from callboard.testing.host import FakeHost


@attrs.define(eq=False)
class Actors:
    """What a test works with."""

    host: FakeHost
    turns: Turns
    lane: Lane
    router: Router[Any]
    supervisor: Supervisor[Any]

    def post(self, message: object, **options: Any) -> Envelope[Any]:
        return self.router.post(message, **options)

    async def do(self, message: object) -> Settlement:
        return await self.post(message).wait()

    @property
    def restarts(self) -> dict[str, int]:
        return {one.name: one.restarts for one in self.supervisor.snapshot().actors}


@asynccontextmanager
async def open_actors(host: FakeHost | None = None) -> AsyncIterator[Actors]:
    """Run the actors for the duration of the block; in the end every message has ended, none overlapping another."""
    host = host or FakeHost()
    ledger = Ledger()
    lane = Lane(ledger.next_seq)
    turns = Turns()
    supervisor: Supervisor[Any] = Supervisor(ledger)
    router: Router[Any] = Router(ledger)
    domains = cell_domains(host, turns)
    connect(domains, supervisor, router, lane, lambda envelope, names: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.wait_running()
        try:
            yield Actors(host, turns, lane, router, supervisor)
        finally:
            router.close()
            with trio.CancelScope(shield=True):
                await supervisor.stop(1, 1)
    assert ledger.balanced
    assert host.overlaps == []
    assert turns.current is None
