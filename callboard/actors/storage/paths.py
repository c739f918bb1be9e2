"""Which prefixes and paths a client may send."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

from callboard.actors.storage.ports import StorageFault

MAX_PATH: Final = 8192
"""Characters."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def check_path(field: str, path: str) -> None:
    """Refuse what is a path in no storage: control characters, lone surrogates, steps upwards, endless ones.

    A step upwards (``..``) would leave the root of a storage that has one, and means nothing in the others.

    Raises:
        StorageFault: the path is refused; the text names the field.
    """
    if len(path) > MAX_PATH:
        raise StorageFault(f"{field} is longer than {MAX_PATH} characters")
    for character in path:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise StorageFault(
                f"{field} must not hold control characters, but there is U+{ord(character):04X} in it"
            )
    if steps_upwards(path):
        raise StorageFault(f"{field} must not go upwards with '..'")


def steps_upwards(path: str) -> bool:
    """Whether any part of a path is ``..``."""
    return ".." in path and ".." in path.replace("\\", "/").split("/")


def check_web_path(field: str, path: str) -> None:
    """Refuse steps upwards that are spelled in the way of addresses (``%2e%2e``).

    Raises:
        StorageFault: the path is refused; the text names the field.
    """
    spelled = path
    # Servers in a row may each unquote once.
    for _ in range(4):
        spelled = unquote(spelled)
    if steps_upwards(spelled):
        raise StorageFault(f"{field} must not go upwards with '..'")


def scheme_of(path: str) -> str | None:
    """Return the scheme of a path that is an address (``http``), in lower case; None for any other path."""
    match = _SCHEME.match(path)
    return match[1].lower() if match else None


def chains(path: str) -> bool:
    """Whether a path is of the form in which fsspec chains filesystems: ``simplecache::s3://bucket/key``."""
    head, separator, rest = path.partition("::")
    return bool(separator) and "/" not in head and ("://" in rest or "::" in rest)


def last_segment(path: str) -> str:
    """Return the last part of a path, without what may follow it in an address."""
    if scheme_of(path) in ("http", "https"):
        path = re.split(r"[?#]", path, maxsplit=1)[0]
        path = path.partition("://")[2].partition("/")[2]
    return path.rstrip("/").rpartition("/")[2]


def extension_of(path: str) -> str | None:
    """Return the extension of the last part of a path, without the dot; None if it has none."""
    stem, dot, extension = last_segment(path).rpartition(".")
    return extension if dot and stem and extension else None
