"""Virtual files: where they are, how long, and how many."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.virtual_files import (
    LIFETIME,
    MAX_DATA_URL_BYTES,
    TooLarge,
    VirtualFiles,
    data_url,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_can_be_read_at_its_address_until_its_time_is_over() -> None:
    clock = Clock()
    files = VirtualFiles(clock)
    url = files.add(b"hello", "txt", "text/plain")
    assert url.startswith("./@file/5-")
    assert url.endswith(".txt")
    clock.now = LIFETIME - 0.001
    file = files.read(url)
    assert file is not None
    assert (file.content, file.mime_type) == (b"hello", "text/plain")
    clock.now = LIFETIME
    assert files.read(url) is None
    assert (len(files), files.total_bytes) == (0, 0)


def test_expiry_tells_when_the_next_file_is_due() -> None:
    clock = Clock()
    files = VirtualFiles(clock, lifetime=10)
    assert files.expire() is None
    files.add(b"a")
    clock.now = 4
    files.add(b"b")
    assert files.expire() == 6
    clock.now = 10
    assert files.expire() == 4
    assert len(files) == 1


def test_equal_content_has_different_addresses() -> None:
    files = VirtualFiles(Clock())
    assert len({files.add(b"same") for _ in range(50)}) == 50


@pytest.mark.parametrize("extension", ["", "../../x", "a b", "é", "x" * 17, "tar.gz", "a\n"])
def test_what_is_no_extension_does_not_get_into_the_address(extension: str) -> None:
    assert VirtualFiles(Clock()).add(b"x", extension).endswith(".bin")


@pytest.mark.parametrize("mime_type", ["text/html\r\nX: y", "nonsense", "a/b;c", None])
def test_what_is_no_type_becomes_unknown(mime_type: str | None) -> None:
    files = VirtualFiles(Clock())
    file = files.read(files.add(b"x", "txt", mime_type))
    assert file is not None
    assert file.mime_type == "application/octet-stream"


def test_an_address_may_be_written_in_several_ways_but_not_guessed() -> None:
    files = VirtualFiles(Clock())
    url = files.add(b"hello", "txt")
    name = url.removeprefix("./@file/5-")
    for known in (url, url[1:], url[2:], f"{url}?x=1"):
        assert files.read(known) is not None
    for other in (
        "",
        name,
        f"./@file/6-{name}",
        f"./@file/5-{name}x",
        f"./@file/5-../{name}",
        f"x{url}",
        f"./@file/{'9' * 5000}-{name}",
    ):
        assert files.read(other) is None


def test_empty_content_needs_no_file() -> None:
    files = VirtualFiles(Clock())
    assert files.add(b"", "txt", "text/plain") == "data:text/plain;base64,"
    assert len(files) == 0


def test_a_file_above_the_bound_is_refused_and_costs_no_other_file() -> None:
    files = VirtualFiles(Clock(), max_file_bytes=10)
    url = files.add(b"kept")
    with pytest.raises(TooLarge, match="11 bytes, more than the 10"):
        files.add(b"x" * 11)
    assert files.read(url) is not None


def test_whoever_frees_memory_hears_of_every_file() -> None:
    files = VirtualFiles(Clock())
    heard: list[int] = []
    files.on_add = lambda: heard.append(len(files))
    files.add(b"a")
    files.add(b"b")
    files.clear()
    assert heard == [1, 2]
    assert len(files) == 0


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 30)), max_size=60), st.integers(1, 8))
def test_the_newest_files_that_fit_are_kept(steps: list[tuple[int, float]], count: int) -> None:
    clock = Clock()
    files = VirtualFiles(clock, lifetime=60, max_total_bytes=100, max_files=count)
    added: list[tuple[str, int, float]] = []
    for size, pause in steps:
        clock.now += pause
        added.append((files.add(b"x" * size), size, clock.now))
        alive = [one for one in added if one[2] + 60 > clock.now]
        kept: list[str] = []
        total = 0
        for url, length, _ in reversed(alive):
            if total + length > 100 or len(kept) == count:
                break
            kept.append(url)
            total += length
        assert {url for url, _, _ in added if files.read(url)} == set(kept)
        assert files.total_bytes == total
    assert files.evicted >= 0


def test_content_in_an_address_is_bounded() -> None:
    url = data_url(b"hello", "text/plain")
    assert base64.b64decode(url.partition(",")[2]) == b"hello"
    with pytest.raises(TooLarge):
        data_url(b"x" * (MAX_DATA_URL_BYTES + 1))


def test_bounds_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        VirtualFiles(max_files=0)
