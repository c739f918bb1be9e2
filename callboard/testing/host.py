"""A notebook host that runs nothing: for tests of the actors, and of embedders' own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import attrs
import trio

from callboard.actors.host import NotebookCommand, Run
from callboard.messages.commands import InvokeFunctionCommand, ModelCommand
from callboard.messages.conflation import UIBatch
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.messages.payloads import HumanReadableStatus

T = TypeVar("T")


@attrs.define(eq=False)
class HostCall:
    """One call that came."""

    method: str
    subject: Any
    """What it was called with, besides the run."""
    run: Run
    outcome: str = "running"
    """``running``, ``returned``, ``interrupted``, ``cancelled`` or ``raised``."""


@attrs.define(eq=False)
class Block:
    """Calls of one method that wait until they are released or their run is interrupted."""

    released: trio.Event = attrs.field(factory=trio.Event)
    reached: trio.Event = attrs.field(factory=trio.Event)
    """Set when a call waits here."""

    def release(self) -> None:
        """Let the call on that waits here or comes next."""
        self.released.set()


@attrs.define(eq=False)
class FakeHost:
    """Records calls, and blocks, raises or leaves cells to a newer tick on demand. A ``NotebookHost``.

    As with every host, one call at a time: one that comes while another runs is recorded in ``overlaps``. Trio
    thread only.
    """

    calls: list[HostCall] = attrs.field(factory=list)
    interrupted: list[Run] = attrs.field(factory=list)
    """The runs that were to be interrupted, in order."""
    overlaps: list[tuple[str, str]] = attrs.field(factory=list)
    missing: frozenset[str] = frozenset()
    owes: bool = False
    leaves: int = 0
    """How many cells the next ``apply_ui`` leaves to a newer tick."""
    returns: Any = None
    """What invoked functions return."""
    _blocks: dict[str, Block] = attrs.field(factory=dict, init=False)
    _errors: dict[str, BaseException] = attrs.field(factory=dict, init=False)
    _waiting: dict[int, Block] = attrs.field(factory=dict, init=False)
    _running: HostCall | None = attrs.field(default=None, init=False)

    def block(self, method: str) -> Block:
        """Have the next call of a method wait."""
        block = self._blocks[method] = Block()
        return block

    def fail(self, method: str, error: BaseException) -> None:
        """Have the next call of a method raise."""
        self._errors[method] = error

    @property
    def methods(self) -> list[str]:
        """The methods called, in order."""
        return [call.method for call in self.calls]

    async def execute(self, command: NotebookCommand, run: Run) -> None:
        """Take note of a notebook command."""
        await self._call("execute", command, run)

    async def apply_ui(self, batch: UIBatch, run: Run) -> None:
        """Take note of a batch."""
        await self._call("apply_ui", batch, run)
        run.left, self.leaves = self.leaves, 0
        self.owes = self.owes or bool(run.left)

    async def custom_message(self, command: ModelCommand, run: Run) -> None:
        """Take note of a custom message."""
        await self._call("custom_message", command, run)

    async def run_owed(self, run: Run) -> None:
        """Take note that the cells left over are to run; there are none after it."""
        self.owes = False
        await self._call("run_owed", None, run)

    async def invoke(
        self, command: InvokeFunctionCommand, run: Run
    ) -> FunctionCallResultNotification:
        """Take note of a call and answer it."""
        await self._call("invoke", command, run)
        return FunctionCallResultNotification(
            command.function_call_id, self.returns, HumanReadableStatus("ok")
        )

    async def packages_installed(self, modules: Collection[str], run: Run) -> None:
        """Take note of installed modules."""
        await self._call("packages_installed", frozenset(modules), run)

    async def between_cells(
        self,
        function: Callable[[], T],
        *,
        limit: float,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Take note of a call, and make it here."""
        with trio.fail_after(limit):
            await self._call("between_cells", function, Run("between cells"))
        return function()

    def missing_modules(self) -> frozenset[str]:
        """Return ``missing``."""
        return self.missing

    def owes_cells(self) -> bool:
        """Return ``owes``."""
        return self.owes

    def interrupt(self, run: Run) -> None:
        """End the call that the run is in, if it is in one."""
        self.interrupted.append(run)
        run.interrupted = True
        block = self._waiting.get(id(run))
        if block is not None:
            block.release()

    async def _call(self, method: str, subject: Any, run: Run) -> None:
        call = HostCall(method, subject, run)
        if self._running is not None:
            self.overlaps.append((self._running.method, method))
        self.calls.append(call)
        outer, self._running = self._running, call
        try:
            await self._play(method, run)
            call.outcome = "interrupted" if run.interrupted else "returned"
        except trio.Cancelled:
            call.outcome = "cancelled"
            raise
        except BaseException:
            call.outcome = "raised"
            raise
        finally:
            self._running = outer

    async def _play(self, method: str, run: Run) -> None:
        await trio.lowlevel.checkpoint()
        error = self._errors.pop(method, None)
        if error is not None:
            raise error
        block = self._blocks.pop(method, None)
        if block is None:
            return
        self._waiting[id(run)] = block
        block.reached.set()
        try:
            await block.released.wait()
        finally:
            del self._waiting[id(run)]
