"""Dead letters, the ledger's books and histograms."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.runtime import (
    Cause,
    DeadLetter,
    DeadLetters,
    Histogram,
    Ledger,
    Mailbox,
    Outcome,
    Ref,
)


def record(letters: DeadLetters, number: int, message: object = "secret") -> None:
    letters.record(
        message, seq=number, target="a", cause=Cause.FULL, reason="full", at=float(number)
    )


class TestDeadLetters:
    def test_the_latest_are_kept_and_all_are_counted(self) -> None:
        letters = DeadLetters(capacity=3)
        for number in range(10):
            record(letters, number)
        assert [letter.seq for letter in letters.latest()] == [7, 8, 9]
        assert letters.counts == {Cause.FULL: 10}
        assert letters.total == 10

    def test_messages_are_not_kept_unless_asked_for(self) -> None:
        letters = DeadLetters()
        record(letters, 1)
        (letter,) = letters.latest()
        assert (letter.message_type, letter.message) == ("str", None)
        assert "secret" not in repr(letter)
        keeping = DeadLetters(keep_messages=True)
        record(keeping, 1)
        assert keeping.latest()[0].message == "secret"

    def test_listeners_hear_of_each_and_cannot_break_it(self) -> None:
        letters = DeadLetters(capacity=0)
        heard: list[DeadLetter] = []

        def faulty(_: DeadLetter) -> None:
            raise RuntimeError("bad listener")

        letters.add_listener(faulty)
        letters.add_listener(heard.append)
        record(letters, 1)
        assert len(heard) == 1
        assert letters.listener_errors == 1
        assert letters.latest() == ()


class TestLedger:
    async def test_the_books_add_up_at_every_step(self) -> None:
        ledger = Ledger()
        ref: Ref[str] = Ref(Mailbox("a", 2), ledger.account("a"))
        first, second, refused = (ref.tell(text) for text in "abc")
        assert (ledger.accepted, ledger.rejected, ledger.in_flight) == (2, 1, 2)
        assert ledger.in_flight == 2
        assert first.settle(Outcome.COMPLETED)
        first.expire()
        assert not first.cancel()
        assert not first.settle(Outcome.FAILED)
        assert second.cancel()
        assert refused.outcome is Outcome.REJECTED
        assert ledger.balanced
        assert ledger.settled == 3
        assert ledger.outcomes == {
            Outcome.COMPLETED: 1,
            Outcome.FAILED: 0,
            Outcome.SUPERSEDED: 0,
            Outcome.REJECTED: 1,
            Outcome.CANCELLED: 1,
            Outcome.EXPIRED: 0,
        }
        assert set(ledger.accounts) == {"a"}

    def test_an_unknown_listener_cannot_be_removed(self) -> None:
        with pytest.raises(ValueError):
            Ledger().remove_listener(lambda _: None)


class TestHistogram:
    def test_an_empty_one_is_all_zeros(self) -> None:
        snapshot = Histogram().snapshot()
        assert (snapshot.count, snapshot.p50, snapshot.p99, snapshot.max) == (0, 0.0, 0.0, 0.0)

    @given(st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=200))
    def test_quantiles_are_at_most_a_quarter_above_the_true_ones(
        self, durations: Sequence[float]
    ) -> None:
        histogram = Histogram()
        for seconds in durations:
            histogram.record(seconds)
        ordered = sorted(durations)
        snapshot = histogram.snapshot()
        assert snapshot.count == len(durations)
        assert snapshot.max == ordered[-1]
        assert snapshot.total == pytest.approx(sum(durations))
        for fraction, found in ((0.5, snapshot.p50), (0.99, snapshot.p99)):
            true = ordered[max(0, -int(-fraction * len(ordered) // 1) - 1)]
            if 2e-9 <= true <= 16_000:
                assert true <= found <= true * 1.25
            assert found <= snapshot.max

    def test_a_negative_duration_counts_as_the_shortest(self) -> None:
        histogram = Histogram()
        histogram.record(-1.0)
        assert histogram.snapshot().count == 1
