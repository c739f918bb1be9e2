"""Storages that raise, hang or answer nonsense, and variables that are none."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import pytest
import trio

from callboard.actors.requests import Refused
from callboard.actors.storage.introspection import Introspect
from callboard.engines.placement import Place
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import StorageNamespacesNotification
from callboard.runtime import Workers
from callboard.testing.requests import DirectRequest
from tests.actors.storage.support import Client, until, web_server
from tests.actors.storage.test_filesystems import close, directory, filesystem, store

T = TypeVar("T")


def filesystem_with(**methods: Any) -> Any:
    """A filesystem of the notebook's own making."""
    spec: Any = importlib.import_module("fsspec.spec")
    return type("Mine", (spec.AbstractFileSystem,), {"protocol": "mine", **methods})()


async def test_an_unknown_variable_and_an_unsupported_value_are_different_errors() -> None:
    client = Client(None)
    for command in (
        StorageListEntriesCommand(RequestId("r"), VariableName("gone"), 10),
        StorageDownloadCommand(RequestId("r"), VariableName("gone"), "x"),
    ):
        with pytest.raises(Refused, match="no variable 'gone'"):
            await client.ask(command, {})
        with pytest.raises(Refused, match="'gone' is no storage that can be browsed: a list is"):
            await client.ask(command, {"gone": []})


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(f"user code was run for {name}")


