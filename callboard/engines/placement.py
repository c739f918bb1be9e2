"""Where a call to an object of the notebook may run."""

from __future__ import annotations

import enum

import attrs


class Place(enum.StrEnum):
    """A kind of thread."""

    ANY_THREAD = "any-thread"
    """A thread of the domain's own, while cells run: the library says that this is safe."""
    CELL_THREAD = "cell-thread"
    """The thread that runs the notebook's code, between two cells."""


@attrs.frozen
class Placement:
    """Where calls to one object run, and why there; decided from what its library says of itself."""

    place: Place
    reason: str
    """For people: such as ``threadsafety 2: threads may share connections``."""
