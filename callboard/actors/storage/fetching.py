"""Getting one file out of a storage: its address if it can have one, else its content."""

from __future__ import annotations

from typing import Final

import attrs

from callboard.actors.storage.ports import Abandoned, Backend, Stop, StorageFault

PREVIEW_BYTES: Final = 1_000_000
SIGNED_FOR: Final = 60.0
"""Seconds for which a signed address works."""


@attrs.frozen
class Fetching:
    """What is to be had: a whole file of at most ``max_bytes``, or its beginning for a preview."""

    path: str
    preview: bool
    max_bytes: int


@attrs.frozen
class Fetched:
    """The address of a file, or else its content."""

    url: str | None = None
    content: bytes = attrs.field(default=b"", repr=False)


def fetch(backend: Backend, fetching: Fetching, stop: Stop) -> Fetched:
    """Get a file. Blocks; holds all that it reads.

    Raises:
        StorageFault: there is no such file, or it is too large.
    """
    path, most = fetching.path, fetching.max_bytes
    size = backend.size(path, stop)
    if fetching.preview:
        return Fetched(content=backend.read(path, min(PREVIEW_BYTES, most), size, stop))
    url = _signed(backend, path, stop)
    if url is not None:
        return Fetched(url)
    if size is not None and size > most:
        raise StorageFault(
            f"{path!r} has {size} bytes, more than the {most} that can be downloaded"
        )
    content = backend.read(path, most + 1, size, stop)
    if len(content) > most:
        raise StorageFault(f"{path!r} has more than the {most} bytes that can be downloaded")
    return Fetched(content=content)


def _signed(backend: Backend, path: str, stop: Stop) -> str | None:
    try:
        return backend.sign(path, SIGNED_FOR, stop)
    except Abandoned:
        raise
    except Exception:
        # Whatever keeps it from signing, such as missing rights: the content may still be had.
        return None
