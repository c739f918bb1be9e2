"""Files that live for a short while at addresses that nobody can guess."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs

LIFETIME: Final = 60.0
"""Seconds for which a file can be read."""
MAX_FILE_BYTES: Final = 200_000_000
MAX_TOTAL_BYTES: Final = 500_000_000
MAX_FILES: Final = 1000
MAX_DATA_URL_BYTES: Final = 4_000_000
"""Bytes of content that may be put into an address itself."""

_PREFIX: Final = "./@file/"
_URL: Final = re.compile(
    r"(?:\.?/)?@file/([0-9]{1,15})-([A-Za-z0-9_.-]{1,100})(?:[?#].*)?", re.ASCII
)
_EXTENSION: Final = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_MIME_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+", re.ASCII)
_UNKNOWN_TYPE: Final = "application/octet-stream"


class TooLarge(Exception):
    """The content is larger than what may be kept, or put into an address; the text says by how much."""


@attrs.frozen
class VirtualFile:
    """One file. ``expires_at`` is on the clock of the store that keeps it.

    Its content came from somewhere else and may be anything: whoever serves it must not let a browser run it
    (``X-Content-Type-Options: nosniff``, ``Content-Security-Policy: sandbox``).
    """

    name: str
    content: bytes = attrs.field(repr=False)
    mime_type: str
    expires_at: float


class VirtualFiles:
    """Keeps files until their time is over, within bounds; the oldest give way to newer ones.

    Time is that of ``clock``, in seconds; a file whose time is over cannot be read, and `expire` frees its memory
    (every other method does so too). All methods return at once, and are for one thread.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        lifetime: float = LIFETIME,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        max_files: int = MAX_FILES,
    ) -> None:
        if min(lifetime, max_file_bytes, max_total_bytes, max_files) <= 0:
            raise ValueError("the lifetime and the bounds of virtual files must be positive")
        self.max_file_bytes = min(max_file_bytes, max_total_bytes)
        self.evicted = 0
        """How many files had to go before their time."""
        self.on_add: Callable[[], object] | None = None
        """Called after every file that was added: its time may be the next to end."""
        self._clock = clock
        self._lifetime = lifetime
        self._max_total_bytes = max_total_bytes
        self._max_files = max_files
        # In the order in which they were added, which is that in which they expire.
        self._files: OrderedDict[str, VirtualFile] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """How many files are kept."""
        self.expire()
        return len(self._files)

    @property
    def total_bytes(self) -> int:
        """How many bytes the files that are kept have together."""
        self.expire()
        return self._bytes

    def add(self, content: bytes, extension: str = "bin", mime_type: str | None = None) -> str:
        """Keep a file and return its address, ``./@file/<bytes>-<name>.<extension>``.

        What is not a short word of ASCII letters and digits is no extension; the file then gets ``bin``. Empty
        content has no file: its address is a ``data:`` URL.

        Raises:
            TooLarge: the content is larger than ``max_file_bytes``.
        """
        if not content:
            return data_url(content, mime_type)
        if len(content) > self.max_file_bytes:
            raise TooLarge(
                f"the file has {len(content)} bytes, more than the {self.max_file_bytes} that are kept"
            )
        self.expire()
        while self._files and (
            self._bytes + len(content) > self._max_total_bytes
            or len(self._files) >= self._max_files
        ):
            self._drop_oldest()
            self.evicted += 1
        suffix = extension.lower() if _EXTENSION.fullmatch(extension) else "bin"
        name = f"{secrets.token_urlsafe(24)}.{suffix}"
        self._files[name] = VirtualFile(
            name, content, _valid_type(mime_type), self._clock() + self._lifetime
        )
        self._bytes += len(content)
        if self.on_add is not None:
            self.on_add()
        return f"{_PREFIX}{len(content)}-{name}"

    def read(self, url: str) -> VirtualFile | None:
        """Return the file at an address, None if there is none (any more). Never raises.

        The address may begin with ``./@file/``, ``/@file/`` or ``@file/``.
        """
        self.expire()
        match = _URL.fullmatch(url)
        if match is None:
            return None
        file = self._files.get(match[2])
        if file is None or len(file.content) != int(match[1]):
            return None
        return file

    def expire(self) -> float | None:
        """Remove the files whose time is over; return the seconds until the next one's is, None without files."""
        now = self._clock()
        while self._files:
            oldest = next(iter(self._files.values()))
            if oldest.expires_at > now:
                return oldest.expires_at - now
            self._drop_oldest()
        return None

    def clear(self) -> None:
        """Remove all files."""
        self._files.clear()
        self._bytes = 0

    def _drop_oldest(self) -> None:
        _, file = self._files.popitem(last=False)
        self._bytes -= len(file.content)


def data_url(content: bytes, mime_type: str | None = None) -> str:
    """Put content into an address itself.

    Raises:
        TooLarge: there are more than `MAX_DATA_URL_BYTES` of it.
    """
    if len(content) > MAX_DATA_URL_BYTES:
        raise TooLarge(
            f"the file has {len(content)} bytes, more than the {MAX_DATA_URL_BYTES} that can be sent without a server"
        )
    return f"data:{_valid_type(mime_type)};base64,{base64.b64encode(content).decode('ascii')}"


def _valid_type(mime_type: str | None) -> str:
    return mime_type if mime_type and _MIME_TYPE.fullmatch(mime_type) else _UNKNOWN_TYPE
