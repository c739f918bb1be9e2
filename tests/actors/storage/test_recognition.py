"""Which values are storages, and on which thread they are used."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from typing import Any

import pytest

from callboard.actors.requests import NamesConflation
from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.answers import COMMANDS, INTERNAL
from callboard.actors.storage.backends import backend_of
from callboard.actors.storage.introspection import Introspect
from callboard.actors.storage.paging import Bookmarks
from callboard.actors.storage.ports import Backend
from callboard.actors.storage.recognition import interesting
from callboard.engines.placement import Place
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.runtime import Conflation
from tests.actors.storage.test_filesystems import directory, filesystem, store


class Hostile(type):
    """A metaclass that lets nobody do anything with its classes."""

    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(f"user code was run for {name}")

    def __hash__(cls) -> int:
        raise AssertionError("user code was run to hash")

    def __eq__(cls, other: object) -> bool:
        raise AssertionError("user code was run to compare")

    def __instancecheck__(cls, instance: object) -> bool:
        raise AssertionError("user code was run to check an instance")


def backend(value: object) -> Backend:
    found = backend_of(value, Bookmarks(), AddressPolicy())
    assert found is not None
    return found


def test_the_domain_says_what_it_takes() -> None:
    assert (StorageListEntriesCommand, StorageDownloadCommand) == COMMANDS
    assert (Introspect,) == INTERNAL


def test_storages_are_told_from_their_types() -> None:
    s3fs: Any = importlib.import_module("s3fs")
    for value in (filesystem("memory"), store("MemoryStore"), directory("/", filesystem("file"))):
        assert interesting(type(value))
    assert interesting(s3fs.S3FileSystem)
    assert interesting(type("Mine", (type(filesystem("file")),), {}))
    for other in (int, type, object, io.BytesIO, type(s3fs), type(s3fs.S3FileSystem)):
        assert not interesting(other)


def test_telling_runs_no_code_of_the_notebook() -> None:
    hostile = Hostile("Evil", (), {})
    for _ in range(2):
        assert interesting(hostile) is False


def test_telling_keeps_no_class_alive_and_mixes_none_up() -> None:
    local = type(filesystem("file"))
    for number in range(200):
        assert interesting(type(f"Plain{number}", (), {})) is False
        assert interesting(type(f"Mine{number}", (local,), {})) is True


def test_telling_imports_nothing() -> None:
    before = set(sys.modules)
    interesting(type("AbstractFileSystem", (), {"__module__": "fsspec.spec"}))
    interesting(type("Other", (), {"__module__": "adlfs"}))
    assert set(sys.modules) == before


def test_libraries_that_say_so_are_used_from_any_thread() -> None:
    for value in (
        filesystem("file"),
        filesystem("memory"),
        filesystem("http"),
        filesystem("s3"),
        directory("/tmp", filesystem("file")),
        directory("b/x", filesystem("s3")),
        store("MemoryStore"),
        store("S3Store", "b", region="us-east-1", skip_signature=True),
    ):
        placement = backend(value).placement
        assert placement.place is Place.ANY_THREAD
        assert placement.reason
        assert backend(value).exclusive is None


def archive() -> Any:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a/b.txt", "hello")
    return filesystem("zip", fo=content)


def derived() -> Any:
    return type("Mine", (type(filesystem("file")),), {})()


def own_credentials() -> Any:
    return store("S3Store", "b", region="us-east-1", credential_provider=dict)


def derived_store() -> Any:
    library: Any = importlib.import_module("obstore.store")
    return type("MyStore", (library.MemoryStore,), {})()


@pytest.mark.parametrize(
    "make",
    [
        archive,
        derived,
        own_credentials,
        derived_store,
        lambda: directory("a", archive()),
        lambda: directory("a", derived()),
        lambda: filesystem("reference", fo={"a": "b"}),
        lambda: filesystem("filecache", target_protocol="memory"),
    ],
)
def test_what_is_not_known_is_used_on_the_cell_thread_one_call_at_a_time(make: Any) -> None:
    value = make()
    assert backend(value).placement.place is Place.CELL_THREAD
    assert backend(value).exclusive is not None


def test_two_directories_of_one_filesystem_exclude_each_other() -> None:
    inner = archive()
    one, other = backend(directory("a", inner)), backend(directory("b", inner))
    assert one.exclusive is other.exclusive is inner


def test_waiting_introspections_are_united_and_no_command_is_overtaken() -> None:
    merging: Conflation[Any] = NamesConflation(Introspect, 5)
    one, other = Introspect(frozenset("ab")), Introspect(frozenset("bc"))
    assert merging.key(one) == merging.key(other) is not None
    assert merging.merge(one, other) == Introspect(frozenset("abc"))
    assert merging.size(one) == 2
    assert merging.max_size == 5
    command = StorageDownloadCommand.__new__(StorageDownloadCommand)
    assert merging.key(command) is None
    assert merging.size(command) == 0
