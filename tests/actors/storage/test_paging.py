"""Pages: the tokens, what a page may be, and that the pages together are the listing."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.storage.entries import page_of
from callboard.actors.storage.level_scan import LAST, Mark, Meta, scan_level
from callboard.actors.storage.paging import MAX_LIMIT, MAX_OFFSET, Bookmarks, window_of
from callboard.actors.storage.ports import StorageFault
from tests.actors.storage.support import Client


@pytest.mark.parametrize("limit", [0, -1, -(10**30)])
def test_a_page_has_at_least_one_entry(limit: int) -> None:
    with pytest.raises(StorageFault, match=r"^limit must be at least 1, not"):
        window_of(limit, None)


@pytest.mark.parametrize(
    "token", ["", "-1", "+1", " 1", "1.0", "x", "١", "1_0", "9" * 5000, str(MAX_OFFSET + 1), "1\n"]
)
def test_what_is_no_token_is_refused_by_name(token: str) -> None:
    with pytest.raises(StorageFault, match=r"^pageToken must be") as refused:
        window_of(10, token)
    assert len(str(refused.value)) < 250


def test_a_huge_limit_is_cut_and_the_listing_goes_on() -> None:
    window = window_of(10**12, None)
    assert window.limit == MAX_LIMIT
    assert window.next_token(MAX_LIMIT, True) == str(MAX_LIMIT)


async def test_a_bad_limit_or_token_is_refused_before_anything_is_asked() -> None:
    client = Client(object())
    assert "limit must be" in await client.refusal(client.page(limit=0))
    assert "pageToken must be" in await client.refusal(client.page(token="x"))


listings = st.lists(
    st.sampled_from(["", "a.csv", {"name": "b"}, {"name": "c", "type": "directory"}, {}, 7, None]),
    max_size=20,
)


@given(listings, st.integers(1, 12))
def test_pages_of_a_whole_listing_together_are_the_listing(
    listing: list[object], limit: int
) -> None:
    whole = page_of(listing, 0, 1000)
    assert not whole.more
    found: list[object] = []
    token: str | None = None
    for _ in range(len(listing) + 2):
        window = window_of(limit, token)
        page = page_of(listing, window.offset, window.limit)
        assert len(page.entries) <= limit
        found += page.entries
        token = window.next_token(len(page.entries), page.more)
        if token is None:
            break
    assert token is None
    assert found == whole.entries


@pytest.mark.parametrize("answer", [None, "text", 7, {"name": "x"}, iter([])])
def test_what_is_no_listing_is_an_error(answer: object) -> None:
    with pytest.raises(StorageFault, match="not a listing"):
        page_of(answer, 0, 10)


segments = st.sampled_from(["a", "b", "a-", "a0", "é", "z", ""])
keys = st.lists(st.lists(segments, min_size=1, max_size=4).map("/".join), max_size=40)


class Bucket:
    """An ordered store, as the library shows it: keys lose a slash at their end."""

    def __init__(self, keys: list[str], chunk: int) -> None:
        # The library cannot list a store with empty segments.
        good = {key for key in keys if key.strip("/") and "//" not in key and key[0] != "/"}
        self.keys = sorted(good, key=lambda key: key.encode())
        self.chunk = chunk
        self.opened = 0

    def under(self, base: str, after: str | None) -> Iterator[list[Meta]]:
        self.opened += 1
        assert self.opened < 500
        keys = [
            key
            for key in self.keys
            if key.startswith(base) and (after is None or key.encode() > after.encode())
        ]
        for start in range(0, len(keys), self.chunk):
            yield [
                {"path": key.rstrip("/"), "size": 0 if key.endswith("/") else 5}
                for key in keys[start : start + self.chunk]
            ]

    def level(self, base: str) -> set[tuple[str, bool]]:
        found: set[tuple[str, bool]] = set()
        for key in self.keys:
            head, slash, _ = key[len(base) :].partition("/")
            if key.startswith(base) and head:
                found.add((base + head, bool(slash)))
        return found

    def is_directory(self, path: str) -> bool:
        return any(key.startswith(path + "/") for key in self.keys)


@given(keys, st.sampled_from(["", "a/", "a/b/", "é/"]), st.integers(1, 5), st.integers(1, 5))
def test_a_scan_finds_every_entry_of_a_level_once(
    keys: list[str], base: str, chunk: int, skip_after: int
) -> None:
    bucket = Bucket(keys, chunk)
    found = [
        (one.path, one.meta is None)
        for one in scan_level(
            lambda after: bucket.under(base, after),
            base,
            is_directory=bucket.is_directory,
            skip_after=skip_after,
        )
    ]
    assert len(found) == len(set(found))
    assert set(found) == bucket.level(base)


@given(keys, st.sampled_from(["", "a/"]), st.integers(1, 5), st.integers(1, 5))
def test_a_scan_goes_on_from_every_mark(
    keys: list[str], base: str, chunk: int, skip_after: int
) -> None:
    bucket = Bucket(keys, chunk)

    def scan(mark: Mark | None) -> list[tuple[str, bool, Mark]]:
        return [
            (one.path, one.meta is None, one.mark)
            for one in scan_level(
                lambda after: bucket.under(base, after),
                base,
                mark,
                is_directory=bucket.is_directory,
                skip_after=skip_after,
            )
        ]

    whole = scan(None)
    for number, (_, _, mark) in enumerate(whole):
        rest = [one[:2] for one in scan(mark)]
        assert rest == [one[:2] for one in whole[number + 1 :]]


def test_a_directory_that_cannot_be_skipped_is_read_through() -> None:
    keys = [f"a/{LAST}{number:02}" for number in range(20)] + ["b"]
    bucket = Bucket(keys, 3)
    found = [
        one.path for one in scan_level(lambda after: bucket.under("", after), "", skip_after=2)
    ]
    assert found == ["a", "b"]
    assert bucket.opened == 2


class Store:
    """Something that can be referred to weakly."""


def test_a_bookmark_is_for_one_store_level_and_place() -> None:
    bookmarks, store = Bookmarks(), Store()
    bookmarks.put(store, "a", 10, "mark")
    assert bookmarks.get(store, "a", 10) == "mark"
    for other in ((Store(), "a", 10), (store, "b", 10), (store, "a", 11)):
        assert bookmarks.get(*other) is None


def test_bookmarks_are_bounded_and_keep_no_store_alive() -> None:
    bookmarks = Bookmarks(max_marks=3)
    store = Store()
    for offset in range(5):
        bookmarks.put(store, "a", offset, offset)
    assert [bookmarks.get(store, "a", offset) for offset in range(5)] == [None, None, 2, 3, 4]
    held = [id(one) for one in gc.get_objects() if isinstance(one, Store)]
    assert held == [id(store)]
    del store
    assert not [one for one in gc.get_objects() if isinstance(one, Store)]


def test_what_cannot_be_referred_to_weakly_has_no_bookmarks() -> None:
    bookmarks = Bookmarks()
    bookmarks.put(1, "a", 10, "mark")
    assert bookmarks.get(1, "a", 10) is None
