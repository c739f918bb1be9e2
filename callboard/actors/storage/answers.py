"""The storage domain: answers what a client asks of the storages in the notebook's variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import itemgetter
from typing import Any, Final, TypeVar

import attrs

from callboard.actors.announcing import bound
from callboard.actors.requests import Refused, Request
from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.backends import backend_of
from callboard.actors.storage.fetching import Fetched, Fetching, fetch
from callboard.actors.storage.introspection import Introspect
from callboard.actors.storage.mime import mime_type_of
from callboard.actors.storage.paging import Bookmarks, window_of
from callboard.actors.storage.paths import check_path, extension_of, last_segment
from callboard.actors.storage.ports import Backend, Stop, StorageFault
from callboard.actors.storage.recognition import interesting, name_of
from callboard.actors.storage.redaction import StorageRedactor
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import VariableName
from callboard.messages.notifications import (
    Notification,
    StorageDownloadReadyNotification,
    StorageEntriesNotification,
    StorageNamespacesNotification,
)
from callboard.messages.payloads import StorageNamespace
from callboard.virtual_files import MAX_DATA_URL_BYTES, MAX_FILE_BYTES, VirtualFiles, data_url

COMMANDS: Final = (StorageListEntriesCommand, StorageDownloadCommand)
INTERNAL: Final = (Introspect,)

StorageMessage = StorageListEntriesCommand | StorageDownloadCommand | Introspect
T = TypeVar("T")

_UNPRINTABLE: Final = "the storage failed in a way that cannot be told"


@attrs.define(eq=False)
class StorageAnswers:
    """Lists storages, hands out their files, and tells which variables hold storages.

    ``files`` keeps what has no address of its own; without it such files go into the reply itself, as far as they are
    small. A file of more than ``max_download_bytes`` is refused, unless it has an address of its own.
    """

    files: VirtualFiles | None
    policy: AddressPolicy = attrs.field(factory=AddressPolicy)
    max_download_bytes: int = MAX_FILE_BYTES
    _bookmarks: Bookmarks = attrs.field(factory=Bookmarks, init=False)

    def reads(self, command: StorageMessage) -> Iterable[str]:
        """Name the variable with the storage; all that may hold one, for an introspection."""
        if isinstance(command, Introspect):
            return command.names
        return (command.namespace,)

    async def answer(self, request: Request[StorageMessage]) -> Notification | None:
        """Carry out one request. A checkpoint.

        Cancelled midway: nothing is kept. A storage that cannot be asked any more keeps its thread until it answers.

        Raises:
            Refused: the storage or what was asked of it does not exist, may not be had, or failed.
        """
        command = request.command
        if isinstance(command, Introspect):
            await self._introspect(request, command)
            return None
        try:
            if isinstance(command, StorageListEntriesCommand):
                return await self._list(request, command)
            return await self._download(request, command)
        except StorageFault as fault:
            raise Refused(str(fault)) from None

    async def _list(
        self, request: Request[Any], command: StorageListEntriesCommand
    ) -> StorageEntriesNotification:
        window = window_of(command.limit, command.page_token)
        check_path("prefix", command.prefix or "")
        backend = await self._backend(request, command.namespace)
        page = await _call(
            request,
            backend,
            lambda stop: backend.list_page(command.prefix, window.offset, window.limit, stop),
        )
        return StorageEntriesNotification(
            command.request_id,
            page.entries,
            command.namespace,
            command.prefix,
            next_page_token=window.next_token(len(page.entries), page.more),
        )

    async def _download(
        self, request: Request[Any], command: StorageDownloadCommand
    ) -> StorageDownloadReadyNotification:
        path = command.path
        check_path("path", path)
        backend = await self._backend(request, command.namespace)
        most = self.max_download_bytes
        most = min(
            most, self.files.max_file_bytes if self.files is not None else MAX_DATA_URL_BYTES
        )
        fetching = Fetching(path, preview=command.preview, max_bytes=most)
        fetched = await _call(request, backend, partial(fetch, backend, fetching))
        return StorageDownloadReadyNotification(
            command.request_id,
            self._address(fetched, path, preview=command.preview),
            last_segment(path) or "download",
        )

    def _address(self, fetched: Fetched, path: str, *, preview: bool) -> str:
        if fetched.url is not None:
            return fetched.url
        mime_type = mime_type_of(path) or ("text/plain" if preview else None)
        if self.files is None:
            return data_url(fetched.content, mime_type)
        extension = extension_of(path) or ("txt" if preview else "bin")
        return self.files.add(fetched.content, extension, mime_type)

    async def _introspect(self, request: Request[Any], command: Introspect) -> None:
        namespaces: list[StorageNamespace] = []
        values = await bound(request, command.names)
        for name, value in sorted(values.items(), key=itemgetter(0)):
            if not interesting(type(value)):
                continue
            described = await self._describe(request, value, VariableName(name))
            if described is not None:
                namespaces.append(described)
        if namespaces:
            request.notify(StorageNamespacesNotification(namespaces))

    async def _describe(
        self, request: Request[Any], value: object, name: VariableName
    ) -> StorageNamespace | None:
        def describe() -> StorageNamespace | None:
            try:
                backend = backend_of(value, self._bookmarks, self.policy)
                if backend is None:
                    return None
                namespace = backend.namespace(name)
                redact = StorageRedactor(backend.secrets())
                return attrs.evolve(namespace, root_path=redact(namespace.root_path))
            except Exception:
                # Half made, or made otherwise than its library makes them: no storage to be shown.
                return None

        # On any thread, wherever the storage belongs: this runs none of its code that could be the notebook's, and is
        # not to wait for the cells.
        return await request.call(describe)

    async def _backend(self, request: Request[Any], name: VariableName) -> Backend:
        value = await request.variable(name)
        kind = name_of(type(value))[1]
        try:
            backend = backend_of(value, self._bookmarks, self.policy)
        except Exception as error:
            raise StorageFault(
                f"the storage in the variable {name!r} is not complete: what a {kind} has is missing"
            ) from error
        if backend is None:
            raise StorageFault(
                f"the variable {name!r} is no storage that can be browsed: a {kind} is neither a "
                "store of obstore, nor a Hugging Face client, nor a filesystem of fsspec"
            )
        return backend


async def _call(request: Request[Any], backend: Backend, function: Callable[[Stop], T]) -> T:
    stop = Stop(request.progress("bytes"))

    def guarded() -> T:
        try:
            return function(stop)
        except StorageFault as fault:
            raise StorageFault(_redactor(backend)(str(fault))) from None
        except BaseException as error:
            # Panics of native code and what user code may raise to end itself are no Exceptions, but failures of the
            # storage all the same.
            raise StorageFault(_text_of(error, backend)) from None

    return await request.call(
        guarded, backend.placement.place, exclusive=backend.exclusive, interrupt=stop.set
    )


def _text_of(error: BaseException, backend: Backend) -> str:
    try:
        text = str(error).strip()
        return _redactor(backend)(f"{type(error).__name__}: {text}" if text else repr(error))
    except Exception:
        return _UNPRINTABLE


def _redactor(backend: Backend) -> StorageRedactor:
    return StorageRedactor(backend.secrets())
