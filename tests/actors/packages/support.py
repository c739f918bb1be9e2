"""The packages actor in a system of its own, with a host and installers that only pretend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from callboard.actors.packages.behaviour import COMMANDS, PackagesBehaviour, PackagesMessage
from callboard.actors.packages.managers import MANAGERS
from callboard.actors.packages.ports import ProcessResult, ProcessRunner
from callboard.actors.packages.script_metadata import ScriptMetadata
from callboard.actors.packages.state import PackagesState
from callboard.actors.packages.surroundings import Surroundings
from callboard.messages.commands import InstallPackagesCommand
from callboard.messages.notifications import (
    AlertNotification,
    InstallingPackageAlertNotification,
    Notification,
)
from callboard.runtime import (
    ChildSpec,
    Envelope,
    Ledger,
    Mailbox,
    Router,
    Settlement,
    Supervisor,
)

OnLine = Callable[[str], object]
Program = Callable[[Sequence[str], OnLine], Awaitable[ProcessResult]]


async def succeed(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
    """An installer that has nothing to say."""
    await trio.lowlevel.checkpoint()
    return ProcessResult(0)


def printing(*lines: str, status: int = 0) -> Program:
    """An installer that prints lines, a second apart, and ends."""

    async def program(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
        for line in lines:
            await trio.sleep(1)
            on_line(line)
        return ProcessResult(status)

    return program


@attrs.define(eq=False)
class FakeRunner:
    """Runs no programs: ``programs`` says what pretends to be the one that installs a package."""

    programs: dict[str, Program] = attrs.field(factory=dict)
    runs: list[tuple[str, ...]] = attrs.field(factory=list)
    environs: list[Mapping[str, str]] = attrs.field(factory=list)

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: OnLine,
    ) -> ProcessResult:
        if "-c" in argv:
            return await self.programs.get("has pip", succeed)(argv, on_line)
        self.runs.append(tuple(argv))
        self.environs.append(environ)
        return await self.programs.get(argv[-1], succeed)(argv, on_line)

    @property
    def packages(self) -> list[str]:
        """What was to be installed, in order."""
        return [argv[-1] for argv in self.runs]


@attrs.define(eq=False)
class FakeHost:
    """A notebook that misses modules; it has them once their packages are installed."""

    missing: frozenset[str] = frozenset()
    installed: list[frozenset[str]] = attrs.field(factory=list)
    on_installed: Callable[[], Awaitable[None]] | None = None

    def missing_modules(self) -> frozenset[str]:
        return self.missing

    async def packages_installed(self, modules: frozenset[str]) -> None:
        self.installed.append(modules)
        self.missing -= modules
        if self.on_installed is not None:
            await self.on_installed()


@attrs.define(eq=False)
class System:
    """The packages actor, and what came of it."""

    runner: ProcessRunner
    host: FakeHost
    state: PackagesState
    router: Router[PackagesMessage]
    told: list[Notification]
    terminal: list[str]

    def post(self, manager: str = "pip", **versions: str) -> Envelope[PackagesMessage]:
        """Post a command; names have ``_`` for ``-``."""
        return self.send({name.replace("_", "-"): each for name, each in versions.items()}, manager)

    def send(self, versions: dict[str, str], manager: str = "pip") -> Envelope[PackagesMessage]:
        """Post a command."""
        return self.router.post(InstallPackagesCommand(manager=manager, versions=versions))

    async def install(self, manager: str = "pip", **versions: str) -> Settlement:
        """Post a command and wait for its end."""
        return await self.post(manager, **versions).wait()

    @property
    def alerts(self) -> list[AlertNotification]:
        """The alerts told so far."""
        return [each for each in self.told if isinstance(each, AlertNotification)]

    @property
    def progress(self) -> list[InstallingPackageAlertNotification]:
        """How the installations went."""
        return [each for each in self.told if isinstance(each, InstallingPackageAlertNotification)]

    @property
    def statuses(self) -> dict[str, str]:
        """What was told last of every package."""
        return dict(self.progress[-1].packages)


@asynccontextmanager
async def packages_system(
    runner: ProcessRunner | None = None,
    host: FakeHost | None = None,
    *,
    surroundings: Surroundings | None = None,
    manager: str = "pip",
) -> AsyncIterator[System]:
    """Run the packages actor under a supervisor, behind a router."""
    runner = runner or FakeRunner()
    host = host or FakeHost()
    surroundings = surroundings or fake_surroundings()
    told: list[Notification] = []
    terminal: list[str] = []
    state = PackagesState(MANAGERS[manager])
    metadata = ScriptMetadata(surroundings, runner)
    ledger = Ledger()
    supervisor: Supervisor[PackagesMessage] = Supervisor(ledger)
    router: Router[PackagesMessage] = Router(ledger)
    mailbox: Mailbox[PackagesMessage] = Mailbox("packages", 10)

    def behaviour() -> PackagesBehaviour:
        return PackagesBehaviour(
            told.append, host, runner, surroundings, state, metadata, terminal.append
        )

    reference = supervisor.add(ChildSpec("packages", behaviour, mailbox))
    for command in COMMANDS:
        router.register(command, reference)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.wait_running()
        yield System(runner, host, state, router, told, terminal)
        await supervisor.stop(drain=1, kill=30)
        assert ledger.balanced


def fake_surroundings(
    environ: Mapping[str, str] | None = None, filename: str | None = None
) -> Surroundings:
    """An environment in which every manager is there, except rye."""
    return Surroundings(
        interpreter="/env/bin/python",
        environ=environ or {},
        cwd="/notebooks",
        which=lambda name: None if name == "rye" else f"/bin/{name}",
        filename=lambda: filename,
    )
