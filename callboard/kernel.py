"""The composition root: makes the actors of a kernel, wires them up, and is what an application holds."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any

import attrs
import trio

from callboard.actors.control import COMMANDS as CONTROL_COMMANDS
from callboard.actors.control import KernelBehaviour
from callboard.actors.domain import Domain, partition
from callboard.actors.functions import COMMANDS as FUNCTION_COMMANDS
from callboard.actors.functions import FunctionsBehaviour
from callboard.actors.host import HostError, NotebookHost, Turns, UnblockedCells
from callboard.actors.notebook.actor import COMMANDS as NOTEBOOK_COMMANDS
from callboard.actors.notebook.actor import NotebookBehaviour
from callboard.actors.notebook.book import cell_of_caller
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.engine import Engine
from callboard.actors.notebook.host import EngineHost
from callboard.actors.notebook.presets import PresetReport
from callboard.actors.notebook.settings import Settings
from callboard.actors.notebook.stdin import Stdin
from callboard.actors.notebook.surroundings import Embedded, Surroundings, Wiring
from callboard.actors.packages.behaviour import COMMANDS as PACKAGES_COMMANDS
from callboard.actors.packages.behaviour import INTERNAL as PACKAGES_INTERNAL
from callboard.actors.packages.behaviour import ManagerChosen, ModulesImported, PackagesBehaviour
from callboard.actors.packages.managers import UnknownManager
from callboard.actors.packages.missing import missing_imports
from callboard.actors.packages.ports import ProcessRunner
from callboard.actors.packages.process import TrioProcessRunner
from callboard.actors.packages.reporting import MissingPackages
from callboard.actors.packages.script_metadata import ScriptMetadata
from callboard.actors.packages.state import PackagesState
from callboard.actors.packages.surroundings import Surroundings as PackagesEnvironment
from callboard.actors.packages.surroundings import surroundings_of_this_process
from callboard.actors.ui import COMMANDS as UI_COMMANDS
from callboard.actors.ui import (
    RunOwedCells,
    UIBehaviour,
    UIConflation,
    announce_waiting,
    is_tick,
    updates_elements,
)
from callboard.messages.codec import encode_notification
from callboard.messages.commands import (
    COMMANDS,
    Command,
    ModelCommand,
    StopKernelCommand,
    UpdateUIElementCommand,
    command_tag,
)
from callboard.messages.conflation import state_key
from callboard.messages.notifications import (
    AlertNotification,
    CommandSettledNotification,
    CompletedRunNotification,
    FunctionCallResultNotification,
    InterruptedNotification,
    Notification,
    ResyncNotification,
)
from callboard.messages.payloads import HumanReadableStatus
from callboard.messages.replies import command_id, completed_run, error_reply, finishes
from callboard.runtime import (
    ActorState,
    Backoff,
    Broadcaster,
    ChildSpec,
    Closed,
    Envelope,
    Ingress,
    Lane,
    Ledger,
    Mailbox,
    Outcome,
    Router,
    Settlement,
    StateChange,
    StopReport,
    Subscription,
    Superseded,
    Supervisor,
    SupervisorSnapshot,
)

_log = logging.getLogger(__name__)

CONSOLE_INTERVAL = 0.01
"""Seconds between deliveries of console text while a cell prints."""
INGRESS_CAPACITY = 10_000
"""Notifications that user code may be ahead of the control thread; then it waits."""


def _as_it_is(domain: Domain) -> Domain:
    return domain


@attrs.frozen
class Outside:
    """What a kernel meets that is not the same twice, apart from the surroundings of its user code.

    A simulation replaces all of it. The identifiers that messages are given are left out: nothing is decided by them.
    """

    processes: ProcessRunner = attrs.field(factory=TrioProcessRunner)
    """What installers run in."""
    rng: random.Random = attrs.field(factory=random.Random)
    """Draws the jitter of restarts."""
    wall_clock: Callable[[], float] = time.time
    """Unix seconds; it may jump."""
    missing_imports: Callable[[Iterable[str]], frozenset[str]] = missing_imports
    """Tells which of some modules cannot be found."""
    around: Callable[[Domain], Domain] = _as_it_is
    """Stands between the kernel and each of its domains, to watch or to disturb them."""


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
class Parts:
    """What a kernel is made of."""

    ledger: Ledger
    supervisor: Supervisor[Any]
    router: Router[Any]
    broadcaster: Broadcaster[Notification]
    ingress: Ingress[Any]
    lane: Lane
    turns: Turns
    host: NotebookHost
    engine: Engine
    stdin: Stdin
    console: Console
    domains: tuple[Domain, ...]
    owners: dict[type[Any], str]
    stop_requested: trio.Event
    console_dirty: trio.Event = attrs.field(factory=trio.Event)

    def refusal(self, command_type: type[Any]) -> str | None:
        """Say why commands of a type can never be accepted here; None if they can."""
        if any(command_type in domain.commands for domain in self.domains):
            return None
        return (
            f"this kernel has no {self.owners[command_type]} domain, "
            f"which handles {command_tag(command_type)}"
        )

    async def deliver_console(self) -> None:
        """Deliver console text while cells print, about every 10 ms; for ever."""
        while True:
            await self.console_dirty.wait()
            self.console_dirty = trio.Event()
            await trio.sleep(CONSOLE_INTERVAL)
            if not self.console.flush_nowait():
                self.console_dirty.set()

    def wiring(self, interrupt: Callable[[], object]) -> Wiring:
        """Describe what the surroundings have to connect to user code."""
        token = trio.lowlevel.current_trio_token()
        return Wiring(
            namespace=self.engine.book.namespace,
            console=self.console,
            stdin=self.stdin,
            cell_of_caller=cell_of_caller,
            running_cell=lambda: self.engine.running_cell,
            # In a signal handler only this much is safe: the handler may have stopped anything midway.
            on_foreign_signal=lambda: token.run_sync_soon(interrupt),
        )


@attrs.define(eq=False)
class _Open:
    """A command that has been accepted and has not ended."""

    command: Command
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
        seconds; then it ends as ``expired``. ``trace`` is a W3C ``traceparent``.
        """
        deadline = inf if timeout == inf else trio.current_time() + timeout
        envelope = self._router.post(command, sender=sender, deadline=deadline, trace=trace)
        if envelope.settled:
            return envelope
        self._open[envelope.seq] = _Open(command, command_id(command), envelope)
        kind = type(command)
        if kind is UpdateUIElementCommand or kind is ModelCommand:
            if self._turns.current is not None and self._parts.lane.is_next(envelope.ticket):
                announce_waiting(self._turns, envelope.message)
        elif kind is StopKernelCommand:
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
        """Answer ``input()``; False if too many unread lines wait. From any thread."""
        return self._parts.stdin.feed(line)

    def close_stdin(self) -> None:
        """Let ``input()`` raise ``EOFError`` from now on, where it waits as well. From any thread."""
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
        while self._open or not self.ledger.balanced:
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
        self._router.close("the kernel is stopping")
        self._parts.stop_requested.set()
        self._parts.stdin.close()
        drain, kill = self._patience
        self.report = await self._supervisor.stop(drain, kill)
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
            self.publish(reply)  # type: ignore[arg-type]
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