async def test_an_unsupported_value_runs_no_code_of_its_own() -> None:
    client = Client(Meta("Evil", (), {"__repr__": None, "__str__": None})())
    assert "a Evil is neither" in await client.refusal(client.page())


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("boom https://user:hunter22@example.org/?X-Amz-Signature=hunter22"),
        RuntimeError("AccountName=x;AccountKey=hunter22;EndpointSuffix=y"),
        RuntimeError("<AWSAccessKeyId>hunter22</AWSAccessKeyId>"),
        OSError(5, "Input/output error"),
        SystemExit(3),
        KeyboardInterrupt(),
        RecursionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "boom"),
    ],
)
async def test_a_storage_that_raises_is_an_error_without_credentials(error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    client = Client(filesystem_with(ls=fail, info=fail))
    for do in (client.page("x"), client.download("x"), client.download("x", preview=True)):
        text = await client.refusal(do)
        assert type(error).__name__ in text
        assert "hunter22" not in text
    assert client.last is not None
    assert client.last.places == [Place.CELL_THREAD]


async def test_an_error_that_cannot_be_told_and_an_endless_one_are_errors() -> None:
    class Untold(Exception):
        def __str__(self) -> str:
            raise ValueError

    def untold(*_: object, **__: object) -> None:
        raise Untold

    def endless(*_: object, **__: object) -> None:
        raise ValueError("x" * 10_000_000)

    client = Client(filesystem_with(ls=untold, info=endless))
    assert "cannot be told" in await client.refusal(client.page("x"))
    assert len(await client.refusal(client.download("x"))) < 3000


@pytest.mark.parametrize("answer", [None, 7, "text", {}, {"a": 1}, iter(())])
async def test_a_listing_that_is_none_is_an_error(answer: object) -> None:
    client = Client(filesystem_with(ls=lambda *_, **__: answer))
    assert "not a listing" in await client.refusal(client.page("x"))


async def test_of_a_listing_only_what_makes_sense_is_shown() -> None:
    listing = [
        None,
        7,
        {},
        {"name": 7},
        {"name": "bytes", "size": b"7"},
        {"name": "negative", "size": -5, "mtime": float("nan")},
        {"name": "huge", "size": 10**40, "mtime": 10**400},
        {"name": "bool", "size": True, "mtime": True, "type": ["directory"]},
        {"name": "text", "size": 3, "LastModified": "2026-01-01T00:00:00Z", "ETag": "x" * 9000},
        "plain.csv",
        {"name": "folder", "type": "directory", "size": 9},
    ]
    client = Client(filesystem_with(ls=lambda *_, **__: listing))
    entries = await client.listing("x", 2)
    assert [(entry.path, entry.kind, entry.size, entry.last_modified) for entry in entries] == [
        ("bytes", "file", 0, None),
        ("negative", "file", 0, None),
        ("huge", "file", 0, None),
        ("bool", "file", 0, None),
        ("text", "file", 3, 1767225600.0),
        ("plain.csv", "file", 0, None),
        ("folder", "directory", 0, None),
    ]
    assert len(str(entries[4].metadata["ETag"])) == 500


async def test_a_cached_file_that_became_a_directory_is_listed_anew() -> None:
    answers = [
        [{"name": "a/b", "type": "file"}],
        [{"name": "a/b", "type": "directory"}, {"name": "a/b/c", "type": "file"}],
    ]
    fs = filesystem_with(ls=lambda *_, **__: answers.pop(0))
    fs.dircache = {"a/b": 1, "a": 2, "": 3, "other": 4}
    assert await Client(fs).paths("a/b") == ["a/b/c"]
    assert fs.dircache == {"other": 4}


@pytest.mark.parametrize("info", [None, [], "x"])
async def test_a_file_of_which_nothing_is_said_is_an_error(info: object) -> None:
    client = Client(filesystem_with(info=lambda *_, **__: info))
    assert "can be used" in await client.refusal(client.download("x"))


class Text:
    def __init__(self, part: object) -> None:
        self.part = part

    def __enter__(self) -> Text:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def read(self, count: int) -> object:
        return self.part


async def test_content_that_never_ends_or_is_none_is_an_error() -> None:
    for part, text in (
        ("é", "more than the 1000"),
        (b"x", "more than the 1000"),
        (7, "gave a int"),
    ):
        fs = filesystem_with(
            info=lambda *_, **__: {"name": "x", "type": "file", "size": None},
            open=lambda *_, part=part: Text(part),
        )
        client = Client(fs, max_download_bytes=1000)
        assert text in await client.refusal(client.download("x"))


@pytest.mark.parametrize("url", [None, 7, "javascript:alert(1)", "file:///etc/passwd"])
async def test_a_signed_address_that_is_none_is_not_used(url: object) -> None:
    fs = filesystem_with(
        info=lambda *_, **__: {"name": "x", "type": "file", "size": 0}, sign=lambda *_, **__: url
    )
    reply = await Client(fs).download("x.txt")
    assert (reply.url, reply.filename) == ("data:text/plain;base64,", "x.txt")


async def test_a_filesystem_for_asynchronous_code_says_so() -> None:
    client = Client(filesystem("s3", asynchronous=True))
    assert "asynchronous=True" in await client.refusal(client.page("bucket"))


async def test_what_is_only_half_made_is_an_error_and_not_described() -> None:
    dirfs: Any = importlib.import_module("fsspec.implementations.dirfs")
    half = object.__new__(dirfs.DirFileSystem)
    client = Client(half)
    assert "not complete" in await client.refusal(client.page())
    request = DirectRequest(
        Introspect(frozenset({"half", "whole"})), {"half": half, "whole": store("MemoryStore")}
    )
    await client.answers.answer(request)
    (told,) = request.told
    assert isinstance(told, StorageNamespacesNotification)
    assert [one.name for one in told.namespaces] == ["whole"]


async def test_without_a_storage_among_the_variables_nothing_is_told() -> None:
    request = DirectRequest(Introspect(frozenset({"a", "gone"})), {"a": 1})
    assert await Client(None).answers.answer(request) is None
    assert request.told == []


async def test_a_description_runs_no_code_of_the_notebook_and_tells_no_password() -> None:
    @property  # type: ignore[misc]
    def explode(self: object) -> None:
        raise AssertionError("user code was run")

    mine = filesystem_with(protocol=explode, endpoint_url=explode, root_marker=explode)
    web = store("HTTPStore", "https://user:hunter22@example.org/data")
    request = DirectRequest(Introspect(frozenset({"mine", "web"})), {"mine": mine, "web": web})
    await Client(None).answers.answer(request)
    (told,) = request.told
    assert isinstance(told, StorageNamespacesNotification)
    assert [(one.name, one.protocol, one.root_path) for one in told.namespaces] == [
        ("mine", "", ""),
        ("web", "http", "https://[redacted]@example.org/data"),
    ]
    assert set(request.places) == {Place.ANY_THREAD}


@attrs.define(eq=False)
class ThreadedRequest(DirectRequest[Any]):
    """A request whose calls run as in the kernel: left to themselves when nobody waits."""

    workers: Workers = attrs.field(factory=lambda: Workers("storage", 2))

    async def call(
        self,
        function: Callable[[], T],
        place: Place = Place.ANY_THREAD,
        *,
        exclusive: object | None = None,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        return await self.workers.call(function, exclusive=exclusive, interrupt=interrupt)


@pytest.fixture
def silent() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """A server that answers nothing before it is told to; whether it was asked, and what tells it."""
    asked, done = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        asked.set()
        done.wait(20)

    with web_server({"/": hang, "/x": hang, "/b?list-type=2&delimiter=%2F": hang}) as (address, _):
        yield address, asked, done
        done.set()


async def test_a_call_that_hangs_is_cancelled_and_its_thread_ends(
    silent: tuple[str, threading.Event, threading.Event],
) -> None:
    address, asked, _ = silent
    fs = filesystem("http")
    command = StorageDownloadCommand(RequestId("r"), VariableName("store"), "x")
    request = ThreadedRequest(command, {"store": directory(address, fs)})
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Client(None).answers.answer, request)
            await until(asked.is_set)
            nursery.cancel_scope.cancel()
        # The server still says nothing; the work for it has ended all the same.
        await until(lambda: not request.workers.busy)
    await close(fs)


async def test_others_are_answered_while_a_call_hangs(
    silent: tuple[str, threading.Event, threading.Event],
) -> None:
    address, asked, done = silent
    hung = store("HTTPStore", address, client_options={"allow_http": True})
    answers = Client(None).answers
    workers = Workers("storage", 2)
    command = StorageDownloadCommand(RequestId("r"), VariableName("store"), "x")
    other = StorageListEntriesCommand(RequestId("r"), VariableName("store"), 10)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            first = ThreadedRequest(command, {"store": hung}, workers=workers)
            nursery.start_soon(answers.answer, first)
            await until(asked.is_set)
            second = ThreadedRequest(other, {"store": store("MemoryStore")}, workers=workers)
            assert await answers.answer(second) is not None
            assert workers.busy == 1
            nursery.cancel_scope.cancel()
        done.set()
        await until(lambda: not workers.busy)
