"""Posting order across actors that share one resource."""

from __future__ import annotations

import itertools

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import ActorContext, Lane, Outcome, TicketGone
from tests.runtime.support import Message, crash, end_normally, gated, hang, open_system, taking


def make_lane() -> Lane:
    return Lane(itertools.count(1).__next__)


async def test_turns_come_in_the_order_of_the_tickets() -> None:
    lane = make_lane()
    for seq, owner in ((1, "a"), (2, "b"), (3, "a")):
        lane.enter(seq, owner)
    log: list[int] = []

    async def work(seq: int) -> None:
        async with lane.turn(seq):
            log.append(seq)
            await trio.lowlevel.checkpoint()
            assert lane.holder == seq
        lane.leave(seq)

    async with trio.open_nursery() as nursery:
        for seq in (3, 2, 1):
            nursery.start_soon(work, seq)
    assert log == [1, 2, 3]
    assert lane.holder is None
    assert len(lane) == 0


async def test_a_later_ticket_waits_for_the_holder_even_if_its_ticket_has_left() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")
    assert lane.acquire_nowait(1)
    lane.leave(1)
    assert not lane.acquire_nowait(2)
    lane.release(1)
    assert lane.acquire_nowait(2)


async def test_a_ticket_that_leaves_lets_the_next_one_go() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")
    done = trio.Event()

    async def second() -> None:
        async with lane.turn(2):
            done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        assert not done.is_set()
        lane.leave(1)
    assert done.is_set()


async def test_waiting_for_a_ticket_that_leaves_raises() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")

    async def second() -> None:
        with pytest.raises(TicketGone):
            await lane.turn(2).__aenter__()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        lane.leave(2)
    with pytest.raises(TicketGone):
        await lane.turn(77).__aenter__()


async def test_an_unavailable_owner_holds_up_nobody_and_comes_first_when_it_is_back() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")
    lane.enter(3, "b")
    lane.set_available("a", False)
    assert lane.acquire_nowait(2)
    lane.set_available("a", True)
    lane.leave(2)
    lane.release(2)
    assert not lane.acquire_nowait(3)
    assert lane.acquire_nowait(1)


async def test_a_waiting_turn_goes_on_when_the_owner_before_it_becomes_unavailable() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")

    async def second() -> None:
        async with lane.turn(2):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        lane.set_available("a", False)


async def test_a_fresh_ticket_takes_its_place_when_it_is_drawn() -> None:
    lane = make_lane()
    first = lane.ticket()
    lane.enter(lane._next_seq(), "a")
    assert not lane.acquire_nowait(2)
    async with first as seq:
        assert seq == 1
        assert lane.holder == 1
    assert len(lane) == 1
    assert lane.acquire_nowait(2)


async def test_a_fresh_ticket_cancelled_while_waiting_or_abandoned_has_left() -> None:
    lane = make_lane()
    lane.enter(lane._next_seq(), "a")
    with trio.move_on_after(0):
        await lane.ticket().__aenter__()
    lane.ticket().abandon()
    assert len(lane) == 1


async def test_a_turn_cancelled_while_waiting_is_not_taken() -> None:
    lane = make_lane()
    lane.enter(1, "a")
    lane.enter(2, "b")
    with trio.move_on_after(0):
        await lane.turn(2).__aenter__()
    assert lane.holder is None
    lane.leave(1)
    assert lane.acquire_nowait(2)


@settings(max_examples=100, deadline=None)
@given(
    owners=st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    blocked=st.sets(st.sampled_from("abc"), max_size=2),
    gone=st.sets(st.integers(1, 12)),
)
async def test_whatever_leaves_or_is_unavailable_the_rest_run_in_order_one_at_a_time(
    owners: list[str], blocked: set[str], gone: set[int]
) -> None:
    lane = make_lane()
    log: list[int] = []
    inside = 0

    async def work(seq: int) -> None:
        nonlocal inside
        try:
            async with lane.turn(seq):
                assert inside == 0
                inside += 1
                log.append(seq)
                await trio.lowlevel.checkpoint()
                inside -= 1
        except TicketGone:
            return
        lane.leave(seq)

    for seq, owner in enumerate(owners, 1):
        lane.enter(seq, owner)
    for owner in blocked:
        lane.set_available(owner, False)
    live = [seq for seq, owner in enumerate(owners, 1) if owner not in blocked and seq not in gone]
    async with trio.open_nursery() as nursery:
        for seq in range(len(owners), 0, -1):
            if owners[seq - 1] not in blocked:
                nursery.start_soon(work, seq)
        for seq in gone:
            lane.leave(seq)
    assert log == live
    assert lane.holder is None


