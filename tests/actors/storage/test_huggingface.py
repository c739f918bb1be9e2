"""The Hugging Face client, by its documented shape: the library itself needs its own service."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from callboard.actors.storage.introspection import Introspect
from callboard.engines.placement import Place
from callboard.messages.ids import VariableName
from callboard.messages.notifications import StorageNamespacesNotification
from callboard.messages.payloads import StorageNamespace
from callboard.testing.requests import DirectRequest
from tests.actors.storage.support import Client

TOKEN = "hf_a_secret_token"
TREE = {
    "README.md": 12,
    "data/train.parquet": 4,
    "data/test.parquet": 4,
}


class FileInfo:
    def __init__(self, path: str, size: int) -> None:
        self.path, self.size = path, size
        self.last_commit = None


class FolderInfo:
    def __init__(self, path: str) -> None:
        self.path, self.tree_id = path, "x"


class HfApi:
    __module__ = "huggingface_hub.hf_api"

    def __init__(self, user: str | None = "ada", private: bool = False) -> None:
        self.endpoint = "https://huggingface.co"
        self.token = TOKEN
        self._user, self._private = user, private
        self.calls: list[tuple[str, Any]] = []
        self.yielded = 0

    def whoami(self) -> dict[str, str]:
        if self._user is None:
            raise OSError("401 Invalid user token")
        return {"name": self._user}

    def _repositories(self, kind: str, limit: int, author: str | None) -> Iterator[Any]:
        self.calls.append((kind, author))
        for number in range(limit):
            yield SimpleNamespace(id=f"{author or 'someone'}/{kind}-{number}")

    def list_datasets(self, limit: int, author: str | None = None) -> Iterator[Any]:
        return self._repositories("dataset", limit, author)

    def list_models(self, limit: int, author: str | None = None) -> Iterator[Any]:
        return self._repositories("model", min(limit, 2), author)

    def list_spaces(self, limit: int, author: str | None = None) -> Iterator[Any]:
        return self._repositories("space", 0, author)

    def list_buckets(self) -> Iterator[Any]:
        yield SimpleNamespace(id="ada/bucket")

    def list_repo_tree(
        self, repo_id: str, path_in_repo: str | None = None, *, repo_type: str
    ) -> Iterator[Any]:
        self.calls.append((repo_id, repo_type))
        if path_in_repo == "broken":
            raise RuntimeError(f"401 for https://user:{TOKEN}@huggingface.co?token={TOKEN}")
        folder = f"{path_in_repo}/" if path_in_repo else ""
        seen = set()
        for path, size in TREE.items():
            self.yielded += 1
            if not path.startswith(folder):
                continue
            head, slash, _ = path[len(folder) :].partition("/")
            if not slash:
                yield FileInfo(path, size)
            elif head not in seen:
                seen.add(head)
                yield FolderInfo(folder + head)

    def list_bucket_tree(
        self, bucket_id: str, prefix: str | None = None, *, recursive: bool
    ) -> Iterator[Any]:
        yield SimpleNamespace(type="file", path=f"{prefix or ''}x.bin", size=3)
        yield SimpleNamespace(type="directory", path=f"{prefix or ''}sub")

    def get_paths_info(self, repo_id: str, paths: list[str], *, repo_type: str) -> list[Any]:
        if paths == ["data"]:
            return [FolderInfo("data")]
        return [FileInfo(path, TREE[path]) for path in paths if path in TREE]

    def repo_info(self, repo_id: str, *, repo_type: str) -> Any:
        return SimpleNamespace(private=self._private, gated=False)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's file system, over files in memory."""
    fsspec: Any = importlib.import_module("fsspec")
    fs = fsspec.filesystem("memory", global_store=False, skip_instance_cache=True)
    for path, size in TREE.items():
        fs.pipe(f"/datasets/ada/set/{path}", b"x" * size)
    opened: list[dict[str, Any]] = []

    def open_filesystem(**options: Any) -> Any:
        opened.append(options)
        return fs

    module: Any = types.ModuleType("huggingface_hub")
    module.HfFileSystem = open_filesystem
    module.opened = opened
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return module


