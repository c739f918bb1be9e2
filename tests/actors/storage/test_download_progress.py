"""While a large file is read it is told how much of it has been."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import trio

from callboard.actors.storage.answers import StorageAnswers
from callboard.messages.commands import StorageDownloadCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import StorageDownloadReadyNotification
from callboard.testing.requests import DirectRequest
from callboard.virtual_files import VirtualFiles

SIZE = 9_000_000


def fsspec_memory() -> Any:
    fs = importlib.import_module("fsspec").filesystem("memory", skip_instance_cache=True)
    fs.store = {}
    fs.pipe_file("/big.bin", bytes(SIZE))
    return fs


def obstore_memory() -> Any:
    store = importlib.import_module("obstore.store").MemoryStore()
    importlib.import_module("obstore").put(store, "big.bin", bytes(SIZE))
    return store


@pytest.mark.parametrize(("make", "parts"), [(fsspec_memory, 2), (obstore_memory, 1)])
async def test_each_part_of_a_download_is_told(make: Any, parts: int) -> None:
    command = StorageDownloadCommand(RequestId("r"), VariableName("bucket"), "big.bin")
    request: DirectRequest[Any] = DirectRequest(command, {"bucket": make()})
    reply = await StorageAnswers(VirtualFiles(trio.current_time)).answer(request)
    assert isinstance(reply, StorageDownloadReadyNotification)
    done = [step[1] for step in request.steps]
    assert len(done) >= parts, "a store of obstore in memory gives all in one"
    assert done == sorted(done)
    assert done[-1] == SIZE
    assert {(unit, total) for unit, _, total in request.steps} == {("bytes", SIZE)}
