"""Installer output on a terminal that may stand still."""

from __future__ import annotations

import threading

from callboard.actors.packages.terminal import Terminal


class Stream:
    """A terminal that can be stopped and started."""

    def __init__(self) -> None:
        self.text = ""
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.was_reached = threading.Event()
        self.error: Exception | None = None

    def write(self, text: str) -> None:
        self.was_reached.set()
        assert self.may_go_on.wait(10)
        self.text += text
        if self.error is not None:
            raise self.error

    def flush(self) -> None:
        pass


def test_text_is_written_in_order() -> None:
    stream = Stream()
    terminal = Terminal(stream)
    for number in range(100):
        terminal(f"{number}\n")
    assert terminal.close(10)
    assert stream.text == "".join(f"{number}\n" for number in range(100))


def test_a_terminal_that_stands_still_stops_nobody_and_says_later_what_is_missing() -> None:
    stream = Stream()
    stream.may_go_on.clear()
    terminal = Terminal(stream, capacity=3)
    terminal("a\n")
    assert stream.was_reached.wait(10)
    for _ in range(10):
        terminal("b\n")
    assert not terminal.close(0.01)
    stream.may_go_on.set()
    assert terminal.close(10)
    assert stream.text == "a\nb\nb\nb\n[7 pieces of output left out]\n"


def test_errors_of_the_terminal_are_its_own() -> None:
    for error in (OSError("gone"), ValueError("closed file")):
        stream = Stream()
        stream.error = error
        terminal = Terminal(stream)
        terminal("a")
        assert terminal.close(10)
        assert stream.text == "a"


def test_a_terminal_nothing_was_written_to_has_no_thread_and_closed_takes_nothing() -> None:
    stream = Stream()
    before = threading.active_count()
    terminal = Terminal(stream)
    assert threading.active_count() == before
    assert terminal.close()
    terminal("late")
    assert terminal.close()
    assert stream.text == ""
