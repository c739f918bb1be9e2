"""Storages to test with, and commands for them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from callboard.actors.requests import Refused
from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.answers import StorageAnswers
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    StorageDownloadReadyNotification,
    StorageEntriesNotification,
)
from callboard.messages.payloads import StorageEntry
from callboard.testing.requests import DirectRequest
from callboard.virtual_files import VirtualFile, VirtualFiles


@attrs.define(eq=False)
class Client:
    """Asks a storage domain about one storage, the variable ``store``."""

    store: object
    files: VirtualFiles | None = attrs.field(factory=VirtualFiles)
    policy: AddressPolicy = attrs.field(factory=AddressPolicy)
    max_download_bytes: int = 10_000_000
    answers: StorageAnswers = attrs.field(init=False)
    last: DirectRequest[Any] | None = None

    def __attrs_post_init__(self) -> None:
        self.answers = StorageAnswers(
            self.files, self.policy, max_download_bytes=self.max_download_bytes
        )

    async def ask(self, command: Any, variables: Mapping[str, object] | None = None) -> Any:
        self.last = DirectRequest(
            command, {"store": self.store} if variables is None else variables
        )
        assert set(self.answers.reads(command)) == {command.namespace}
        return await self.answers.answer(self.last)

    async def page(
        self, prefix: str | None = None, limit: int = 1000, token: str | None = None
    ) -> StorageEntriesNotification:
        command = StorageListEntriesCommand(
            RequestId("r"), VariableName("store"), limit, prefix, token
        )
        reply = await self.ask(command)
        assert isinstance(reply, StorageEntriesNotification)
        assert (reply.request_id, reply.namespace, reply.prefix) == ("r", "store", prefix)
        assert reply.error is None
        assert len(reply.entries) <= limit
        return reply

    async def listing(self, prefix: str | None = None, limit: int = 1000) -> list[StorageEntry]:
        """All pages of a level, one behind the other."""
        entries: list[StorageEntry] = []
        token: str | None = None
        while True:
            reply = await self.page(prefix, limit, token)
            entries += reply.entries
            if reply.next_page_token is None:
                return entries
            assert int(reply.next_page_token) > int(token or 0)
            token = reply.next_page_token

    async def paths(self, prefix: str | None = None, limit: int = 1000) -> list[str]:
        return [entry.path for entry in await self.listing(prefix, limit)]

    async def download(
        self, path: str, *, preview: bool = False
    ) -> StorageDownloadReadyNotification:
        command = StorageDownloadCommand(RequestId("r"), VariableName("store"), path, preview)
        reply = await self.ask(command)
        assert isinstance(reply, StorageDownloadReadyNotification)
        assert reply.error is None
        return reply

    async def file(self, path: str, *, preview: bool = False) -> VirtualFile:
        assert self.files is not None
        reply = await self.download(path, preview=preview)
        assert reply.url is not None
        file = self.files.read(reply.url)
        assert file is not None, reply.url
        return file

    async def refusal(self, do: Any) -> str:
        """What a request is refused with."""
        try:
            reply = await do
        except Refused as refused:
            return str(refused)
        raise AssertionError(f"not refused: {reply}")


Handler = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def web_server(pages: Mapping[str, bytes | Handler]) -> Iterator[tuple[str, list[str]]]:
    """A web server on loopback; its address, and the paths it was asked for."""
    asked: list[str] = []

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = pages.get(self.path)
            if page is None:
                self.send_error(404)
            elif isinstance(page, bytes):
                self.send_response(200)
                kind = "text/html" if page.startswith(b"<") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(page)
            else:
                page(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def redirect_to(address: str) -> Handler:
    """A page that leads elsewhere."""

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", address)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return handle


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    while not condition():  # noqa: ASYNC110 (no thread of a library tells trio)
        await trio.sleep(0.005)
