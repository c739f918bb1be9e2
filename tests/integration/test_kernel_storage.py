"""Storages of a notebook that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from callboard.actors.announcing import Watch
from callboard.actors.answering import RequestDomain
from callboard.actors.requests import NamesConflation
from callboard.actors.storage.answers import COMMANDS, INTERNAL, StorageAnswers
from callboard.actors.storage.introspection import Introspect
from callboard.actors.storage.recognition import interesting
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    StorageDownloadReadyNotification,
    StorageEntriesNotification,
    StorageNamespacesNotification,
)
from callboard.testing.driver import Driver, Heard, create, execute, open_driver
from callboard.virtual_files import VirtualFiles

LOCAL = """
import fsspec
from fsspec.implementations.dirfs import DirFileSystem
files = DirFileSystem({!r}, fsspec.filesystem("file"))
"""
DERIVED = """
from fsspec.implementations.local import LocalFileSystem
import threading
used_by = []
class Mine(LocalFileSystem):
    def ls(self, path, detail=True, **kwargs):
        used_by.append(threading.current_thread() is cell_thread)
        return super().ls(path, detail=detail, **kwargs)
cell_thread = threading.current_thread()
mine = Mine(skip_instance_cache=True)
"""


@pytest.fixture
async def files() -> VirtualFiles:
    return VirtualFiles(trio.current_time)


@pytest.fixture
async def notebook(files: VirtualFiles) -> AsyncIterator[Driver]:
    domain = RequestDomain(
        "storage",
        COMMANDS,
        StorageAnswers(files),
        internal=INTERNAL,
        conflation=NamesConflation(Introspect, 10_000),
        watch=Watch(interesting, Introspect),
    )
    async with open_driver(domains=[domain], drain=2, kill=2) as driver:
        yield driver
        assert driver.restarts == 0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("x,y\n")
    (tmp_path / "sub").mkdir()
    return tmp_path


def listing(
    name: str, prefix: str | None = None, *, limit: int = 10, token: str | None = None
) -> StorageListEntriesCommand:
    return StorageListEntriesCommand(
        RequestId("r"), VariableName(name), limit, prefix, page_token=token
    )


def answered(heard: Heard) -> StorageEntriesNotification:
    (reply,) = heard.of(StorageEntriesNotification)
    return reply


async def test_a_storage_is_announced_listed_and_read(
    notebook: Driver, files: VirtualFiles, tree: Path
) -> None:
    notebook.post(create({"a": LOCAL.format(str(tree))}))
    heard = await notebook.until(lambda heard: bool(heard.of(StorageNamespacesNotification)))
    (told,) = heard.of(StorageNamespacesNotification)
    assert [(one.name, one.protocol) for one in told.namespaces] == [("files", "file")]
    reply = answered(await notebook.do(listing("files")))
    assert reply.error is None
    assert sorted(entry.path for entry in reply.entries) == ["a.csv", "sub"]
    heard = await notebook.do(
        StorageDownloadCommand(RequestId("d"), VariableName("files"), "a.csv")
    )
    (ready,) = heard.of(StorageDownloadReadyNotification)
    assert ready.url is not None
    file = files.read(ready.url)
    assert file is not None
    assert file.content == b"x,y\n"


async def test_bad_requests_get_the_error_reply_of_their_kind(notebook: Driver) -> None:
    await notebook.create({"a": "number = 1"})
    for command, text in (
        (listing("nothing"), "nothing"),
        (listing("number"), "is no storage that can be browsed: a int"),
        (listing("number", limit=0), "limit must be at least 1"),
        (listing("number", token="-1"), "pageToken must be"),
        (listing("number", "../x"), "prefix must not go upwards"),
    ):
        heard = await notebook.do(command)
        reply = answered(heard)
        assert reply.entries == []
        assert reply.error is not None
        assert text in reply.error
        assert "storage-list-entries failed" in heard.settled
    heard = await notebook.do(
        StorageDownloadCommand(RequestId("d"), VariableName("number"), "a\x00b")
    )
    (ready,) = heard.of(StorageDownloadReadyNotification)
    assert (ready.url, ready.filename) == (None, None)
    assert "control characters" in (ready.error or "")


async def test_a_storage_of_the_notebooks_own_making_is_used_on_the_cell_thread(
    notebook: Driver, tree: Path
) -> None:
    await notebook.create({"a": DERIVED})
    reply = answered(await notebook.do(listing("mine", str(tree))))
    assert reply.error is None
    assert len(reply.entries) == 2
    heard = await notebook.run(b="print(used_by)")
    assert "[True]" in heard.cell("b").stdout


async def test_a_storage_answers_while_a_cell_runs(notebook: Driver, tree: Path) -> None:
    await notebook.create({"a": LOCAL.format(str(tree))})
    hold = notebook.hold("held")
    running = notebook.post(execute({"b": "held()"}))
    await hold.reached()
    reply = answered(await notebook.do(listing("files")))
    assert len(reply.entries) == 2
    hold.release()
    await running.wait()
