"""A kernel at the end of two byte streams: a line in is a command, a line out is a notification.

Every line is one JSON object. What comes in is a command in wire form, or one of three lines that are
no commands, because they must not queue behind any::

    {"type": "stdin", "text": "42"}      answers input()
    {"type": "interrupt"}                interrupts the run in hand, as SIGINT does
    {"type": "cancel", "id": "..."}      cancels the command with this token or request id

What goes out is a notification in wire form with its sequence number as ``seq``, an additional field.
A line that is none of all this is answered by a ``command-rejected`` line; how each command ended is
told by a ``command-settled`` line. A client that reads too slowly loses what its buffer cannot hold:
then it gets a ``resync`` line, and what follows after that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

import attrs
import msgspec
import trio
from trio.abc import ReceiveStream, SendStream

from callboard.kernel import Kernel
from callboard.messages.codec import CommandDecodeError, decode_command, get_ready_for
from callboard.messages.commands import COMMANDS
from callboard.messages.notifications import CommandRejectedNotification, Notification
from callboard.messages.structure import misfit
from callboard.runtime import Frame, Lagged, StopReport, Subscription, fair_checkpoint

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one line that comes in."""
MAX_BUFFER = 10_000
"""Notifications that may wait for the client."""
FLUSH = 5.0
"""Seconds the client gets to take what is left when the kernel has stopped."""

_CHUNK = 64 * 1024
_LINES_AT_ONCE = 8
"""How many lines are dealt with between two checkpoints."""
_PAUSE = 0.02
"""Seconds between two steps of what is done beside commands at the start of a session."""
_BOM = b"\xef\xbb\xbf"


class Ended(StrEnum):
    """Why a session ended."""

    INPUT = "the input ended"
    STOPPED = "the kernel was told to stop"
    GONE = "the client no longer reads"
    ASKED = "the process was asked to end"


@attrs.frozen
class SessionReport:
    """How a session went."""

    ended: Ended
    lines: int
    """Lines that came in, empty ones not counted."""
    rejected: int
    """Lines that were no commands."""
    delivered: bool
    """Whether the client took everything."""
    stop: StopReport


@attrs.frozen
class LineTooLong:
    """Stands in the place of a line that was longer than allowed and has been skipped."""


@attrs.define(eq=False)
class LineSplitter:
    """Bytes as they come, to lines without their ends; holds ``max_line`` bytes at most.

    A line ends with LF or CR LF; empty ones, and those of nothing but white space, are left out.
    """

    max_line: int = MAX_LINE
    _line: bytearray = attrs.field(factory=bytearray, init=False)
    _skipping: bool = attrs.field(default=False, init=False)

    def feed(self, data: bytes) -> list[bytes | LineTooLong]:
        """Return the lines that have ended with this piece."""
        *ends, rest = data.split(b"\n")
        lines: list[bytes | LineTooLong] = []
        for end in ends:
            self._add(end, lines)
            self._end(lines)
        self._add(rest, lines)
        return lines

    def finish(self) -> list[bytes | LineTooLong]:
        """Return the last line, if it had no end."""
        lines: list[bytes | LineTooLong] = []
        self._end(lines)
        return lines

    def _add(self, piece: bytes, lines: list[bytes | LineTooLong]) -> None:
        if self._skipping:
            return
        if len(self._line) + len(piece) > self.max_line + 1:  # the last byte may be a CR
            self._line.clear()
            self._skipping = True
            lines.append(LineTooLong())
            return
        self._line += piece

    def _end(self, lines: list[bytes | LineTooLong]) -> None:
        line = bytes(self._line).removesuffix(b"\r")
        self._line.clear()
        if self._skipping:
            self._skipping = False
        elif len(line) > self.max_line:
            lines.append(LineTooLong())
        elif line and not line.isspace():
            lines.append(line)


async def serve_stdio(
    kernel: Kernel,
    receive: ReceiveStream,
    send: SendStream,
    *,
    since: int | None = None,
    closing: trio.Event | None = None,
    max_line: int = MAX_LINE,
    max_buffer: int = MAX_BUFFER,
    flush: float = FLUSH,
) -> SessionReport:
    """Serve one client until it is done with the kernel, and stop the kernel then.

    The session ends when the input ends, when the client commands the kernel to stop, when it no longer reads, or
    when ``closing`` is set. Then the kernel works off what it has accepted, as ``Kernel.stop`` does, and the client
    gets ``flush`` seconds to take the rest. A client that does not read holds up nobody but itself.

    Notifications are sent from now on, or from after sequence number ``since``. Cancelled midway, the kernel is left
    as it is, and what was read has been posted. Neither stream is closed.
    """
    inlet = _Inlet(kernel, LineSplitter(max_line))
    outlet = _Outlet(kernel, send, max_buffer, since)
    reasons: list[Ended] = []
    async with trio.open_nursery() as writing:
        writing.start_soon(outlet.run)
        async with trio.open_nursery() as reading:

            async def ends(reason: Ended, wait: Callable[[], Awaitable[object]]) -> None:
                await wait()
                reasons.append(reason)
                reading.cancel_scope.cancel()

            async def read() -> None:
                await inlet.read(receive)

            reading.start_soon(_get_ready)
            reading.start_soon(ends, Ended.INPUT, read)
            reading.start_soon(ends, Ended.STOPPED, kernel.wait_stop_requested)
            reading.start_soon(ends, Ended.GONE, outlet.gone.wait)
            if closing is not None:
                reading.start_soon(ends, Ended.ASKED, closing.wait)
        report = await kernel.stop()
        with trio.move_on_after(flush):
            await outlet.finish()
        writing.cancel_scope.cancel()
    return SessionReport(reasons[0], inlet.lines, inlet.rejected, outlet.delivered, report)


