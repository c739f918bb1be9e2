"""The guarantees of one mailbox, without an actor behind it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import (
    ActorError,
    Cause,
    Closed,
    Conflation,
    Dead,
    Dropped,
    Envelope,
    Full,
    Ledger,
    Mailbox,
    Outcome,
    Overflow,
    Ref,
    Settlement,
    Superseded,
)


@attrs.frozen
class Tick:
    """Values by name: what conflates."""

    values: dict[str, int]


@attrs.frozen
class Barrier:
    """What nothing may move across."""

    name: str


Item = Tick | Barrier | str


class LastValue:
    """Ticks merge per key, the last value of each name wins."""

    def __init__(self, max_size: int = 100, key_of: Callable[[Tick], Hashable] | None = None):
        self.max_size = max_size
        self.key_of = key_of

    def key(self, message: Item) -> Hashable | None:
        if not isinstance(message, Tick):
            return None
        return "ticks" if self.key_of is None else self.key_of(message)

    def size(self, message: Item) -> int:
        return len(message.values) if isinstance(message, Tick) else 1

    def merge(self, pending: Item, later: Item) -> Item:
        assert isinstance(pending, Tick)
        assert isinstance(later, Tick)
        return Tick({**pending.values, **later.values})


def make(
    capacity: int = 10,
    overflow: Overflow = Overflow.REJECT,
    conflation: Conflation[Item] | None = None,
    control_capacity: int = 64,
) -> Ref[Item]:
    mailbox: Mailbox[Item] = Mailbox(
        "box", capacity, overflow, conflation, control_capacity=control_capacity
    )
    return Ref(mailbox, Ledger().account("box"))


def drained(ref: Ref[Item]) -> list[Item]:
    return [envelope.message for envelope in ref.mailbox.drain_nowait()]


async def test_messages_come_out_in_the_order_they_went_in() -> None:
    ref = make()
    for label in "abc":
        ref.tell(label)
    assert ref.mailbox.depth == 3
    assert drained(ref) == ["a", "b", "c"]
    assert ref.mailbox.depth == 0


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_below_one_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity of mailbox 'box'"):
        Mailbox[str]("box", capacity)
    with pytest.raises(ValueError, match="control_capacity of mailbox 'box'"):
        Mailbox[str]("box", 1, control_capacity=capacity)


async def test_a_full_mailbox_rejects_at_once_and_keeps_what_it_has() -> None:
    ref = make(capacity=2)
    ref.tell("a")
    ref.tell("b")
    refused = ref.tell("c")
    assert refused.outcome is Outcome.REJECTED
    assert isinstance(refused.settlement and refused.settlement.error, Full)
    assert ref.mailbox.dropped["full"] == 1
    assert ref.account.ledger.dead_letters.counts == {Cause.FULL: 1}
    assert drained(ref) == ["a", "b"]


async def test_drop_oldest_makes_room_by_settling_the_oldest() -> None:
    ref = make(capacity=2, overflow=Overflow.DROP_OLDEST)
    oldest = ref.tell("a")
    ref.tell("b")
    assert ref.tell("c").outcome is None
    assert oldest.outcome is Outcome.REJECTED
    assert isinstance(oldest.settlement and oldest.settlement.error, Dropped)
    assert ref.account.ledger.dead_letters.counts == {Cause.DROPPED: 1}
    assert ref.mailbox.dropped["dropped-oldest"] == 1
    assert drained(ref) == ["b", "c"]


async def test_drop_oldest_spares_control_messages() -> None:
    ref = make(capacity=1, overflow=Overflow.DROP_OLDEST)
    ref.tell("stop", control=True)
    ref.tell("a")
    ref.tell("b")
    assert drained(ref) == ["stop", "b"]


async def test_control_messages_go_ahead_in_their_own_order_and_bound() -> None:
    ref = make(capacity=2, control_capacity=2)
    ref.tell("a")
    ref.tell("b")
    ref.tell("x", control=True)
    ref.tell("y", control=True)
    assert ref.tell("z", control=True).outcome is Outcome.REJECTED
    assert ref.mailbox.depth == 4
    assert ref.mailbox.control_depth == 2
    assert drained(ref) == ["x", "y", "a", "b"]


async def test_a_blocked_receiver_is_woken_by_a_message_and_by_a_control_message() -> None:
    for control in (False, True):
        ref = make()
        got: list[Item] = []

        async def receive(ref: Ref[Item] = ref, got: list[Item] = got) -> None:
            envelope = await ref.mailbox.receive()
            assert envelope is not None
            got.append(envelope.message)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await wait_all_tasks_blocked()
            ref.tell("a", control=control)
        assert got == ["a"]
        assert ref.mailbox.depth == 0


async def test_a_control_message_overtakes_one_on_its_way_to_a_blocked_receiver() -> None:
    ref = make()
    got: list[Item] = []

    async def receive() -> None:
        while len(got) < 3:
            envelope = await ref.mailbox.receive()
            assert envelope is not None
            got.append(envelope.message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ref.tell("a")
        ref.tell("b")
        ref.tell("now", control=True)
    assert got == ["now", "a", "b"]


async def test_a_cancelled_receive_takes_nothing() -> None:
    ref = make()
    ref.tell("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await ref.mailbox.receive()
    assert scope.cancelled_caught
    with trio.move_on_after(0):
        await make().mailbox.receive()
    assert drained(ref) == ["a"]


async def test_a_receive_cancelled_after_a_message_was_handed_over_still_delivers_it() -> None:
    ref = make()
    got: list[Item] = []

    async def receive() -> None:
        with scope:
            envelope = await ref.mailbox.receive()
            assert envelope is not None
            got.append(envelope.message)

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ref.tell("a")
        scope.cancel()
    assert got == ["a"]
    assert ref.mailbox.depth == 0


async def test_a_message_cancelled_in_the_queue_leaves_the_count_at_once() -> None:
    ref = make(capacity=2)
    ref.tell("a")
    second = ref.tell("b")
    assert second.cancel("not needed")
    assert not second.cancel("again")
    assert ref.mailbox.depth == 1
    assert ref.tell("c").outcome is None
    assert ref.tell("d").outcome is Outcome.REJECTED
    assert drained(ref) == ["a", "c"]
    assert second.settlement is not None
    assert second.settlement.reason == "not needed"


async def test_the_room_of_cancelled_messages_can_be_used_many_times_over() -> None:
    ref = make(capacity=3)
    ref.tell("first")
    for _ in range(100):
        assert ref.tell("x").cancel()
    ref.tell("second")
    ref.tell("third")
    assert ref.tell("fourth").outcome is Outcome.REJECTED
    assert drained(ref) == ["first", "second", "third"]


async def test_a_cancelled_control_message_is_gone() -> None:
    ref = make(control_capacity=1)
    assert ref.tell("x", control=True).cancel()
    assert ref.tell("y", control=True).outcome is None
    assert drained(ref) == ["y"]


async def test_a_message_cancelled_on_its_way_to_a_blocked_receiver_is_not_received() -> None:
    ref = make()
    got: list[Item] = []

    async def receive() -> None:
        envelope = await ref.mailbox.receive()
        assert envelope is not None
        got.append(envelope.message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ref.tell("a").cancel()
        await wait_all_tasks_blocked()
        assert got == []
        ref.tell("b")
    assert got == ["b"]


async def test_a_closed_mailbox_gives_out_what_it_has_and_then_ends() -> None:
    ref = make()
    ref.tell("a")
    ref.tell("x", control=True)
    ref.mailbox.close()
    ref.mailbox.close(Dead("too late to change the reason"))
    refused = ref.tell("b")
    assert refused.outcome is Outcome.REJECTED
    assert isinstance(refused.settlement and refused.settlement.error, Closed)
    received = [await ref.mailbox.receive() for _ in range(3)]
    assert [envelope and envelope.message for envelope in received] == ["x", "a", None]


async def test_closing_wakes_a_blocked_receiver() -> None:
    ref = make()
    got: list[Envelope[Item] | None] = []

    async def receive() -> None:
        got.append(await ref.mailbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ref.mailbox.close()
    assert got == [None]


async def test_a_refusing_mailbox_keeps_its_queue_and_can_accept_again() -> None:
    ref = make()
    ref.tell("a")
    ref.mailbox.refuse(Dead("down"))
    refused = ref.tell("b")
    assert isinstance(refused.settlement and refused.settlement.error, Dead)
    assert ref.account.ledger.dead_letters.counts == {Cause.DOWN: 1}
    ref.mailbox.accept()
    ref.tell("c")
    assert drained(ref) == ["a", "c"]
    ref.mailbox.close()
    ref.mailbox.accept()
    assert ref.mailbox.refusal is not None


async def test_peek_shows_the_next_message_and_leaves_it() -> None:
    ref = make(capacity=2)
    assert ref.mailbox.peek() is None
    first = ref.tell("a")
    ref.tell("b")
    assert ref.mailbox.peek() is first
    assert ref.tell("c").outcome is Outcome.REJECTED
    first.cancel()
    head = ref.mailbox.peek()
    assert head is not None
    assert head.message == "b"
    assert drained(ref) == ["b"]


async def test_drop_oldest_takes_the_peeked_one_first() -> None:
    ref = make(capacity=2, overflow=Overflow.DROP_OLDEST)
    first = ref.tell("a")
    ref.tell("b")
    assert ref.mailbox.peek() is first
    ref.tell("c")
    assert first.outcome is Outcome.REJECTED
    assert drained(ref) == ["b", "c"]


async def test_wait_arrival_returns_at_once_if_something_is_queued_else_at_the_next() -> None:
    ref = make()
    with trio.move_on_after(0) as scope:
        await ref.mailbox.wait_arrival()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.mailbox.wait_arrival)
        await wait_all_tasks_blocked()
        ref.tell("a")
    assert await ref.mailbox.wait_arrival() == 1


async def test_wait_arrival_since_sees_merges_and_control_messages() -> None:
    ref = make(conflation=LastValue())
    ref.tell(Tick({"x": 1}))
    seen = ref.mailbox.arrivals
    for message, control in ((Tick({"x": 2}), False), ("stop", True)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.mailbox.wait_arrival, seen)
            await wait_all_tasks_blocked()
            ref.tell(message, control=control)
        seen = ref.mailbox.arrivals
    assert seen == 3


class TestConflation:
    async def test_the_last_value_survives_and_the_earlier_message_is_superseded(self) -> None:
        ref = make(capacity=1, conflation=LastValue())
        first = ref.tell(Tick({"x": 1, "y": 1}))
        second = ref.tell(Tick({"x": 2}))
        assert first.outcome is Outcome.SUPERSEDED
        assert isinstance(first.settlement and first.settlement.error, Superseded)
        assert second.outcome is None
        assert drained(ref) == [Tick({"x": 2, "y": 1})]
        assert ref.account.ledger.dead_letters.total == 0

    async def test_a_settlement_shows_the_message_as_it_was_posted(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        second = ref.tell(Tick({"y": 2}))
        assert second.message == Tick({"x": 1, "y": 2})
        second.settle(Outcome.COMPLETED)
        assert second.settlement is not None
        assert second.settlement.message == Tick({"y": 2})

    async def test_the_slot_keeps_its_place_in_the_queue(self) -> None:
        ref = make(conflation=LastValue(key_of=lambda tick: next(iter(tick.values))))
        ref.tell(Tick({"x": 1}))
        ref.tell(Tick({"y": 1}))
        ref.tell(Tick({"x": 2}))
        assert drained(ref) == [Tick({"x": 2}), Tick({"y": 1})]

    async def test_no_tick_moves_across_a_barrier(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        ref.tell(Barrier("custom"))
        ref.tell(Tick({"x": 2}))
        ref.tell(Tick({"x": 3}))
        assert drained(ref) == [Tick({"x": 1}), Barrier("custom"), Tick({"x": 3})]

    async def test_sealing_opens_a_new_slot(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        ref.mailbox.seal()
        ref.tell(Tick({"x": 2}))
        ref.tell(Tick({"x": 3}))
        assert drained(ref) == [Tick({"x": 1}), Tick({"x": 3})]

    async def test_a_taken_message_is_not_merged_into(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        taken = ref.mailbox.take_nowait()
        ref.tell(Tick({"x": 2}))
        assert taken is not None
        assert taken.message == Tick({"x": 1})
        assert drained(ref) == [Tick({"x": 2})]

    async def test_the_peeked_slot_is_still_open(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        ref.mailbox.peek()
        ref.tell(Tick({"x": 2}))
        head = ref.mailbox.peek()
        assert head is not None
        assert head.message == Tick({"x": 2})
        assert drained(ref) == [Tick({"x": 2})]

    async def test_a_message_on_its_way_to_a_blocked_receiver_is_still_open(self) -> None:
        ref = make(conflation=LastValue())
        got: list[Item] = []

        async def receive() -> None:
            envelope = await ref.mailbox.receive()
            assert envelope is not None
            got.append(envelope.message)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await wait_all_tasks_blocked()
            for value in range(5):
                ref.tell(Tick({"x": value}))
        assert got == [Tick({"x": 4})]

    async def test_a_slot_that_would_outgrow_its_bound_is_followed_by_another(self) -> None:
        ref = make(capacity=2, conflation=LastValue(max_size=2))
        ref.tell(Tick({"a": 1}))
        ref.tell(Tick({"b": 1}))
        ref.tell(Tick({"c": 1}))
        ref.tell(Tick({"d": 1}))
        refused = ref.tell(Tick({"e": 1}))
        assert refused.outcome is Outcome.REJECTED
        assert drained(ref) == [Tick({"a": 1, "b": 1}), Tick({"c": 1, "d": 1})]

    async def test_a_full_mailbox_still_merges(self) -> None:
        ref = make(capacity=1, conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        assert ref.tell(Tick({"x": 2})).outcome is None
        assert drained(ref) == [Tick({"x": 2})]

    async def test_a_cancelled_message_closes_its_slot(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1})).cancel()
        ref.tell(Tick({"x": 2}))
        assert ref.mailbox.depth == 1
        assert drained(ref) == [Tick({"x": 2})]

    async def test_what_was_merged_is_not_lost_with_the_message_that_carries_it(self) -> None:
        ref = make(conflation=LastValue())
        ref.tell(Tick({"x": 1}))
        carrier = ref.tell(Tick({"y": 2}), deadline=trio.current_time() - 1)
        assert carrier.carries_others
        assert not carrier.cancel()
        assert carrier.outcome is None
        assert drained(ref) == [Tick({"x": 1, "y": 2})]

    async def test_a_merge_that_raises_rejects_the_later_message_alone(self) -> None:
        class Faulty(LastValue):
            def merge(self, pending: Item, later: Item) -> Item:
                raise TypeError("cannot merge")

        ref = make(conflation=Faulty())
        first = ref.tell(Tick({"x": 1}))
        second = ref.tell(Tick({"x": 2}))
        assert first.outcome is None
        assert second.outcome is Outcome.REJECTED
        assert isinstance(second.settlement and second.settlement.error, ActorError)
        assert drained(ref) == [Tick({"x": 1})]

    async def test_ten_thousand_ticks_take_one_place_and_no_memory_each(self) -> None:
        ref = make(capacity=1, conflation=LastValue())
        superseded: list[int] = []

        def count(settlement: Settlement) -> None:
            superseded.append(settlement.seq)

        ref.account.ledger.add_listener(count)
        for value in range(10_000):
            ref.tell(Tick({"x": value}))
        assert len(superseded) == 9_999
        assert ref.mailbox.depth == ref.mailbox.peak == 1
        assert drained(ref) == [Tick({"x": 9_999})]
