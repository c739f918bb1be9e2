"""Drives a real kernel from a test: post a command, wait for its end, look at all it caused, in order."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import trio

from callboard.kernel import Kernel, open_kernel
from callboard.messages.commands import (
    Command,
    CreateNotebookCommand,
    ExecuteCellCommand,
    ExecuteCellsCommand,
    InvokeFunctionCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId, FunctionCallId, UIElementId
from callboard.messages.notifications import (
    CellOpNotification,
    CommandRejectedNotification,
    CommandSettledNotification,
    CompletedRunNotification,
    FunctionCallResultNotification,
    Notification,
    RemoveUIElementsNotification,
    VariableValuesNotification,
)
from callboard.messages.payloads import TRACEBACK_MIMETYPE, CellError, CellOutput, HTTPRequest
from callboard.runtime import Envelope, Subscription

N = TypeVar("N")

EVERY_FRAME = 1_000_000_000
"""How far a subscriber may be behind before anything is skipped for it: a test looks at every notification."""


@attrs.frozen
class Heard:
    """Notifications in the order they came."""

    notifications: tuple[Notification, ...]

    def __iter__(self) -> Iterator[Notification]:
        return iter(self.notifications)

    def __len__(self) -> int:
        return len(self.notifications)

    @property
    def trace(self) -> list[str]:
        """One line for each, such as ``a: running, console cleared``; what differs from run to run is left out."""
        return [describe(notification) for notification in self]

    def of(self, kind: type[N]) -> list[N]:
        """Those of one type."""
        return [notification for notification in self if isinstance(notification, kind)]

    def cell(self, cell_id: str) -> CellStory:
        """What was told of one cell."""
        return CellStory(tuple(op for op in self.of(CellOpNotification) if op.cell_id == cell_id))

    @property
    def started(self) -> list[str]:
        """The cells that were started, in order."""
        return [op.cell_id for op in self.of(CellOpNotification) if op.status == "running"]

    @property
    def settled(self) -> list[str]:
        """How commands ended, as ``type outcome``, in the order they did."""
        return [f"{end.type} {end.outcome}" for end in self.of(CommandSettledNotification)]

    @property
    def finished(self) -> int:
        """How many times ``completed-run`` came."""
        return len(self.of(CompletedRunNotification))

    @property
    def values(self) -> dict[str, str | None]:
        """The texts of variables as last told."""
        told = self.of(VariableValuesNotification)
        return {value.name: value.value for one in told for value in one.variables}


@attrs.frozen
class CellStory:
    """What was told of one cell, in order."""

    ops: tuple[CellOpNotification, ...]

    @property
    def statuses(self) -> list[str]:
        """Its statuses."""
        return [op.status for op in self.ops if op.status is not None]

    @property
    def staleness(self) -> list[bool]:
        """Whether it was stale, each time that was told."""
        return [op.stale_inputs for op in self.ops if op.stale_inputs is not None]

    @property
    def outputs(self) -> list[CellOutput]:
        """Its outputs."""
        return [op.output for op in self.ops if op.output is not None]

    @property
    def output(self) -> object:
        """The data of its last output, None if there was none."""
        return self.outputs[-1].data if self.outputs else None

    @property
    def errors(self) -> list[CellError]:
        """The errors of its last output; empty if that shows none."""
        data = self.output
        return data if isinstance(data, list) else []

    @property
    def error(self) -> Any:
        """The only error of its last output. Raises AssertionError if there is none or another."""
        assert len(self.errors) == 1, f"expected one error, got {self.errors}"
        return self.errors[0]

    @property
    def console_items(self) -> list[CellOutput]:
        """What the console holds after all of it: items since it was cleared last."""
        items: list[CellOutput] = []
        for op in self.ops:
            if isinstance(op.console, list):
                items = [*items, *op.console] if op.console else []
            elif op.console is not None:
                items.append(op.console)
        return items

    @property
    def stdout(self) -> str:
        """The text on stdout after all of it."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """The text on stderr after all of it, tracebacks included."""
        return self._text("stderr")

    def _text(self, channel: str) -> str:
        return "".join(str(item.data) for item in self.console_items if item.channel == channel)


def describe(notification: Notification) -> str:
    """One line about a notification, without what differs from run to run."""
    if isinstance(notification, CellOpNotification):
        return f"{notification.cell_id}: {', '.join(_aspects(notification))}"
    if isinstance(notification, RemoveUIElementsNotification):
        return f"remove-ui-elements {notification.cell_id}"
    if isinstance(notification, VariableValuesNotification):
        values = " ".join(f"{value.name}={value.value}" for value in notification.variables)
        return f"variable-values {values}"
    if isinstance(notification, CommandSettledNotification):
        return f"settled {notification.type} {notification.outcome}"
    if isinstance(notification, CommandRejectedNotification):
        return f"rejected {notification.type}"
    if isinstance(notification, FunctionCallResultNotification):
        return f"result {notification.function_call_id} {notification.status.code}"
    if isinstance(notification, CompletedRunNotification) and notification.run_id is not None:
        return f"completed-run {notification.run_id}"
    return notification.op


def _aspects(op: CellOpNotification) -> Iterator[str]:
    if op.status is not None:
        yield op.status
    if op.stale_inputs is not None:
        yield "stale" if op.stale_inputs else "fresh"
    if op.output is not None:
        yield _output(op.output)
    if isinstance(op.console, list):
        if not op.console:
            yield "console cleared"
        for item in op.console:
            yield _console(item)
    elif op.console is not None:
        yield _console(op.console)


def _output(output: CellOutput) -> str:
    if isinstance(output.data, list):
        return "error " + "+".join(error.type for error in output.data)
    if output.mimetype != "text/plain":
        return f"output {output.mimetype}"
    return f"output {output.data}" if output.data else "output empty"


def _console(item: CellOutput) -> str:
    if item.mimetype == TRACEBACK_MIMETYPE:
        return "traceback"
    return f"{item.channel} {item.data!r}"


@attrs.define(eq=False)
class Driver:
    """A kernel and everything it has said so far. Trio thread only."""

    kernel: Kernel
    heard: list[Notification] = attrs.field(factory=list)
    """All notifications read so far."""
    _frames: Subscription[Notification] = attrs.field(init=False)
    _position: int = attrs.field(default=0, init=False)
    _calls: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.kernel._parts.broadcaster.conflate_after = EVERY_FRAME
        self._frames = self.kernel.subscribe(max_buffer=EVERY_FRAME, name="driver")

    # Commands.

    def post(self, command: Command, *, timeout: float | None = None) -> Envelope[Any]:
        """Send a command on its way."""
        if timeout is None:
            return self.kernel.post(command)
        return self.kernel.post(command, timeout=timeout)

    async def do(self, command: Command) -> Heard:
        """Carry out a command to its end; returns what was told since the last look."""
        await self.post(command).wait()
        return self.news()

    async def create(
        self,
        codes: Mapping[str, str],
        *,
        auto_run: bool = True,
        values: Mapping[str, object] | None = None,
    ) -> Heard:
        """Instantiate a notebook."""
        return await self.do(create(codes, auto_run=auto_run, values=values))

    async def run(self, codes: Mapping[str, str] | None = None, /, **more: str) -> Heard:
        """Execute cells."""
        return await self.do(execute({**(codes or {}), **more}))

    async def tick(self, values: Mapping[str, object], /) -> Heard:
        """Set elements by id."""
        return await self.do(tick(values))

    async def call(
        self, namespace: str, name: str, /, **args: object
    ) -> FunctionCallResultNotification:
        """Call a function of an element; returns the reply, and keeps the rest for `news`."""
        self._calls += 1
        call_id = FunctionCallId(f"call-{self._calls}")
        start = len(self.heard)
        await self.post(InvokeFunctionCommand(call_id, namespace, name, args)).wait()
        self._read()
        results = [
            one
            for one in self.heard[start:]
            if isinstance(one, FunctionCallResultNotification) and one.function_call_id == call_id
        ]
        assert len(results) == 1, f"expected one reply, got {results}"
        return results[0]

    # What is said.

    def news(self) -> Heard:
        """What was told since the last look."""
        self._read()
        start, self._position = self._position, len(self.heard)
        return Heard(tuple(self.heard[start:]))

    async def until(self, condition: Callable[[Heard], bool]) -> Heard:
        """Wait until what was told since the last look meets a condition, and return it."""
        while True:
            self._read()
            heard = Heard(tuple(self.heard[self._position :]))
            if condition(heard):
                self._position = len(self.heard)
                return heard
            frame = await anext(self._frames)
            self.heard.append(frame.message)

    async def until_printed(self, cell_id: str, text: str) -> Heard:
        """Wait until a cell has printed a text; its code has come at least that far."""
        return await self.until(lambda heard: text in heard.cell(cell_id).stdout)

    async def settle(self) -> Heard:
        """Wait until every command has ended; returns what was told since the last look."""
        await self.kernel.wait_idle()
        return self.news()

    def _read(self) -> None:
        while (frame := self._frames.next_nowait()) is not None:
            self.heard.append(frame.message)

    @property
    def restarts(self) -> int:
        """How many times actors were started again: each is a defect of callboard or of a domain."""
        return sum(actor.restarts for actor in self.kernel.status().actors.actors)

    # User code and the test.

    def share(self, **values: object) -> None:
        """Make objects of the test visible to the notebook's code as global variables of no cell."""
        self.kernel._parts.engine.book.namespace.values.update(values)

    def hold(self, name: str) -> Hold:
        """Make a place where user code waits, called as ``name()``, until the test lets it on."""
        hold = Hold(self.kernel._parts.ingress.put)
        self.share(**{name: hold})
        return hold


