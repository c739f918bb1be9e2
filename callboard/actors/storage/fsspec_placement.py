"""What a filesystem of fsspec is inside, and on which thread it may be used.

- An asynchronous one (S3, Google, Azure, HTTP) does its work on the one thread that fsspec has for that; its blocking
  methods hand the call to that thread and wait, which any thread may do.
- The local one keeps nothing between calls. The memory one reads a dict of the process, of which it takes a snapshot.
- Hugging Face's asks a server and keeps answers in a dict: any thread, one call at a time.
- A directory of another one, and the asynchronous form of a blocking one, are used as the one inside.
- Of all others nothing is known (archives share one open file, SFTP and FTP one connection), nor of a class that the
  notebook derived: those run on the cell thread.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from callboard.actors.storage.recognition import belongs_to, name_of
from callboard.engines.placement import Place, Placement

ASYNC_PACKAGES: Final = frozenset({"adlfs", "fsspec", "gcsfs", "obstore", "s3fs"})
"""Whose asynchronous filesystems do all their work on fsspec's thread."""

_ASYNC: Final = ("fsspec.asyn", "AsyncFileSystem")
_WRAPPED: Final = ("fsspec.implementations.asyn_wrapper", "AsyncFileSystemWrapper")
_DIRECTORY: Final = ("fsspec.implementations.dirfs", "DirFileSystem")
_REFERENCE: Final = ("fsspec.implementations.reference", "ReferenceFileSystem")
LOCAL: Final = ("fsspec.implementations.local", "LocalFileSystem")
MEMORY: Final = ("fsspec.implementations.memory", "MemoryFileSystem")
HTTP: Final = ("fsspec.implementations.http", "HTTPFileSystem")
S3: Final = ("s3fs.core", "S3FileSystem")
HUGGINGFACE: Final = ("huggingface_hub.hf_file_system", "HfFileSystem")

_MAX_DEPTH: Final = 10

_PLACES: Final = {
    LOCAL: Placement(Place.ANY_THREAD, "fsspec: the local filesystem keeps nothing between calls"),
    MEMORY: Placement(Place.ANY_THREAD, "fsspec: the memory filesystem reads snapshots of a dict"),
    HUGGINGFACE: Placement(
        Place.ANY_THREAD, "huggingface_hub: requests of their own, one call at a time"
    ),
}
_ON_ITS_THREAD: Final = Placement(
    Place.ANY_THREAD, "fsspec: asynchronous, it works on fsspec's own thread"
)
_UNKNOWN: Final = Placement(
    Place.CELL_THREAD, "fsspec: nothing is known of using this class from several threads"
)


@attrs.frozen
class Target:
    """The filesystem that does the work, and the directory of it that the notebook's object stands for."""

    fs: Any
    base: str
    asynchronous: bool
    """Whether it is known to work on fsspec's own thread."""
    placement: Placement
    exclusive: object | None

    @property
    def name(self) -> tuple[str, str]:
        """The module and name of its class."""
        return name_of(type(self.fs))

    def inside(self, path: str) -> str:
        """Translate a path of the notebook's object to one of the filesystem inside."""
        if not self.base:
            return path
        relative = path.strip("/")
        return f"{self.base.rstrip('/')}/{relative}" if relative else self.base

    def outside(self, name: str) -> str | None:
        """Translate back; None for what does not lie within."""
        if not self.base:
            return name
        for base in (self.base.rstrip("/"), self.base.strip("/")):
            if name.rstrip("/") == base:
                return ""
            if name.startswith(base + "/"):
                return name[len(base) + 1 :]
        return None


def target_of(fs: Any) -> Target:
    """Look inside of a filesystem. Reads attributes of fsspec's own classes only; never raises."""
    base = ""
    for _ in range(_MAX_DEPTH):
        name = name_of(type(fs))
        if name == _DIRECTORY:
            path = str(fs.path or "")
            base = f"{path.rstrip('/')}/{base}" if path and base else path or base
            fs = fs.fs
        elif name[0] == _WRAPPED[0] and _has_base(fs, _WRAPPED):
            fs = fs.sync_fs
        else:
            break
    known = _PLACES.get(name_of(type(fs)))
    if known is not None:
        alone = fs if name_of(type(fs)) == HUGGINGFACE else None
        return Target(fs, base, False, known, alone)
    if (
        belongs_to(type(fs), ASYNC_PACKAGES)
        and _has_base(fs, _ASYNC)
        and not _has_base(fs, _DIRECTORY)
        and not _has_base(fs, _REFERENCE)
        and not _has_base(fs, _WRAPPED)
    ):
        return Target(fs, base, True, _ON_ITS_THREAD, None)
    return Target(fs, base, False, _UNKNOWN, fs)


def _has_base(fs: Any, base: tuple[str, str]) -> bool:
    return any(name_of(cls) == base for cls in type(fs).__mro__)
