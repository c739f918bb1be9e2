"""The port between the actors and whatever runs the notebook's code.

The actors of the notebook, ui, functions and packages domains know the engine only as a ``NotebookHost``. callboard's
own is ``actors.notebook.host``; another kernel may bring one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Protocol, TypeVar

import attrs

from callboard.messages.commands import (
    CreateNotebookCommand,
    DeleteCellCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    InvokeFunctionCommand,
    ModelCommand,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.conflation import UIBatch
from callboard.messages.ids import CellId
from callboard.messages.notifications import FunctionCallResultNotification

T = TypeVar("T")

NotebookCommand = (
    CreateNotebookCommand
    | RenameNotebookCommand
    | ExecuteCellsCommand
    | ExecuteScratchpadCommand
    | ExecuteStaleCellsCommand
    | DeleteCellCommand
    | SyncGraphCommand
    | UpdateCellConfigCommand
    | UpdateUserConfigCommand
)
"""What the notebook actor hands to the host as it is."""


@attrs.define(eq=False)
class Ahead:
    """What a run still does to the variables of the notebook, as far as that is known.

    A new one takes the place of the old one whenever another step begins, so whoever looks sees one step or the other.
    """

    order: tuple[CellId, ...] = ()
    """The cells that it runs, in their order."""
    more: bool = False
    """Whether there is more to come, which what the run is for tells."""
    unknown: bool = False
    """Whether nothing can be said: cells are being registered or deleted, and what they bound may be there or not."""
    done: int = 0
    """How many of ``order`` have ended."""
    results: Mapping[CellId, str] = attrs.field(factory=dict)
    """How those ended that have; it grows."""


@attrs.define(eq=False)
class Run:
    """One turn of user code, seen from both threads.

    Fields are single references or flags, so each side reads them without a lock; a value read late costs one
    more cell, never a wrong result.
    """

    label: str
    """What the run is for, such as ``update-ui-element``; shown in status."""
    gives_way: bool = False
    """Whether cells not yet started are left to a newer tick that would run them again."""
    interrupted: bool = False
    """Set from any thread; whoever drives the run starts no further cell."""
    newer: tuple[str, ...] = ()
    """Elements and models of a tick that waits right behind this run."""
    current: CellId | None = None
    """The cell that is running, if one is."""
    cells_run: int = 0
    """How many cells were started."""
    left: int = 0
    """How many cells were left to a newer tick."""
    ahead: Ahead = attrs.field(factory=lambda: Ahead(more=True))
    """What it still does to the variables."""
    owed: tuple[CellId, ...] = ()
    """Cells that an earlier run left over, and that this one takes in."""
    on_progress: Callable[[], object] | None = None
    """Called by the thread of user code whenever less may be ahead, if somebody wants to know."""

    def progressed(self) -> None:
        """Tell whoever wants to know that less may be ahead. On the thread of user code."""
        on_progress = self.on_progress  # the other thread may take it away at any time
        if on_progress is not None:
            on_progress()


@attrs.define(eq=False)
class Turns:
    """Which run has the cell thread now, so that an interrupt or a newer tick finds it. Control thread only."""

    current: Run | None = None
    cells_run: int = 0
    """How many cells all ended runs have started."""
    on_progress: Callable[[], object] | None = None
    """What runs made from now on call whenever less may be ahead."""

    @contextmanager
    def run(self, label: str, *, gives_way: bool = False) -> Iterator[Run]:
        """Make a new run the current one."""
        run = Run(label, gives_way, on_progress=self.on_progress)
        self.current = run
        try:
            yield run
        finally:
            self.current = None
            self.cells_run += run.cells_run


class BetweenCells(Protocol):
    """Calls what has to run where the notebook's code runs, and is no part of the notebook."""

    async def between_cells(
        self,
        function: Callable[[], T],
        *,
        limit: float,
        interrupt: Callable[[], object] | None = None,
    ) -> T:
        """Call a function on the thread of user code, while none of it runs; return or raise what it does.

        It waits for the cell that runs, if one does, and not for the cells behind it. A checkpoint. Cancelled before
        it began, the function is never called. Cancelled later, or ``limit`` seconds after it began, it is
        interrupted: by ``interrupt``, called on yet another thread, and by an interrupt of the code it runs. It is
        left to itself then, and what it comes to is dropped.

        Raises:
            trio.TooSlowError: it was not done within the limit.
            CallExited: it raised what is no ``Exception``, such as ``SystemExit``.
        """


class NotebookHost(BetweenCells, Protocol):
    """Runs the notebook's code: one call at a time, in the order of the calls.

    Every coroutine here ends when the user code it started has ended. Cancelling one interrupts its run, and waits a
    bounded time for user code to give way; code that does not give way keeps the cell thread, and later calls wait.
    Notifications of a call are emitted before it returns. Called on the control thread only, unless said otherwise.
    """

    async def execute(self, command: NotebookCommand, run: Run) -> None:
        """Carry out a notebook command.

        Raises:
            HostError: the command cannot be carried out (a fault of the sender); nothing was changed.
        """

    async def apply_ui(self, batch: UIBatch, run: Run) -> None:
        """Set the values of a batch, call the callbacks, run the dependants once."""

    async def custom_message(self, command: ModelCommand, run: Run) -> None:
        """Hand a custom message to the widget model it is for; an unknown model is ignored."""

    async def run_owed(self, run: Run) -> None:
        """Run the cells that a run left to a newer tick which then never came."""

    async def invoke(
        self, command: InvokeFunctionCommand, run: Run
    ) -> FunctionCallResultNotification:
        """Call a registered function; every way it may end is told in the result."""

    async def packages_installed(self, modules: Collection[str], run: Run) -> None:
        """Run (or, lazily, mark stale) the cells that newly importable modules unblock."""

    def missing_modules(self) -> frozenset[str]:
        """Modules that registered cells import and that cannot be found."""

    def owes_cells(self) -> bool:
        """Whether cells were left to a newer tick and have not run since."""

    def interrupt(self, run: Run) -> None:
        """Interrupt one run, now if it is inside user code, else as soon as it would start more."""


class HostError(Exception):
    """A command that cannot be carried out as sent; the text is for the one who sent it."""


@attrs.define(eq=False)
class UnblockedCells:
    """The notebook as the packages domain sees it: what it lacks, and the cells that an installation unblocks."""

    host: NotebookHost
    turns: Turns
    ticket: Callable[[], AbstractAsyncContextManager[object]]
    """Takes a place among the commands that run user code, at the time of the call."""

    def missing_modules(self) -> frozenset[str]:
        """Return the modules that registered cells import and that cannot be found."""
        return self.host.missing_modules()

    async def packages_installed(self, modules: Collection[str]) -> None:
        """Run the cells that new modules unblock, when it is their turn. Cancelled meanwhile, none is started."""
        async with self.ticket():
            with self.turns.run("install-packages") as run:
                await self.host.packages_installed(modules, run)
