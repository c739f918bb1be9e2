"""Installers of a simulation: programs that are no processes."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from random import Random

import attrs
import trio

from callboard.actors.packages.ports import ProcessNotStarted, ProcessResult
from callboard.testing.faults import Faults, Point

PREFIX = "callboard_sim_"
"""What the modules of simulated packages begin with; a package is called like its module."""

FLOOD = 20_000
"""Lines that a flood consists of."""
_BLABS = 0.3
"""How often an installer prints the password without any fault being planned."""


@attrs.define(eq=False)
class SimulatedInstaller:
    """Runs every program as a few lines and a few tenths of a second; package names become importable."""

    rng: Random
    faults: Faults
    secret: str
    """A credential that the installer knows; whether it keeps it to itself is up to the faults."""
    installed: set[str] = attrs.field(factory=set)
    running: int = 0
    """How many programs run now."""
    started: int = 0

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: Callable[[str], object],
    ) -> ProcessResult:
        """Run a program: the last argument is the package that an installer installs."""
        install = "install" in argv
        due = self.faults.due(Point.INSTALLER) if install else []
        names = {fault.name for fault in due}
        for fault in due:
            self.faults.fire(fault)
        self.started += 1
        self.running += 1
        try:
            if "installer-missing" in names:
                await trio.lowlevel.checkpoint()
                raise ProcessNotStarted(f"{argv[0]}: no such program")
            await trio.sleep(self.rng.choice((0.01, 0.2, 1.0)))
            on_line(f"Looking for {argv[-1]}")
            if "installer-blabs" in names or self.rng.random() < _BLABS:
                on_line(f"Looking in https://somebody:{self.secret}@index.invalid/simple")
            if "installer-flood" in names:
                for number in range(FLOOD):
                    on_line(f"line {number}")
                    if number % 100 == 0:
                        await trio.lowlevel.checkpoint()
            if "installer-hung" in names:
                await self.faults.over.wait()
            await trio.sleep(self.rng.choice((0.01, 0.5)))
            if "installer-killed" in names:
                return ProcessResult(-9)
            if install:
                self.installed.add(argv[-1].split("=")[0].replace("-", "_"))
                on_line(f"Installed {argv[-1]}")
            return ProcessResult(0)
        finally:
            self.running -= 1

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let notebook code import what has been installed, for the duration of the block."""
        finder = _Finder(self.installed)
        sys.meta_path.append(finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            for name in [name for name in sys.modules if name.startswith(PREFIX)]:
                del sys.modules[name]


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of simulated packages; each has one value."""

    def __init__(self, installed: set[str]) -> None:
        self._installed = installed

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self._installed:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["VALUE"] = len(module.__name__)
