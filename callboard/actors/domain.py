"""What a domain is: the commands it owns, the behaviour that carries them out, and the policy of its mailbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from callboard.messages.commands import (
    ClearCacheCommand,
    CodeCompletionCommand,
    DebugCellCommand,
    GetCacheInfoCommand,
    SetBreakpointsCommand,
)
from callboard.runtime import Behaviour


@attrs.frozen
class Domain:
    """One actor of the kernel."""

    name: str
    commands: tuple[type[Any], ...]
    behaviour: Callable[[], Behaviour[Any]]
    """Makes a fresh behaviour, at start and after every crash."""
    internal: tuple[type[Any], ...] = ()
    """Messages of the kernel's own that its actor takes beside its commands; no client can send them."""
    capacity: int = 256
    """Commands that may wait; one more is rejected."""
    conflation: Any = None
    """How waiting commands are merged, if they may be."""
    reads: Callable[[Any], Iterable[str]] | None = None
    """Names the notebook variables that a message needs as of its place in the order, if any does."""
    timeout: Callable[[], float] | None = None
    """Seconds that a command has, if whoever sends it gives it no less."""
    on_cell_thread: bool = False
    """Whether its commands take turns with those of the other domains that run user code, in posting order."""


ABSENT: dict[str, tuple[type[Any], ...]] = {
    "completion": (CodeCompletionCommand,),
    "debugger": (DebugCellCommand, SetBreakpointsCommand),
    "cache": (ClearCacheCommand, GetCacheInfoCommand),
}
"""Domains that have no actor yet, with the commands they will own. These are answered ``rejected``."""


def partition(domains: Iterable[Domain], surface: Iterable[type[Any]]) -> dict[type[Any], str]:
    """Map every command of ``surface`` to the domain that owns it, absent domains included.

    Raises:
        ValueError: a command is claimed twice, by nobody, or is none of the surface; all of them are named.
    """
    owners: dict[type[Any], list[str]] = {command: [] for command in surface}
    extra: list[str] = []
    claims = [(domain.name, domain.commands) for domain in domains]
    present = {name for name, _ in claims}
    claims += [(name, commands) for name, commands in ABSENT.items() if name not in present]
    for name, commands in claims:
        for command in commands:
            if command in owners:
                owners[command].append(name)
            else:
                extra.append(f"{command.__name__} (claimed by {name})")
    faults = [f"{extra_one} is no command" for extra_one in extra]
    for command, names in owners.items():
        if not names:
            faults.append(f"{command.__name__} has no owner")
        elif len(names) > 1:
            faults.append(f"{command.__name__} is claimed by {' and '.join(sorted(names))}")
    if faults:
        raise ValueError("; ".join(faults))
    return {command: names[0] for command, names in owners.items()}
