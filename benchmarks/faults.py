"""Domains that go wrong, to put in the place of a kernel's own."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import trio

from callboard.actors.domain import Domain
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.runtime import ActorContext, Envelope

COMMANDS: Mapping[str, tuple[type[Any], ...]] = {
    "storage": (StorageListEntriesCommand, StorageDownloadCommand)
}
"""The domains that can go wrong."""


@attrs.define(eq=False)
class Faulty:
    """Handles no command the way it should."""

    fault: Callable[[], Awaitable[object]]

    async def on_start(self, context: ActorContext[Any]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[Any]) -> None:
        await self.fault()

    async def on_stop(self) -> None:
        """Nothing to release."""


async def hang() -> None:
    """Wait for a thread that never returns, as a stuck driver would make it."""
    await trio.to_thread.run_sync(threading.Event().wait, abandon_on_cancel=True)


async def crash() -> None:
    raise RuntimeError("this domain crashes at every command")


FAULTS: Mapping[str, Callable[[], Awaitable[object]]] = {"hang": hang, "crash": crash}


def faulty_domains(faults: Mapping[str, str]) -> list[Domain]:
    """Domains by name, each with one of `FAULTS`.

    Raises KeyError for an unknown domain or fault: the caller's fault.
    """
    return [_faulty(name, FAULTS[fault]) for name, fault in faults.items()]


def _faulty(name: str, fault: Callable[[], Awaitable[object]]) -> Domain:
    return Domain(name, COMMANDS[name], lambda: Faulty(fault))