async def _get_ready() -> None:
    """Make what decodes commands, little by little, for each would be felt when it first comes."""
    for command_type in COMMANDS:
        get_ready_for(command_type)
        await trio.sleep(_PAUSE)


@attrs.define(eq=False)
class _Inlet:
    """Lines to commands."""

    kernel: Kernel
    splitter: LineSplitter
    lines: int = 0
    rejected: int = 0

    async def read(self, stream: ReceiveStream) -> None:
        """Take in everything until the stream ends, or breaks, which ends it too."""
        try:
            async for data in stream:
                await self._take(self.splitter.feed(bytes(data)))
        except trio.BrokenResourceError:
            pass  # a terminal that is gone
        await self._take(self.splitter.finish())

    async def _take(self, lines: list[bytes | LineTooLong]) -> None:
        for line in lines:
            if self.lines % _LINES_AT_ONCE == 0:
                await fair_checkpoint()
            self.lines += 1
            if isinstance(line, LineTooLong):
                self._reject(f"a line has more than {self.splitter.max_line} bytes")
            else:
                self._take_line(line.removeprefix(_BOM) if self.lines == 1 else line)

    def _take_line(self, line: bytes) -> None:
        try:
            command = decode_command(line)
        except CommandDecodeError as error:
            if error.path == "type" and error.type in _CONTROLS:
                self._control(error.type, msgspec.json.decode(line))
            else:
                self._reject(error.reason, error.path, error.type, error.id)
            return
        self.kernel.post(command, sender="stdio")

    def _control(self, kind: str, fields: dict[str, object]) -> None:
        field = _CONTROLS[kind]
        value = "" if field is None else fields.get(field)
        if not isinstance(value, str):
            reason = "missing" if field not in fields else str(misfit("a string", value))
            self._reject(reason, field, kind)
        elif kind == "interrupt":
            self.kernel.interrupt()
        elif kind == "stdin":
            if not self.kernel.send_stdin(value):
                self._reject(
                    "too many answers wait for a question, or none is asked any more", None, kind
                )
        elif not self.kernel.cancel(value):
            self._reject("no command that is queued or running has this id", field, kind, value)

    def _reject(
        self,
        reason: str,
        path: str | None = None,
        kind: str | None = None,
        identity: str | None = None,
    ) -> None:
        self.rejected += 1
        self.kernel.publish(CommandRejectedNotification(reason, path, kind, identity))


_CONTROLS = {"stdin": "text", "interrupt": None, "cancel": "id"}
"""Lines that are no commands, each with its one field."""


class _Outlet:
    """Notifications to lines."""

    def __init__(
        self, kernel: Kernel, stream: SendStream, max_buffer: int, since: int | None
    ) -> None:
        self.gone = trio.Event()
        """Set when nobody reads any more."""
        self._kernel = kernel
        self._stream = stream
        self._max_buffer = max_buffer
        self._sent = kernel.status().last_seq if since is None else since
        self._last: int | None = None
        self._finished = trio.Event()
        self._subscription = self._subscribe(since)

    @property
    def delivered(self) -> bool:
        """Whether the client has taken everything there was when ``finish`` was called."""
        return self._finished.is_set()

    async def run(self) -> None:
        """Send every notification; until cancelled or nobody reads."""
        try:
            while True:
                with self._subscription:
                    try:
                        return await self._send_all()
                    except Lagged:
                        pass
                self._subscription = self._subscribe(self._sent)
        except trio.BrokenResourceError:
            self.gone.set()

    async def finish(self) -> None:
        """Wait until all that has been published by now is sent, or nobody reads any more."""
        self._last = self._kernel.status().last_seq
        self._look_whether_finished()
        async with trio.open_nursery() as nursery:

            async def until(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until, self.gone)
            nursery.start_soon(until, self._finished)

    async def _send_all(self) -> None:
        async for frame in self._subscription:
            lines = [_line(frame)]
            size = len(lines[0])
            while size < _CHUNK and (further := self._subscription.next_nowait()) is not None:
                frame = further
                lines.append(_line(frame))
                size += len(lines[-1])
            await self._stream.send_all(b"".join(lines))
            self._sent = frame.seq
            self._look_whether_finished()

    def _look_whether_finished(self) -> None:
        if self._last is not None and self._sent >= self._last:
            self._finished.set()

    def _subscribe(self, since: int | None) -> Subscription[Notification]:
        return self._kernel.subscribe(since=since, max_buffer=self._max_buffer, name="stdio")


def _line(frame: Frame[Notification]) -> bytes:
    return b'{"seq":%d,%b\n' % (frame.seq, frame.data[1:])
