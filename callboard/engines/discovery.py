"""How much of an engine's content is looked up unasked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

Depth = bool | Literal["auto"]

CHEAP_DIALECTS: Final = frozenset({"duckdb", "sqlite", "mysql", "postgresql", "postgres"})
"""Where "auto" means yes: listings there are quick and cost nothing."""


class InvalidDiscovery(ValueError):
    """A discovery setting that is none; the text names the field."""


@attrs.frozen
class Wanted:
    """What to look up: each level includes its names only, columns their types too."""

    schemas: bool
    tables: bool
    columns: bool


@attrs.frozen
class Discovery:
    """Which levels to look up unasked. None leaves a level to the engine's own default."""

    schemas: Depth | None = None
    tables: Depth | None = None
    columns: Depth | None = None

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Discovery:
        """Read ``auto_discover_schemas``, ``..._tables`` and ``..._columns``; other keys are not looked at.

        Raises:
            InvalidDiscovery: a field is neither true, false nor "auto".
        """
        levels: dict[str, Depth | None] = {}
        for level in ("schemas", "tables", "columns"):
            field = f"auto_discover_{level}"
            value = config.get(field)
            if value is None or isinstance(value, bool) or value == "auto":
                levels[level] = "auto" if value == "auto" else value
            else:
                raise InvalidDiscovery(
                    f'{field} must be true, false or "auto", not {_shown(value)}'
                )
        return cls(**levels)

    def over(self, defaults: Discovery) -> Discovery:
        """Fill what is None from an engine's defaults."""
        return Discovery(
            defaults.schemas if self.schemas is None else self.schemas,
            defaults.tables if self.tables is None else self.tables,
            defaults.columns if self.columns is None else self.columns,
        )

    def resolve(self, *, auto: bool) -> Wanted:
        """Decide every level; ``auto`` is what "auto" means for the engine. None counts as no."""
        return Wanted(*(auto if level == "auto" else bool(level) for level in attrs.astuple(self)))


def _shown(value: object) -> str:
    # Only what cannot run code of the config's author, and not much of it.
    return repr(value)[:50] if type(value) in (str, int, float) else type(value).__name__
