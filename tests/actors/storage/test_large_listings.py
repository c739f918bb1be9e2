"""Listings of a hundred thousand objects cost what one page costs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callboard.messages.payloads import StorageEntry
from tests.actors.storage.big_bucket import BigBucket, big_bucket
from tests.actors.storage.support import Client

FLAT = [f"flat/object-{number:06}" for number in range(100_000)]
DEEP = [f"deep/{folder}/{number:06}" for folder in "abc" for number in range(10_000)]


@pytest.fixture(scope="module")
def bucket() -> Iterator[BigBucket]:
    with big_bucket([*DEEP, "deep/z", *FLAT]) as served:
        yield served


def by_obstore(bucket: BigBucket) -> tuple[Any, str]:
    store: Any = importlib.import_module("obstore.store")
    opened = store.S3Store(
        "many",
        endpoint=bucket.endpoint,
        region="us-east-1",
        skip_signature=True,
        client_options={"allow_http": True},
    )
    return opened, ""


def by_s3fs(bucket: BigBucket) -> tuple[Any, str]:
    library: Any = importlib.import_module("s3fs")
    return library.S3FileSystem(anon=True, endpoint_url=bucket.endpoint), "many/"


both = pytest.mark.parametrize("opened", [by_obstore, by_s3fs])


@both
async def test_each_page_of_a_large_level_costs_a_few_requests(
    bucket: BigBucket, opened: Any
) -> None:
    store, base = opened(bucket)
    client = Client(store)
    token: str | None = None
    for number in range(3):
        bucket.requests = bucket.given = 0
        reply = await client.page(f"{base}flat", 100, token)
        token = reply.next_page_token
        assert token == str(100 * (number + 1))
        expected = FLAT[100 * number : 100 * (number + 1)]
        assert [entry.path for entry in reply.entries] == [base + key for key in expected]
        # What a library reads ahead is bounded, whatever the size of the level.
        assert bucket.requests <= 3
        assert bucket.given <= 3000


@both
async def test_a_page_in_the_middle_is_found_and_gone_on_from(
    bucket: BigBucket, opened: Any
) -> None:
    store, base = opened(bucket)
    client = Client(store)
    reply = await client.page(f"{base}flat", 2, "2001")
    assert [entry.path for entry in reply.entries] == [base + key for key in FLAT[2001:2003]]
    assert reply.next_page_token == "2003"
    bucket.requests = 0
    reply = await client.page(f"{base}flat", 2, "2003")
    assert [entry.path for entry in reply.entries] == [base + key for key in FLAT[2003:2005]]
    assert bucket.requests <= 2


@both
async def test_what_lies_below_the_directories_of_a_level_is_not_read(
    bucket: BigBucket, opened: Any
) -> None:
    store, base = opened(bucket)
    bucket.requests = bucket.given = 0
    paths = await Client(store).paths(f"{base}deep")
    assert paths == [f"{base}deep/{name}" for name in ("a", "b", "c", "z")]
    assert bucket.requests <= 12


@pytest.mark.parametrize("kind", ["fsspec", "obstore"])
async def test_a_large_directory_is_read_only_as_far_as_the_page_goes(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(500):
        (tmp_path / f"file-{number}").touch()
    (tmp_path / "folder").mkdir()
    if kind == "obstore":
        store: Any = importlib.import_module("obstore.store").LocalStore(tmp_path)
        client, base = Client(store), None
    else:
        fsspec: Any = importlib.import_module("fsspec")
        client, base = Client(fsspec.filesystem("file")), str(tmp_path)
    made: list[str] = []

    def count(*args: Any, **options: Any) -> StorageEntry:
        made.append(args[0])
        return StorageEntry(*args, **options)

    monkeypatch.setattr("callboard.actors.storage.entries.StorageEntry", count)
    reply = await client.page(base, 20)
    assert len(reply.entries) == len(made) == 20
    assert reply.next_page_token == "20"
    monkeypatch.undo()
    assert len(set(await client.paths(base, 170))) == 501


async def test_a_whole_filesystem_listing_is_not_kept(bucket: BigBucket) -> None:
    store, _ = by_s3fs(bucket)
    await Client(store).page("many/flat", 10)
    assert not store.dircache
