"""A running kernel, as the application that opened it holds it."""

from __future__ import annotations

import logging
from math import inf
from typing import Any

import attrs
import trio

from callboard.actors.notebook.presets import PresetReport
from callboard.actors.ui import RunOwedCells, announce_waiting, is_tick, updates_elements
from callboard.kernel.parts import Parts
from callboard.messages.commands import (
    Command,
    ModelCommand,
    StopKernelCommand,
    UpdateUIElementCommand,
    command_tag,
)
from callboard.messages.notifications import (
    CommandSettledNotification,
    CompletedRunNotification,
    InterruptedNotification,
    Notification,
)
from callboard.messages.replies import command_id, completed_run, error_reply, finishes
from callboard.runtime import (
    ActorState,
    Envelope,
    Ledger,
    Outcome,
    Settlement,
    StateChange,
    StopReport,
    Subscription,
    Superseded,
    SupervisorSnapshot,
)
from callboard.virtual_files import VirtualFile

_log = logging.getLogger(__name__)


@attrs.frozen
class KernelStatus:
    """A kernel as of now."""

    actors: SupervisorSnapshot
    run: str | None
    """What the cell thread works on, if anything."""
    cell: str | None
    """The cell that is running, if one is."""
    run_cells: int
    """How many cells have been started so far."""
    subscribers: int
    last_seq: int
    """Sequence number of the newest notification."""


@attrs.define(eq=False)
class _Open:
    """A command that has been accepted and has not ended."""

    command: Command = attrs.field(repr=False)
    identity: str | None
    envelope: Envelope[Any]


