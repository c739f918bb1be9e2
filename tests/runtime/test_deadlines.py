"""One timer for many deadlines."""

from __future__ import annotations

import random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.runtime import Envelope, Ledger, Mailbox, Outcome, Ref, Settlement
from callboard.runtime.deadlines import Deadlines


async def test_a_finished_timer_sleeps_until_there_is_something_to_do(
    autojump_clock: MockClock,
) -> None:
    ledger = Ledger()
    deadlines = Deadlines()
    ref: Ref[str] = Ref(Mailbox("a", 10), ledger.account("a"), deadlines)
    async with trio.open_nursery() as nursery:
        early = ref.tell("settled before the timer runs", deadline=1.0)
        early.settle(Outcome.COMPLETED)
        nursery.start_soon(deadlines.run)
        await trio.sleep(2)
        assert len(deadlines) == 0
        late, sooner = ref.tell("late", deadline=9.0), ref.tell("sooner", deadline=5.0)
        await sooner.wait()
        assert trio.current_time() == pytest.approx(5.0)
        assert not late.settled
        await late.wait()
        assert trio.current_time() == pytest.approx(9.0)
        nursery.cancel_scope.cancel()


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    number=st.integers(1, 300),
    settled_part=st.sampled_from([0.1, 0.9]),
)
def test_each_expires_in_its_time_and_those_that_ended_are_forgotten(
    seed: int, number: int, settled_part: float
) -> None:
    rng = random.Random(seed)
    deadlines_in = [rng.randint(1, 50) for _ in range(number)]
    settled_early = {index for index in range(number) if rng.random() < settled_part}

    async def main() -> None:
        ledger = Ledger()
        deadlines = Deadlines()
        ref: Ref[int] = Ref(Mailbox("a", 300), ledger.account("a"), deadlines)
        expired: list[tuple[float, float]] = []

        def note(settlement: Settlement) -> None:
            if settlement.outcome is Outcome.EXPIRED:
                assert isinstance(settlement.message, int)
                expired.append((settlement.message, trio.current_time()))

        ledger.add_listener(note)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deadlines.run)
            await wait_all_tasks_blocked()
            envelopes: list[Envelope[int]] = [
                ref.tell(seconds, deadline=float(seconds)) for seconds in deadlines_in
            ]
            for index, envelope in enumerate(envelopes):
                if index in settled_early:
                    envelope.settle(Outcome.COMPLETED)
                    ended = sum(entry[2].settled for entry in deadlines._heap)
                    assert deadlines._settled == ended
                    assert ended <= max(64, len(deadlines._heap) // 2)
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
        left = [due for index, due in enumerate(deadlines_in) if index not in settled_early]
        assert expired == [(due, float(due)) for due in sorted(left)]
        assert deadlines._settled == len(deadlines) == 0
        assert ledger.balanced

    trio.run(main, clock=MockClock(autojump_threshold=0))
