"""Every message ends in exactly one outcome, whatever happens to it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.runtime import (
    Cancelled,
    Cause,
    Closed,
    Dead,
    Envelope,
    Expired,
    Full,
    Outcome,
    Settlement,
    Superseded,
)
from callboard.runtime.actor import BATCH
from tests.runtime.support import (
    Message,
    Performer,
    crash,
    gated,
    hang,
    hang_shielded,
    open_system,
    taking,
)


async def test_returning_completes_with_the_last_answer() -> None:
    async def answer_twice(_: Performer, envelope: Envelope[Message]) -> None:
        assert envelope.answer(1)
        assert envelope.answer(2)

    async with open_system() as system:
        ref = system.add("a")
        assert await ref.ask(Message("asks", answer_twice)) == 2
        assert await ref.ask(Message("plain")) == "plain"


async def test_a_handler_may_settle_its_message_itself() -> None:
    async def fail_politely(_: Performer, envelope: Envelope[Message]) -> None:
        assert envelope.settle(Outcome.FAILED, reason="no such table")

    async with open_system() as system:
        ref = system.add("a")
        settlement = await ref.tell(Message("m", fail_politely)).wait()
        assert (settlement.outcome, settlement.reason) == (Outcome.FAILED, "no such table")
        with pytest.raises(Dead, match="no such table"):
            await ref.ask(Message("n", fail_politely))
        assert system.states("a")[-1] == "running"


async def test_raising_fails_the_message_and_is_not_retried(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        settlement = await ref.tell(Message("boom", crash)).wait()
        assert settlement.outcome is Outcome.FAILED
        assert settlement.reason == "ValueError: boom"
        assert isinstance(settlement.error, ValueError)
        assert await ref.ask(Message("next")) == "next"
        assert system.diaries["a"] == ["start", "boom", "stop", "start", "next"]


async def test_the_asker_gets_the_error_as_the_cause(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        with pytest.raises(Dead, match="a: ValueError: boom") as caught:
            await ref.ask(Message("boom", crash))
        assert isinstance(caught.value.__cause__, ValueError)


async def test_a_failure_is_told_before_the_actor_has_cleaned_up(
    autojump_clock: MockClock,
) -> None:
    async def slowly(_: object) -> None:
        await trio.sleep(3)

    async with open_system() as system:
        ref = system.add("a", before_stop=slowly)
        await ref.tell(Message("boom", crash)).wait()
        assert trio.current_time() < 0.1


async def test_cancelling_a_queued_message_settles_it_in_the_call() -> None:
    async with open_system() as system:
        ref = system.add("a")
        gate = trio.Event()
        ref.tell(Message("first", gated(gate)))
        queued = ref.tell(Message("queued"))
        await wait_all_tasks_blocked()
        assert queued.cancel("changed my mind")
        assert queued.outcome is Outcome.CANCELLED
        assert system.ledger.dead_letters.counts == {Cause.CANCELLED: 1}
        gate.set()
        await ref.ask(Message("last"))
        assert system.diaries["a"] == ["start", "first", "last"]


async def test_cancelling_a_running_message_cancels_its_handler_alone() -> None:
    async with open_system() as system:
        ref = system.add("a")
        running = ref.tell(Message("hangs", hang))
        await wait_all_tasks_blocked()
        assert running.cancel("enough")
        assert not running.settled
        assert running.cancel_requested
        settlement = await running.wait()
        assert (settlement.outcome, settlement.reason) == (Outcome.CANCELLED, "enough")
        assert isinstance(settlement.error, Cancelled)
        assert not running.cancel()
        assert await ref.ask(Message("next")) == "next"
        assert system.diaries["a"] == ["start", "hangs", "next"]
        assert system.states("a") == ["running"]


async def test_a_cancelled_handler_that_returns_all_the_same_has_completed() -> None:
    async def stubborn(_: Performer, envelope: Envelope[Message]) -> None:
        await started.wait()
        envelope.cancel("now")
        envelope.answer("done")

    async with open_system() as system:
        ref = system.add("a")
        started = trio.Event()
        envelope = ref.tell(Message("m", stubborn))
        following = ref.tell(Message("next", taking(0)))
        await wait_all_tasks_blocked()
        started.set()
        assert (await envelope.wait()).outcome is Outcome.COMPLETED
        # The cancelled scope must not leak into the next handler.
        assert (await following.wait()).outcome is Outcome.COMPLETED


async def test_a_handler_that_raises_while_being_cancelled_has_failed(
    autojump_clock: MockClock,
) -> None:
    async def bad_cleanup(_: Performer, __: Envelope[Message]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async with open_system() as system:
        ref = system.add("a")
        envelope = ref.tell(Message("m", bad_cleanup))
        await wait_all_tasks_blocked()
        envelope.cancel()
        assert (await envelope.wait()).outcome is Outcome.FAILED
        await ref.ask(Message("next"))


async def test_the_nursery_of_a_cancelled_handler_unwinds_as_a_cancellation() -> None:
    async def with_children(_: Performer, __: Envelope[Message]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async with open_system() as system:
        ref = system.add("a")
        envelope = ref.tell(Message("m", with_children))
        await wait_all_tasks_blocked()
        envelope.cancel()
        assert (await envelope.wait()).outcome is Outcome.CANCELLED
        assert system.states("a") == ["running"]


async def test_a_deadline_expires_a_queued_message_while_the_actor_hangs(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("a")
        ref.tell(Message("hangs", hang))
        envelope = ref.tell(Message("m"), deadline=trio.current_time() + 2)
        settlement = await envelope.wait()
        assert settlement.outcome is Outcome.EXPIRED
        assert trio.current_time() == pytest.approx(2)
        assert system.ledger.dead_letters.counts == {Cause.EXPIRED: 1}


async def test_a_deadline_in_the_past_expires_the_message_unhandled() -> None:
    async with open_system() as system:
        ref = system.add("a")
        await system.supervisor.wait_running()
        envelope = ref.tell(Message("late"), deadline=trio.current_time() - 1)
        assert (await envelope.wait()).outcome is Outcome.EXPIRED
        assert system.diaries["a"] == ["start"]


async def test_a_deadline_cancels_the_running_handler(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        with pytest.raises(Expired):
            await ref.ask(Message("hangs", hang), timeout=2)
        assert trio.current_time() == pytest.approx(2)
        assert await ref.ask(Message("next"), timeout=2) == "next"
        assert system.diaries["a"] == ["start", "hangs", "next"]


async def test_a_deadline_is_kept_to_even_if_the_handler_will_not_end(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("a")
        with pytest.raises(Expired):
            await ref.ask(Message("shielded", hang_shielded), timeout=2)
        assert trio.current_time() == pytest.approx(2)
        # The actor itself is busy until the handler is over.
        await ref.ask(Message("next"))
        assert trio.current_time() == pytest.approx(1000)


async def test_a_reply_after_the_deadline_is_a_dead_letter(autojump_clock: MockClock) -> None:
    answered: list[bool] = []

    async def too_late(_: Performer, envelope: Envelope[Message]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(5)
        answered.append(envelope.answer("late"))

    async with open_system() as system:
        ref = system.add("a")
        with pytest.raises(Expired):
            await ref.ask(Message("m", too_late), timeout=1)
        await ref.ask(Message("next"))
        assert answered == [False]
        assert system.ledger.dead_letters.counts == {Cause.LATE_REPLY: 1}


async def test_many_deadlines_are_kept_each_in_its_time(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a", capacity=200)
        ref.tell(Message("hangs", hang))
        expired: list[tuple[int, float]] = []

        async def watch(number: int, envelope: Envelope[Message]) -> None:
            await envelope.wait()
            expired.append((number, round(trio.current_time(), 6)))

        async with trio.open_nursery() as nursery:
            for number in (5, 3, 9, 1, 7):
                envelope = ref.tell(Message(str(number)), deadline=float(number))
                nursery.start_soon(watch, number, envelope)
                await wait_all_tasks_blocked()
        assert expired == [(1, 1.0), (3, 3.0), (5, 5.0), (7, 7.0), (9, 9.0)]


async def test_answered_asks_leave_no_timers_behind() -> None:
    async with open_system() as system:
        ref = system.add("a")
        for number in range(1000):
            await ref.ask(Message(str(number)), timeout=1000)
        assert len(system.supervisor.deadlines) < 200


async def test_a_cancelled_asker_cancels_its_message(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        with trio.move_on_after(1):
            await ref.ask(Message("hangs", hang))
        await wait_all_tasks_blocked()
        assert system.outcomes() == {"hangs": "cancelled"}
        gate = trio.Event()
        ref.tell(Message("busy", gated(gate)))
        with trio.move_on_after(1):
            await ref.ask(Message("queued"))
        assert system.outcomes()["queued"] == "cancelled"
        gate.set()


async def test_a_cancelled_waiter_leaves_the_message_alone(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        envelope = ref.tell(Message("slow", taking(3)))
        with trio.move_on_after(1):
            await envelope.wait()
        assert (await envelope.wait()).outcome is Outcome.COMPLETED
        assert (await envelope.wait()).outcome is Outcome.COMPLETED


async def test_ask_raises_by_whose_fault_it_is() -> None:
    async with open_system() as system:
        ref = system.add("a", capacity=1)
        await system.supervisor.wait_running()
        gate = trio.Event()
        ref.tell(Message("busy", gated(gate)))
        await wait_all_tasks_blocked()
        queued = ref.tell(Message("queued"))
        with pytest.raises(Full):
            await ref.ask(Message("refused"))
        queued.cancel()
        errors: list[Exception] = []

        async def ask(label: str) -> None:
            try:
                await ref.ask(Message(label))
            except (Superseded, Cancelled) as error:
                errors.append(error)

        for outcome, error in (
            (Outcome.SUPERSEDED, Superseded("later")),
            (Outcome.CANCELLED, Cancelled("gone")),
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, f"to be {outcome}")
                await wait_all_tasks_blocked()
                head = ref.mailbox.peek()
                assert head is not None
                head.settle(outcome, error=error)
            assert errors.pop() is error
        gate.set()
        await system.supervisor.stop(1, 1)
        with pytest.raises(Closed):
            await ref.ask(Message("too late"))


async def test_listeners_see_every_settlement_and_cannot_break_it() -> None:
    def faulty(_: Settlement) -> None:
        raise RuntimeError("bad listener")

    async with open_system() as system:
        system.ledger.listeners.insert(0, faulty)
        ref = system.add("a")
        await ref.ask(Message("m"))
        assert system.outcomes() == {"m": "completed"}
        assert system.ledger.listener_errors == 1
        system.ledger.remove_listener(faulty)


async def test_a_listener_may_post_further_messages() -> None:
    async with open_system() as system:
        ref = system.add("a")

        def follow_up(settlement: Settlement) -> None:
            if isinstance(settlement.message, Message) and settlement.message.label == "first":
                ref.tell(Message("second"))

        system.ledger.add_listener(follow_up)
        await ref.ask(Message("first"))
        await ref.ask(Message("third"))
        assert system.diaries["a"] == ["start", "first", "second", "third"]


async def test_times_are_split_into_queued_and_ran(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a")
        await system.supervisor.wait_running()
        ref.tell(Message("slow", taking(2)))
        settlement = await ref.tell(
            Message("m", taking(3)), sender="me", trace="00-ab-cd-01"
        ).wait()
        assert settlement.queued == pytest.approx(2)
        assert settlement.ran == pytest.approx(3)
        assert (settlement.sender, settlement.trace, settlement.target) == (
            "me",
            "00-ab-cd-01",
            "a",
        )


async def test_a_flood_of_messages_leaves_room_for_other_tasks() -> None:
    async with open_system() as system:
        ref = system.add("a", capacity=10 * BATCH)
        await system.supervisor.wait_running()
        for number in range(10 * BATCH):
            ref.tell(Message(str(number)))
        handled: list[int] = []
        while system.ledger.in_flight:
            await trio.lowlevel.checkpoint()
            handled.append(len(system.settlements))
        steps = [later - earlier for earlier, later in zip([0, *handled], handled, strict=False)]
        # Its task and this one take turns in random order, so it may come up twice in a row.
        assert max(steps) <= 2 * BATCH


async def test_the_repr_shows_no_content() -> None:
    async with open_system() as system:
        ref = system.add("a")
        envelope = ref.tell(Message("a secret"))
        assert "secret" not in repr(envelope)
        assert "queued" in repr(envelope)
        await envelope.wait()
        assert "completed" in repr(envelope)
