"""Object stores by the S3 protocol, through obstore and through s3fs."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from callboard.actors.storage.introspection import Introspect
from callboard.engines.placement import Place
from callboard.messages.ids import VariableName
from callboard.messages.notifications import StorageNamespacesNotification
from callboard.messages.payloads import StorageNamespace
from callboard.testing.requests import DirectRequest
from tests.actors.storage.conftest import KEY, KEYS, S3, SECRET
from tests.actors.storage.support import Client

Open = Callable[[S3], tuple[Any, str]]


def by_obstore(s3: S3) -> tuple[Any, str]:
    return s3.store(), ""


def by_s3fs(s3: S3) -> tuple[Any, str]:
    return s3.filesystem(), "lake/"


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
        return content


both = pytest.mark.parametrize("opened", [by_obstore, by_s3fs])


@both
@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_a_level_is_listed_in_pages(s3: S3, opened: Open, limit: int) -> None:
    store, base = opened(s3)
    client = Client(store)
    entries = await client.listing(f"{base}data" if base else "data", limit)
    assert sorted((entry.path, entry.kind, entry.size) for entry in entries) == [
        (f"{base}data/a.csv", "file" if base else "object", 8),
        (f"{base}data/b.parquet", "file" if base else "object", 4),
        (f"{base}data/deep", "directory", 0),
    ]
    by_name = {entry.path.removeprefix(base): entry for entry in entries}
    assert by_name["data/a.csv"].mime_type == "text/csv"
    assert by_name["data/a.csv"].last_modified is not None
    assert by_name["data/deep"].mime_type is None
    assert by_name["data/deep"].last_modified is None
    assert client.last is not None
    assert client.last.places == [Place.ANY_THREAD]


@both
@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_directories_come_first_in_a_page_and_markers_are_directories(
    s3: S3, opened: Open, limit: int
) -> None:
    store, base = opened(s3)
    entries = await Client(store).listing(base or None, limit)
    kinds = {entry.path.removeprefix(base): entry.kind for entry in entries}
    thing = "file" if base else "object"
    assert kinds == {
        "data": "directory",
        "empty": "directory",
        "sign+& s": "directory",
        "top.txt": thing,
        "zero": thing,
    }
    if limit == 1000:
        assert [entry.kind for entry in entries] == ["directory"] * 3 + [thing] * 2


@both
async def test_an_empty_folder_has_no_entries_and_a_missing_one_is_an_error(
    s3: S3, opened: Open
) -> None:
    store, base = opened(s3)
    client = Client(store)
    assert await client.listing(f"{base}empty") == []
    assert "missing" in await client.refusal(client.page(f"{base}missing"))


@both
async def test_the_page_behind_the_end_is_empty(s3: S3, opened: Open) -> None:
    store, base = opened(s3)
    reply = await Client(store).page(f"{base}data", 10, "5000")
    assert (reply.entries, reply.next_page_token) == ([], None)


@both
async def test_a_download_is_a_signed_address_that_works(s3: S3, opened: Open) -> None:
    store, base = opened(s3)
    reply = await Client(store).download(f"{base}sign+& s/é.txt")
    assert reply.filename == "é.txt"
    assert reply.url is not None
    assert reply.url.startswith(s3.endpoint)
    assert fetched(reply.url) == "é".encode()
    assert SECRET not in reply.url


@both
async def test_a_preview_has_the_first_million_bytes(s3: S3, opened: Open) -> None:
    store, base = opened(s3)
    client = Client(store)
    file = await client.file(f"{base}data/deep/c.bin", preview=True)
    assert len(file.content) == 1_000_000
    file = await client.file(f"{base}data/a.csv", preview=True)
    assert (file.content, file.mime_type) == (KEYS["data/a.csv"], "text/csv")
    assert file.name.endswith(".csv")
    assert (await client.download(f"{base}zero", preview=True)).url == "data:text/plain;base64,"


@both
async def test_what_cannot_be_signed_is_read_as_a_whole(
    s3: S3, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = opened(s3)
    client = Client(store)

    def no_rights(*_: object, **__: object) -> str:
        raise PermissionError("not for you")

    monkeypatch.setattr("obstore.sign", no_rights)
    monkeypatch.setattr("s3fs.S3FileSystem.sign", no_rights)
    file = await client.file(f"{base}data/deep/c.bin")
    assert file.content == KEYS["data/deep/c.bin"]
    small = Client(store, max_download_bytes=1000)
    text = await small.refusal(small.download(f"{base}data/deep/c.bin"))
    assert "2500000 bytes, more than the 1000" in text


@both
async def test_a_missing_object_is_an_error_and_so_is_a_folder(s3: S3, opened: Open) -> None:
    store, base = opened(s3)
    client = Client(store)
    for path in ("nothing.txt", "data/deep"):
        text = await client.refusal(client.download(base + path))
        assert path in text
        assert len(text) < 200


async def test_no_error_tells_a_key(s3: S3) -> None:
    obstore = Client(s3.store("no-such-bucket"))
    text = await obstore.refusal(obstore.page())
    assert "NoSuchBucket" in text
    assert "Debug source" not in text
    broken = s3.filesystem()
    broken.endpoint_url = f"http://{KEY}:{SECRET}@127.0.0.1:1"
    for store in (s3.store("no-such-bucket"), broken):
        client = Client(store)
        for path in (f"?key={KEY}", SECRET, f"x://u:{SECRET}@h/{KEY}"):
            for do in (client.page(path), client.download(path)):
                text = await client.refusal(do)
                assert SECRET not in text
                assert KEY not in text


async def test_a_directory_of_a_bucket_is_browsed_from_its_own_root(s3: S3) -> None:
    fsspec: Any = __import__("fsspec.implementations.dirfs")
    store = fsspec.implementations.dirfs.DirFileSystem("lake/data", s3.filesystem())
    client = Client(store)
    assert sorted(await client.paths(None, 2)) == ["a.csv", "b.parquet", "deep"]
    assert await client.paths("deep") == ["deep/c.bin", "deep/d.txt"]
    assert (await client.file("deep/d.txt", preview=True)).content == b"deep"
    text = await client.refusal(client.page("s3://other"))
    assert text.startswith("prefix must be a path of this storage")


async def test_a_prefixed_store_is_browsed_from_its_own_root(s3: S3) -> None:
    client = Client(s3.store(prefix="data"))
    assert await client.paths(None, 1) == ["a.csv", "b.parquet", "deep"]
    assert await client.paths("deep") == ["deep/c.bin", "deep/d.txt"]
    assert (await client.file("deep/d.txt", preview=True)).content == b"deep"


async def test_buckets_are_listed_at_the_root_of_a_filesystem(s3: S3) -> None:
    client = Client(s3.filesystem())
    entries = await client.listing(None, 1)
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("lake", "directory"),
        ("many", "directory"),
    ]


async def test_namespaces_are_described_without_asking_the_server(s3: S3) -> None:
    fsspec: Any = __import__("fsspec.implementations.dirfs")
    dirfs = fsspec.implementations.dirfs.DirFileSystem
    dead: dict[str, Any] = {"endpoint": "http://127.0.0.1:1"}
    variables = {
        "bucket": s3.store(**dead),
        "part": s3.store(prefix="a/b", **dead),
        "r2": s3.store(endpoint="https://x.r2.cloudflarestorage.com"),
        "fs": s3.filesystem(),
        "inside": dirfs("lake/data", s3.filesystem()),
        "number": 1,
    }
    answers = Client(None).answers
    names = frozenset(variables) | {"vanished"}
    request = DirectRequest(Introspect(names), variables)
    assert set(answers.reads(Introspect(names))) == names
    assert await answers.answer(request) is None
    assert request.told == [
        StorageNamespacesNotification(
            [
                StorageNamespace(VariableName("bucket"), "Amazon S3", "s3", "lake", "obstore"),
                StorageNamespace(VariableName("fs"), "Amazon S3", "s3", "", "fsspec"),
                StorageNamespace(VariableName("inside"), "Amazon S3", "s3", "", "fsspec"),
                StorageNamespace(VariableName("part"), "Amazon S3", "s3", "a/b", "obstore"),
                StorageNamespace(
                    VariableName("r2"), "Cloudflare R2", "cloudflare", "lake", "obstore"
                ),
            ]
        )
    ]
    assert set(request.places) == {Place.ANY_THREAD}
