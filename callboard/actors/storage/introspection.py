"""Finding the storages among the variables that cells bind."""

from __future__ import annotations

from collections.abc import Hashable

import attrs


@attrs.frozen
class Introspect:
    """These variables were bound anew and may be storages. The kernel's own, no command."""

    names: frozenset[str]


class IntrospectConflation:
    """Unites the names of waiting introspections; commands stay as they are, and are not overtaken."""

    def __init__(self, max_names: int = 10_000) -> None:
        self.max_size = max_names

    def key(self, message: object) -> Hashable | None:
        """One slot for all introspections between two commands."""
        return "introspect" if isinstance(message, Introspect) else None

    def size(self, message: object) -> int:
        """Count the names."""
        return len(message.names) if isinstance(message, Introspect) else 0

    def merge(self, pending: object, later: object) -> object:
        """Unite the names of two introspections."""
        assert isinstance(pending, Introspect)
        assert isinstance(later, Introspect)
        return Introspect(pending.names | later.names)
