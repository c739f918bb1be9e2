"""Where the dotenv files of a notebook are."""

from __future__ import annotations

import os
from collections.abc import Sequence

MAX_FILES = 64
"""How many files are read; more in a list are ignored."""


def dotenv_paths(
    configured: Sequence[str] | None, filename: str | None, working_directory: str
) -> list[str]:
    """Return the absolute paths of the files that are meant, whether or not they are there.

    ``configured`` is the user's list; the first `MAX_FILES` of it count, a relative one is relative to the project,
    and ``~`` is the home directory. Without a list it is ``.env`` in the project, and nothing without a project. The
    project is the nearest directory with a ``pyproject.toml``, the notebook's own or one above it; without any it is
    the notebook's directory, and without a notebook file the working directory is looked up from. Blocks for as long
    as the file system does; never raises.
    """
    start = os.path.dirname(os.path.join(working_directory, filename or ""))
    project = _project(start)
    if configured is None:
        return [] if project is None else [os.path.join(project, ".env")]
    base = start if project is None else project
    return [os.path.join(base, _expanded(path)) for path in configured[:MAX_FILES]]


def _expanded(path: str) -> str:
    # Not the home of somebody else, which may have to be asked for over a network.
    return os.path.expanduser(path) if path.startswith("~/") else path


def _project(directory: str) -> str | None:
    while True:
        if os.path.isfile(os.path.join(directory, "pyproject.toml")):
            return directory
        above = os.path.dirname(directory)
        if above == directory:
            return None
        directory = above
