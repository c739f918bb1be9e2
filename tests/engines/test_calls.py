"""Interrupts hit the call under way and nothing else."""

from __future__ import annotations

import threading

import pytest

from callboard.engines import calls as calls_module
from callboard.engines.calls import Calls, Cancel, Interrupted


def test_an_interrupt_calls_the_cancel_of_the_block_it_comes_in() -> None:
    calls, hits = Calls(), []
    calls.interrupt()
    with calls.running() as call:
        with call.cancelled_by(Cancel(lambda: hits.append("first"))):
            pass
        with call.cancelled_by(Cancel(lambda: hits.append("second"))):
            calls.interrupt()
        assert hits == ["second"]
        assert call.interrupted
        with pytest.raises(Interrupted):
            call.check()
        with pytest.raises(Interrupted), call.cancelled_by(Cancel(lambda: hits.append("third"))):
            raise AssertionError("the block must not begin")
    calls.interrupt()
    with calls.running() as call:
        call.check()
        with call.cancelled_by(None):
            pass
    assert hits == ["second"]


def test_a_cancel_that_fails_is_no_error() -> None:
    calls = Calls()
    with calls.running() as call, call.cancelled_by(Cancel(lambda: 1 / 0)):
        calls.interrupt()
    assert call.interrupted


def test_a_cancel_that_asks_a_server_keeps_nobody_waiting_but_the_block() -> None:
    calls = Calls()
    asked, answered = threading.Event(), threading.Event()
    order = []

    def ask() -> None:
        asked.set()
        assert answered.wait(30)
        order.append("answered")

    with calls.running() as call:
        with call.cancelled_by(Cancel(ask, remote=True)):
            calls.interrupt()
            assert asked.wait(30)
            assert order == []
            answered.set()
        order.append("block left")
    assert order == ["answered", "block left"]


def test_a_server_that_never_answers_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls_module, "CANCEL_PATIENCE", 0.01)
    calls, answered = Calls(), threading.Event()
    with (
        calls.running() as call,
        call.cancelled_by(Cancel(lambda: answered.wait(30), remote=True)),
    ):
        calls.interrupt()
    assert not answered.is_set()
    answered.set()


def test_all_calls_under_way_are_interrupted() -> None:
    calls, hits = Calls(), []
    with (
        calls.running() as first,
        calls.running() as second,
        first.cancelled_by(Cancel(lambda: hits.append(1))),
        second.cancelled_by(Cancel(lambda: hits.append(2))),
    ):
        calls.interrupt()
    assert hits == [1, 2]
