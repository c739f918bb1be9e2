"""Finding the storages among the variables that cells bind."""

from __future__ import annotations

import attrs


@attrs.frozen
class Introspect:
    """These variables were bound anew and may be storages. The kernel's own, no command."""

    names: frozenset[str]
