"""Clients of the Hugging Face Hub.

They may be used by any thread: a client holds an address and a token, and every call is a request of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import attrs

from callboard.actors.storage.entries import file_entry, size_in
from callboard.actors.storage.ports import Page, Stop, StorageFault
from callboard.actors.storage.protocols import display_name_of, protocol_of
from callboard.actors.storage.recognition import belongs_to
from callboard.engines.placement import Place, Placement
from callboard.messages.ids import VariableName
from callboard.messages.payloads import StorageEntry, StorageNamespace

_PACKAGES: Final = frozenset({"huggingface_hub"})
_KINDS: Final = ("datasets", "models", "spaces", "buckets")
_AT_ROOT: Final = 50
"""How many of each kind are listed."""
_READ_BYTES: Final = 4_000_000

_THREAD_SAFE: Final = Placement(
    Place.ANY_THREAD, "huggingface_hub: every call is a request of its own"
)
_DERIVED: Final = Placement(
    Place.CELL_THREAD, "huggingface_hub: a class of the notebook, of which nothing is known"
)


@attrs.frozen
class _Place:
    """What a path names: a repository or bucket, and a path in it."""

    kind: str
    id: str
    inside: str

    @property
    def prefix(self) -> str:
        """What stands before its id in paths and addresses; models have nothing there."""
        return "" if self.kind == "models" else f"{self.kind}/"

    @property
    def repo_type(self) -> str:
        """What the client calls its kind."""
        return self.kind.removesuffix("s")


@attrs.define(eq=False)
class HuggingFaceBackend:
    """One client. Its root has the user's repositories and buckets (anybody's, without a login).

    Repositories are read a page at a time, as far as the client's own listing is lazy.
    """

    api: Any
    placement: Placement = attrs.field(init=False)
    exclusive: object | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        known = belongs_to(type(self.api), _PACKAGES)
        self.placement = _THREAD_SAFE if known else _DERIVED
        self.exclusive = None if known else self.api

    def secrets(self) -> Iterator[str]:
        """Name the token."""
        token = vars(self.api).get("token")
        if isinstance(token, str):
            yield token

    def namespace(self, name: VariableName) -> StorageNamespace:
        """Describe the client."""
        protocol = protocol_of("hf")
        return StorageNamespace(name, display_name_of(protocol), protocol, "", "huggingface")

    def list_page(self, prefix: str | None, offset: int, limit: int, stop: Stop) -> Page:
        """List a part of the root, of one kind of things, or of a directory in a repository."""
        path = (prefix or "").strip("/")
        if not path:
            found: Iterable[StorageEntry] = self._root(_KINDS, stop)
        elif path in _KINDS:
            found = self._root((path,), stop)
        else:
            found = self._tree(_place(path), stop)
        page = list(islice(found, offset, offset + limit + 1))
        return Page(page[:limit], len(page) > limit)

    def size(self, path: str, stop: Stop) -> int | None:
        """Ask for the size of a file."""
        place = _place(path)
        if not place.inside:
            raise StorageFault(f"{path!r} names no file")
        if place.kind == "buckets":
            infos = self.api.get_bucket_paths_info(place.id, [place.inside])
        else:
            infos = self.api.get_paths_info(place.id, [place.inside], repo_type=place.repo_type)
        info = next(iter(infos), None)
        if info is None:
            raise StorageFault(f"there is no file {path!r}")
        if _is_directory(info):
            raise StorageFault(f"{path!r} is a directory")
        return size_in(getattr(info, "size", None))

    def sign(self, path: str, seconds: float, stop: Stop) -> str | None:
        """Return the address at which everybody can get a file, None if not everybody may."""
        place = _place(path)
        if place.kind == "buckets":
            info = self.api.bucket_info(place.id)
        else:
            info = self.api.repo_info(place.id, repo_type=place.repo_type)
        if getattr(info, "private", None) is not False or getattr(info, "gated", False):
            return None
        revision = "" if place.kind == "buckets" else "main/"
        endpoint = str(self.api.endpoint).rstrip("/")
        return f"{endpoint}/{place.prefix}{place.id}/resolve/{revision}{quote(place.inside)}"

    def read(self, path: str, max_bytes: int, size: int | None, stop: Stop) -> bytes:
        """Read a file through the client's filesystem, with its login."""
        place = _place(path)
        if size == 0:
            return b""
        library: Any = sys.modules["huggingface_hub"]
        fs = library.HfFileSystem(endpoint=self.api.endpoint, token=self.api.token)
        chunks: list[bytes] = []
        missing = max_bytes
        with fs.open(f"{place.prefix}{place.id}/{place.inside}", "rb") as file:
            while missing > 0:
                stop.reached(max_bytes - missing, size)
                part = file.read(min(missing, _READ_BYTES))
                if not part:
                    break
                chunks.append(part)
                missing -= len(part)
        return b"".join(chunks)

    def _root(self, kinds: Iterable[str], stop: Stop) -> Iterator[StorageEntry]:
        author = self._user()
        for kind in kinds:
            stop.check()
            if kind == "buckets":
                if author is None or not hasattr(self.api, "list_buckets"):
                    continue
                infos = self.api.list_buckets()
            else:
                options = {} if author is None else {"author": author}
                infos = getattr(self.api, f"list_{kind}")(limit=_AT_ROOT, **options)
            for info in islice(infos, _AT_ROOT):
                if isinstance(getattr(info, "id", None), str):
                    yield _entry(info, f"{_Place(kind, info.id, '').prefix}{info.id}", "directory")

    def _user(self) -> str | None:
        try:
            name = self.api.whoami()["name"]
        except Exception:
            # Nobody is logged in: the public ones are listed.
            return None
        return name if isinstance(name, str) else None

    def _tree(self, place: _Place, stop: Stop) -> Iterator[StorageEntry]:
        if place.kind == "buckets":
            prefix = f"{place.inside}/" if place.inside else None
            infos = self.api.list_bucket_tree(place.id, prefix=prefix, recursive=False)
        else:
            infos = self.api.list_repo_tree(
                place.id, path_in_repo=place.inside or None, repo_type=place.repo_type
            )
        for info in infos:
            stop.check()
            path = getattr(info, "path", None)
            if isinstance(path, str) and path.strip("/") != place.inside:
                kind = "directory" if _is_directory(info) else "file"
                yield _entry(info, f"{place.prefix}{place.id}/{path.strip('/')}", kind)


def _place(path: str) -> _Place:
    parts = [part for part in path.split("/") if part]
    kind = parts.pop(0) if parts and parts[0] in _KINDS else "models"
    if len(parts) < 2:
        raise StorageFault(f"{path!r} names no repository: their names have the form owner/name")
    return _Place(kind, "/".join(parts[:2]), "/".join(parts[2:]))


def _is_directory(info: Any) -> bool:
    kind = getattr(info, "type", None)
    return kind in ("directory", "folder") if kind else not hasattr(info, "size")


def _entry(info: Any, path: str, kind: str) -> StorageEntry:
    commit = getattr(info, "last_commit", None)
    facts = {
        "name": path,
        "type": kind,
        "size": getattr(info, "size", None),
        "last_modified": getattr(info, "last_modified", None) or getattr(commit, "date", None),
    }
    entry = file_entry(facts)
    assert entry is not None
    return entry
