"""Something to install, and a throw-away environment to install it into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import attrs
import trio

from callboard.actors.packages.demo_wheel import DEMO_PACKAGE, build_demo_wheel
from callboard.actors.packages.environment import (
    EnvironmentNotMade,
    VirtualEnvironment,
    create_environment,
)
from callboard.actors.packages.ports import ProcessNotStarted
from callboard.actors.packages.process import TrioProcessRunner
from callboard.actors.packages.surroundings import Surroundings
from callboard.messages.commands import InstallPackagesCommand

PACKAGE = "rich"
"""Pure Python, small, with a few small dependencies: what an author forgets to install."""

_PATIENCE = 20.0
"""Seconds that a package index gets to answer."""


@attrs.frozen
class Installation:
    """What is going to be installed, and where."""

    package: str
    source: str
    """Where it comes from, in words."""
    manager: Literal["pip", "uv"]
    surroundings: Surroundings
    site_packages: Path

    def command(self) -> InstallPackagesCommand:
        """Make the command that installs it."""
        return InstallPackagesCommand(self.manager, {self.package: ""})

    @property
    def done(self) -> bool:
        """Whether the package is there."""
        stem = self.package.replace("-", "_")
        return any(self.site_packages.glob(f"{stem}-*.dist-info"))


async def prepare(directory: Path, say: Callable[[str], object]) -> Installation:
    """Make an environment in a directory, and find out whether a package index answers.

    pip is preferred: it takes longer, which is the point. Programs that are started end if this is cancelled.

    Raises:
        EnvironmentNotMade: neither pip nor uv could be had.
    """
    runner = TrioProcessRunner()
    environ = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    say("making a throw-away environment")
    environment = await _environment(directory / "environment", runner, environ)
    say("asking for a package index")
    package, source = PACKAGE, "from a package index"
    if not await _index_answers(environment, runner, environ):
        package, source = DEMO_PACKAGE, "a wheel built on the spot, since no package index answers"
        wheels = directory / "wheels"
        build_demo_wheel(wheels)
        for program in ("PIP", "UV"):
            environ[f"{program}_NO_INDEX"] = "1"
            environ[f"{program}_FIND_LINKS"] = str(wheels)
    return Installation(
        package=package,
        source=source,
        manager=environment.manager,
        surroundings=Surroundings(
            interpreter=str(environment.interpreter),
            environ=environ,
            cwd=str(directory),
            which=shutil.which,
            isolated=True,
        ),
        site_packages=environment.site_packages,
    )


async def _environment(
    directory: Path, runner: TrioProcessRunner, environ: dict[str, str]
) -> VirtualEnvironment:
    try:
        return await create_environment(directory, runner, environ=environ)
    except EnvironmentNotMade:
        # Some distributions part venv from Python.
        uv = shutil.which("uv")
        if uv is None:
            raise
        return await create_environment(
            directory.with_name("environment-of-uv"), runner, uv=uv, environ=environ
        )


async def _index_answers(
    environment: VirtualEnvironment, runner: TrioProcessRunner, environ: dict[str, str]
) -> bool:
    """Ask for the package without installing it."""
    python = str(environment.interpreter)
    argv = [python, "-m", "pip", "install", "--no-input", "--no-deps", "--dry-run", PACKAGE]
    if environment.manager == "uv":
        argv = ["uv", "pip", "install", "--python", python, "--no-deps", "--dry-run", PACKAGE]
    with trio.move_on_after(_PATIENCE):
        try:
            ended = await runner.run(
                argv, environ=environ, cwd=str(environment.directory), on_line=str
            )
        except ProcessNotStarted:
            return False
        return ended.succeeded
    return False
