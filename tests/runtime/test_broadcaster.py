"""One stream, many subscribers, none of which can hurt another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import Broadcaster, Closed, Frame, Lagged, Subscription


@attrs.frozen
class Note:
    """A notification: with a key it is state-like."""

    text: str
    key: str | None = None


def encode(note: Note) -> bytes:
    if note.text == "unencodable":
        raise TypeError("cannot encode")
    return note.text.encode()


def key_of(note: Note) -> Hashable | None:
    return note.key


def make(
    *,
    ring_frames: int = 100,
    ring_bytes: int = 10_000,
    conflate_after: int = 4,
) -> Broadcaster[Note]:
    return Broadcaster(
        encode,
        conflate=key_of,
        ring_frames=ring_frames,
        ring_bytes=ring_bytes,
        conflate_after=conflate_after,
    )


def waiting(subscription: Subscription[Note]) -> list[str]:
    """Everything that can be had without waiting."""
    texts = []
    while (frame := subscription.next_nowait()) is not None:
        assert frame.data == frame.message.text.encode()
        texts.append(frame.message.text)
    return texts


async def test_everybody_gets_everything_in_order_encoded_once() -> None:
    encoded: list[str] = []

    def count(note: Note) -> bytes:
        encoded.append(note.text)
        return note.text.encode()

    broadcaster = Broadcaster(count)
    subscriptions = [broadcaster.subscribe() for _ in range(3)]
    assert [broadcaster.publish(Note(text)) for text in "abc"] == [1, 2, 3]
    for subscription in subscriptions:
        assert waiting(subscription) == ["a", "b", "c"]
    assert encoded == ["a", "b", "c"]


async def test_a_waiting_subscriber_is_woken_and_reads_a_burst_in_one_go() -> None:
    broadcaster = make()
    got: list[Frame[Note]] = []

    async def read(subscription: Subscription[Note]) -> None:
        async for frame in subscription:
            got.append(frame)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, broadcaster.subscribe())
        await wait_all_tasks_blocked()
        for text in "abc":
            broadcaster.publish(Note(text))
        await wait_all_tasks_blocked()
        broadcaster.close()
    assert [(frame.seq, frame.message.text) for frame in got] == [(1, "a"), (2, "b"), (3, "c")]


async def test_a_subscriber_sees_what_comes_after_it_subscribed() -> None:
    broadcaster = make()
    broadcaster.publish(Note("before"))
    subscription = broadcaster.subscribe()
    broadcaster.publish(Note("after"))
    assert waiting(subscription) == ["after"]


async def test_one_that_leaves_or_raises_hurts_nobody() -> None:
    broadcaster = make()
    stays = broadcaster.subscribe()

    async def reads_one() -> None:
        with broadcaster.subscribe() as subscription:
            async for _ in subscription:
                raise OSError("connection lost")

    broadcaster.subscribe().close()
    with pytest.RaisesGroup(OSError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reads_one)
            await wait_all_tasks_blocked()
            broadcaster.publish(Note("a"))
    broadcaster.publish(Note("b"))
    assert broadcaster.subscriptions == (stays,)
    assert waiting(stays) == ["a", "b"]


async def test_a_cancelled_step_loses_nothing() -> None:
    broadcaster = make()
    subscription = broadcaster.subscribe()
    with trio.move_on_after(0):
        await subscription.__anext__()
    broadcaster.publish(Note("a"))
    assert (await subscription.__anext__()).message.text == "a"


async def test_one_subscription_is_for_one_task() -> None:
    broadcaster = make()
    subscription = broadcaster.subscribe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscription.__anext__)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await subscription.__anext__()
        broadcaster.publish(Note("a"))


async def test_closing_gives_out_what_waits_and_then_ends() -> None:
    broadcaster = make()
    subscription = broadcaster.subscribe()
    broadcaster.publish(Note("a"))
    broadcaster.close()
    assert broadcaster.publish(Note("b")) is None
    assert [frame.message.text async for frame in subscription] == ["a"]
    with pytest.raises(Closed):
        broadcaster.subscribe()


async def test_closing_a_subscription_ends_its_iteration() -> None:
    broadcaster = make()
    subscription = broadcaster.subscribe()
    broadcaster.publish(Note("a"))
    subscription.close()
    subscription.close()
    assert [frame async for frame in subscription] == []


async def test_long_reading_lets_others_run() -> None:
    broadcaster = make(ring_frames=1000)
    subscription = broadcaster.subscribe()
    for number in range(1000):
        broadcaster.publish(Note(str(number)))
    broadcaster.close()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        async for _ in subscription:
            pass
        nursery.cancel_scope.cancel()
    assert turns >= 10


class TestLag:
    async def test_a_laggard_is_cut_off_with_a_reason_and_the_others_go_on(self) -> None:
        broadcaster = make()
        slow = broadcaster.subscribe(max_buffer=3, name="slow")
        quick = broadcaster.subscribe(max_buffer=3)
        for text in "abcd":
            broadcaster.publish(Note(text))
            assert waiting(quick) == [text]
        assert broadcaster.subscriptions == (quick,)
        assert broadcaster.cut_off == 1
        for _ in range(2):
            with pytest.raises(Lagged, match=r"subscriber 'slow' was 4 notifications \(4 bytes\)"):
                await slow.__anext__()
        assert slow.lagged is not None

    async def test_a_waiting_laggard_is_told(self) -> None:
        broadcaster = make()
        subscription = broadcaster.subscribe(max_bytes=5)

        async def read() -> None:
            with pytest.raises(Lagged):
                await subscription.__anext__()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            broadcaster.publish(Note("too many bytes"))

    async def test_bytes_are_bounded_as_well(self) -> None:
        broadcaster = make()
        subscription = broadcaster.subscribe(max_bytes=10)
        broadcaster.publish(Note("12345"))
        broadcaster.publish(Note("12345"))
        assert subscription.lagged is None
        broadcaster.publish(Note("1"))
        assert subscription.lagged is not None

    async def test_state_conflates_for_a_laggard_and_the_terminal_notes_stay(self) -> None:
        broadcaster = make(conflate_after=2)
        slow = broadcaster.subscribe(max_buffer=5)
        for number in range(50):
            broadcaster.publish(Note(f"progress {number}", key="progress"))
            if number in (10, 20):
                broadcaster.publish(Note(f"done {number}"))
        assert slow.pending == 3
        assert waiting(slow) == ["done 10", "done 20", "progress 48", "progress 49"]
        assert slow.pending == 0

    async def test_one_that_keeps_up_gets_every_state(self) -> None:
        broadcaster = make(conflate_after=2)
        quick = broadcaster.subscribe()
        for number in range(10):
            broadcaster.publish(Note(str(number), key="progress"))
            assert waiting(quick) == [str(number)]

    async def test_what_the_ring_drops_a_subscriber_in_its_bounds_still_gets(self) -> None:
        broadcaster = make(ring_frames=3, conflate_after=1)
        slow = broadcaster.subscribe(max_buffer=3)
        broadcaster.publish(Note("done"))
        for number in range(50):
            broadcaster.publish(Note(str(number), key="progress"))
        assert broadcaster.first_seq == 49
        assert waiting(slow) == ["done", "49"]

    async def test_ten_thousand_states_cost_a_sleeping_subscriber_one_place(self) -> None:
        broadcaster = make(ring_frames=10)
        asleep = broadcaster.subscribe(max_buffer=1)
        for number in range(10_000):
            broadcaster.publish(Note(str(number), key="slider"))
        assert asleep.pending == 1
        assert len(asleep._backlog) == 0
        assert waiting(asleep)[-1] == "9999"


class TestReplay:
    async def test_one_that_comes_back_gets_what_it_missed(self) -> None:
        broadcaster = make()
        for text in "abcde":
            broadcaster.publish(Note(text))
        subscription = broadcaster.subscribe(since=2)
        broadcaster.publish(Note("f"))
        assert subscription.resynced is None
        assert waiting(subscription) == ["c", "d", "e", "f"]

    async def test_one_that_missed_nothing_gets_nothing(self) -> None:
        broadcaster = make()
        assert waiting(broadcaster.subscribe(since=0)) == []
        broadcaster.publish(Note("a"))
        subscription = broadcaster.subscribe(since=1)
        assert subscription.resynced is None
        assert waiting(subscription) == []

    @pytest.mark.parametrize("since", [3, -1, 0])
    async def test_one_that_cannot_be_replayed_to_is_resynchronised(self, since: int) -> None:
        def resync(reason: str, seq: int) -> Iterable[Note]:
            return [Note(f"resync at {seq}: {reason}"), Note("unencodable"), Note("snapshot")]

        broadcaster = Broadcaster(encode, on_resync=resync, ring_frames=1)
        other = broadcaster.subscribe()
        broadcaster.publish(Note("a"))
        broadcaster.publish(Note("b"))
        subscription = broadcaster.subscribe(since=since)
        broadcaster.publish(Note("c"))
        assert subscription.resynced is not None
        frames = [subscription.next_nowait() for _ in range(4)]
        assert [frame and (frame.seq, frame.message.text) for frame in frames] == [
            (2, f"resync at 2: {subscription.resynced}"),
            (2, "snapshot"),
            (3, "c"),
            None,
        ]
        assert waiting(other) == ["a", "b", "c"]

    async def test_a_replay_too_long_for_the_subscriber_is_a_resync(self) -> None:
        broadcaster = make()
        for text in "abcde":
            broadcaster.publish(Note(text))
        subscription = broadcaster.subscribe(since=1, max_buffer=3)
        assert subscription.resynced == "too many notifications since 1"
        assert waiting(subscription) == []
        assert broadcaster.subscribe(since=2, max_buffer=3).resynced is None

    async def test_keys_are_forgotten_with_the_frames_that_bore_them(self) -> None:
        broadcaster = make(ring_frames=10)
        for number in range(1000):
            broadcaster.publish(Note("x", key=f"element {number}"))
        assert len(broadcaster._latest) == 10

    async def test_the_ring_is_bounded_by_count_and_bytes(self) -> None:
        broadcaster = make(ring_frames=3, ring_bytes=10)
        for text in ("a", "b", "c", "d"):
            broadcaster.publish(Note(text))
        assert broadcaster.ring_size == (3, 3)
        broadcaster.publish(Note("123456789"))
        assert broadcaster.ring_size == (2, 10)
        broadcaster.publish(Note("more than the whole ring holds"))
        assert broadcaster.ring_size == (1, 30)
        assert (broadcaster.first_seq, broadcaster.last_seq) == (6, 6)


class TestEncoding:
    async def test_what_does_not_encode_is_replaced(self) -> None:
        broadcaster = Broadcaster(
            encode, on_encode_error=lambda note, error: Note(f"{type(error).__name__}")
        )
        subscription = broadcaster.subscribe()
        assert broadcaster.publish(Note("unencodable")) == 1
        assert waiting(subscription) == ["TypeError"]
        assert broadcaster.encode_errors == 1

    async def test_without_a_replacement_it_is_counted_and_takes_no_number(self) -> None:
        def fail(note: Note, error: Exception) -> Note:
            raise RuntimeError("no replacement either")

        for on_encode_error in (None, lambda note, error: None, lambda note, error: note, fail):
            broadcaster = Broadcaster(encode, on_encode_error=on_encode_error)
            subscription = broadcaster.subscribe()
            assert broadcaster.publish(Note("unencodable")) is None
            assert broadcaster.publish(Note("a")) == 1
            assert waiting(subscription) == ["a"]
            assert broadcaster.encode_errors == 1


def test_bounds_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="ring_frames"):
        make(ring_frames=0)
    with pytest.raises(ValueError, match="max_buffer"):
        make().subscribe(max_buffer=0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from([None, None, "x", "y"])),
        st.tuples(st.just("read"), st.integers(0, 2)),
        st.tuples(st.just("join"), st.integers(0, 8)),
        st.tuples(st.just("leave"), st.integers(0, 2)),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(
    steps=STEPS, ring=st.integers(1, 8), limit=st.integers(1, 8), conflate_after=st.integers(0, 5)
)
def test_whatever_happens_no_gap_is_silent(
    steps: list[tuple[str, int | str | None]], ring: int, limit: int, conflate_after: int
) -> None:
    """Every subscriber, at every moment, has seen all that it should, or was told."""
    broadcaster = make(ring_frames=ring, conflate_after=conflate_after)
    published: list[Note] = []
    subscriptions: list[tuple[Subscription[Note], int, list[int]]] = []

    def read(subscription: Subscription[Note], start: int, seen: list[int]) -> None:
        frame = subscription.next_nowait()
        if frame is not None:
            assert frame.message is published[frame.seq - 1]
            assert frame.seq > (seen[-1] if seen else start)
            seen.append(frame.seq)

    def check(subscription: Subscription[Note], start: int, seen: list[int]) -> None:
        """What was skipped has a later one of its key that was seen, or will be."""
        if subscription.lagged is not None:
            return
        last = seen[-1] if seen else start
        for seq in set(range(start + 1, last)) - set(seen):
            key = published[seq - 1].key
            assert key is not None
            later = [n for n in range(seq + 1, len(published) + 1) if published[n - 1].key == key]
            assert any(n in seen or n > last for n in later)
        assert 0 <= subscription.pending <= limit
        assert len(subscription._backlog) <= limit

    for action, argument in steps:
        if action == "publish":
            assert argument is None or isinstance(argument, str)
            note = Note(f"note {len(published)}", argument)
            published.append(note)
            assert broadcaster.publish(note) == len(published)
        elif action == "join" and len(subscriptions) < 3:
            assert isinstance(argument, int)
            since = len(published) - argument
            subscription = broadcaster.subscribe(since=since, max_buffer=limit)
            start = len(published) if subscription.resynced else since
            subscriptions.append((subscription, start, []))
        elif action == "read":
            assert isinstance(argument, int)
            for subscription, start, seen in subscriptions[argument : argument + 1]:
                read(subscription, start, seen)
        elif action == "leave":
            assert isinstance(argument, int)
            for subscription, _, _ in subscriptions[argument : argument + 1]:
                subscription.close()
            del subscriptions[argument : argument + 1]
        frames, _ = broadcaster.ring_size
        assert frames == min(ring, len(published))
        for entry in subscriptions:
            check(*entry)
    for subscription, start, seen in subscriptions:
        for _ in range(len(published)):
            read(subscription, start, seen)
        check(subscription, start, seen)
        if subscription.lagged is None:
            assert subscription.pending == 0
            assert subscription._pending_bytes == 0
            newest = {note.key: seq for seq, note in enumerate(published, 1)}
            for seq, note in enumerate(published[start:], start + 1):
                assert seq in seen or (note.key is not None and newest[note.key] in seen)
