"""How private names are kept apart: each cell has its own, under a prefix that names the cell."""

from __future__ import annotations

from callboard.messages.ids import CellId

PREFIX = "_cell_"


def is_private(name: str) -> bool:
    """Whether a name is its cell's alone: `_x`, `_` and `__`, but neither `__x` nor dunders."""
    return name == "__" or (name[:1] == "_" and name[1:2] != "_")


def mangle(name: str, cell_id: CellId) -> str:
    """The name under which a private name of the cell stands in the namespace.

    Underscores of the id are doubled, so that the first odd run of underscores is where the name
    begins and no two pairs of cell and name can meet.
    """
    return f"{PREFIX}{cell_id.replace('_', '__')}{name}"


def demangle(mangled: str) -> tuple[CellId, str] | None:
    """The cell and the private name behind a mangled one, None for any other name."""
    if not mangled.startswith(PREFIX):
        return None
    rest = mangled[len(PREFIX) :]
    at = 0
    while at < len(rest):
        if rest[at] != "_":
            at += 1
            continue
        end = at
        while end < len(rest) and rest[end] == "_":
            end += 1
        if (end - at) % 2:
            return CellId(rest[: end - 1].replace("__", "_")), rest[end - 1 :]
        at = end
    if rest.endswith("__"):
        return CellId(rest[:-2].replace("__", "_")), "__"
    return None
