"""What a kernel is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from callboard.actors.announcing import Announcer
from callboard.actors.domain import Domain
from callboard.actors.host import NotebookHost, Turns
from callboard.actors.notebook.book import cell_of_caller
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.engine import Engine
from callboard.actors.notebook.reads import NotebookReads
from callboard.actors.notebook.stdin import Stdin
from callboard.actors.notebook.surroundings import Wiring
from callboard.actors.outbox import Outbox
from callboard.garbage import Sweeper
from callboard.messages.commands import command_tag
from callboard.messages.notifications import Notification
from callboard.runtime import Broadcaster, Ingress, Lane, Ledger, Router, Supervisor
from callboard.virtual_files import VirtualFiles

CONSOLE_INTERVAL = 0.01
"""Seconds between deliveries of console text while a cell prints."""


@attrs.define(eq=False)
class Parts:
    """What a kernel is made of."""

    ledger: Ledger
    supervisor: Supervisor[Any]
    router: Router[Any]
    broadcaster: Broadcaster[Notification]
    ingress: Ingress[Any]
    lane: Lane
    turns: Turns
    host: NotebookHost
    engine: Engine
    announcer: Announcer
    sweeper: Sweeper | None
    """Looks for garbage, in a process that is the kernel's own."""
    reads: NotebookReads
    files: VirtualFiles | None
    stdin: Stdin
    console: Console
    domains: tuple[Domain, ...]
    owners: dict[type[Any], str]
    limits: dict[type[Any], Callable[[], float]]
    """Seconds that commands of a type have, for those that have a limit."""
    stop_requested: trio.Event
    outboxes: tuple[Outbox, ...]
    encoded: Mapping[int, bytes]
    """The encoded replies of messages, by their numbers, while they are being settled."""
    console_dirty: trio.Event = attrs.field(factory=trio.Event)

    def refusal(self, command_type: type[Any]) -> str | None:
        """Say why commands of a type can never be accepted here; None if they can."""
        if any(command_type in domain.commands for domain in self.domains):
            return None
        return (
            f"this kernel has no {self.owners[command_type]} domain, "
            f"which handles {command_tag(command_type)}"
        )

    async def deliver_console(self) -> None:
        """Deliver console text while cells print, about every 10 ms; for ever."""
        while True:
            await self.console_dirty.wait()
            self.console_dirty = trio.Event()
            await trio.sleep(CONSOLE_INTERVAL)
            if not self.console.flush_nowait():
                self.console_dirty.set()

    def wiring(self, interrupt: Callable[[], object]) -> Wiring:
        """Describe what the surroundings have to connect to user code."""
        token = trio.lowlevel.current_trio_token()
        return Wiring(
            namespace=self.engine.book.namespace,
            console=self.console,
            stdin=self.stdin,
            cell_of_caller=cell_of_caller,
            running_cell=lambda: self.engine.running_cell,
            # In a signal handler only this much is safe: the handler may have stopped anything midway.
            on_foreign_signal=lambda: token.run_sync_soon(interrupt),
        )
