"""The packages domain as an actor: installs what it is told to and what the notebook misses."""

from __future__ import annotations

import html
import importlib
from collections import deque
from collections.abc import Callable, Sequence

import attrs
import trio

from callboard.actors.packages.managers import (
    Manager,
    UnknownManager,
    failed_for_the_cache,
    install_argv,
    manager_named,
)
from callboard.actors.packages.plan import Step, modules_unblocked, plan_installation
from callboard.actors.packages.ports import (
    Notify,
    PackagesHost,
    ProcessNotStarted,
    ProcessResult,
    ProcessRunner,
)
from callboard.actors.packages.progress import Progress
from callboard.actors.packages.redaction import Redactor
from callboard.actors.packages.requirements import RefusedRequirement, Requirement, requested
from callboard.actors.packages.script_metadata import ScriptMetadata
from callboard.actors.packages.state import PackagesState
from callboard.actors.packages.surroundings import Surroundings
from callboard.messages.commands import InstallPackagesCommand
from callboard.messages.notifications import AlertNotification
from callboard.runtime import ActorContext, Envelope, Outcome

COMMANDS = (InstallPackagesCommand,)

_LAST_LINES = 50
_HAS_PIP = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)"


def _nowhere(text: str) -> None:
    """Take text and do nothing with it."""


@attrs.frozen
class ModulesImported:
    """Cells that import these modules were registered. The kernel's own, no command."""

    modules: frozenset[str]


@attrs.frozen
class ManagerChosen:
    """The user chose another manager. The kernel's own, no command."""


PackagesMessage = InstallPackagesCommand | ModulesImported | ManagerChosen
INTERNAL = (ModulesImported, ManagerChosen)


@attrs.define(eq=False)
class PackagesBehaviour:
    """Carries out one install command at a time, its packages one after another.

    ``state`` belongs to whoever makes the behaviour, and outlives it. ``terminal`` gets what goes
    into the logs; it must not block.
    """

    notify: Notify
    host: PackagesHost
    runner: ProcessRunner
    surroundings: Surroundings
    state: PackagesState
    script_metadata: ScriptMetadata
    terminal: Callable[[str], object] = _nowhere
    _redact: Redactor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._redact = Redactor(self.surroundings.environ)

    async def on_start(self, ctx: ActorContext[PackagesMessage]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[PackagesMessage]) -> None:
        """Install packages, then let the cells run that were waiting for them.

        A name that is no manager's fails the command; a request for something that is no package,
        and a manager that is not there, end in an alert. All three before anything was run.
        Cancelled midway: the installer in hand is ended, what was installed until then stays, the
        rest is reported as failed, and no cell is run.
        """
        command = envelope.message
        if isinstance(command, ModulesImported):
            await self.script_metadata.modules_imported(self.state.manager, command.modules)
            return
        if isinstance(command, ManagerChosen):
            await self.script_metadata.manager_chosen(self.state.manager)
            return
        try:
            manager = manager_named(command.manager)
        except UnknownManager as error:
            # The sender's fault: raised, it would count as a crash of this actor.
            envelope.settle(Outcome.FAILED, reason=str(error), error=error)
            return
        try:
            packages = requested(command.versions)
        except RefusedRequirement as refusal:
            self._alert("Nothing was installed", str(refusal))
            return
        chosen = manager is not self.state.manager
        self.state.choose(manager.name)
        executable = await self._executable(manager)
        if executable is None:
            self._alert(
                f"{manager.name} is not installed",
                f"The package manager {manager.name} was not found. "
                "Install it, or choose another one.",
            )
            return
        if chosen:
            await self.script_metadata.manager_chosen(manager)
        missing = self.host.missing_modules()
        steps = plan_installation(packages, missing, self.state)
        progress = Progress(self.notify, command.source, self._redact, self.terminal)
        progress.begin(steps)
        installed: list[Requirement] = []
        try:
            for step in steps:
                if step.known is None and await self._install(step, manager, executable, progress):
                    installed.append(step.requirement)
        except BaseException as error:
            progress.abandon("cancelled" if isinstance(error, trio.Cancelled) else "not installed")
            raise
        if not installed:
            return
        await self.script_metadata.installed(manager, installed)
        await self.host.packages_installed(modules_unblocked(installed, missing))

    async def on_stop(self) -> None:
        """Nothing to release."""

    async def _executable(self, manager: Manager) -> str | None:
        """Find the manager's program; None: it is not there."""
        executable = self.surroundings.executable(manager)
        if executable is None or manager.name != "pip":
            return executable
        # pip is a module of the interpreter, which may have come without it.
        try:
            result = await self._run((executable, "-c", _HAS_PIP), _nowhere)
        except ProcessNotStarted:
            return None
        return executable if result.succeeded else None

    async def _install(
        self, step: Step, manager: Manager, executable: str, progress: Progress
    ) -> bool:
        """Install one package and tell how it goes; tell whether it is installed now."""
        label = step.label
        progress.installing(label)
        last: deque[str] = deque(maxlen=_LAST_LINES)

        def on_line(line: str) -> None:
            last.append(line)
            progress.line(label, line)

        invocation = self.surroundings.invocation(manager, executable)
        argv = install_argv(manager, step.requirement, invocation)
        try:
            result = await self._run(argv, on_line)
            if not result.succeeded and manager.name == "uv" and failed_for_the_cache(last):
                progress.line(label, "Trying again without the cache")
                argv = install_argv(manager, step.requirement, invocation, use_cache=False)
                result = await self._run(argv, on_line)
        except ProcessNotStarted as error:
            self.state.record(step.requirement, "failed")
            progress.done(label, "failed", f"Not installed: {error}")
            return False
        if not result.succeeded:
            self.state.record(step.requirement, "failed")
            progress.done(label, "failed", f"Not installed: {manager.name} ended with {result}")
            return False
        # The directories have changed since the import system looked at them.
        importlib.invalidate_caches()
        self.state.record(step.requirement, "installed")
        progress.done(label, "installed", f"Installed {label}")
        return True

    async def _run(self, argv: Sequence[str], on_line: Callable[[str], object]) -> ProcessResult:
        return await self.runner.run(
            argv,
            environ=self.surroundings.child_environ(),
            cwd=self.surroundings.cwd,
            on_line=on_line,
        )

    def _alert(self, title: str, text: str) -> None:
        # The description is HTML for whoever shows it, and may quote what a client sent.
        description = html.escape(self._redact(text), quote=False)
        self.notify(AlertNotification(title=title, description=description, variant="danger"))
