"""Lines out of bytes, in bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.packages.lines import LineSplitter, OutputLimits, OutputReader


def read(*chunks: bytes, max_line: int = 1000) -> list[str]:
    splitter = LineSplitter(max_line)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.flush()]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r20%\r100%\n", ["100%"]),
        (b"\r10%\r20%\r\ndone\n", ["20%", "done"]),
        (b"10%\r20%\r", ["20%"]),
        (b"a\r\r\nb", ["a", "b"]),
        (b"caf\xc3\xa9\n\xff\n", ["café", "\ufffd"]),
        (b"a\x00b\n", ["a\x00b"]),
    ],
)
def test_bytes_become_lines(data: bytes, lines: list[str]) -> None:
    assert read(data) == lines


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xc3", b"\xa9", b" word", b"\n\n"])),
    st.data(),
)
def test_lines_do_not_depend_on_the_chunks(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    for max_line in (5, 1000):
        assert read(*chunks, max_line=max_line) == read(stream, max_line=max_line)


@given(st.lists(st.text(alphabet="ab é", max_size=20), max_size=20))
def test_plain_lines_are_the_lines(lines: list[str]) -> None:
    assert read("".join(f"{line}\n" for line in lines).encode()) == lines


def test_a_long_line_is_cut_before_the_word_that_does_not_fit() -> None:
    assert read(b"one two three\nfour\n", max_line=9) == ["one two…", "four"]
    assert read(b"onetwothree\nfour\n", max_line=6) == ["onetwo…", "four"]
    assert read("éééé\n".encode(), max_line=3) == ["é\ufffd…"]


def run(limits: OutputLimits, *chunks: bytes) -> list[str]:
    reader = OutputReader(limits)
    lines = [line for chunk in chunks for line in reader.feed(chunk)]
    return [*lines, *reader.finish()]


SMALL = OutputLimits(max_lines=3, max_bytes=1000, max_line=100, tail=2)


def test_output_within_the_limits_is_passed_on_whole() -> None:
    assert run(SMALL, b"1\n2\n3\n") == ["1", "2", "3"]
    assert run(SMALL, b"1\n2\n", b"3") == ["1", "2", "3"]


def test_a_tail_that_fits_needs_no_note() -> None:
    assert run(SMALL, b"1\n2\n3\n4\n5\n") == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_the_note_counts_what_was_left_out_whatever_the_chunks(chunk: int) -> None:
    data = b"".join(b"%d\n" % number for number in range(200))
    chunks = [data[start : start + chunk] for start in range(0, len(data), chunk)]
    assert run(SMALL, *chunks) == [
        "0",
        "1",
        "2",
        "[195 lines of output left out]",
        "198",
        "199",
    ]


def test_an_unfinished_line_at_the_limit_is_one_line() -> None:
    assert run(SMALL, b"1\n2\n3\n4", b"4\n5\n") == ["1", "2", "3", "44", "5"]


def test_too_many_bytes_are_cut_off_like_too_many_lines() -> None:
    limits = OutputLimits(max_lines=100, max_bytes=20, max_line=10, tail=1)
    lines = run(limits, *[b"0123456\n"] * 50)
    assert lines == ["0123456", "0123456", "0123456", "[46 lines of output left out]", "0123456"]


def test_what_is_held_of_a_flood_is_bounded() -> None:
    reader = OutputReader(SMALL)
    reader.feed(b"1\n2\n3\n4\n")
    for _ in range(1000):
        assert reader.feed(b"x" * 10_000) == []
    assert len(reader._rest) <= 2 * SMALL.tail * SMALL.max_line + 10_000
    assert sum(map(len, reader.finish())) < 500


@given(st.lists(st.sampled_from([b"a\n", b"bb", b"\n", b"\r", b"ccc\n"]), max_size=60))
def test_no_line_is_lost_without_being_counted(chunks: list[bytes]) -> None:
    whole = read(b"".join(chunks))
    lines = run(SMALL, *chunks)
    notes = [line for line in lines if line.startswith("[")]
    left_out = int(notes[0][1:].split()[0]) if notes else 0
    assert len(lines) - len(notes) + left_out == len(whole)
    assert lines[:3] == whole[:3]
