"""Listings of a hundred thousand objects cost what one page costs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

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
async def test_a_page_in_the_middle_is_found_without_the_pages_before(
    bucket: BigBucket, opened: Any
) -> None:
    store, base = opened(bucket)
    reply = await Client(store).page(f"{base}flat", 2, "2001")
    assert [entry.path for entry in reply.entries] == [base + key for key in FLAT[2001:2003]]
    assert reply.next_page_token == "2003"


@both
async def test_what_lies_below_the_directories_of_a_level_is_not_read(
    bucket: BigBucket, opened: Any
) -> None:
    store, base = opened(bucket)
    bucket.requests = bucket.given = 0
    paths = await Client(store).paths(f"{base}deep")
    assert paths == [f"{base}deep/{name}" for name in ("a", "b", "c", "z")]
    assert bucket.requests <= 12


async def test_a_whole_filesystem_listing_is_not_kept(bucket: BigBucket) -> None:
    store, _ = by_s3fs(bucket)
    await Client(store).page("many/flat", 10)
    assert not store.dircache
