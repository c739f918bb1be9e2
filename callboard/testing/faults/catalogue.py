"""The faults there are: what each means, where it is put in, and what must hold all the same."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs


class Point(StrEnum):
    """Where a fault is put in."""

    HANDLER = "handler"
    """Around ``Behaviour.handle`` of a domain."""
    START = "on_start"
    """Around ``Behaviour.on_start`` of a domain."""
    STOP = "on_stop"
    """Around ``Behaviour.on_stop`` of a domain."""
    INSTALLER = "installer"
    """In the program that a package manager is run as."""
    CELL = "cell"
    """In notebook code."""
    CLIENT = "client"
    """In what clients send, and when."""
    SUBSCRIBER = "subscriber"
    """In how clients read."""
    CLOCK = "clock"
    """In the wall clock."""
    STREAM = "stream"
    """In the bytes that come in at ``serve_stdio``."""
    BROADCASTER = "broadcaster"
    """In the callables that a broadcaster is given."""
    THREAD = "thread"
    """In the threads that a domain calls what blocks in."""
    FILES = "files"
    """In what a store asks of the file system."""


_NAMED = "tests/testing/test_named_faults.py::test_every_promise_holds_under"
_STREAMS = "tests/testing/test_stream_faults.py::"
_FILES = "tests/testing/test_file_faults.py::"


@attrs.frozen
class FaultKind:
    """One named fault."""

    name: str
    meaning: str
    point: Point
    invariant: str
    """What it must not break, besides all that the oracles hold after every scenario."""
    own_test: str = ""
    """The test that puts it in, where the simulation of the whole kernel does not."""

    @property
    def simulated(self) -> bool:
        """Whether `simulate` puts it in."""
        return not self.own_test

    @property
    def test(self) -> str:
        """The test that puts it in and looks at everything."""
        return self.own_test or f"{_NAMED}[{self.name}]"


_ISOLATED = "its message fails, the actor restarts with its mailbox, no other domain notices"

_KINDS = (
    FaultKind(
        "handler-crash",
        "a handler raises",
        Point.HANDLER,
        _ISOLATED,
    ),
    FaultKind(
        "late-crash",
        "a handler raises when its work is done",
        Point.HANDLER,
        _ISOLATED,
    ),
    FaultKind(
        "poison-message",
        "one message makes every handler that gets it raise",
        Point.HANDLER,
        "the message is handled once, fails, and is never tried again",
    ),
    FaultKind(
        "crash-loop",
        "handlers raise until the circuit opens",
        Point.HANDLER,
        "the domain is down, answers at once, and is back after the cool-down",
    ),
    FaultKind(
        "start-crash",
        "after a crash, on_start raises a few times",
        Point.START,
        "what is queued waits for the start that succeeds, or fails when the circuit opens",
    ),
    FaultKind(
        "cleanup-crash",
        "on_stop raises",
        Point.STOP,
        "counts as a crash of the actor and of nothing else",
    ),
    FaultKind(
        "handler-hang",
        "a handler does not return until it is cancelled",
        Point.HANDLER,
        "only what needs the same actor waits; deadlines and cancellation end it",
    ),
    FaultKind(
        "control-block",
        "a handler blocks the control thread for half a second",
        Point.HANDLER,
        "all is late and nothing is lost",
    ),
    FaultKind(
        "cancel-at-checkpoint",
        "a command is cancelled at one checkpoint of its handler, any of them",
        Point.HANDLER,
        "it ends as cancelled or completed, and what comes after it is not touched",
    ),
    FaultKind(
        "shielded-stall",
        "on_stop shields itself and does not end for a minute",
        Point.STOP,
        "the stop is over at its deadline and names the actor",
    ),
    FaultKind(
        "mailbox-full",
        "more commands at once than a mailbox holds",
        Point.CLIENT,
        "the surplus is rejected at once with a reason; the depth stays within its bound",
    ),
    FaultKind(
        "tick-flood",
        "five hundred ticks at 1 kHz",
        Point.CLIENT,
        "they merge; the last value arrives",
    ),
    FaultKind(
        "duplicate-id",
        "the same command twice",
        Point.CLIENT,
        "each is settled once",
    ),
    FaultKind(
        "expiry",
        "commands whose deadline passes in the queue or in the handler",
        Point.CLIENT,
        "they end as expired, and their handlers end too",
    ),
    FaultKind(
        "late-interrupt",
        "an interrupt when no user code runs, and when it has just ended",
        Point.CLIENT,
        "it hits nothing that came after it",
    ),
    FaultKind(
        "double-interrupt",
        "two interrupts at once",
        Point.CLIENT,
        "they end one run",
    ),
    FaultKind(
        "interrupt-swallowed",
        "user code catches KeyboardInterrupt and goes on",
        Point.CELL,
        "the cell ends by itself, and the cells after it in the run do not start",
    ),
    FaultKind(
        "user-exit",
        "cells raise SystemExit, KeyboardInterrupt and GeneratorExit",
        Point.CELL,
        "the cell fails and the kernel goes on",
    ),
    FaultKind(
        "gil-held",
        "user code holds the interpreter for 500 ms",
        Point.CELL,
        "all is late and nothing is lost",
    ),
    FaultKind(
        "leftover-task",
        "a cell leaves a background task that never ends",
        Point.CELL,
        "it holds up neither the cell nor the stop",
    ),
    FaultKind(
        "reader-gone",
        "a client leaves before the reply it asked for",
        Point.SUBSCRIBER,
        "the others get every notification",
    ),
    FaultKind(
        "slow-reader",
        "a client reads far more slowly than the kernel speaks",
        Point.SUBSCRIBER,
        "it is cut off or skips state that is newer elsewhere; it never misses an end",
    ),
    FaultKind(
        "subscriber-storm",
        "forty clients that come and go",
        Point.SUBSCRIBER,
        "those that stay see no gap",
    ),
    FaultKind(
        "unencodable",
        "a notification that cannot be encoded is published",
        Point.CLIENT,
        "a notification that says so takes its place",
    ),
    FaultKind(
        "clock-jump",
        "the wall clock jumps by an hour, forth and back",
        Point.CLOCK,
        "no deadline and no order depends on it; cells that were sent by a clock behind the last "
        "interrupt are told that they were interrupted",
    ),
    FaultKind(
        "installer-killed",
        "the installer is killed by a signal",
        Point.INSTALLER,
        "the package is reported as failed, the rest goes on",
    ),
    FaultKind(
        "installer-hung",
        "the installer prints nothing and does not end",
        Point.INSTALLER,
        "no tick waits for it; cancelling it leaves no program behind",
    ),
    FaultKind(
        "installer-flood",
        "the installer prints twenty thousand lines",
        Point.INSTALLER,
        "what is sent of it is bounded",
    ),
    FaultKind(
        "installer-missing",
        "the installer cannot be started",
        Point.INSTALLER,
        "the package is reported as failed",
    ),
    FaultKind(
        "installer-blabs",
        "the installer prints the password of the package index",
        Point.INSTALLER,
        "the password is in no notification",
    ),
    FaultKind(
        "stream-sliced",
        "the bytes of a client come one by one",
        Point.STREAM,
        "every command ends as it does otherwise, and in the same order",
        _STREAMS + "test_a_stream_that_is_sliced_at_every_byte_says_the_same",
    ),
    FaultKind(
        "stream-cut",
        "the input of a client ends in the middle of a line",
        Point.STREAM,
        "each whole line is carried out once, a broken one is answered, and the kernel stops",
        _STREAMS + "test_a_stream_may_be_cut_at_every_byte",
    ),
    FaultKind(
        "stream-broken",
        "reading from a client fails in the middle of a line",
        Point.STREAM,
        "as if it had ended there",
        _STREAMS + "test_a_stream_may_be_cut_at_every_byte",
    ),
    FaultKind(
        "broadcaster-crash",
        "an encoder, a key, a replacement or a resynchronisation raises or returns nonsense",
        Point.BROADCASTER,
        "publishing never raises into a domain, and every subscriber gets all the others",
        "tests/testing/test_broadcaster_faults.py::test_a_broadcaster_outlives_what_it_is_given",
    ),
    FaultKind(
        "hung-worker-thread",
        "a blocking call of a domain does not return",
        Point.THREAD,
        "its caller can leave; it takes one of the domain's threads and none of another's",
    ),
    FaultKind(
        "exhausted-thread-pool",
        "the process can start no more threads",
        Point.THREAD,
        "the call fails at once, and nothing of it is left behind",
    ),
    FaultKind(
        "late-effect-of-abandoned-thread",
        "a call whose caller has gone comes to its effect and its end later",
        Point.THREAD,
        "what it returns reaches nobody, and nobody uses its object meanwhile",
    ),
    FaultKind(
        "disk-full",
        "the disk is full (ENOSPC), in the middle of a write",
        Point.FILES,
        "the entry in hand is not kept and says so; no other entry is lost, and nothing half is left",
        _FILES + "test_a_disk_that_fails_costs_the_entry_in_hand_and_no_other",
    ),
    FaultKind(
        "disk-error",
        "the disk fails (EIO), in any operation",
        Point.FILES,
        "what cannot be written is not kept and says so, what cannot be read is computed again",
        _FILES + "test_a_disk_that_fails_costs_the_entry_in_hand_and_no_other",
    ),
    FaultKind(
        "partial-write",
        "half of what was written is there, and nobody was told",
        Point.FILES,
        "it counts as missing",
        _FILES + "test_a_write_that_came_half_way_unnoticed_counts_as_missing",
    ),
)

FAULTS: Mapping[str, FaultKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every fault by its name."""


def as_table() -> str:
    """Return the faults as a Markdown table, which the documentation holds."""
    rows = [
        "| Fault | Meaning | Put in at | Must hold |",
        "| --- | --- | --- | --- |",
    ]
    rows += [
        f"| `{kind.name}` | {kind.meaning} | {kind.point} | {kind.invariant} |" for kind in _KINDS
    ]
    return "\n".join(rows)
