"""Entries in a Redis server, through the author's own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from callboard.caching.encoding import Unsound, method_of
from callboard.caching.store import Entry, SaveFailed, tell

_BATCH = 500


class RedisStore:
    """Keeps entries under ``<prefix>:<name>:<hash>`` in a Redis server.

    As with files, **whoever can write to the server can run code in the notebook**. The client has to return bytes, so
    it must not be made with ``decode_responses=True``. A server that does not answer is a cache without entries.
    """

    def __init__(
        self,
        client: Any,
        name: str = "cache",
        *,
        method: str = "pickle",
        prefix: str = "callboard",
        expires: float | None = None,
    ) -> None:
        """``expires`` is in seconds, None for never. Raises ValueError for an unknown method."""
        self.client = client
        self.prefix = f"{prefix}:{name}:"
        self._method = method_of(method)
        self._expires = expires

    def get(self, key: str, names: frozenset[str], namespace: Mapping[str, Any]) -> Entry | None:
        """Ask for an entry."""
        try:
            data = self.client.get(self.prefix + key)
        except Exception as error:
            tell(f"Redis: {type(error).__name__}; computed instead")
            return None
        if data is None:
            return None
        if type(data) is not bytes:
            tell("Redis: the client returns text; make it without decode_responses")
            return None
        try:
            return self._method.decode(data, key, names, namespace)
        except Unsound as error:
            tell(f"Redis: {self.prefix}{key} is not used: {error}")
            return None

    def put(self, entry: Entry, namespace: Mapping[str, Any]) -> None:
        """Send an entry."""
        data = b"".join(self._method.encode(entry, namespace))
        milliseconds = None if self._expires is None else max(1, int(self._expires * 1000))
        try:
            self.client.set(self.prefix + entry.key, data, px=milliseconds)
        except Exception as error:
            # Without its text, which may hold the address with its password.
            raise SaveFailed(f"Redis: {type(error).__name__}") from None

    def clear(self) -> int:
        """Delete the entries of this name; returns the bytes they held."""
        freed = 0
        for keys in self._batches():
            freed += sum(int(self.client.strlen(key)) for key in keys)
            self.client.delete(*keys)
        return freed

    def __len__(self) -> int:
        return sum(len(keys) for keys in self._batches())

    def _batches(self) -> Iterator[list[Any]]:
        literal = "".join(f"\\{each}" if each in "*?[]\\" else each for each in self.prefix)
        batch: list[Any] = []
        for key in self.client.scan_iter(match=f"{literal}*", count=_BATCH):
            batch.append(key)
            if len(batch) >= _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
