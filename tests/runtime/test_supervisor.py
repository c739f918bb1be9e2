"""Restarts, the circuit, and bounded stops."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.runtime import (
    ActorContext,
    ActorState,
    Backoff,
    Cause,
    ChildSpec,
    Closed,
    Dead,
    Envelope,
    Intensity,
    Ledger,
    Mailbox,
    Outcome,
    Restart,
    StartFailed,
    StateChange,
    Strategy,
    Supervisor,
)
from tests.runtime.support import (
    Message,
    Performer,
    System,
    crash,
    end_normally,
    gated,
    hang,
    hang_shielded,
    open_system,
    taking,
)


async def crash_times(system: System, name: str, number: int) -> None:
    """Have an actor crash so many times, and wait until it has recovered each time but the last."""
    ref = system.supervisor.ref(name)
    for count in range(number):
        await ref.tell(Message(f"boom {name} {count} at {trio.current_time()}", crash)).wait()
        await wait_all_tasks_blocked()
        if count < number - 1:
            await system.until(name, ActorState.RUNNING)


class TestRestart:
    async def test_the_mailbox_survives_a_crash_in_order(self, autojump_clock: MockClock) -> None:
        async with open_system() as system:
            ref = system.add("a")
            envelopes = [ref.tell(Message(label)) for label in ("1", "2")]
            ref.tell(Message("boom", crash))
            envelopes += [ref.tell(Message(label)) for label in ("3", "4")]
            await envelopes[-1].wait()
            assert system.diaries["a"] == ["start", "1", "2", "boom", "stop", "start", "3", "4"]
            assert system.outcomes()["boom"] == "failed"

    async def test_the_poison_message_is_reported_with_the_crash(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            ref = system.add("a")
            await ref.tell(Message("boom", crash)).wait()
            await ref.ask(Message("next"))
            change = next(change for change in system.changes if change.new is ActorState.BACKOFF)
            assert isinstance(change.error, ValueError)
            assert change.poison is not None
            assert change.poison.outcome is Outcome.FAILED
            assert isinstance(change.poison.message, Message)
            assert change.poison.message.label == "boom"
            assert change.retry_in == 1.0

    async def test_a_crash_cancels_no_sibling(self, autojump_clock: MockClock) -> None:
        async with open_system() as system:
            a, b = system.add("a"), system.add("b")
            slow = b.tell(Message("slow", taking(5)))
            await a.tell(Message("boom", crash)).wait()
            assert (await slow.wait()).outcome is Outcome.COMPLETED
            assert system.states("b") == ["running"]

    async def test_every_incarnation_is_a_fresh_behaviour(self, autojump_clock: MockClock) -> None:
        incarnations: list[int] = []

        async def note(context: ActorContext[Message]) -> None:
            incarnations.append(context.incarnation)

        async with open_system() as system:
            ref = system.add("a", before_start=note)
            await ref.tell(Message("boom", crash)).wait()
            await ref.ask(Message("next"))
        assert incarnations == [1, 2]

    async def test_a_crash_of_a_background_task_is_a_crash_of_the_actor(
        self, autojump_clock: MockClock
    ) -> None:
        async def fail_later() -> None:
            await trio.sleep(1)
            raise OSError("lost the connection")

        async def start_background(context: ActorContext[Message]) -> None:
            if context.incarnation == 1:
                context.nursery.start_soon(fail_later)

        async with open_system() as system:
            ref = system.add("a", before_start=start_background)
            settlement = await ref.tell(Message("hangs", hang)).wait()
            assert settlement.outcome is Outcome.FAILED
            assert settlement.reason == "its actor crashed: OSError: lost the connection"
            assert await ref.ask(Message("next")) == "next"

    async def test_background_tasks_end_with_their_incarnation(
        self, autojump_clock: MockClock
    ) -> None:
        alive = 0

        async def background() -> None:
            nonlocal alive
            alive += 1
            try:
                await trio.sleep_forever()
            finally:
                alive -= 1

        async def start_background(context: ActorContext[Message]) -> None:
            context.nursery.start_soon(background)

        async with open_system() as system:
            ref = system.add("a", before_start=start_background)
            for _ in range(2):
                await ref.tell(Message(f"boom {trio.current_time()}", crash)).wait()
                await trio.sleep(3)
                assert alive == 1
        assert alive == 0

    async def test_system_exit_in_a_handler_ends_the_handler_not_the_program(
        self, autojump_clock: MockClock
    ) -> None:
        async def leave(_: Performer, __: Envelope[Message]) -> None:
            raise SystemExit(3)

        async with open_system() as system:
            ref = system.add("a")
            settlement = await ref.tell(Message("exit", leave)).wait()
            assert settlement.outcome is Outcome.FAILED
            assert isinstance(settlement.error, SystemExit)
            assert await ref.ask(Message("next")) == "next"

    async def test_keyboard_interrupt_is_for_the_program_but_settles_the_message(self) -> None:
        async def interrupt(_: Performer, __: Envelope[Message]) -> None:
            raise KeyboardInterrupt

        queued: list[Envelope[Message]] = []

        async def run_program() -> None:
            async with open_system() as system:
                ref = system.add("a")
                queued.append(ref.tell(Message("interrupt", interrupt)))
                queued.append(ref.tell(Message("next")))
                await trio.sleep_forever()

        with pytest.raises(BaseExceptionGroup) as caught:
            await run_program()
        assert caught.value.subgroup(KeyboardInterrupt) is not None
        assert [envelope.outcome for envelope in queued] == [Outcome.FAILED, Outcome.CANCELLED]

    async def test_keyboard_interrupt_in_on_stop_is_for_the_program_too(self) -> None:
        async def interrupt(_: ActorContext[Message]) -> None:
            raise KeyboardInterrupt

        async def run_program() -> None:
            async with open_system() as system:
                system.add("a", before_stop=interrupt)
                await system.supervisor.wait_running()
                await system.supervisor.stop(1, 1)

        with pytest.raises(BaseExceptionGroup) as caught:
            await run_program()
        assert caught.value.subgroup(KeyboardInterrupt) is not None

    async def test_listeners_see_each_change_and_cannot_break_it(
        self, autojump_clock: MockClock
    ) -> None:
        def faulty(_: StateChange) -> None:
            raise RuntimeError("bad listener")

        async with open_system() as system:
            system.supervisor.add_listener(faulty)
            ref = system.add("a")
            await ref.tell(Message("boom", crash)).wait()
            await ref.ask(Message("next"))
            assert system.states("a") == ["running", "backoff", "starting", "running"]
            assert system.supervisor.listener_errors == 4
            assert system.supervisor.snapshot().listener_errors == 4


class TestBackoff:
    @given(
        attempt=st.integers(1, 5000),
        jitter=st.floats(0, 1),
        maximum=st.floats(0.1, 100),
        seed=st.integers(0, 99),
    )
    def test_a_delay_is_within_the_jitter_below_the_exponential_and_the_maximum(
        self, attempt: int, jitter: float, maximum: float, seed: int
    ) -> None:
        backoff = Backoff(0.1, 2.0, maximum, jitter, random.Random(seed))
        full = min(maximum, 0.1 * 2.0 ** min(attempt - 1, 900))
        assert full * (1 - jitter) - 1e-9 <= backoff.delay(attempt) <= full

    async def test_each_restart_waits_longer_until_the_actor_has_kept_up(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system(
            backoff=Backoff(initial=1.0, factor=2.0, maximum=3.0, jitter=0.0),
            intensity=Intensity(restarts=4, period=30.0),
        ) as system:
            system.add("a")
            await crash_times(system, "a", 4)
            await trio.sleep(60)
            await crash_times(system, "a", 1)
            delays = [change.retry_in for change in system.changes if change.new == "backoff"]
            assert delays == [1.0, 2.0, 3.0, 3.0, 1.0]

    async def test_equal_seeds_give_equal_delays_and_different_ones_spread(self) -> None:
        def delays(seed: int) -> list[float]:
            backoff = Backoff(rng=random.Random(seed))
            return [backoff.delay(attempt) for attempt in range(1, 6)]

        assert delays(1) == delays(1)
        assert delays(1) != delays(2)


class TestCircuit:
    async def test_too_many_crashes_open_it_and_everything_is_answered_at_once(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system(intensity=Intensity(2, 30.0)) as system:
            ref = system.add("a")
            await crash_times(system, "a", 2)
            queued = [ref.tell(Message("boom", crash)), ref.tell(Message("queued"))]
            await queued[0].wait()
            settlement = await queued[1].wait()
            assert settlement.outcome is Outcome.FAILED
            assert isinstance(settlement.error, Dead)
            assert settlement.reason == "actor 'a' is down: crashed: ValueError: boom"
            assert system.supervisor.state("a") is ActorState.DOWN
            before = trio.current_time()
            with pytest.raises(Dead, match="is down"):
                await ref.ask(Message("refused"))
            assert trio.current_time() == before
            assert system.ledger.dead_letters.counts[Cause.DOWN] == 2

    async def test_it_closes_again_after_the_cooldown(self, autojump_clock: MockClock) -> None:
        async with open_system(intensity=Intensity(0, 30.0), cooldown=20.0) as system:
            ref = system.add("a")
            await crash_times(system, "a", 1)
            await trio.sleep(19)
            assert ref.tell(Message("too early")).outcome is Outcome.REJECTED
            await trio.sleep(2)
            assert await ref.ask(Message("back")) == "back"
            assert system.supervisor.state("a") is ActorState.RUNNING

    async def test_a_crash_before_the_first_success_opens_it_again(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system(intensity=Intensity(1, 5.0), cooldown=20.0) as system:
            system.add("a")
            await crash_times(system, "a", 2)
            await trio.sleep(21)
            await crash_times(system, "a", 1)
            assert system.supervisor.state("a") is ActorState.DOWN
            await trio.sleep(21)
            await system.supervisor.ref("a").ask(Message("works"))
            await crash_times(system, "a", 1)
            assert system.supervisor.state("a") is ActorState.BACKOFF

    async def test_while_it_is_tried_again_messages_are_still_refused(
        self, autojump_clock: MockClock
    ) -> None:
        async def slow_second(context: ActorContext[Message]) -> None:
            if context.incarnation == 2:
                await trio.sleep(10)

        async with open_system(intensity=Intensity(0, 5.0), cooldown=20.0) as system:
            ref = system.add("a", before_start=slow_second)
            await crash_times(system, "a", 1)
            await trio.sleep(25)
            assert system.supervisor.state("a") is ActorState.STARTING
            assert ref.tell(Message("early")).outcome is Outcome.REJECTED
            await trio.sleep(10)
            assert await ref.ask(Message("back")) == "back"

    async def test_crashes_spread_over_time_never_open_it(self, autojump_clock: MockClock) -> None:
        async with open_system(intensity=Intensity(2, 30.0)) as system:
            system.add("a")
            for _ in range(20):
                await crash_times(system, "a", 1)
                await trio.sleep(16)
            assert ActorState.DOWN not in system.states("a")


class TestStart:
    async def test_wait_running_names_what_did_not_start_and_why(
        self, autojump_clock: MockClock
    ) -> None:
        async def refuse(_: ActorContext[Message]) -> None:
            raise OSError("no disk")

        async with open_system() as system:
            system.add("good")
            system.add("bad", before_start=refuse)
            await system.supervisor.wait_running("good")
            with pytest.raises(StartFailed, match=r"'bad' did not start.*no disk"):
                await system.supervisor.wait_running()

    async def test_a_start_that_takes_too_long_counts_as_a_crash(
        self, autojump_clock: MockClock
    ) -> None:
        async def slow_first(context: ActorContext[Message]) -> None:
            if context.incarnation == 1:
                await trio.sleep_forever()

        async with open_system() as system:
            ref = system.add("a", before_start=slow_first, start_timeout=3.0)
            assert await ref.ask(Message("m")) == "m"
            assert trio.current_time() == pytest.approx(4.0, abs=0.1)
            assert isinstance(system.changes[0].error, StartFailed)
            assert "took more than 3.0 s" in system.changes[0].reason

    async def test_on_stop_is_not_called_if_on_start_failed(
        self, autojump_clock: MockClock
    ) -> None:
        async def fail_first(context: ActorContext[Message]) -> None:
            if context.incarnation == 1:
                raise OSError("not yet")

        async with open_system() as system:
            ref = system.add("a", before_start=fail_first)
            await ref.ask(Message("m"))
        assert system.diaries["a"] == ["start", "m", "stop"]

    async def test_a_factory_that_raises_is_a_crash(self, autojump_clock: MockClock) -> None:
        def broken() -> Performer:
            raise TypeError("no such argument")

        async with open_system() as system:
            system.supervisor.add(ChildSpec("a", broken, Mailbox("a", 1)))
            with pytest.raises(StartFailed, match="no such argument"):
                await system.supervisor.wait_running("a")

    async def test_messages_told_before_the_start_are_handled_after_it(self) -> None:
        ledger = Ledger()
        supervisor: Supervisor[Message] = Supervisor(ledger)
        diary: list[str] = []
        async with trio.open_nursery() as nursery:
            ref = supervisor.add(ChildSpec("a", lambda: Performer(diary), Mailbox("a", 10)))
            envelope = ref.tell(Message("early"))
            await nursery.start(supervisor.run)
            await envelope.wait()
            await supervisor.stop(1, 1)
        assert diary == ["start", "early", "stop"]

    async def test_names_are_unique_and_a_stopping_supervisor_takes_no_more(self) -> None:
        async with open_system() as system:
            ref = system.add("a")
            assert system.supervisor.ref("a") is ref
            with pytest.raises(ValueError, match="already has an actor 'a'"):
                system.add("a")
            await system.supervisor.stop(1, 1)
            with pytest.raises(Closed):
                system.add("b")
            with pytest.raises(RuntimeError, match="has been run before"):
                await system.supervisor.run()


class TestRestForOne:
    async def test_those_after_the_crashed_one_come_up_again_after_it(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system(strategy=Strategy.REST_FOR_ONE) as system:
            for name in "abc":
                system.add(name)
            await system.supervisor.wait_running()
            slow = system.supervisor.ref("c").tell(Message("slow", hang))
            queued = system.supervisor.ref("c").tell(Message("queued"))
            await wait_all_tasks_blocked()
            system.changes.clear()
            await system.supervisor.ref("b").tell(Message("boom", crash)).wait()
            await queued.wait()
            settlement = slow.settlement
            assert settlement is not None
            assert settlement.outcome is Outcome.CANCELLED
            assert settlement.reason == "restarted after actor 'b'"
            assert system.states("a") == []
            started = [change.actor for change in system.changes if change.new == "running"]
            assert started == ["b", "c"]
            assert system.diaries["c"] == ["start", "slow", "stop", "start", "queued"]

    async def test_those_after_one_that_is_down_are_down_too_and_recover_with_it(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system(
            strategy=Strategy.REST_FOR_ONE, intensity=Intensity(0, 5.0), cooldown=20.0
        ) as system:
            a, b = system.add("a"), system.add("b")
            await system.supervisor.wait_running()
            await a.tell(Message("boom", crash)).wait()
            await wait_all_tasks_blocked()
            assert system.supervisor.state("b") is ActorState.DOWN
            refused = b.tell(Message("refused"))
            assert refused.settlement is not None
            assert "depends on actor 'a', which is down" in str(refused.settlement.reason)
            system.changes.clear()
            await trio.sleep(21)
            assert await b.ask(Message("back")) == "back"
            assert system.states("b") == ["starting", "running"]

    async def test_they_start_in_order(self, autojump_clock: MockClock) -> None:
        async def slowly(_: ActorContext[Message]) -> None:
            await trio.sleep(1)

        async with open_system(strategy=Strategy.REST_FOR_ONE) as system:
            for name in "abc":
                system.add(name, before_start=slowly)
            await system.supervisor.wait_running()
            assert trio.current_time() == pytest.approx(3.0, abs=0.1)
            running = [change.actor for change in system.changes if change.new == "running"]
            assert running == ["a", "b", "c"]

    async def test_one_that_waits_for_another_can_be_stopped(
        self, autojump_clock: MockClock
    ) -> None:
        async def forever(_: ActorContext[Message]) -> None:
            await trio.sleep_forever()

        async with open_system(strategy=Strategy.REST_FOR_ONE) as system:
            system.add("a", before_start=forever)
            system.add("b")
            report = await system.supervisor.stop(1, 1)
            assert report.cancelled == ("a",)
            assert report.unfinished == ()


class TestStop:
    async def test_a_drained_stop_handles_all_that_is_queued(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            ref = system.add("a")
            for number in range(5):
                ref.tell(Message(str(number), taking(1)))
            report = await system.supervisor.stop(drain=10, kill=1)
            assert report.clean
            assert report.leftovers == 0
            assert report.seconds == pytest.approx(5)
            assert set(system.outcomes().values()) == {"completed"}
            assert system.states("a") == ["running", "stopping", "stopped"]

    async def test_actors_may_send_each_other_messages_while_they_drain(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            a, b = system.add("a"), system.add("b")

            async def ask_b(_: Performer, envelope: Envelope[Message]) -> None:
                await trio.sleep(1)
                envelope.answer(await b.ask(Message("from a", taking(1))))

            a.tell(Message("m", ask_b))
            report = await system.supervisor.stop(drain=10, kill=1)
            assert report.clean
            assert system.outcomes() == {"from a": "completed", "m": "completed"}

    async def test_background_tasks_do_not_hold_up_a_stop(self) -> None:
        async def start_background(context: ActorContext[Message]) -> None:
            context.nursery.start_soon(trio.sleep_forever)

        async with open_system() as system:
            system.add("a", before_start=start_background)
            await system.supervisor.wait_running()
            report = await system.supervisor.stop(drain=1, kill=1)
            assert report.clean

    async def test_they_end_in_reverse_order(self) -> None:
        async with open_system() as system:
            for name in "abc":
                system.add(name)
            await system.supervisor.wait_running()
            await system.supervisor.stop(1, 1)
            stopped = [change.actor for change in system.changes if change.new == "stopped"]
            assert stopped == ["c", "b", "a"]

    async def test_what_is_not_done_at_the_drain_deadline_is_cancelled_and_settled(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            ref = system.add("a")
            system.add("b")
            ref.tell(Message("hangs", hang))
            ref.tell(Message("queued"))
            report = await system.supervisor.stop(drain=2, kill=3)
            assert not report.drained
            assert report.cancelled == ("a",)
            assert report.unfinished == ()
            assert report.leftovers == 2
            assert report.seconds == pytest.approx(2)
            assert system.outcomes() == {"hangs": "cancelled", "queued": "cancelled"}
            assert system.diaries["a"][-1] == "stop"

    async def test_what_does_not_end_is_named_and_its_messages_are_settled(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            ref = system.add("stubborn")
            system.add("good")
            ref.tell(Message("shielded", hang_shielded))
            ref.tell(Message("queued"))
            report = await system.supervisor.stop(drain=1, kill=2)
            assert report.seconds == pytest.approx(3)
            assert report.unfinished == ("stubborn",)
            assert system.outcomes() == {"shielded": "cancelled", "queued": "cancelled"}
            assert system.ledger.balanced
            assert await system.supervisor.stop(1, 1) is report

    async def test_a_hanging_on_stop_is_bounded_by_its_timeout_and_by_the_kill_deadline(
        self, autojump_clock: MockClock
    ) -> None:
        async def forever(_: ActorContext[Message]) -> None:
            await trio.sleep_forever()

        for stop_timeout, seconds in ((3.0, 3.0), (100.0, 11.8)):
            async with open_system() as system:
                system.add("a", before_stop=forever, stop_timeout=stop_timeout)
                await system.supervisor.wait_running()
                report = await system.supervisor.stop(drain=10, kill=2)
                assert report.seconds == pytest.approx(seconds)
                assert report.unfinished == ()

    async def test_on_stop_may_wait_although_its_actor_is_killed(
        self, autojump_clock: MockClock
    ) -> None:
        cleaned: list[bool] = []

        async def clean_up(_: ActorContext[Message]) -> None:
            await trio.sleep(1)
            cleaned.append(True)

        async with open_system() as system:
            ref = system.add("a", before_stop=clean_up)
            ref.tell(Message("hangs", hang))
            report = await system.supervisor.stop(drain=1, kill=5)
            assert report.seconds == pytest.approx(2)
        assert cleaned == [True]

    async def test_an_actor_in_backoff_with_messages_is_waited_for_and_one_without_is_not(
        self, autojump_clock: MockClock
    ) -> None:
        for queued, seconds in ((True, 4.0), (False, 0.0)):
            async with open_system(backoff=Backoff(initial=4.0, jitter=0.0)) as system:
                ref = system.add("a")
                await ref.tell(Message("boom", crash)).wait()
                if queued:
                    ref.tell(Message("queued"))
                report = await system.supervisor.stop(drain=10, kill=1)
                assert report.clean
                assert report.seconds == pytest.approx(seconds)

    async def test_intake_ends_with_a_reason(self) -> None:
        async with open_system() as system:
            ref = system.add("a")
            await system.supervisor.stop(1, 1)
            with pytest.raises(Closed, match="'a' is stopping"):
                await ref.ask(Message("late"))
            assert system.ledger.dead_letters.counts == {Cause.CLOSED: 1}

    async def test_cancelling_the_run_settles_everything(self, autojump_clock: MockClock) -> None:
        ledger = Ledger()
        supervisor: Supervisor[Message] = Supervisor(ledger)
        diary: list[str] = []
        ref = supervisor.add(ChildSpec("a", lambda: Performer(diary), Mailbox("a", 10)))
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                await nursery.start(supervisor.run)
                running, queued = ref.tell(Message("hangs", hang)), ref.tell(Message("queued"))
                await trio.sleep_forever()
        assert running.outcome is queued.outcome is Outcome.CANCELLED
        assert ledger.balanced
        assert diary == ["start", "hangs", "stop"]
        assert supervisor.state("a") is ActorState.STOPPED

    async def test_a_stop_that_was_cancelled_can_be_asked_for_again(
        self, autojump_clock: MockClock
    ) -> None:
        async with open_system() as system:
            ref = system.add("a")
            gate = trio.Event()
            ref.tell(Message("m", gated(gate)))
            with trio.move_on_after(1):
                await system.supervisor.stop(drain=10, kill=1)
            gate.set()
            report = await system.supervisor.stop(drain=10, kill=1)
            assert report.clean

    async def test_a_supervisor_that_never_ran_can_be_stopped(self) -> None:
        ledger = Ledger()
        supervisor: Supervisor[Message] = Supervisor(ledger)
        ref = supervisor.add(ChildSpec("a", lambda: Performer([]), Mailbox("a", 10)))
        envelope = ref.tell(Message("m"))
        report = await supervisor.stop(1, 1)
        assert report.leftovers == 1
        assert envelope.outcome is Outcome.CANCELLED


ENDINGS: dict[str, Callable[[], Message]] = {
    "crash in the handler": lambda: Message("ending", crash),
    "normal end": lambda: Message("ending", end_normally),
    "crash in on_stop": lambda: Message("ending, badly", end_normally),
    "crash in the background": lambda: Message("ending", _start_failing_task),
    "exit": lambda: Message("ending", _exit),
}


async def _start_failing_task(performer: Performer, _: Envelope[Message]) -> None:
    async def fail() -> None:
        raise OSError("background")

    performer.context.nursery.start_soon(fail)
    await trio.sleep_forever()


async def _exit(_: Performer, __: Envelope[Message]) -> None:
    raise SystemExit


class TestMatrix:
    """Each way of ending, with each restart type, under each strategy."""

    @pytest.mark.parametrize("strategy", list(Strategy))
    @pytest.mark.parametrize("restart", list(Restart))
    @pytest.mark.parametrize("ending", list(ENDINGS))
    async def test_restart_types_decide_and_siblings_follow_the_strategy(
        self, autojump_clock: MockClock, ending: str, restart: Restart, strategy: Strategy
    ) -> None:
        async def stop_badly(_: ActorContext[Message]) -> None:
            if ending == "crash in on_stop" and "ending, badly" in system.diaries["b"]:
                raise OSError("cannot let go")

        async with open_system(strategy=strategy) as system:
            system.add("a")
            b = system.add("b", restart=restart, before_stop=stop_badly)
            system.add("c")
            await system.supervisor.wait_running()
            end = b.tell(ENDINGS[ending]())
            left = b.tell(Message("left"))
            await end.wait()
            await trio.sleep(5)
            crashed = ending != "normal end"
            restarted = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and crashed)
            assert system.supervisor.state("b") is (
                ActorState.RUNNING if restarted else ActorState.STOPPED
            )
            if restarted:
                assert left.outcome is Outcome.COMPLETED
            else:
                assert left.outcome is (Outcome.FAILED if crashed else Outcome.CANCELLED)
                refused = b.tell(Message("refused"))
                assert refused.outcome is Outcome.REJECTED
            fails_message = ending in ("crash in the handler", "crash in the background", "exit")
            assert end.outcome is (Outcome.FAILED if fails_message else Outcome.COMPLETED)
            assert system.diaries["a"] == ["start"]
            follows = restarted and strategy is Strategy.REST_FOR_ONE
            assert system.diaries["c"] == (["start", "stop", "start"] if follows else ["start"])

    @pytest.mark.parametrize("restart", list(Restart))
    async def test_a_sibling_restarted_by_rest_for_one_follows_its_own_type(
        self, autojump_clock: MockClock, restart: Restart
    ) -> None:
        async with open_system(strategy=Strategy.REST_FOR_ONE) as system:
            a = system.add("a")
            system.add("b", restart=restart)
            await system.supervisor.wait_running()
            await a.tell(Message("boom", crash)).wait()
            await trio.sleep(5)
            expected = ActorState.STOPPED if restart is Restart.TEMPORARY else ActorState.RUNNING
            assert system.supervisor.state("b") is expected


async def test_a_waiting_actor_told_to_stop_from_its_background_ends_at_once(
    autojump_clock: MockClock,
) -> None:
    async def stop_later(context: ActorContext[Message]) -> None:
        async def later() -> None:
            await trio.sleep(1)
            context.stop()

        context.nursery.start_soon(later)

    async with open_system() as system:
        system.add("a", restart=Restart.TRANSIENT, before_start=stop_later)
        await trio.sleep(2)
        assert system.supervisor.state("a") is ActorState.STOPPED


async def test_a_snapshot_counts_what_happened(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = system.add("a", capacity=3)
        await ref.ask(Message("m", taking(1)))
        await ref.tell(Message("boom", crash)).wait()
        await trio.sleep(2)
        ref.tell(Message("hangs", hang))
        await wait_all_tasks_blocked()
        for number in range(4):
            ref.tell(Message(str(number)))
        snapshot = system.supervisor.snapshot()
        (actor,) = snapshot.actors
        assert (actor.name, actor.state, actor.running) == ("a", "running", True)
        assert (actor.depth, actor.capacity) == (3, 3)
        assert (actor.accepted, actor.rejected) == (6, 1)
        assert (actor.handled, actor.failed, actor.restarts) == (2, 1, 1)
        assert actor.run.max == pytest.approx(1)
        assert snapshot.in_flight == 4
        assert snapshot.outcomes["completed"] == 1
        assert snapshot.dead_letters == {"full": 1}