async def test_the_root_has_what_the_user_owns() -> None:
    api = HfApi()
    client = Client(api)
    paths = await client.paths(None, 7)
    assert paths == [
        *(f"datasets/ada/dataset-{number}" for number in range(50)),
        "ada/model-0",
        "ada/model-1",
        "buckets/ada/bucket",
    ]
    assert {entry.kind for entry in await client.listing("datasets")} == {"directory"}
    assert await client.paths("buckets") == ["buckets/ada/bucket"]
    assert client.last is not None
    assert client.last.places == [Place.ANY_THREAD]


async def test_without_a_login_the_root_has_public_things() -> None:
    api = HfApi(user=None)
    paths = await Client(api).paths("models")
    assert paths == ["someone/model-0", "someone/model-1"]
    assert api.calls == [("model", None)]


@pytest.mark.parametrize("limit", [1, 100])
async def test_repositories_are_listed_one_level_at_a_time(limit: int) -> None:
    api = HfApi()
    client = Client(api)
    entries = await client.listing("datasets/ada/set", limit)
    assert [(entry.path, entry.kind, entry.size) for entry in entries] == [
        ("datasets/ada/set/README.md", "file", 12),
        ("datasets/ada/set/data", "directory", 0),
    ]
    assert entries[0].mime_type == "text/markdown"
    assert set(api.calls) == {("ada/set", "dataset")}
    assert await client.paths("ada/net/data", limit) == [
        "ada/net/data/train.parquet",
        "ada/net/data/test.parquet",
    ]
    assert await client.paths("buckets/ada/b/in", limit) == [
        "buckets/ada/b/in/x.bin",
        "buckets/ada/b/in/sub",
    ]


async def test_a_listing_is_read_only_as_far_as_the_page_goes() -> None:
    api = HfApi()
    reply = await Client(api).page("datasets/ada/set/data", 1)
    assert reply.next_page_token == "1"
    assert api.yielded == len(TREE)
    api.yielded = 0
    await Client(api).page("datasets/ada/set", 1)
    assert api.yielded < len(TREE)


async def test_a_public_file_has_the_address_that_everybody_uses() -> None:
    client = Client(HfApi())
    reply = await client.download("datasets/ada/set/data/train.parquet")
    assert reply.url == ("https://huggingface.co/datasets/ada/set/resolve/main/data/train.parquet")
    assert reply.filename == "train.parquet"


async def test_private_files_and_previews_are_read_with_the_clients_login(library: Any) -> None:
    client = Client(HfApi(private=True))
    assert (await client.file("datasets/ada/set/data/train.parquet")).content == b"xxxx"
    assert (await client.file("datasets/ada/set/README.md", preview=True)).content == b"x" * 12
    assert library.opened[0] == {"endpoint": "https://huggingface.co", "token": TOKEN}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("datasets", "owner/name"),
        ("ada", "owner/name"),
        ("datasets/ada/set", "names no file"),
        ("datasets/ada/set/data", "is a directory"),
        ("datasets/ada/set/nothing.txt", "there is no file"),
    ],
)
async def test_what_is_no_file_is_refused(path: str, text: str) -> None:
    client = Client(HfApi())
    assert text in await client.refusal(client.download(path))


async def test_no_error_tells_the_token() -> None:
    client = Client(HfApi())
    text = await client.refusal(client.page("datasets/ada/set/broken"))
    assert "401" in text
    assert TOKEN not in text


async def test_the_client_is_described() -> None:
    request = DirectRequest(Introspect(frozenset({"hub"})), {"hub": HfApi()})
    await Client(None).answers.answer(request)
    assert request.told == [
        StorageNamespacesNotification(
            [
                StorageNamespace(
                    VariableName("hub"), "Hugging Face", "huggingface", "", "huggingface"
                )
            ]
        )
    ]
