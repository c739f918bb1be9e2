"""Finding the storages among the variables that cells bind."""

from __future__ import annotations

import attrs

from callboard.actors.requests import NamesConflation


@attrs.frozen
class Introspect:
    """These variables were bound anew and may be storages. The kernel's own, no command."""

    names: frozenset[str]


class IntrospectConflation(NamesConflation):
    """Merges waiting introspections."""

    def __init__(self, max_names: int = 10_000) -> None:
        super().__init__(Introspect, max_names)