class TestActorsInOneLane:
    async def test_messages_of_two_actors_take_effect_in_posting_order(self) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            order: list[str] = []
            gate = trio.Event()
            first = a.tell(Message("first", gated(gate)))
            for ref, label in ((b, "2"), (a, "3"), (a, "4"), (b, "5")):
                ref.tell(Message(label))
            system.ledger.add_listener(lambda settled: order.append(str(settled.message)))
            await wait_all_tasks_blocked()
            assert system.diaries == {"a": ["start", "first"], "b": ["start"]}
            gate.set()
            await first.wait()
            await wait_all_tasks_blocked()
            labels = [settlement.message for settlement in system.settlements]
            assert [message.label for message in labels if isinstance(message, Message)] == [
                "first",
                "2",
                "3",
                "4",
                "5",
            ]

    async def test_waiting_for_the_turn_counts_as_queued(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("slow", taking(3)))
            settlement = await b.tell(Message("waits", taking(1))).wait()
            assert settlement.queued == pytest.approx(3)
            assert settlement.ran == pytest.approx(1)

    async def test_a_message_can_be_cancelled_or_expire_while_it_waits_for_its_turn(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("slow", taking(10)))
            cancelled = b.tell(Message("cancelled"))
            expired = b.tell(Message("expired"), deadline=trio.current_time() + 1)
            await wait_all_tasks_blocked()
            cancelled.cancel()
            assert (await expired.wait()).queued == pytest.approx(1)
            assert trio.current_time() == pytest.approx(1, abs=0.1)
            assert (await b.tell(Message("last")).wait()).outcome is Outcome.COMPLETED
            assert system.diaries["b"] == ["start", "last"]

    async def test_a_control_message_does_not_wait_for_a_turn(self) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("hangs", hang))
            waiting = b.tell(Message("waits"))
            await wait_all_tasks_blocked()
            assert await b.ask(Message("now"), control=True) == "now"
            assert not waiting.settled

    async def test_a_crashed_actor_holds_up_nobody_while_it_backs_off(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("boom", crash))
            later = a.tell(Message("after the crash"))
            other = b.tell(Message("other"))
            await other.wait()
            assert trio.current_time() < 0.1
            assert not later.settled
            await later.wait()
            assert trio.current_time() == pytest.approx(1, abs=0.1)

    async def test_a_slow_on_stop_of_a_crashed_actor_holds_up_nobody(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async def slowly(_: object) -> None:
            await trio.sleep(3)

        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a = system.add("a", lane=lane, before_stop=slowly)
            b = system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("boom", crash))
            a.tell(Message("later"))
            await b.tell(Message("other")).wait()
            assert trio.current_time() < 0.1

    async def test_a_background_task_of_a_crashed_actor_that_unwinds_slowly_holds_up_nobody(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async def unwind_slowly() -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

        async def start_background(context: ActorContext[Message]) -> None:
            context.nursery.start_soon(unwind_slowly)

        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a = system.add("a", lane=lane, before_start=start_background)
            b = system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("boom", crash))
            a.tell(Message("later"))
            await b.tell(Message("other")).wait()
            assert trio.current_time() < 0.1

    async def test_an_actor_that_ended_normally_holds_up_nobody(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a, b = system.add("a", lane=lane), system.add("b", lane=lane)
            await system.supervisor.wait_running()
            a.tell(Message("end", end_normally))
            a.tell(Message("later"))
            await b.tell(Message("other")).wait()
            assert trio.current_time() < 0.1

    async def test_internal_work_takes_its_turn_among_the_messages(self) -> None:
        async with open_system() as system:
            lane = Lane(system.ledger.next_seq)
            a = system.add("a", lane=lane)
            await system.supervisor.wait_running()
            gate = trio.Event()
            a.tell(Message("first", gated(gate)))
            ticket = lane.ticket()
            last = a.tell(Message("last"))
            await wait_all_tasks_blocked()
            gate.set()
            async with ticket:
                await wait_all_tasks_blocked()
                assert system.diaries["a"] == ["start", "first"]
            await last.wait()
