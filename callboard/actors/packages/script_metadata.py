"""The dependencies a notebook declares in itself (PEP 723), kept by uv."""

from __future__ import annotations

import logging
from importlib import metadata
from typing import TYPE_CHECKING

import attrs
import trio

from callboard.actors.packages.modules import distributed_name, package_for_module
from callboard.actors.packages.ports import ProcessNotStarted, ProcessRunner
from callboard.actors.packages.redaction import Redactor
from callboard.actors.packages.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callboard.actors.packages.managers import Manager
    from callboard.actors.packages.surroundings import Surroundings

logger = logging.getLogger(__name__)

_OWN = Requirement("callboard")


def add_to_script_argv(
    executable: str, interpreter: str, filename: str, requirements: Iterable[Requirement]
) -> tuple[str, ...]:
    """Build the uv command that adds dependencies to a script's metadata, nothing else.

    Nothing is resolved or installed: that happened, or it is the notebook's author who knows.
    """
    added = tuple(map(str, requirements))
    return (executable, "add", "--frozen", "--script", filename, "--python", interpreter, *added)


def installed_version(package: str) -> str | None:
    """Tell which version of a distribution this process would import; None: it has none."""
    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def pinned(
    modules: Iterable[str], version_of: Callable[[str], str | None] = installed_version
) -> list[Requirement]:
    """Pin the packages of modules to the versions installed; what is not installed is left out.

    That also leaves the standard library out. Sorted, one per package. Reads directories.
    """
    packages = {package_for_module(distributed_name(module)) for module in modules}
    versions = {package: version_of(package) for package in sorted(packages)}
    return [
        Requirement(package, specifier=f"=={version}")
        for package, version in versions.items()
        if version is not None
    ]


@attrs.define(eq=False)
class ScriptMetadata:
    """Adds to the metadata of the notebook's file, where that is enabled; never takes away.

    Only with uv and for a notebook that has a file; otherwise nothing happens. What goes wrong is
    logged and has no other consequence. Calls take turns, because the file is rewritten. Reads
    directories.
    """

    surroundings: Surroundings
    runner: ProcessRunner
    version_of: Callable[[str], str | None] = installed_version
    _added: set[tuple[str, str]] = attrs.field(factory=set, init=False)
    _writing: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def manager_chosen(self, manager: Manager) -> None:
        """Declare callboard itself, unpinned."""
        await self._add(manager, [_OWN])

    async def modules_imported(self, manager: Manager, modules: Iterable[str]) -> None:
        """Declare the packages of modules that cells import, pinned to what is installed."""
        if self._file_for(manager) is not None:
            await self._add(manager, pinned(modules, self.version_of))

    async def installed(self, manager: Manager, requirements: Iterable[Requirement]) -> None:
        """Declare what was installed as it was asked for, pinned where no version was."""
        if self._file_for(manager) is not None:
            await self._add(manager, [self._pin(each) for each in requirements])

    def _pin(self, requirement: Requirement) -> Requirement:
        version = None if requirement.specifier else self.version_of(requirement.name)
        return (
            requirement if version is None else attrs.evolve(requirement, specifier=f"=={version}")
        )

    def _file_for(self, manager: Manager) -> str | None:
        if manager.name != "uv" or not self.surroundings.keeps_script_metadata:
            return None
        return self.surroundings.filename()

    async def _add(self, manager: Manager, requirements: Iterable[Requirement]) -> None:
        async with self._writing:
            filename = self._file_for(manager)
            executable = self.surroundings.executable(manager)
            if filename is None or executable is None:
                return
            new = [each for each in requirements if (filename, str(each)) not in self._added]
            if new and await self._run(executable, filename, new):
                self._added.update((filename, str(each)) for each in new)

    async def _run(self, executable: str, filename: str, new: Iterable[Requirement]) -> bool:
        argv = add_to_script_argv(executable, self.surroundings.interpreter, filename, new)
        output: list[str] = []
        try:
            result = await self.runner.run(
                argv,
                environ=self.surroundings.child_environ(),
                cwd=self.surroundings.cwd,
                on_line=output.append,
            )
        except ProcessNotStarted as error:
            logger.warning("script metadata of %s not updated: %s", filename, error)
            return False
        if not result.succeeded:
            told = Redactor(self.surroundings.environ)("\n".join(output))
            logger.warning("script metadata of %s not updated: %s\n%s", filename, result, told)
        return result.succeeded