@asynccontextmanager
async def open_kernel(
    *,
    settings: Settings | None = None,
    surroundings: Surroundings | None = None,
    filename: str | None = None,
    preset: Mapping[str, object] | None = None,
    packages: PackagesEnvironment | None = None,
    domains: Iterable[Domain] = (),
    outside: Outside | None = None,
    drain: float = 5.0,
    kill: float = 5.0,
) -> AsyncIterator[Kernel]:
    """Run a kernel for the duration of the block, in the trio run of the caller.

    ``surroundings`` say what thread user code runs on; by default one of its own, and nothing of the process is
    changed: no signal handler, no stream, no ``sys.argv``. ``filename`` is what ``__file__`` is in the notebook.
    ``preset`` gives raw values to UI elements by the names they get bound to. ``packages`` describes the environment
    that packages are installed into; by default that of this process. ``domains`` are added to the kernel's own, or
    take the place of the one of the same name; ``outside`` is for simulations. At the end of the block the kernel
    stops: ``drain`` and ``kill`` are seconds for working off what is queued and for unwinding what is cancelled.

    Two kernels in one process share no mutable state. An exception of the block passes through unchanged.

    Raises:
        StartFailed: an actor did not come up.
    """
    surroundings = surroundings or Embedded()
    parts = _assemble(
        settings or Settings.of_environment(os.environ),
        surroundings,
        filename,
        dict(preset or {}),
        packages,
        tuple(domains),
        outside or Outside(),
    )
    kernel = Kernel(parts, patience=(drain, kill))
    raised: BaseException | None = None
    try:
        with surroundings.connect(parts.wiring(kernel.interrupt)):
            async with trio.open_nursery() as nursery:
                await nursery.start(parts.supervisor.run)
                nursery.start_soon(parts.deliver_console)
                try:
                    await parts.supervisor.wait_running()
                    yield kernel
                except BaseException as error:
                    raised = error
                    raise
                finally:
                    with trio.CancelScope(shield=True):
                        await kernel.stop()
                        parts.engine.book.release_threads()
                        await surroundings.cell_thread.aclose()
                        parts.engine.book.analyse.forget_all()
                    parts.ingress.close()
                    parts.broadcaster.close()
                    nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The nursery is an inner matter: the caller's own exception is what the caller expects.
        if raised is not None and group.exceptions == (raised,):
            raise raised from raised.__cause__
        raise


