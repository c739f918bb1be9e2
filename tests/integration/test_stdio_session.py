"""The lines of a client, and what a kernel makes of them: in this process, over streams in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_one_way_pair, wait_all_tasks_blocked

from callboard import stdio
from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import COMMANDS
from callboard.messages.notifications import AlertNotification
from callboard.stdio import Ended, LineSplitter, LineTooLong, SessionReport, serve_stdio
from callboard.testing.simulation.cells import SimulatedSurroundings

Line = dict[str, Any]


@attrs.define(eq=False)
class Client:
    """The other end of a session."""

    kernel: Kernel
    sending: trio.testing.MemorySendStream
    receiving: trio.testing.MemoryReceiveStream
    heard: list[Line] = attrs.field(factory=list)
    report: SessionReport | None = None
    closing: trio.Event = attrs.field(factory=trio.Event)
    _rest: bytes = b""

    async def send(self, *lines: bytes | Line) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            await self.sending.send_all(data + b"\n")

    async def run(self, **codes: str) -> None:
        await self.send(
            {"type": "execute-cells", "cellIds": list(codes), "codes": list(codes.values())}
        )

    async def end(self) -> None:
        await self.sending.aclose()

    async def until(self, wanted: Callable[[Line], object]) -> Line:
        """Read until a line comes that is wanted."""
        while True:
            line = await self.read()
            assert line is not None, f"the stream ended after {self.heard[-3:]}"
            if wanted(line):
                return line

    async def read(self) -> Line | None:
        while b"\n" not in self._rest:
            data = await self.receiving.receive_some()
            if not data:
                assert not self._rest, f"half a line at the end: {self._rest[:200]!r}"
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self.heard.append(json.loads(line))
        return self.heard[-1]

    async def rest(self) -> list[Line]:
        start = len(self.heard)
        while await self.read() is not None:
            pass
        return self.heard[start:]


def op(name: str, **fields: object) -> Callable[[Line], bool]:
    wanted = {"op": name, **fields}
    return lambda line: wanted.items() <= line.items()


def printed(text: str) -> Callable[[Line], bool]:
    def wanted(line: Line) -> bool:
        return line["op"] == "cell-op" and text in json.dumps(line["console"])

    return wanted


def asks(line: Line) -> bool:
    return line["op"] == "cell-op" and "stdin" in json.dumps(line["console"])


@asynccontextmanager
async def session(*, drain: float = 5.0, **options: Any) -> AsyncIterator[Client]:
    """A session with a kernel; whoever leaves the block has ended it."""
    to_kernel, from_client = memory_stream_one_way_pair()
    to_client, from_kernel = memory_stream_one_way_pair()
    with trio.fail_after(60):
        async with open_kernel(drain=drain) as kernel, trio.open_nursery() as nursery:
            client = Client(kernel, to_kernel, from_kernel)

            async def serve() -> None:
                client.report = await serve_stdio(
                    kernel, from_client, to_client, closing=client.closing, **options
                )
                await to_client.aclose()

            nursery.start_soon(serve)
            await wait_all_tasks_blocked()
            yield client


async def test_a_command_is_carried_out_and_its_end_is_told() -> None:
    async with session() as client:
        await client.run(a="40 + 2")
        shown = await client.until(lambda line: line["op"] == "cell-op" and line["output"])
        assert shown["output"]["data"] == "42"
        settled = await client.until(op("command-settled"))
        assert (settled["type"], settled["outcome"]) == ("execute-cells", "completed")
        await client.end()
    assert client.report is not None
    assert client.report.ended is Ended.INPUT
    assert client.report.delivered


async def test_every_line_has_the_sequence_number_of_its_notification() -> None:
    async with session() as client:
        await client.run(a="1", b="2")
        await client.until(op("command-settled"))
        await client.end()
        await client.rest()
    assert [line["seq"] for line in client.heard] == list(range(1, len(client.heard) + 1))


async def test_input_may_come_byte_by_byte() -> None:
    command = {"type": "execute-cells", "cellIds": ["ä"], "codes": ["'ö' * 3"]}
    async with session() as client:
        for byte in json.dumps(command, ensure_ascii=False).encode() + b"\r\n":
            await client.sending.send_all(bytes([byte]))
        shown = await client.until(lambda line: line["op"] == "cell-op" and line["output"])
        assert (shown["cell_id"], shown["output"]["data"]) == ("ä", "ööö")
        await client.end()


async def test_a_last_line_without_an_end_counts() -> None:
    async with session() as client:
        await client.sending.send_all(b'{"type":"execute-cells","cellIds":[],"codes":[]}')
        await client.end()
        await client.until(op("command-settled", outcome="completed"))


async def test_crlf_empty_lines_and_a_byte_order_mark_do_not_matter() -> None:
    command = b'{"type": "execute-cells", "cellIds": [], "codes": []}'
    async with session() as client:
        await client.sending.send_all(
            b"\xef\xbb\xbf" + command + b"\r\n\r\n\n  \t\n" + command + b"\n"
        )
        await client.end()
        await client.rest()
    assert [line["op"] for line in client.heard].count("command-settled") == 2
    assert client.report is not None
    assert (client.report.lines, client.report.rejected) == (2, 0)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"{", {"path": None, "type": None}),
        (b"[]", {"reason": "expected an object, got a list", "type": None}),
        (b'{"type": "\xff\xfe"}', {"path": None, "type": None}),
        (b'{"typ": 1}', {"path": "type", "reason": "missing"}),
        (b'{"type": 1}', {"path": "type", "reason": "expected a string, got an integer"}),
        (
            b'{"type": "fly", "requestId": "r"}',
            {"path": "type", "reason": "unknown command type 'fly'", "type": "fly", "id": "r"},
        ),
        (
            b'{"type": "execute-cells", "cellIds": ["a"], "codes": []}',
            {
                "path": "codes",
                "reason": "cellIds and codes must have the same length, not 1 and 0",
                "type": "execute-cells",
            },
        ),
        (
            b'{"type": "list-secret-keys"}',
            {"path": "requestId", "reason": "missing", "type": "list-secret-keys"},
        ),
        (b'{"type": "stdin"}', {"path": "text", "reason": "missing", "type": "stdin"}),
        (
            b'{"type": "stdin", "text": 1}',
            {"path": "text", "reason": "expected a string, got an integer", "type": "stdin"},
        ),
        (
            b'{"type": "cancel", "id": "x"}',
            {"path": "id", "type": "cancel", "id": "x"},
        ),
    ],
)
async def test_a_line_that_is_no_command_is_answered_and_does_no_harm(
    line: bytes, answer: Line
) -> None:
    async with session() as client:
        await client.send(line)
        rejected = await client.until(op("command-rejected"))
        assert answer.items() <= rejected.items(), rejected
        assert rejected["reason"]
        await client.run(a="1")
        await client.until(op("command-settled", outcome="completed"))
        await client.end()
    assert client.report is not None
    assert (client.report.lines, client.report.rejected) == (2, 1)


async def test_a_line_that_is_too_long_is_skipped_and_answered_once() -> None:
    async with session(max_line=200) as client:
        await client.send(b'{"type": "stdin", "text": "' + b"x" * 100_000 + b'"}')
        rejected = await client.until(op("command-rejected"))
        assert rejected["reason"] == "a line has more than 200 bytes"
        await client.run(a="1")
        await client.until(op("command-settled", outcome="completed"))
        await client.end()
    assert client.report is not None
    assert (client.report.lines, client.report.rejected) == (2, 1)


async def test_answers_that_came_before_the_end_of_the_input_are_used_and_then_there_are_no_more() -> (
    None
):
    async with session() as client:
        await client.run(a="(input(), input())", b="input()")
        for text in ("one", "two"):
            await client.send({"type": "stdin", "text": text})
        await client.end()
        while await client.read() is not None:
            pass
    shown = [line["output"]["data"] for line in client.heard if line.get("output")]
    assert shown[0] == "('one', 'two')"
    assert shown[1][0]["exception_type"] == "EOFError"


async def test_input_is_answered_by_stdin_lines() -> None:
    async with session() as client:
        await client.run(a="name = input('who? ')\nprint('hello', name)")
        question = await client.until(asks)
        assert question["console"]["data"] == "who? "
        await client.send({"type": "stdin", "text": "Ada"})
        await client.until(printed("hello Ada"))
        await client.end()


async def test_the_end_of_input_ends_a_question() -> None:
    async with session() as client:
        await client.run(a="try:\n    input()\nexcept EOFError:\n    print('no more')")
        await client.until(asks)
        await client.end()
        await client.until(printed("no more"))
        await client.until(op("command-settled", outcome="completed"))


async def test_an_interrupt_line_breaks_the_running_cell() -> None:
    async with session() as client:
        await client.run(a="print('here')\nwhile True: pass")
        await client.until(printed("here"))
        await client.send({"type": "interrupt"})
        await client.until(op("interrupted"))
        shown = await client.until(lambda line: line["op"] == "cell-op" and line["output"])
        assert shown["output"]["data"] == [{"type": "interruption"}]
        await client.end()


async def test_an_interrupt_line_with_nothing_to_interrupt_changes_nothing() -> None:
    async with session() as client:
        await client.send({"type": "interrupt"})
        await client.run(a="1")
        await client.until(op("command-settled", outcome="completed"))
        await client.end()
    assert not [line for line in client.heard if line["op"] in ("interrupted", "command-rejected")]


async def test_a_queued_command_can_be_cancelled_by_its_id() -> None:
    tick = {"type": "update-ui-element", "objectIds": ["x"], "values": [1], "token": "t"}
    async with session() as client:
        await client.run(a="input()")
        await client.until(asks)
        await client.send(tick, {"type": "cancel", "id": "t"})
        await client.until(op("command-settled", id="t", outcome="cancelled"))
        await client.send({"type": "stdin", "text": ""})
        await client.until(op("command-settled", outcome="completed"))
        await client.end()


async def test_what_was_accepted_is_worked_off_when_the_input_ends() -> None:
    async with session() as client:
        await client.run(a="import time\ntime.sleep(0.2)\nprint('slow')")
        await client.run(b="print('behind')")
        await client.end()
        await client.rest()
    settled = [line for line in client.heard if line["op"] == "command-settled"]
    assert [line["outcome"] for line in settled] == ["completed", "completed"]
    assert any(map(printed("behind"), client.heard))


async def test_a_cell_that_outlasts_the_drain_is_interrupted_and_its_end_told() -> None:
    async with session(drain=0.05) as client:
        await client.run(a="print('here')\nwhile True: pass")
        await client.until(printed("here"))
        await client.end()
        await client.until(op("command-settled", outcome="cancelled"))
        await client.rest()
    assert client.report is not None
    assert "notebook" in client.report.stop.cancelled
    assert client.report.delivered


async def test_the_stop_command_ends_the_session_and_comes_to_its_end() -> None:
    async with session() as client:
        await client.send({"type": "stop-kernel"})
        await client.until(op("command-settled", type="stop-kernel", outcome="completed"))
        assert await client.rest() == []
    assert client.report is not None
    assert client.report.ended is Ended.STOPPED


async def test_the_session_ends_when_asked_from_outside() -> None:
    async with session() as client:
        await client.run(a="input()")
        await client.until(asks)
        client.closing.set()
        await client.until(op("command-settled", type="execute-cells"))
        await client.rest()
    assert client.report is not None
    assert client.report.ended is Ended.ASKED


async def test_a_client_that_reads_no_more_ends_the_session() -> None:
    async with session() as client:
        await client.receiving.aclose()
        await client.run(a="1")
    assert client.report is not None
    assert client.report.ended is Ended.GONE
    assert not client.report.delivered


async def test_a_client_that_does_not_read_holds_up_neither_kernel_nor_end() -> None:
    """Its stream takes nothing at all: the kernel works all the same, and the end comes in time."""
    to_kernel, from_client = memory_stream_one_way_pair()
    to_client, _ = memory_stream_one_way_pair()
    blocked = trio.Event()
    to_client.send_all_hook = blocked.wait
    with trio.fail_after(60):
        async with open_kernel() as kernel, trio.open_nursery() as nursery:
            reports: list[SessionReport] = []

            async def serve() -> None:
                reports.append(
                    await serve_stdio(kernel, from_client, to_client, max_buffer=10, flush=0.05)
                )

            nursery.start_soon(serve)
            command = {"type": "execute-cells", "cellIds": ["a"], "codes": ["1"]}
            for _ in range(20):
                await to_kernel.send_all(json.dumps(command).encode() + b"\n")
            await to_kernel.aclose()
    assert not reports[0].delivered
    assert reports[0].stop.clean
    assert kernel.ledger.outcomes["completed"] == 20  # type: ignore[index]


async def test_a_client_that_lost_notifications_is_told_and_goes_on() -> None:
    async with session(max_buffer=5) as client:
        for number in range(50):
            client.kernel.publish(AlertNotification(str(number), ""))
        resync = await client.until(op("resync"))
        assert resync["seq"] == 50
        client.kernel.publish(AlertNotification("after", ""))
        assert (await client.until(op("alert")))["title"] == "after"
        await client.end()
        await client.rest()
    assert client.heard[-1]["seq"] == 51


async def test_a_session_can_start_with_what_was_told_before_it() -> None:
    to_kernel, from_client = memory_stream_one_way_pair()
    to_client, from_kernel = memory_stream_one_way_pair()
    async with open_kernel() as kernel:
        kernel.publish(AlertNotification("early", ""))
        await to_kernel.aclose()
        await serve_stdio(kernel, from_client, to_client, since=0)
        line = json.loads(bytes(await from_kernel.receive_some()).split(b"\n")[0])
    assert (line["seq"], line["title"]) == (1, "early")


async def test_text_of_cells_never_breaks_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    text = "a\nb\r\n\u2028\x00\x1b[31m\ud800}\n{"
    async with session() as client:
        await client.run(a=f"print({text!r})")
        await client.until(op("command-settled", outcome="completed"))
        await client.end()
        await client.rest()
    console = [line["console"]["data"] for line in client.heard if line.get("console")]
    assert "".join(console).startswith("a\nb\r\n\u2028\x00\x1b[31m")


LINES = st.lists(
    st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")),
    max_size=8,
)


@given(LINES, st.lists(st.integers(0, 100)), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_where_the_stream_is_cut_does_not_matter(
    lines: list[bytes], cuts: list[int], end: bytes, ended: bool
) -> None:
    data = end.join(lines) + (end if ended and lines else b"")
    splitter = LineSplitter(max_line=8)
    got = []
    positions = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in pairwise(positions):
        got += splitter.feed(data[start:stop])
    got += splitter.finish()
    expected = [LineTooLong() if len(line) > 8 else line for line in lines if line.strip()]
    too_long_blank = [line for line in lines if len(line) > 8 and not line.strip()]
    assert [line for line in got if line != LineTooLong()] == [
        line for line in expected if line != LineTooLong()
    ]
    assert got.count(LineTooLong()) == expected.count(LineTooLong()) + len(too_long_blank)
    assert len(splitter._line) <= 8 + 1


async def test_what_decodes_commands_is_made_step_by_step_while_a_session_lasts(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    made: list[tuple[type[Any], float]] = []
    monkeypatch.setattr(
        stdio, "get_ready_for", lambda kind: made.append((kind, trio.current_time()))
    )
    to_kernel, from_client = memory_stream_one_way_pair()
    to_client, _ = memory_stream_one_way_pair()
    async with (
        open_kernel(surroundings=SimulatedSurroundings()) as kernel,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(serve_stdio, kernel, from_client, to_client)
        await trio.sleep(2)
        await to_kernel.aclose()
    assert [kind for kind, _ in made] == list(COMMANDS)
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(made)), "ticks go between"
