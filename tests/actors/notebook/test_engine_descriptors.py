"""Whatever is written to descriptors 1 and 2 is handed over in full, and they are put back."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PRELUDE = """
import os, subprocess, sys, threading
from callboard.actors.notebook.descriptors import DescriptorCapture

said = []
def text(channel):
    return "".join(piece for c, piece in said if c == channel)
"""


def in_a_process(code: str) -> tuple[str, str]:
    """Run code that captures its own descriptors; return what came out after all."""
    script = PRELUDE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_what_is_written_is_handed_over_by_channel_and_nothing_gets_out() -> None:
    out, err = in_a_process(
        """
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            os.write(1, b"out")
            os.write(2, b"err")
            capture.drain()
            assert (text("stdout"), text("stderr")) == ("out", "err"), said
        print("back")
        """
    )
    assert (out, err) == ("back\n", "")


def test_after_a_drain_everything_written_before_it_has_been_handed_over() -> None:
    in_a_process(
        """
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            for n in range(200):
                os.write(1, b"%d\\n" % n)
                capture.drain()
                assert text("stdout").endswith(f"{n}\\n"), n
            subprocess.run(["sh", "-c", "printf child"])
            capture.drain()
            assert text("stdout").endswith("child")
        """
    )


def test_c_code_is_flushed() -> None:
    in_a_process(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.printf(b"before")
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            libc.printf(b"inside")
            capture.drain()
            assert text("stdout") == "inside", said
        """
    )


def test_more_than_a_pipe_holds_does_not_block_the_writer() -> None:
    in_a_process(
        """
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            for _ in range(50):
                os.write(1, b"x" * 100_000)
            capture.drain()
        assert len(text("stdout")) == 5_000_000
        """
    )


def test_characters_cut_by_a_read_arrive_whole_and_broken_ones_are_replaced() -> None:
    in_a_process(
        """
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            for byte in "é✓".encode():
                os.write(1, bytes([byte]))
                capture.drain()
            os.write(1, b"\\xff")
            capture.drain()
        assert text("stdout") == "é✓\\ufffd", said
        """
    )


def test_the_way_out_stays_open_for_the_process_itself() -> None:
    out, err = in_a_process(
        """
        with DescriptorCapture(lambda channel, piece: said.append((channel, piece))) as capture:
            private = capture.private(1)
            os.write(private, b"past it\\n")
            os.close(private)
        """
    )
    assert (out, err) == ("past it\n", "")


def test_descriptors_are_put_back_and_none_is_left_open() -> None:
    out, _ = in_a_process(
        """
        def descriptors():
            return sorted(os.listdir("/proc/self/fd"))
        before = descriptors()
        threads = threading.active_count()
        for _ in range(20):
            with DescriptorCapture(lambda channel, piece: said.append((channel, piece))):
                os.write(1, b"x")
        assert descriptors() == before, (before, descriptors())
        assert threading.active_count() == threads
        assert text("stdout") == "x" * 20
        print("back")
        """
    )
    assert out == "back\n"