def _assemble(
    settings: Settings,
    surroundings: Surroundings,
    filename: str | None,
    preset: dict[str, object],
    environment: PackagesEnvironment | None,
    added: tuple[Domain, ...],
    outside: Outside,
) -> Parts:
    ledger = Ledger()
    lane = Lane(ledger.next_seq, "cell thread")
    turns = Turns()
    stop_requested = trio.Event()
    broadcaster: Broadcaster[Notification] = Broadcaster(
        encode_notification,
        conflate=state_key,
        on_encode_error=_replacement,
        on_resync=lambda reason, seq: [ResyncNotification(reason, seq)],
    )

    def take(item: Notification | Callable[[], object]) -> None:
        if callable(item):
            item()
        else:
            broadcaster.publish(item)

    ingress = Ingress(take, INGRESS_CAPACITY)

    def emit(item: Notification | Callable[[], object]) -> None:
        # A thread of user code may outlive the kernel, and what it prints then is for nobody.
        with suppress(Closed):
            ingress.put(item)

    console = Console(
        emit=emit,
        on_dirty=lambda: emit(lambda: parts.console_dirty.set()),  # noqa: PLW0108  (it is replaced)
        max_write=settings.std_stream_max_bytes,
    )
    stdin = Stdin(console, emit, surroundings.gate, closed=settings.run_mode)

    environment = environment or surroundings_of_this_process(
        filename=lambda: engine.book.namespace.values["__file__"]
    )
    installed = PackagesState(environment.default_manager)
    if settings.package_manager is not None:
        installed.choose(settings.package_manager)

    def post_back(message: object) -> None:
        emit(lambda: router.post(message))

    missing = MissingPackages(
        installed,
        environment.isolated,
        notify=emit,
        post=post_back,
        imported=(lambda modules: post_back(ModulesImported(modules)))
        if environment.keeps_script_metadata
        else None,
    )

    def apply_settings(updated: Settings) -> None:
        name = updated.package_manager
        if name is None or name == installed.manager.name:
            return
        try:
            installed.choose(name)
        except UnknownManager as error:
            raise HostError(f"config.package_management.manager: {error}") from None
        post_back(ManagerChosen())

    engine = Engine.make(
        settings=settings,
        surroundings=surroundings,
        emit=emit,
        console=console,
        missing=missing,
        on_settings=apply_settings,
        filename=filename,
        preset=preset,
    )
    host = EngineHost(
        engine,
        surroundings.cell_thread,
        surroundings.gate,
        ingress,
        outside.missing_imports,
        wall_clock=outside.wall_clock,
    )
    own = (
        Domain("kernel", CONTROL_COMMANDS, lambda: KernelBehaviour(stop_requested.set)),
        Domain(
            "notebook",
            NOTEBOOK_COMMANDS,
            lambda: NotebookBehaviour(host, turns),
            on_cell_thread=True,
        ),
        Domain(
            "ui",
            UI_COMMANDS,
            lambda: UIBehaviour(host, turns),
            internal=(RunOwedCells,),
            conflation=UIConflation(),
            on_cell_thread=True,
        ),
        Domain(
            "functions",
            FUNCTION_COMMANDS,
            lambda: FunctionsBehaviour(host, turns),
            on_cell_thread=True,
        ),
        Domain(
            "packages",
            PACKAGES_COMMANDS,
            lambda: PackagesBehaviour(
                notify=broadcaster.publish,
                host=UnblockedCells(host, turns, lambda: lane.ticket("packages")),
                runner=outside.processes,
                surroundings=environment,
                state=installed,
                script_metadata=ScriptMetadata(environment, outside.processes),
            ),
            internal=PACKAGES_INTERNAL,
            capacity=32,
        ),
    )
    replaced = {domain.name for domain in added}
    domains = (*(domain for domain in own if domain.name not in replaced), *added)
    domains = tuple(map(outside.around, domains))
    owners = partition(domains, COMMANDS)
    supervisor: Supervisor[Any] = Supervisor(
        ledger, name="kernel", backoff=Backoff(rng=outside.rng)
    )
    supervisor.add_listener(_log_crash)
    router: Router[Any] = Router(ledger)
    _connect(domains, supervisor, router, lane)
    parts = Parts(
        ledger=ledger,
        supervisor=supervisor,
        router=router,
        broadcaster=broadcaster,
        ingress=ingress,
        lane=lane,
        turns=turns,
        host=host,
        engine=engine,
        stdin=stdin,
        console=console,
        domains=domains,
        owners=owners,
        stop_requested=stop_requested,
    )
    return parts