@attrs.define(eq=False)
class Hold:
    """A place in user code: it tells the test that it got there, and waits for leave to go on.

    An interrupt breaks the wait. The word that it got there comes behind all that was told before it.
    """

    _post: Callable[[Callable[[], object]], object]
    _arrivals: int = attrs.field(default=0, init=False)
    _arrived: trio.Event = attrs.field(factory=trio.Event, init=False)
    _open: threading.Event = attrs.field(factory=threading.Event, init=False)

    def __call__(self) -> None:
        """Be called by user code, on the cell thread."""
        self._post(self._arrive)
        while not self._open.wait(0.002):
            # Waiting in slices: an interrupt of a thread lands between bytecodes only.
            pass

    @property
    def arrivals(self) -> int:
        """How many times user code came here."""
        return self._arrivals

    async def reached(self, times: int = 1) -> None:
        """Wait until user code has come here, for the nth time."""
        while self._arrivals < times:
            self._arrived = trio.Event()
            await self._arrived.wait()

    def release(self) -> None:
        """Let user code on, now and whenever it comes here again."""
        self._open.set()

    def _arrive(self) -> None:
        self._arrivals += 1
        self._arrived.set()


def create(
    codes: Mapping[str, str],
    *,
    auto_run: bool = True,
    values: Mapping[str, object] | None = None,
) -> CreateNotebookCommand:
    """Make the command that instantiates a notebook."""
    requests = [ExecuteCellCommand(CellId(cell), code) for cell, code in codes.items()]
    return CreateNotebookCommand(
        requests, [CellId(cell) for cell in codes], tick(values or {}), auto_run
    )


def execute(
    codes: Mapping[str, str],
    *,
    timestamp: float | None = None,
    request: HTTPRequest | None = None,
) -> ExecuteCellsCommand:
    """Make the command that runs cells."""
    ids: Sequence[CellId] = [CellId(cell) for cell in codes]
    command = ExecuteCellsCommand(list(ids), list(codes.values()), request)
    return command if timestamp is None else attrs.evolve(command, timestamp=timestamp)


def tick(
    values: Mapping[str, object], *, token: str | None = None, request: HTTPRequest | None = None
) -> UpdateUIElementCommand:
    """Make the command that sets elements."""
    ids = [UIElementId(element) for element in values]
    command = UpdateUIElementCommand(ids, list(values.values()), request)
    return command if token is None else attrs.evolve(command, token=token)


@asynccontextmanager
async def open_driver(**options: Any) -> AsyncIterator[Driver]:
    """Run a kernel for the duration of the block; takes what ``open_kernel`` takes."""
    async with open_kernel(**options) as kernel:
        yield Driver(kernel)
