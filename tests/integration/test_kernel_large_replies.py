"""A large reply holds up nobody while it is encoded, and comes where it would have come."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from outcome import Outcome as End

from callboard.actors.answering import RequestDomain
from callboard.actors.requests import Refused, Request
from callboard.kernel import Kernel, open_kernel
from callboard.kernel.outside import Outside
from callboard.messages.codec import encode_notification
from callboard.messages.commands import StorageDownloadCommand, StorageListEntriesCommand
from callboard.messages.ids import RequestId, VariableName
from callboard.messages.notifications import (
    CommandSettledNotification,
    Notification,
    StorageDownloadReadyNotification,
    StorageEntriesNotification,
    StorageNamespacesNotification,
)
from callboard.messages.payloads import StorageEntry, StorageNamespace
from callboard.runtime import Outcome, Subscription, TrioThreads
from callboard.testing.simulation.cells import SimulatedSurroundings

MANY = 10_000


def entries(count: int, *metadata: object) -> list[StorageEntry]:
    plain = [StorageEntry(f"{n}", "file", n, metadata={"etag": f"{n}"}) for n in range(count)]
    return plain + [StorageEntry("odd", "file", 1, metadata={"rows": item}) for item in metadata]


@attrs.define(eq=False)
class Lister:
    """Answers with as many entries as the limit says, having notified what `before` gives."""

    odd: tuple[object, ...] = ()
    before: Callable[[int], Iterable[Notification]] = lambda _: ()
    refuse: bool = False

    def reads(self, _: Any) -> Iterable[str]:
        return ()

    async def answer(self, request: Request[Any]) -> Notification | None:
        command = request.command
        if isinstance(command, StorageDownloadCommand):
            return StorageDownloadReadyNotification(command.request_id, "url", "name")
        for notification in self.before(command.limit):
            request.notify(notification)
        reply = StorageEntriesNotification(
            command.request_id, entries(command.limit, *self.odd), command.namespace
        )
        if self.refuse:
            raise Refused("no more than that", reply)
        return reply


@attrs.define(eq=False)
class Held:
    """Threads whose functions start when they are let."""

    gate: threading.Event = attrs.field(factory=threading.Event)
    started: int = 0

    def start(
        self, function: Callable[[], Any], deliver: Callable[[End[Any]], object], name: str
    ) -> None:
        self.started += 1

        def run() -> Any:
            self.gate.wait(10)
            return function()

        TrioThreads().start(run, deliver, name)


@asynccontextmanager
async def opened(lister: Lister, threads: Any = None) -> AsyncIterator[Kernel]:
    domain = RequestDomain("storage", (StorageListEntriesCommand, StorageDownloadCommand), lister)
    async with open_kernel(
        surroundings=SimulatedSurroundings(),
        domains=[domain],
        outside=Outside() if threads is None else Outside(threads=lambda _: threads),
        drain=1,
        kill=1,
    ) as kernel:
        yield kernel


def listing(count: int, request: str = "r") -> StorageListEntriesCommand:
    return StorageListEntriesCommand(RequestId(request), VariableName("s"), count)


def download() -> StorageDownloadCommand:
    return StorageDownloadCommand(RequestId("d"), VariableName("s"), "a.csv")


def namespaces(name: str, count: int) -> StorageNamespacesNotification:
    return StorageNamespacesNotification(
        [StorageNamespace(VariableName(name), name, "file", "/", "fsspec", entries(count))]
    )


def told(subscription: Subscription[Notification]) -> list[Notification]:
    """What has been published and not been read yet, each with the text it should have."""
    heard: list[Notification] = []
    while (frame := subscription.next_nowait()) is not None:
        assert frame.data == encode_notification(frame.message)
        heard.append(frame.message)
    return heard


def kinds(heard: Iterable[Notification]) -> list[str]:
    return [notification.op for notification in heard]


@contextmanager
def threads_that_encode(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """The notifications that are encoded, with the name of the thread that does it."""
    calls: list[tuple[str, str]] = []

    def noted(notification: Notification) -> bytes:
        calls.append((notification.op, threading.current_thread().name))
        return encode_notification(notification)

    with monkeypatch.context() as patch:
        patch.setattr("callboard.actors.outbox.encode_notification", noted)
        patch.setattr("callboard.kernel.composition.encode_notification", noted)
        yield calls


async def test_a_large_reply_is_encoded_once_and_off_the_control_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = threading.current_thread().name
    with threads_that_encode(monkeypatch) as calls:
        async with opened(Lister()) as kernel:
            subscription = kernel.subscribe()
            settlement = await kernel.ask(listing(MANY))
            await kernel.ask(listing(3))
            assert kinds(told(subscription)) == ["storage-entries", "command-settled"] * 2
    assert isinstance(settlement.reply, StorageEntriesNotification)
    assert len(settlement.reply.entries) == MANY
    (large, where), (small, here_too) = [call for call in calls if call[0] == "storage-entries"]
    assert large == small == "storage-entries"
    assert where != here
    assert here_too == here


async def test_others_get_their_turn_while_a_large_reply_is_encoded() -> None:
    threads = Held()
    async with opened(Lister(), threads) as kernel:
        subscription = kernel.subscribe()
        envelope = kernel.post(listing(MANY))
        await trio.testing.wait_all_tasks_blocked()
        assert threads.started == 1
        assert not envelope.settled
        assert told(subscription) == []
        threads.gate.set()
        settlement = await envelope.wait()
        assert settlement.outcome is Outcome.COMPLETED
        assert kinds(told(subscription)) == ["storage-entries", "command-settled"]


async def test_what_a_domain_tells_keeps_its_order() -> None:
    def before(count: int) -> Iterable[Notification]:
        if count:
            yield namespaces("first", 1)
            yield namespaces("second", MANY)
            yield namespaces("third", 1)

    threads = Held()
    async with opened(Lister(before=before), threads) as kernel:
        subscription = kernel.subscribe()
        slow = kernel.post(listing(1, "slow"))
        quick = kernel.post(download())
        await trio.testing.wait_all_tasks_blocked()
        (first,) = told(subscription)
        assert first == namespaces("first", 1)
        assert not slow.settled
        assert not quick.settled
        threads.gate.set()
        await slow.wait()
        await quick.wait()
        heard = told(subscription)
        assert heard[:2] == [namespaces("second", MANY), namespaces("third", 1)]
        assert kinds(heard[2:]) == [
            "storage-entries",
            "command-settled",
            "storage-download-ready",
            "command-settled",
        ]


async def test_a_refusal_with_a_large_reply_is_one() -> None:
    async with opened(Lister(refuse=True)) as kernel:
        subscription = kernel.subscribe()
        settlement = await kernel.ask(listing(MANY))
        assert (settlement.outcome, settlement.reason) == (Outcome.FAILED, "no more than that")
        assert kinds(told(subscription)) == ["storage-entries", "command-settled"]


def endless() -> object:
    rows: list[object] = []
    rows.append(rows)
    return rows


class Leaving:
    def _json_(self) -> object:
        raise SystemExit


@pytest.mark.parametrize("count", [1, MANY])
async def test_a_reply_that_cannot_be_encoded_is_an_error_reply(count: int) -> None:
    async with opened(Lister(odd=(endless(),))) as kernel:
        subscription = kernel.subscribe()
        settlement = await kernel.ask(listing(count))
        assert settlement.outcome is Outcome.FAILED
        reply, settled = told(subscription)
        assert reply is settlement.reply
        assert isinstance(reply, StorageEntriesNotification)
        assert reply.entries == []
        assert reply.error is not None
        assert f"entries[{count}].metadata.rows[0]: contains itself" in reply.error
        assert isinstance(settled, CommandSettledNotification)
        assert settled.outcome == "failed"


async def test_a_value_that_ends_its_thread_ends_no_more_than_that() -> None:
    async with opened(Lister(odd=(Leaving(),))) as kernel:
        settlement = await kernel.ask(listing(1))
        assert settlement.outcome is Outcome.FAILED
        assert "SystemExit" in (settlement.reason or "")
        assert all(actor.restarts == 0 for actor in kernel.status().actors.actors)


async def test_a_notification_that_cannot_be_encoded_is_replaced() -> None:
    def before(_: int) -> Iterable[Notification]:
        yield StorageEntriesNotification(
            RequestId("x"), entries(MANY, endless()), VariableName("s")
        )

    async with opened(Lister(before=before)) as kernel:
        subscription = kernel.subscribe()
        await kernel.ask(listing(1))
        assert kinds(told(subscription)) == ["alert", "storage-entries", "command-settled"]


async def test_cancelled_while_its_reply_is_encoded_a_request_ends_once() -> None:
    threads = Held()
    ends: list[Outcome] = []
    async with opened(Lister(), threads) as kernel:
        kernel.ledger.add_listener(lambda settlement: ends.append(settlement.outcome))
        subscription = kernel.subscribe()
        large = kernel.post(listing(MANY))
        later = kernel.post(listing(1, "later"))
        await trio.testing.wait_all_tasks_blocked()
        assert large.cancel("not needed")
        settlement = await large.wait()
        assert (settlement.outcome, settlement.reply) == (Outcome.CANCELLED, None)
        assert (await later.wait()).outcome is Outcome.COMPLETED
        threads.gate.set()
        await kernel.ask(listing(MANY, "again"))
        assert ends == [Outcome.CANCELLED, Outcome.COMPLETED, Outcome.COMPLETED]
        replies = [n for n in told(subscription) if isinstance(n, StorageEntriesNotification)]
        assert [(reply.request_id, len(reply.entries)) for reply in replies] == [
            ("r", 0),
            ("later", 1),
            ("again", MANY),
        ]


async def test_what_was_notified_before_the_kernel_stops_is_told() -> None:
    threads = Held()

    def before(_: int) -> Iterable[Notification]:
        yield namespaces("large", MANY)
        yield namespaces("small", 1)

    async with opened(Lister(before=before), threads) as kernel:
        subscription = kernel.subscribe()
        envelope = kernel.post(listing(1))
        await trio.testing.wait_all_tasks_blocked()
        envelope.cancel()
        await envelope.wait()
    heard = [n for n in told(subscription) if isinstance(n, StorageNamespacesNotification)]
    threads.gate.set()
    assert heard == [namespaces("large", MANY), namespaces("small", 1)]


async def test_without_a_thread_a_large_reply_is_encoded_all_the_same() -> None:
    class Exhausted:
        def start(self, *_: object) -> None:
            raise RuntimeError("can't start new thread")

    async with opened(Lister(), Exhausted()) as kernel:
        settlement = await kernel.ask(listing(MANY))
        assert settlement.outcome is Outcome.COMPLETED
