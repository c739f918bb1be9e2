"""An interrupt of a thread that starts threads hits that thread, and none that it starts."""

from __future__ import annotations

import sys
import threading

import pytest

from callboard.actors.notebook.interrupts import ThreadBreaker

STRIKES = 100


@pytest.mark.timeout(60)
def test_a_strike_never_hits_a_thread_that_is_being_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    died: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", died.append)
    caught = threading.Semaphore(0)
    over = threading.Event()

    def start_threads() -> None:
        while not over.is_set():
            try:
                while not over.is_set():
                    started = threading.Thread(target=int)
                    started.start()
                    started.join()
            except KeyboardInterrupt:
                caught.release()

    victim = threading.Thread(target=start_threads, daemon=True)
    victim.start()
    assert victim.ident is not None
    breaker = ThreadBreaker(victim.ident)
    for number in range(STRIKES):
        breaker.strike()
        assert caught.acquire(timeout=10), f"strike {number} was lost: {died}"
    over.set()
    victim.join(10)
    assert not victim.is_alive()
    assert died == []


def test_a_strike_that_waits_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from callboard.actors.notebook import interrupts

    being_started: dict[object, object] = {"a thread": None}
    monkeypatch.setattr(interrupts, "_BEING_STARTED", being_started)
    breaker = ThreadBreaker(threading.get_ident())
    breaker.strike()
    assert breaker.recall()
    assert not breaker.recall(), "there is none any more"
    waiting = [each for each in threading.enumerate() if each.name == "callboard interrupt"]
    for thread in waiting:
        thread.join(10)
    being_started.clear()
    assert not breaker.recall()
