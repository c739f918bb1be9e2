"""Entries as files: whole or not at all, and never trusted to be what they should be."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from callboard.caching.encoding import Unsound, method_of
from callboard.caching.store import Entry, SaveFailed, tell

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 100
_OURS = re.compile(r"[PCEXDU]_[0-9a-f]{16,64}\.(?:pickle|json)")
_UNFINISHED = re.compile(r"\.[PCEXDU]_[0-9a-f]+\.[0-9a-f]+\.unfinished")
_ABANDONED = 600.0
"""Seconds after which an unfinished file is taken to be of a process that was killed."""


class FileOps(Protocol):
    """What file stores ask of the file system: the one place to have it fail, in tests. Each raises ``OSError``."""

    def read(self, path: str) -> bytes:
        """Return what a file holds."""

    def write(self, path: str, pieces: Sequence[bytes]) -> None:
        """Make a new file, for the user alone, that holds the pieces; return when it is on the disk."""

    def replace(self, source: str, target: str) -> None:
        """Give a file another name in one step, in place of a file that has it."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def makedirs(self, path: str) -> None:
        """Make a folder, with those above it; no error if it is there."""

    def listing(self, path: str) -> list[str]:
        """Return the names in a folder."""

    def stat(self, path: str) -> os.stat_result:
        """Describe a file, not what a link leads to."""


class RealFileOps:
    """The file system."""

    def read(self, path: str) -> bytes:
        """Read a file."""
        with open(path, "rb") as file:
            return file.read()

    def write(self, path: str, pieces: Sequence[bytes]) -> None:
        """Write a file and wait for the disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]
            os.fsync(file.fileno())

    def replace(self, source: str, target: str) -> None:
        """Rename a file."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.remove(path)

    def makedirs(self, path: str) -> None:
        """Make a folder."""
        os.makedirs(path, exist_ok=True)

    def listing(self, path: str) -> list[str]:
        """List a folder."""
        return os.listdir(path)

    def stat(self, path: str) -> os.stat_result:
        """Describe a file."""
        return os.lstat(path)


def safe_name(name: str) -> str:
    """Reduce a name to what can be a folder's everywhere: ``../a b`` becomes ``a_b``; names stay apart if they can.

    >>> safe_name("../a b")
    'a_b'
    """
    safe = _UNSAFE.sub("_", name).strip("._-")[:_LONGEST]
    return safe or "cache"


def default_folder(namespace: Mapping[str, Any]) -> str:
    """Return where the caches of a notebook are kept: ``__callboard__/cache`` beside it, or in the pycache prefix."""
    file = namespace.get("__file__")
    folder = (
        os.path.dirname(os.path.abspath(file)) if isinstance(file, str) and file else os.getcwd()
    )
    if sys.pycache_prefix is not None:
        # As Python does with its own caches: the whole path again, below the prefix.
        below = os.path.splitdrive(os.path.abspath(folder))[1].lstrip("/\\")
        folder = os.path.join(sys.pycache_prefix, below)
    return os.path.join(folder, "__callboard__", "cache")


class FileStore:
    """Keeps every entry in a file of its own, ``<folder>/<name>/<prefix><hash>.<method>``.

    **Whoever can write to the folder can run code in the notebook**: by default entries are pickles. Each file carries
    a digest, which finds damage and not malice; share a folder only with people you would let edit the notebook.

    A file appears when it is complete and on the disk, or not at all. One that is damaged, cut short, of another
    version or of another cache counts as missing, and is told of on stderr.
    """

    def __init__(
        self, folder: str, name: str, method: str = "pickle", files: FileOps | None = None
    ) -> None:
        """Raises ValueError for an unknown method: the caller's fault."""
        self.root = os.path.abspath(folder)
        self.folder = os.path.join(self.root, safe_name(name))
        self._method = method_of(method)
        self._files: FileOps = RealFileOps() if files is None else files

    def path(self, key: str) -> str:
        """Return where the entry of a key is kept."""
        return os.path.join(self.folder, f"{key}.{self._method.name}")

    def get(self, key: str, names: frozenset[str], namespace: Mapping[str, Any]) -> Entry | None:
        """Read an entry."""
        path = self.path(key)
        try:
            data = self._files.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            tell(f"{path} cannot be read, so it is computed again: {_reason(error)}")
            return None
        try:
            return self._method.decode(data, key, names, namespace)
        except Unsound as error:
            tell(f"{path} is not used: {error}")
            return None

    def put(self, entry: Entry, namespace: Mapping[str, Any]) -> None:
        """Write an entry beside its place and then move it there."""
        pieces = self._method.encode(entry, namespace)
        unfinished = os.path.join(self.folder, f".{entry.key}.{secrets.token_hex(8)}.unfinished")
        try:
            self._files.makedirs(self.folder)
            try:
                self._files.write(unfinished, pieces)
                self._files.replace(unfinished, self.path(entry.key))
            except BaseException:
                self._remove(unfinished)
                raise
        except OSError as error:
            raise SaveFailed(f"{self.folder}: {_reason(error)}") from error

    def clear(self, on_removed: Callable[[], object] = lambda: None) -> int:
        """Remove all entries; returns the bytes of the files that are gone, each of which is told of as it goes."""
        freed = 0
        for path, size in self.removable():
            if self._remove(path):
                freed += size
                on_removed()
        return freed

    def removable(self) -> Iterator[tuple[str, int]]:
        """Find the files that ``clear`` removes, with their sizes in bytes."""
        for path, found in self._regular(self.folder):
            name = os.path.basename(path)
            age = time.time() - found.st_mtime
            if _OURS.fullmatch(name) or (_UNFINISHED.fullmatch(name) and age > _ABANDONED):
                yield path, found.st_size

    def bytes_in_root(self) -> int:
        """Return the bytes of all cache files in the folder, those of other names included."""
        total = 0
        for name in self._names(self.root):
            for path, found in self._regular(os.path.join(self.root, name)):
                base = os.path.basename(path)
                if _OURS.fullmatch(base) or _UNFINISHED.fullmatch(base):
                    total += found.st_size
        return total

    def __len__(self) -> int:
        return sum(1 for name in self._names(self.folder) if _OURS.fullmatch(name))

    def _regular(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        for name in self._names(folder):
            path = os.path.join(folder, name)
            try:
                found = self._files.stat(path)
            except OSError:
                continue  # gone meanwhile
            if stat.S_ISREG(found.st_mode):
                yield path, found

    def _names(self, folder: str) -> list[str]:
        try:
            return self._files.listing(folder)
        except OSError:
            return []  # not made yet, or not to be seen

    def _remove(self, path: str) -> bool:
        try:
            self._files.remove(path)
        except OSError:
            return False
        return True


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return error.strerror or str(error)
