"""The domains whose commands run user code, and how every domain gets its actor and its commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from callboard.actors.domain import Domain
from callboard.actors.functions import COMMANDS as FUNCTION_COMMANDS
from callboard.actors.functions import FunctionsBehaviour
from callboard.actors.host import NotebookHost, Turns
from callboard.actors.notebook.actor import COMMANDS as NOTEBOOK_COMMANDS
from callboard.actors.notebook.actor import NotebookBehaviour
from callboard.actors.ui import COMMANDS as UI_COMMANDS
from callboard.actors.ui import RunOwedCells, UIBehaviour, UIConflation
from callboard.runtime import ChildSpec, Envelope, Lane, Mailbox, Router, Supervisor


def cell_domains(host: NotebookHost, turns: Turns) -> tuple[Domain, ...]:
    """Make the domains that share the cell thread; none of them knows what runs the code."""
    return (
        Domain(
            "notebook",
            NOTEBOOK_COMMANDS,
            lambda: NotebookBehaviour(host, turns),
            on_cell_thread=True,
        ),
        Domain(
            "ui",
            UI_COMMANDS,
            lambda: UIBehaviour(host, turns),
            internal=(RunOwedCells,),
            conflation=UIConflation(),
            on_cell_thread=True,
        ),
        Domain(
            "functions",
            FUNCTION_COMMANDS,
            lambda: FunctionsBehaviour(host, turns),
            on_cell_thread=True,
        ),
    )


def connect(
    domains: Iterable[Domain],
    supervisor: Supervisor[Any],
    router: Router[Any],
    lane: Lane,
    open_reads: Callable[[Envelope[Any], Iterable[str]], object],
) -> None:
    """Give every domain an actor, and route its commands there.

    A command that runs user code, or reads a variable that it leaves, could observe a tick that waits, so it closes
    the batch: later ticks start another.
    """
    mailboxes = {
        domain.name: Mailbox[Any](domain.name, domain.capacity, conflation=domain.conflation)
        for domain in domains
    }
    ticks = [
        mailboxes[domain.name]
        for domain in domains
        if domain.on_cell_thread and domain.conflation is not None
    ]
    for domain in domains:
        ref = supervisor.add(
            ChildSpec(
                domain.name,
                domain.behaviour,
                mailboxes[domain.name],
                lane=lane if domain.on_cell_thread else None,
            )
        )
        sealed = ticks if domain.on_cell_thread and domain.conflation is None else ()
        reads = domain.reads
        for command in domain.commands:
            reading = None if reads is None else _reading(reads, open_reads, ticks)
            router.register(command, ref, sealed, on_accepted=reading)
        for message in domain.internal:
            reading = None if reads is None else _reading(reads, open_reads)
            router.register(message, ref, on_accepted=reading)


def _reading(
    reads: Callable[[Any], Iterable[str]],
    open_reads: Callable[[Envelope[Any], Iterable[str]], object],
    ticks: Iterable[Mailbox[Any]] = (),
) -> Callable[[Envelope[Any]], object]:
    """Make what takes note of the variables that an accepted message reads, and of where between the ticks it is."""

    def on_accepted(envelope: Envelope[Any]) -> None:
        names = tuple(reads(envelope.message))
        if not names:
            return
        for mailbox in ticks:
            mailbox.seal()
        open_reads(envelope, names)

    return on_accepted
