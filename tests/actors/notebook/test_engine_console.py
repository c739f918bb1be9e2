"""Console text is merged, keeps its order, and is delivered before what is told next."""

from __future__ import annotations

import io
import threading

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.notebook.console import Channel, Console, ConsoleStream
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import TRACEBACK_MIMETYPE, CellOutput

A, B = CellId("a"), CellId("b")


@attrs.define(eq=False)
class Told:
    """What a console has delivered."""

    ops: list[CellOpNotification] = attrs.field(factory=list)
    wakes: int = 0

    def console(self, max_write: int = 1_000_000) -> Console:
        def wake() -> None:
            self.wakes += 1

        return Console(self.ops.append, wake, max_write)

    @property
    def items(self) -> list[tuple[str, str, str]]:
        told: list[tuple[str, str, str]] = []
        for op in self.ops:
            console = op.console if isinstance(op.console, list) else [op.console]
            told += [(op.cell_id, item.channel, str(item.data)) for item in console if item]
        return told


def test_nothing_is_delivered_before_it_is_asked_for_and_one_wake_up_covers_it() -> None:
    told = Told()
    console = told.console()
    console.write(A, "stdout", "one")
    console.write(A, "stdout", "two")
    assert (told.ops, told.wakes) == ([], 1)
    console.flush()
    assert told.items == [("a", "stdout", "onetwo")]
    console.write(A, "stdout", "three")
    assert told.wakes == 2


def test_adjacent_pieces_of_one_channel_are_merged_and_others_are_not() -> None:
    told = Told()
    console = told.console()
    pieces: list[tuple[Channel, str]] = [
        ("stdout", "1"),
        ("stdout", "2"),
        ("stderr", "3"),
        ("stdout", "4"),
    ]
    for channel, text in pieces:
        console.write(A, channel, text)
    console.flush()
    assert told.items == [("a", "stdout", "12"), ("a", "stderr", "3"), ("a", "stdout", "4")]
    assert len(told.ops) == 1


def test_markup_is_not_merged_with_anything() -> None:
    told = Told()
    console = told.console()
    console.write(A, "stderr", "text")
    console.write(A, "stderr", "<b>1</b>", TRACEBACK_MIMETYPE)
    console.write(A, "stderr", "<b>2</b>", TRACEBACK_MIMETYPE)
    console.write(A, "stderr", "text")
    console.flush()
    assert [text for _, _, text in told.items] == ["text", "<b>1</b>", "<b>2</b>", "text"]


def test_a_single_piece_is_sent_as_an_item_and_several_as_a_list() -> None:
    told = Told()
    console = told.console()
    console.write(A, "stdout", "1")
    console.flush()
    console.write(A, "stdout", "1")
    console.write(A, "stderr", "2")
    console.flush()
    assert isinstance(told.ops[0].console, CellOutput)
    assert isinstance(told.ops[1].console, list)
    assert {op.run_id for op in told.ops} == {None}


def test_an_empty_write_and_an_empty_flush_tell_nothing() -> None:
    told = Told()
    console = told.console()
    console.write(A, "stdout", "")
    console.flush()
    assert (told.ops, told.wakes) == ([], 0)


def test_a_long_write_is_cut_and_the_loss_is_told_on_stderr() -> None:
    told = Told()
    console = told.console(max_write=3)
    console.write(A, "stdout", "12345")
    console.write(A, "stdout", "123")
    console.flush()
    assert told.items[0] == ("a", "stdout", "123...")
    assert told.items[1][1] == "stderr"
    assert "2 characters more than the 3" in told.items[1][2]
    assert told.items[2] == ("a", "stdout", "123")


def test_a_writer_that_is_far_ahead_delivers_itself() -> None:
    told = Told()
    console = told.console()
    for _ in range(3):
        console.write(A, "stdout", "x" * 200_000)
    assert sum(len(text) for _, _, text in told.items) == 400_000
    console.flush()
    assert sum(len(text) for _, _, text in told.items) == 600_000


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from([A, B]),
                st.sampled_from(["stdout", "stderr"]),
                st.text("xyz\n", max_size=3),
            ),
            st.just("flush"),
        ),
        max_size=30,
    )
)
def test_whatever_is_written_arrives_in_order_per_cell_and_channel(steps: list[object]) -> None:
    told = Told()
    console = told.console()
    expected: dict[str, list[tuple[str, str]]] = {"a": [], "b": []}
    for step in steps:
        if isinstance(step, tuple):
            console.write(*step)
            expected[step[0]] += [(step[1], character) for character in step[2]]
        else:
            console.flush()
    console.flush()
    for cell, characters in expected.items():
        got = [(channel, c) for owner, channel, text in told.items if owner == cell for c in text]
        assert got == characters


def test_the_control_thread_does_not_wait_for_a_writer_that_waits_for_it() -> None:
    held, let_go = threading.Event(), threading.Event()

    def emit(op: CellOpNotification) -> None:
        held.set()
        let_go.wait()

    console = Console(emit, lambda: None)
    console.write(A, "stdout", "x")
    writer = threading.Thread(target=console.flush)
    writer.start()
    held.wait()
    assert console.flush_nowait() is False
    let_go.set()
    writer.join()
    assert console.flush_nowait() is True


def test_threads_that_write_at_once_lose_nothing() -> None:
    told = Told()
    console = told.console()

    def work(cell: CellId) -> None:
        for n in range(500):
            console.write(cell, "stdout", f"{n}\n")
            if n % 50 == 0:
                console.flush()

    threads = [threading.Thread(target=work, args=(cell,)) for cell in (A, B)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    console.flush()
    for cell in ("a", "b"):
        text = "".join(text for owner, _, text in told.items if owner == cell)
        assert text == "".join(f"{n}\n" for n in range(500))


# streams


@pytest.fixture
def told() -> Told:
    return Told()


def stream(told: Told, owner: CellId | None, fallback: io.StringIO) -> ConsoleStream:
    return ConsoleStream(told.console(), "stdout", lambda: owner, fallback, InterruptGate())


def test_a_stream_writes_to_the_console_of_the_calling_cell(told: Told) -> None:
    out = stream(told, A, io.StringIO())
    assert out.write("text\n") == 5
    print("more", file=out, flush=True)
    assert told.items == [("a", "stdout", "text\nmore\n")]


def test_text_of_no_cell_goes_where_it_went_before(told: Told) -> None:
    fallback = io.StringIO()
    out = stream(told, None, fallback)
    print("text", file=out, flush=True)
    assert (told.items, fallback.getvalue()) == ([], "text\n")


def test_a_stream_is_like_one_of_the_interpreters(told: Told) -> None:
    out = stream(told, A, io.StringIO())
    assert (out.writable(), out.readable(), out.isatty()) == (True, False, False)
    assert (out.encoding, out.errors, out.name) == ("utf-8", "backslashreplace", "<stdout>")
    out.writelines(["a", "b"])
    with pytest.raises(TypeError, match="must be str, not bytes"):
        out.write(b"x")  # type: ignore[arg-type]
    with pytest.raises(OSError):
        out.fileno()
    out.flush()
    assert told.items == [("a", "stdout", "ab")]