def _connect(
    domains: Iterable[Domain], supervisor: Supervisor[Any], router: Router[Any], lane: Lane
) -> None:
    """Give every domain an actor, and route its commands there.

    A command that runs user code could observe a tick that waits, so it closes the batch: later ticks start another.
    """
    mailboxes = {
        domain.name: Mailbox[Any](domain.name, domain.capacity, conflation=domain.conflation)
        for domain in domains
    }
    ticks = [mailboxes[domain.name] for domain in domains if domain.conflation is not None]
    for domain in domains:
        ref = supervisor.add(
            ChildSpec(
                domain.name,
                domain.behaviour,
                mailboxes[domain.name],
                lane=lane if domain.on_cell_thread else None,
            )
        )
        observes = domain.on_cell_thread and domain.conflation is None
        for command in domain.commands:
            router.register(command, ref, ticks if observes else ())
        for message in domain.internal:
            router.register(message, ref)


def _log_crash(change: StateChange) -> None:
    if change.error is not None:
        _log.error("actor %s crashed: %s", change.actor, change.reason, exc_info=change.error)


def _replacement(notification: Notification, error: Exception) -> Notification:
    """Stand in for a notification that cannot be encoded, so that whoever waits for it hears something."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(notification, FunctionCallResultNotification):
        status = HumanReadableStatus("error", "The return value cannot be sent", text)
        return FunctionCallResultNotification(notification.function_call_id, None, status)
    return AlertNotification(f"A {notification.op} message cannot be sent", text, "danger")
