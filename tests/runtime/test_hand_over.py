"""Messages that an actor works on beside its receive loop."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio

from callboard.runtime import ActorState, Envelope, Lane, Outcome
from tests.runtime.support import (
    Message,
    Performer,
    Script,
    crash,
    gated,
    hang,
    open_system,
    taking,
)


def beside(script: Script) -> Script:
    """A script that has another one done in a task of its own."""

    async def hand_over(performer: Performer, envelope: Envelope[Message]) -> None:
        async def work(same: Envelope[Message]) -> None:
            assert same is envelope
            await script(performer, same)

        performer.context.hand_over(envelope, work)

    return hand_over


async def test_the_actor_takes_the_next_message_and_the_first_one_is_settled_when_its_task_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("worker")
        gate = trio.Event()
        slow = ref.tell(Message("slow", beside(gated(gate))))
        assert await ref.ask(Message("quick")) == "quick"
        assert not slow.settled
        gate.set()
        settlement = await slow.wait()
        assert (settlement.outcome, settlement.reply) == (Outcome.COMPLETED, "slow")


async def test_cancelling_one_leaves_the_others_and_the_loop_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("worker")
        first, second = (
            ref.tell(Message(label, beside(taking(5)))) for label in ("first", "second")
        )
        await trio.sleep(1)
        assert first.cancel("not wanted")
        assert (await first.wait()).reason == "not wanted"
        assert await ref.ask(Message("next")) == "next"
        assert (await second.wait()).outcome is Outcome.COMPLETED
        assert system.states("worker") == [ActorState.RUNNING]


async def test_cancelled_before_it_is_handed_over_it_ends_as_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def cancelled(performer: Performer, envelope: Envelope[Message]) -> None:
        envelope.cancel("too late to start")
        await beside(hang)(performer, envelope)

    async with open_system() as system:
        ref = system.add("worker")
        envelope = ref.tell(Message("early", cancelled))
        assert (await envelope.wait()).outcome is Outcome.CANCELLED
        assert await ref.ask(Message("next")) == "next"


async def test_at_its_deadline_one_expires_and_its_task_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ended: list[float] = []

    async def note(_: Performer, __: Envelope[Message]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async with open_system() as system:
        ref = system.add("worker")
        began = trio.current_time()
        envelope = ref.tell(Message("slow", beside(note)), deadline=began + 3)
        assert (await envelope.wait()).outcome is Outcome.EXPIRED
        assert await ref.ask(Message("next")) == "next"
        assert ended == [began + 3]


async def test_a_crash_of_one_fails_it_and_those_beside_it_and_restarts_the_actor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("worker")
        other = ref.tell(Message("other", beside(hang)))
        poison = ref.tell(Message("poison", beside(crash)))
        assert (await poison.wait()).reason == "ValueError: boom"
        settlement = await other.wait()
        assert (settlement.outcome, settlement.reason) == (
            Outcome.FAILED,
            "its actor crashed: ValueError: boom",
        )
        assert await ref.ask(Message("next")) == "next"
        crashed = next(change for change in system.changes if change.error is not None)
        assert crashed.poison is not None
        assert crashed.poison.seq == poison.seq


async def test_a_drained_stop_waits_for_what_was_handed_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("worker")
        envelope = ref.tell(Message("slow", beside(taking(5))))
        await trio.sleep(1)
        report = await system.supervisor.stop(drain=10, kill=10)
        assert report.clean
        assert report.seconds == 4
        assert envelope.outcome is Outcome.COMPLETED


async def test_at_the_drain_deadline_what_was_handed_over_is_cancelled_and_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_system() as system:
        ref = system.add("worker")
        envelopes = [ref.tell(Message(label, beside(hang))) for label in "abc"]
        await trio.sleep(1)
        report = await system.supervisor.stop(drain=2, kill=10)
        assert (report.cancelled, report.leftovers, report.seconds) == (("worker",), 3, 2)
        assert {envelope.outcome for envelope in envelopes} == {Outcome.CANCELLED}


async def test_what_does_not_end_at_the_kill_deadline_is_settled_once_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stubborn(_: Performer, __: Envelope[Message]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    async with open_system() as system:
        ref = system.add("worker")
        envelope = ref.tell(Message("stubborn", beside(stubborn)))
        await trio.sleep(1)
        report = await system.supervisor.stop(drain=1, kill=1)
        assert report.unfinished == ("worker",)
        assert envelope.outcome is Outcome.CANCELLED
        await trio.sleep(200)


async def test_an_actor_that_ends_normally_lets_them_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stop(performer: Performer, _: Envelope[Message]) -> None:
        performer.context.stop()

    async with open_system() as system:
        ref = system.add("worker")
        slow = ref.tell(Message("slow", beside(taking(5))))
        ref.tell(Message("stop", stop))
        assert (await slow.wait()).outcome is Outcome.COMPLETED
        assert await ref.ask(Message("next")) == "next"


async def test_only_the_message_in_hand_without_a_turn_can_be_handed_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    refusals: list[str] = []

    @attrs.define(eq=False)
    class Later:
        kept: list[Any] = attrs.field(factory=list)

        async def keep(self, _: Performer, envelope: Envelope[Message]) -> None:
            self.kept.append(envelope)

        async def hand_over(self, performer: Performer, _: Envelope[Message]) -> None:
            with pytest.raises(RuntimeError) as raised:
                performer.context.hand_over(self.kept[0], partial(hang, performer))
            refusals.append(str(raised.value))

    async with open_system() as system:
        later = Later()
        ref = system.add("worker")
        await ref.ask(Message("keep", later.keep))
        await ref.ask(Message("hand over", later.hand_over))
        in_lane = system.add("in lane", lane=Lane(system.ledger.next_seq))
        failed = in_lane.tell(Message("turn", beside(hang)))
        assert "has a turn in a lane" in str((await failed.wait()).reason)
    assert "is not the message in hand" in refusals[0]
