"""The environment that secrets come from and that dotenv files are loaded into."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

import attrs

from callboard.engines.placement import Place


@attrs.define(eq=False)
class Environ:
    """Environment variables: as they were when the kernel started, and a mapping to read and to write.

    ``os.environ`` belongs to the whole process. A process that is nothing but a kernel writes to it, as a notebook
    expects of its dotenv files: ``Environ.of_process()``. In an application that embeds a kernel, the files of a
    notebook must not change what the rest of the application sees, its other kernels and child processes included:
    ``Environ.private()`` keeps the values to itself, where the application may read them from ``values``. It may as
    well ask for the other one.
    """

    values: MutableMapping[str, str] = attrs.field(repr=False)
    """What files are loaded into."""
    place: Place
    """Where ``values`` may be written."""
    at_start: Mapping[str, str] = attrs.field(repr=False)
    """The variables before any file was loaded."""

    @classmethod
    def of_process(cls) -> Environ:
        """Take the environment of this process, to be made before user code runs.

        It is written on the cell thread between two cells: so a cell that reads several variables sees them as of one
        moment, one that copies them all does not trip over one that goes, and what is run after a refresh sees it.
        """
        return cls(os.environ, Place.CELL_THREAD, dict(os.environ))

    @classmethod
    def private(cls, environ: Mapping[str, str] | None = None) -> Environ:
        """Take a copy, of the environment of this process by default; nothing else is ever changed."""
        at_start = dict(os.environ if environ is None else environ)
        return cls(dict(at_start), Place.ANY_THREAD, at_start)
