"""What a kernel can be told about how it runs notebooks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import inf
from typing import Any, Literal

import attrs

from callboard.actors.host import HostError
from callboard.actors.notebook.formatting import MAX_BYTES, MAX_BYTES_VARIABLE, positive_number
from callboard.engines.discovery import Discovery, InvalidDiscovery

_log = logging.getLogger(__name__)

STREAM_MAX = 1_000_000
STREAM_MAX_VARIABLE = "CALLBOARD_STD_STREAM_MAX_BYTES"

CellChange = Literal["autorun", "lazy"]


@attrs.frozen
class Settings:
    """The settings of one kernel; ``updated`` makes the next ones from a user config."""

    on_cell_change: CellChange = "autorun"
    """What follows when a cell or an element changes: its dependants run, or are marked stale."""
    run_mode: bool = False
    """An app and not an editor: autorun always, no variable texts, errors of cells without details."""
    show_tracebacks: bool = False
    """In run mode, show exceptions as they are."""
    output_max_bytes: int = MAX_BYTES
    """Bytes of one output; a larger one is replaced by a warning."""
    std_stream_max_bytes: int = STREAM_MAX
    """Characters of one write to stdout or stderr that are kept."""
    package_manager: str | None = None
    """The package manager that the user chose."""
    dotenv: tuple[str, ...] | None = None
    """Paths of the dotenv files; None for ``.env`` in the project."""
    dotenv_override: bool = True
    """Whether a changed dotenv file changes variables that it has set before."""
    discovery: Discovery = attrs.field(factory=Discovery)
    """How much of a new engine's content is looked up unasked."""
    request_timeout: float = 30.0
    """Seconds that a request to a data domain (datasets, SQL, storage, secrets, cache) has, from posting to its end."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Make the settings that environment variables ask for, the others at their defaults.

        Raises:
            ValueError: a variable is no positive number; it is named.
        """
        return cls(
            output_max_bytes=positive_number(environ, MAX_BYTES_VARIABLE, MAX_BYTES),
            std_stream_max_bytes=positive_number(environ, STREAM_MAX_VARIABLE, STREAM_MAX),
        )

    @property
    def autorun(self) -> bool:
        """Whether dependants run by themselves."""
        return self.run_mode or self.on_cell_change == "autorun"

    def updated(self, config: Mapping[str, Any]) -> Settings:
        """Return the settings that a user config asks for; keys it lacks stay as they are.

        Raises:
            HostError: a value is none of those allowed; the field is named.
        """
        runtime = _section(config, "runtime")
        management = _section(config, "package_management")
        change = runtime.get("on_cell_change", self.on_cell_change)
        if change not in ("autorun", "lazy"):
            # The value is not repeated: a config has secrets elsewhere, and may have got mixed up.
            raise HostError("config.runtime.on_cell_change must be 'autorun' or 'lazy'")
        manager = management.get("manager", self.package_manager)
        if manager is not None and not isinstance(manager, str):
            raise HostError(
                f"config.package_management.manager must be a string, not {type(manager).__name__}"
            )
        override = runtime.get("dotenv_override", self.dotenv_override)
        if not isinstance(override, bool):
            raise HostError(
                f"config.runtime.dotenv_override must be true or false, not {type(override).__name__}"
            )
        sources = _section(config, "datasources")
        try:
            discovery = Discovery.of(sources) if sources else self.discovery
        except InvalidDiscovery as error:
            raise HostError(f"config.datasources: {error}") from None
        return attrs.evolve(
            self,
            discovery=discovery,
            on_cell_change=change,
            package_manager=manager,
            dotenv=_paths(runtime, "dotenv", self.dotenv),
            dotenv_override=override,
            request_timeout=_seconds(runtime, "request_timeout", self.request_timeout),
            output_max_bytes=_positive(runtime, "output_max_bytes", self.output_max_bytes),
            std_stream_max_bytes=_positive(
                runtime, "std_stream_max_bytes", self.std_stream_max_bytes
            ),
        )


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise HostError(f"config.{name} must be an object, not {type(section).__name__}")
    return section


def _paths(
    section: Mapping[str, Any], name: str, default: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Return a list of paths; what is none is ignored with a warning, which says nothing of what it is."""
    if name not in section:
        return default
    value = section[name]
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        _log.warning("config.runtime.%s must be a list, not %s", name, type(value).__name__)
        return default
    paths = tuple(path for path in value if isinstance(path, str) and path)
    if len(paths) < len(value):
        _log.warning("config.runtime.%s holds entries that are no paths", name)
    return paths


def _positive(section: Mapping[str, Any], name: str, default: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise HostError(f"config.runtime.{name} must be a positive whole number")
    return value


def _seconds(section: Mapping[str, Any], name: str, default: float) -> float:
    value = section.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < inf:
        raise HostError(f"config.runtime.{name} must be a positive number")
    return float(value)
