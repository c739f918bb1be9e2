"""Throw-away virtual environments, for demonstrations and tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from callboard.actors.packages.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callboard.actors.packages.ports import ProcessRunner


class EnvironmentNotMade(Exception):
    """A virtual environment could not be made; the message ends with what was printed."""


@attrs.frozen
class VirtualEnvironment:
    """A virtual environment, and the manager that can install into it.

    ``site_packages`` is where its packages are: a process that adds it to `sys.path` can import
    them.
    """

    directory: Path
    interpreter: Path
    site_packages: Path
    manager: Literal["pip", "uv"]


async def create_environment(
    directory: Path,
    runner: ProcessRunner,
    *,
    uv: str | None = None,
    interpreter: str = sys.executable,
    environ: Mapping[str, str] | None = None,
) -> VirtualEnvironment:
    """Make a virtual environment in ``directory``, for the same Python as ``interpreter``.

    With ``uv`` (its program) that takes milliseconds, and uv installs into it; without, it is
    ``python -m venv``, which takes seconds, because pip has to be put in. Needs no network. What is
    made half is left where it is if this fails or is cancelled.

    Raises:
        EnvironmentNotMade: the program failed.
        ProcessNotStarted: the program is not there.
    """
    environ = os.environ if environ is None else environ
    argv: list[str] = [interpreter, "-m", "venv", str(directory)]
    if uv is not None:
        argv = [uv, "venv", "--no-project", "--python", interpreter, str(directory)]
    await _run(runner, argv, environ, directory.parent)
    made = directory / "bin" / "python"
    where = [str(made), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    (site_packages,) = await _run(runner, where, environ, directory.parent)
    return VirtualEnvironment(
        directory=directory,
        interpreter=made,
        site_packages=Path(site_packages),
        manager="pip" if uv is None else "uv",
    )


async def _run(
    runner: ProcessRunner, argv: list[str], environ: Mapping[str, str], cwd: Path
) -> list[str]:
    output: list[str] = []
    result = await runner.run(argv, environ=environ, cwd=str(cwd), on_line=output.append)
    if not result.succeeded:
        told = Redactor(environ)("\n".join(output))
        raise EnvironmentNotMade(f"{argv[0]}: {result}\n{told}")
    return output
