"""Types of files, guessed from their names."""

from __future__ import annotations

from mimetypes import MimeTypes
from typing import Final

from callboard.actors.storage.paths import last_segment

# What data people keep in storages and the standard library does not know, or not in all versions.
_MORE: Final = {
    ".arrow": "application/vnd.apache.arrow.file",
    ".avro": "application/vnd.apache.avro",
    ".feather": "application/vnd.apache.arrow.file",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".toml": "application/toml",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}
_ENCODED: Final = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
    "br": "application/x-brotli",
}


def _table() -> MimeTypes:
    # A table of its own: that of the module depends on the files of the system and on what user code added.
    table = MimeTypes()
    for extension, mime_type in _MORE.items():
        table.add_type(mime_type, extension)
    return table


_TABLE: Final = _table()


def mime_type_of(path: str) -> str | None:
    """Guess the type of a file from its name; None if the name says nothing."""
    # Only the name: the library would take more of it for an address.
    mime_type, encoding = _TABLE.guess_type("/" + last_segment(path).replace(":", "_"))
    return mime_type if encoding is None else _ENCODED.get(encoding)
