"""Faults of the files that a store keeps things in."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from callboard.testing.faults.catalogue import Point
from callboard.testing.faults.injection import Faults

if TYPE_CHECKING:
    from callboard.caching.files import FileOps

_ERRORS = {"disk-full": errno.ENOSPC, "disk-error": errno.EIO}


@attrs.define(eq=False)
class DisturbedFiles:
    """File operations that fail as the plan says: those of ``inner``, each a passage of its own.

    A fault is aimed at an operation by its name (``Fault("disk-error", "replace")``), at ``write`` by default. A full
    disk and a failing one leave half of what was to be written. A partial write is one that nobody is told of: half of
    it is there, as after a power failure.
    """

    inner: FileOps
    faults: Faults

    def _strike(self, operation: str) -> str:
        """Tell which fault strikes at an operation, if one does."""
        due = self.faults.due(Point.FILES, operation)
        if operation == "write":
            due += self.faults.due(Point.FILES)
        for fault in due:
            self.faults.fire(fault)
            return fault.name
        return ""

    def _fail(self, operation: str) -> None:
        name = self._strike(operation)
        if name in _ERRORS:
            raise OSError(_ERRORS[name], os.strerror(_ERRORS[name]))

    def read(self, path: str) -> bytes:
        """Read a file."""
        self._fail("read")
        return self.inner.read(path)

    def write(self, path: str, pieces: Sequence[bytes]) -> None:
        """Write a file."""
        name = self._strike("write")
        if not name:
            return self.inner.write(path, pieces)
        whole = b"".join(pieces)
        self.inner.write(path, [whole[: len(whole) // 2]])
        if name in _ERRORS:
            raise OSError(_ERRORS[name], os.strerror(_ERRORS[name]))
        return None

    def replace(self, source: str, target: str) -> None:
        """Rename a file."""
        self._fail("replace")
        self.inner.replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._fail("remove")
        self.inner.remove(path)

    def makedirs(self, path: str) -> None:
        """Make a folder."""
        self._fail("makedirs")
        self.inner.makedirs(path)

    def listing(self, path: str) -> list[str]:
        """List a folder."""
        self._fail("listing")
        return self.inner.listing(path)

    def stat(self, path: str) -> os.stat_result:
        """Describe a file."""
        self._fail("stat")
        return self.inner.stat(path)