class Kernel:
    """A running kernel. All methods belong to its trio thread unless said otherwise.

    Made by ``open_kernel``. Commands are posted and never waited for; what they cause comes to subscribers; how each
    ended is told by its envelope, by ``ask``, and to all subscribers as ``command-settled``.
    """

    def __init__(self, parts: Parts, *, patience: tuple[float, float]) -> None:
        self._parts = parts
        self._supervisor = parts.supervisor
        self._router = parts.router
        self._broadcaster = parts.broadcaster
        self._turns = parts.turns
        self._host = parts.host
        self._patience = patience
        self._open: dict[int, _Open] = {}
        self._idle = trio.Event()
        self._owed_refused = False
        self.report: StopReport | None = None
        """How the stop went, once the kernel has stopped."""
        parts.reads.messages = lambda: [entry.envelope for entry in self._open.values()]
        parts.announcer.on_told = lambda: self._idle.set()  # noqa: PLW0108  (it is replaced)
        self.ledger.add_listener(self._on_settled)
        self._supervisor.add_listener(self._on_state)

    # Commands.

    def post(
        self,
        command: Command,
        *,
        sender: str = "",
        timeout: float = inf,
        trace: str | None = None,
    ) -> Envelope[Any]:
        """Send a command on its way and return at once; not a checkpoint.

        The envelope tells what becomes of it: ``await envelope.wait()`` gives the settlement. A command that is not
        accepted (full, unknown, stopped) comes back settled as ``rejected``, with the reason. ``timeout`` is in
        seconds; then it ends as ``expired``, as do requests to data domains after ``Settings.request_timeout``.
        ``trace`` is a W3C ``traceparent``.
        """
        limit = self._parts.limits.get(type(command))
        if limit is not None:
            timeout = min(timeout, limit())
        deadline = inf if timeout == inf else trio.current_time() + timeout
        envelope = self._router.post(command, sender=sender, deadline=deadline, trace=trace)
        if envelope.settled:
            return envelope
        self._open[envelope.seq] = _Open(command, command_id(command), envelope)
        kind = type(command)
        if kind is UpdateUIElementCommand or kind is ModelCommand:
            if (
                self._turns.current is not None
                and self._parts.lane.is_next(envelope.ticket)
                # What a message between the two reads is what the older one comes to.
                and not self._parts.reads.waits_before(envelope.ticket)
            ):
                announce_waiting(self._turns, envelope.message)
        elif kind is StopKernelCommand:
            self._parts.announcer.tell()
            self._router.close("the kernel was told to stop")
        return envelope

    async def ask(
        self,
        command: Command,
        *,
        sender: str = "",
        timeout: float = inf,
        trace: str | None = None,
    ) -> Settlement:
        """Send a command and wait for its end; the settlement's ``reply`` is the reply notification, if it has one.

        A checkpoint unless the command is rejected. Cancelled midway, the command is cancelled too.
        """
        envelope = self.post(command, sender=sender, timeout=timeout, trace=trace)
        try:
            return await envelope.wait()
        except trio.Cancelled:
            envelope.cancel("the asker was cancelled")
            raise

    def cancel(self, target: Envelope[Any] | str, reason: str = "cancelled") -> bool:
        """Cancel a command, by its envelope or by its id (token, request id, ...), queued or running.

        A running one is interrupted, and settled when it has unwound. Returns whether there was something to cancel.
        """
        if isinstance(target, Envelope):
            return target.cancel(reason)
        found = [entry for entry in self._open.values() if entry.identity == target]
        cancelled = [entry.envelope.cancel(reason) for entry in found]
        return any(cancelled)

    def interrupt(self) -> bool:
        """Interrupt the run in hand, with the cells it has queued; other commands wait on as they do.

        Returns False, and changes nothing, if no user code is in hand.
        """
        run = self._turns.current
        if run is None:
            return False
        self.publish(InterruptedNotification())
        self._host.interrupt(run)
        return True

    def send_stdin(self, line: str) -> bool:
        """Answer ``input()``; False if too many lines wait, or none is taken any more. From any thread."""
        return self._parts.stdin.feed(line)

    def close_stdin(self) -> None:
        """Let ``input()`` raise ``EOFError`` once the lines that have come are used up. From any thread."""
        self._parts.stdin.close()

    # Notifications.

    def subscribe(
        self,
        *,
        since: int | None = None,
        max_buffer: int = 1000,
        max_bytes: int = 64 * 1024 * 1024,
        name: str = "",
    ) -> Subscription[Notification]:
        """Follow the notifications from now on, or from after sequence number ``since``; see ``Subscription``."""
        return self._broadcaster.subscribe(
            since=since, max_buffer=max_buffer, max_bytes=max_bytes, name=name
        )

    def publish(self, notification: Notification) -> int | None:
        """Tell all subscribers something; returns its sequence number."""
        return self._broadcaster.publish(notification)

    def virtual_file(self, url: str) -> VirtualFile | None:
        """Return the file behind a ``./@file/...`` address of a notification; None if there is none (any more).

        For whoever serves a page; its content may be anything, so see `VirtualFile`.
        """
        return None if self._parts.files is None else self._parts.files.read(url)

    # State.

    def status(self) -> KernelStatus:
        """Describe the kernel as of now."""
        run = self._turns.current
        return KernelStatus(
            actors=self._supervisor.snapshot(),
            run=None if run is None else run.label,
            cell=None if run is None else run.current,
            run_cells=self._turns.cells_run,
            subscribers=len(self._broadcaster.subscriptions),
            last_seq=self._broadcaster.last_seq,
        )

    def preset_report(self) -> PresetReport:
        """Say what has become of the values that ``open_kernel`` got; of use once the notebook has run."""
        return self._parts.engine.presets.report()

    @property
    def ledger(self) -> Ledger:
        """The book of settlements."""
        return self._supervisor.ledger

    async def wait_idle(self) -> None:
        """Wait until every command accepted so far, and what they caused, has ended. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while self._open or not self.ledger.balanced or self._parts.announcer.waiting:
            if self._idle.is_set():
                self._idle = trio.Event()
            await self._idle.wait()

    async def wait_stop_requested(self) -> None:
        """Wait until a ``stop-kernel`` command has come. A checkpoint."""
        await self._parts.stop_requested.wait()

    async def stop(self) -> StopReport:
        """Stop intake, drain to the deadline, cancel what is left, settle everything; say how it went.

        Called again it returns the same report. A checkpoint.
        """
        self._parts.announcer.tell()
        self._router.close("the kernel is stopping")
        self._parts.stop_requested.set()
        self._parts.stdin.close()
        drain, kill = self._patience
        self.report = await self._supervisor.stop(drain, kill)
        self._parts.announcer.close()
        return self.report

    # What ends a command.

    def _on_settled(self, settlement: Settlement) -> None:
        try:
            self._close_entry(settlement)
        except Exception:
            # The ledger goes on whatever its listeners raise, but a client would wait in vain without a trace.
            _log.exception("the end of message %s was not told", settlement.seq)
            raise

    def _close_entry(self, settlement: Settlement) -> None:
        entry = self._open.pop(settlement.seq, None)
        self._parts.reads.close(settlement.seq)
        command: Any = settlement.message if entry is None else entry.command
        if type(command) in self._parts.owners:
            finished = finishes(type(command)) or (
                # An update of an element may have been merged into one of a widget's.
                entry is not None and updates_elements(entry.envelope.message)
            )
            self._announce_end(command, settlement, finished=finished)
        # A merge is no end: what was merged waits on, in the message that it was merged into.
        if settlement.target == "ui" and not isinstance(settlement.error, Superseded):
            self._on_tick_settled(command, settlement.outcome)
        if not self._open:
            self._idle.set()

    def _on_tick_settled(self, command: Any, outcome: Outcome) -> None:
        if type(command) is RunOwedCells:
            if outcome is Outcome.REJECTED:
                # Its actor is down, or full: a further try now would end like this one.
                self._owed_refused = True
                return
            self.publish(CompletedRunNotification())
        elif outcome not in _CARRIED_OUT and self._turns.current is not None:
            # The run in hand must not leave cells to a tick that will not come.
            self._turns.current.newer = ()
        self._run_owed_cells()

    def _run_owed_cells(self) -> None:
        """See to it that cells run whose tick has gone: they are owed to the page all the same."""
        self._owed_refused = False
        if not self._host.owes_cells() or self._router.closed:
            return
        if not any(is_tick(entry.command) for entry in self._open.values()):
            self._router.post(RunOwedCells())

    def _on_state(self, change: StateChange) -> None:
        up = change.actor == "ui" and change.new is ActorState.RUNNING
        if up and self._owed_refused:
            self._run_owed_cells()

    def _announce_end(self, command: Command, settlement: Settlement, *, finished: bool) -> None:
        outcome, reason = settlement.outcome, settlement.reason
        if outcome is Outcome.REJECTED:
            reason = self._parts.refusal(type(command)) or reason
        reply = settlement.reply
        if reply is None and outcome not in _CARRIED_OUT:
            reply = error_reply(command, reason or str(outcome))
        if reply is not None:
            encoded = self._parts.encoded.get(settlement.seq)
            self._broadcaster.publish(reply, encoded)  # type: ignore[arg-type]
        if outcome is not Outcome.SUPERSEDED and finished:
            self.publish(completed_run(command))
        self.publish(
            CommandSettledNotification(
                type=command_tag(command),
                id=command_id(command),
                outcome=str(outcome),
                domain=self._parts.owners[type(command)],
                reason=reason,
                queued_ms=settlement.queued * 1000,
                ran_ms=settlement.ran * 1000,
            )
        )


_CARRIED_OUT = (Outcome.COMPLETED, Outcome.SUPERSEDED)
