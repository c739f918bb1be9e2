"""What notebook code calls, apart from elements."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator

import attrs
import pytest

import callboard as cb
from callboard.authoring.context import OutsideCell, current_context, installed, require_context
from callboard.authoring.markdown import Markdown
from callboard.authoring.queries import RunningQuery
from callboard.messages.ids import CellId, UIElementId
from callboard.messages.payloads import HTTPRequest, RequestURL
from callboard.ui import UIElement
from callboard.ui.registry import ElementRegistry


@attrs.define(eq=False)
class FakeCell:
    """A running cell that records what it is asked for."""

    cell_id: CellId | None = None
    registry: ElementRegistry = attrs.Factory(ElementRegistry)
    request: HTTPRequest | None = None
    output: list[object] = attrs.Factory(list)
    threads: list[cb.Thread] = attrs.Factory(list)
    ended: list[cb.Thread] = attrs.Factory(list)

    def next_element_id(self) -> UIElementId:
        return UIElementId("id")

    def initial_value(self, element_id: UIElementId) -> tuple[bool, object]:
        return False, None

    def may_read(self, element: UIElement[object]) -> bool:
        return True

    def append_output(self, value: object) -> None:
        self.output.append(value)

    def replace_output(self, value: object) -> None:
        self.output[:] = [value]

    def clear_output(self) -> None:
        self.output.clear()

    def thread_started(self, thread: cb.Thread) -> None:
        self.threads.append(thread)

    def thread_ended(self, thread: cb.Thread) -> None:
        self.ended.append(thread)

    def query_started(self, query: RunningQuery) -> None:
        pass

    def query_ended(self, query: RunningQuery) -> None:
        pass


@pytest.fixture
def cell() -> Iterator[FakeCell]:
    fake = FakeCell()
    with installed(fake):
        yield fake


def test_a_context_is_current_for_its_block_only() -> None:
    outer, inner = FakeCell(), FakeCell()
    with installed(outer):
        with installed(inner):
            assert require_context() is inner
        with pytest.raises(ZeroDivisionError), installed(inner):
            raise ZeroDivisionError
        assert require_context() is outer
    assert current_context.get() is None


def test_what_needs_a_cell_says_so_outside_one() -> None:
    with pytest.raises(OutsideCell, match="needs a running cell"):
        require_context()


@pytest.mark.parametrize("predicate", [True, 1, "yes", [0]])
def test_stop_ends_the_cell_with_an_output(predicate: object) -> None:
    with pytest.raises(cb.StopCell) as caught:
        cb.stop(predicate, "shown")
    assert caught.value.output == "shown"


@pytest.mark.parametrize("predicate", [False, 0, "", None, []])
def test_stop_lets_the_cell_go_on(predicate: object) -> None:
    cb.stop(predicate)


def test_stop_is_no_error_that_user_code_catches() -> None:
    def careful() -> None:
        try:
            cb.stop(True)
        except Exception as error:
            raise AssertionError from error

    with pytest.raises(cb.StopCell):
        careful()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# a", "# a"),
        ("  a  ", "a"),
        ("\n    # a\n\n    b\n", "# a\n\nb"),
        ("# a\n    b\n      c\n    ", "# a\nb\n  c"),
        ("\n    a\n        code\n", "a\n    code"),
        ("", ""),
        ("\n\n", ""),
    ],
)
def test_markdown_loses_the_indentation_of_the_code_around_it(text: str, shown: str) -> None:
    assert cb.md(text).text == str(cb.md(text)) == shown
    assert cb.md(text)._mime_() == ("text/markdown", shown)


def test_markdown_is_refused_other_than_as_text() -> None:
    with pytest.raises(TypeError, match="md: text must be a string, not int"):
        Markdown(3)  # type: ignore[arg-type]
    assert repr(cb.md("a")) == "Markdown('a')"


def test_an_element_can_stand_in_markdown() -> None:
    slider = cb.ui.slider(0, 10)
    assert cb.md(f"Age: {slider}").text == f"Age: {slider._mime_()[1]}"


def test_output_goes_to_the_running_cell(cell: FakeCell) -> None:
    cb.output.append(1)
    cb.output.append(2)
    assert cell.output == [1, 2]
    cb.output.replace(3)
    assert cell.output == [3]
    cb.output.clear()
    assert cell.output == []


def test_output_of_a_plain_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    cb.output.append([1])
    cb.output.replace(cb.md("# a"))
    cb.output.clear()
    assert capsys.readouterr().out == "[1]\n# a\n"


def test_the_request_is_that_of_the_running_command(cell: FakeCell) -> None:
    assert cb.request() is None
    cell.request = HTTPRequest(RequestURL("/"))
    assert cb.request() is cell.request
    with installed(None):
        assert cb.request() is None


def test_a_thread_belongs_to_the_cell_that_starts_it(cell: FakeCell) -> None:
    def work() -> None:
        assert cell.ended == []
        assert cb.current_thread() is thread
        cb.output.append("from the thread")

    thread = cb.Thread(target=work)
    assert cell.threads == []
    thread.start()
    thread.join()
    assert cell.output == ["from the thread"]
    assert cell.threads == cell.ended == [thread]
    assert thread.daemon


def test_a_thread_sees_the_context_variables_as_they_are_when_it_starts(cell: FakeCell) -> None:
    colour = contextvars.ContextVar("colour", default="none")
    seen: list[str] = []

    def work() -> None:
        seen.append(colour.get())
        colour.set("its own")

    thread = cb.Thread(target=work)
    colour.set("red")
    thread.start()
    thread.join()
    assert seen == ["red"]
    assert colour.get() == "red"


def test_a_thread_may_override_run(cell: FakeCell) -> None:
    class Worker(cb.Thread):
        def run(self) -> None:
            cb.output.append("ran")

    worker = Worker()
    worker.start()
    worker.join()
    assert cell.output == ["ran"]
    assert cell.ended == [worker]


def test_a_thread_is_asked_to_exit_and_need_not_poll(cell: FakeCell) -> None:
    seen: list[bool] = []

    def work() -> None:
        me = cb.current_thread()
        seen.append(me.should_exit)
        waiting.set()
        seen.append(me.wait_for_exit(30))
        seen.append(me.should_exit)

    waiting = threading.Event()
    thread = cb.Thread(target=work)
    thread.start()
    waiting.wait(30)
    thread.request_exit()
    thread.request_exit()
    thread.join()
    assert seen == [False, True, True]
    assert cb.Thread().wait_for_exit(0) is False


def test_an_error_of_a_thread_is_reported_in_the_context_of_its_cell(
    cell: FakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(args: threading.ExceptHookArgs) -> None:
        cb.output.append((args.exc_type, args.thread))

    def fail() -> None:
        raise OSError

    monkeypatch.setattr(threading, "excepthook", report)
    thread = cb.Thread(target=fail)
    thread.start()
    thread.join()
    assert cell.output == [(OSError, thread)]
    assert cell.ended == [thread]


def test_an_exit_in_a_thread_ends_that_thread(cell: FakeCell) -> None:
    def leave() -> None:
        raise SystemExit

    thread = cb.Thread(target=leave)
    thread.start()
    thread.join()
    assert cell.ended == [thread]


def test_a_thread_cannot_be_started_twice(cell: FakeCell) -> None:
    thread = cb.Thread(target=lambda: None)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="once"):
        thread.start()
    assert cell.threads == cell.ended == [thread]


def test_in_a_plain_script_it_is_an_ordinary_thread() -> None:
    seen: list[object] = []
    thread = cb.Thread(target=seen.append, args=("ran",), name="worker", daemon=False)
    thread.start()
    thread.join()
    assert seen == ["ran"]
    assert (thread.name, thread.daemon) == ("worker", False)


def test_other_threads_are_no_threads_of_a_cell() -> None:
    with pytest.raises(RuntimeError, match=r"does not run in a cb\.Thread"):
        cb.current_thread()
