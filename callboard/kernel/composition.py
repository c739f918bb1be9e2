"""Puts a kernel together from its parts, and runs it for the duration of a block."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio

from callboard.actors.announcing import Announcer, Watch
from callboard.actors.answering import Means, RequestDomain, Spared
from callboard.actors.control import COMMANDS as CONTROL_COMMANDS
from callboard.actors.control import KernelBehaviour
from callboard.actors.domain import Domain, partition
from callboard.actors.host import HostError, Turns, UnblockedCells
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.engine import Engine
from callboard.actors.notebook.failures import traceback_for_log
from callboard.actors.notebook.host import EngineHost
from callboard.actors.notebook.reads import NotebookReads
from callboard.actors.notebook.settings import Settings
from callboard.actors.notebook.stdin import Stdin
from callboard.actors.notebook.surroundings import Embedded, Surroundings
from callboard.actors.outbox import Outbox
from callboard.actors.packages.behaviour import COMMANDS as PACKAGES_COMMANDS
from callboard.actors.packages.behaviour import INTERNAL as PACKAGES_INTERNAL
from callboard.actors.packages.behaviour import ManagerChosen, ModulesImported, PackagesBehaviour
from callboard.actors.packages.managers import UnknownManager
from callboard.actors.packages.reporting import MissingPackages
from callboard.actors.packages.script_metadata import ScriptMetadata
from callboard.actors.packages.state import PackagesState
from callboard.actors.packages.surroundings import Surroundings as PackagesEnvironment
from callboard.actors.packages.surroundings import surroundings_of_this_process
from callboard.actors.quiet import Quiet
from callboard.actors.storage.expiry import remove_on_time
from callboard.caching.registry import caches_of
from callboard.garbage import Sweeper
from callboard.kernel.data import data_domains, dotenv_loader
from callboard.kernel.domains import cell_domains, connect
from callboard.kernel.handle import Kernel
from callboard.kernel.outside import Outside
from callboard.kernel.parts import Parts
from callboard.messages.codec import encode_notification
from callboard.messages.commands import (
    COMMANDS,
)
from callboard.messages.conflation import state_key
from callboard.messages.notifications import (
    AlertNotification,
    FunctionCallResultNotification,
    Notification,
    ResyncNotification,
)
from callboard.messages.payloads import HumanReadableStatus
from callboard.runtime import (
    Backoff,
    Broadcaster,
    Closed,
    Ingress,
    Lane,
    Ledger,
    Router,
    StateChange,
    Supervisor,
    Workers,
)
from callboard.runtime.errors import describe
from callboard.virtual_files import VirtualFiles

_log = logging.getLogger(__name__)

INGRESS_CAPACITY = 10_000
"""Notifications that user code may be ahead of the control thread; then it waits."""


@asynccontextmanager
async def open_kernel(
    *,
    settings: Settings | None = None,
    surroundings: Surroundings | None = None,
    filename: str | None = None,
    preset: Mapping[str, object] | None = None,
    packages: PackagesEnvironment | None = None,
    domains: Iterable[Domain | RequestDomain] = (),
    outside: Outside | None = None,
    virtual_files: bool = True,
    drain: float = 5.0,
    kill: float = 5.0,
) -> AsyncIterator[Kernel]:
    """Run a kernel for the duration of the block, in the trio run of the caller.

    ``surroundings`` say what thread user code runs on; by default one of its own, and nothing of the process is
    changed: no signal handler, no stream, no ``sys.argv``. ``filename`` is what ``__file__`` is in the notebook.
    ``preset`` gives raw values to UI elements by the names they get bound to. ``packages`` describes the environment
    that packages are installed into; by default that of this process. ``domains`` are added to the kernel's own, or
    take the place of the one of the same name; ``outside`` is for simulations. ``virtual_files`` says whether the
    application serves what `Kernel.virtual_file` returns; without it files go into addresses themselves.

    At the end of the block the kernel stops: ``drain`` and ``kill`` are seconds for working off what is queued and
    for unwinding what is cancelled.

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
        VirtualFiles(trio.current_time) if virtual_files else None,
    )
    kernel = Kernel(parts, patience=(drain, kill))
    raised: BaseException | None = None
    try:
        with surroundings.connect(parts.wiring(kernel.interrupt)):
            async with trio.open_nursery() as nursery:
                await nursery.start(parts.supervisor.run)
                nursery.start_soon(parts.deliver_console)
                nursery.start_soon(parts.announcer.run)
                if parts.sweeper is not None:
                    nursery.start_soon(parts.sweeper.run)
                if parts.files is not None:
                    nursery.start_soon(remove_on_time, parts.files)
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
                    for outbox in parts.outboxes:
                        outbox.flush()
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
    added: tuple[Domain | RequestDomain, ...],
    outside: Outside,
    files: VirtualFiles | None,
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

    loader = dotenv_loader(
        lambda: engine.book.settings,
        lambda: engine.book.namespace.values["__file__"],
        # On the control thread: what other threads log while a cell runs would be that cell's text.
        lambda text: emit(lambda: _log.warning("%s", text)),
        own_process=surroundings.own_process,
        variables=outside.environ,
    )
    watches: list[Watch] = []
    announcer = Announcer(watches, lambda message: router.post(message))  # noqa: PLW0108  (it is made later)
    outboxes: list[Outbox] = []
    spared = Spared()
    quiet = Quiet(lambda: ledger.accepted, lambda: ledger.in_flight + announcer.waiting)
    encoded: dict[int, bytes] = {}

    def tell_bound(types: Mapping[str, type], catalog: bool) -> None:
        found = announcer.interesting(types, catalog)
        if found:
            emit(lambda: announcer.gather(found))

    engine = Engine.make(
        settings=settings,
        surroundings=surroundings,
        emit=emit,
        console=console,
        missing=missing,
        on_settings=apply_settings,
        on_bound=tell_bound,
        on_create=loader.load,
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

    def let_go(values: list[object]) -> None:
        surroundings.cell_thread.submit(partial(_clear, values))

    reads = NotebookReads(
        engine.book,
        lane,
        turns,
        messages=tuple,
        from_cell_thread=emit,
        let_go=let_go,
    )
    own: tuple[Domain | RequestDomain, ...] = (
        Domain("kernel", CONTROL_COMMANDS, lambda: KernelBehaviour(stop_requested.set)),
        *cell_domains(host, turns),
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
        *data_domains(lambda: engine.book.settings, loader, files, caches_of(engine.book.registry)),
    )

    def with_means(domain: Domain | RequestDomain) -> Domain:
        if isinstance(domain, Domain):
            return domain
        if domain.watch is not None:
            watches.append(domain.watch)
        workers = Workers(domain.name, domain.threads, outside.threads(domain.name), let_go)
        outbox = Outbox(
            f"{domain.name} encoding", broadcaster.publish, outside.threads(domain.name)
        )
        outboxes.append(outbox)
        means = Means(reads, workers, host, quiet, outbox, spared, encoded)
        return domain.of(means, lambda: engine.book.settings.request_timeout)

    replaced = {domain.name for domain in added}
    chosen = (*(domain for domain in own if domain.name not in replaced), *added)
    domains = tuple(outside.around(with_means(domain)) for domain in chosen)
    owners = partition(domains, COMMANDS)
    supervisor: Supervisor[Any] = Supervisor(
        ledger, name="kernel", backoff=Backoff(rng=outside.rng)
    )
    supervisor.add_listener(_log_crash)
    router: Router[Any] = Router(ledger)
    connect(domains, supervisor, router, lane, reads.open)
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
        announcer=announcer,
        sweeper=Sweeper(host, quiet) if surroundings.own_process else None,
        reads=reads,
        files=files,
        stdin=stdin,
        console=console,
        domains=domains,
        owners=owners,
        limits={
            command: domain.timeout
            for domain in domains
            if domain.timeout is not None
            for command in domain.commands
        },
        stop_requested=stop_requested,
        outboxes=tuple(outboxes),
        encoded=encoded,
    )
    return parts


async def _clear(values: list[object]) -> None:
    """Let go of values on the cell thread, where their destructors belong."""
    values.clear()


def _log_crash(change: StateChange) -> None:
    if change.error is None:
        return
    told = traceback_for_log(change.error, own_frames=True)
    _log.error("actor %s crashed: %s\n%s", change.actor, change.reason, told)


def _replacement(notification: Notification, error: Exception) -> Notification:
    """Stand in for a notification that cannot be encoded, so that whoever waits for it hears something."""
    text = describe(error)
    if isinstance(notification, FunctionCallResultNotification):
        status = HumanReadableStatus("error", "The return value cannot be sent", text)
        return FunctionCallResultNotification(notification.function_call_id, None, status)
    return AlertNotification(f"A {notification.op} message cannot be sent", text, "danger")
