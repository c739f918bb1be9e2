"""The environment that packages are installed into, as one frozen description."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from callboard.actors.packages.managers import (
    TARGET_VARIABLE,
    Invocation,
    Manager,
    Project,
    default_manager,
    is_isolated,
    is_uv_project,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCRIPT_METADATA_VARIABLE = "CALLBOARD_MANAGE_SCRIPT_METADATA"
"""Environment variable: ``1`` or ``true`` lets the kernel keep a notebook's script metadata."""


@attrs.frozen
class Surroundings:
    """Where an installation happens; taken once, when the kernel starts.

    ``which`` looks a program up by name, as `shutil.which` does. ``filename`` tells the notebook's
    file at the moment (it may be renamed), None while it has none.
    """

    interpreter: str
    environ: Mapping[str, str] = attrs.field(repr=False)
    cwd: str
    which: Callable[[str], str | None]
    project: Project = attrs.field(factory=Project)
    isolated: bool = False
    filename: Callable[[], str | None] = attrs.field(default=lambda: None)
    scripts: str = ""
    """Where the programs that came with the kernel's own environment are."""

    @property
    def default_manager(self) -> Manager:
        """The manager to use while nobody chose one."""
        return default_manager(self.environ, self.project)

    @property
    def keeps_script_metadata(self) -> bool:
        """Whether the notebook's script metadata is the kernel's to write."""
        setting = self.environ.get(SCRIPT_METADATA_VARIABLE, "")
        return setting.strip().lower() in ("1", "true", "yes", "on")

    def executable(self, manager: Manager) -> str | None:
        """Find a manager's program; None: it is not there.

        For pip it is the interpreter, which may still lack pip. uv that is installed into the
        environment counts also where the environment is not on the path.
        """
        if manager.name == "pip":
            return self.interpreter
        if manager.name == "uv":
            running = self.environ.get("UV", "")
            if running and os.path.isabs(running) and os.access(running, os.X_OK):
                return running
        found = self.which(manager.name)
        if found is None:
            # Installed as a wheel, a manager is beside an interpreter: that of the target, or this one.
            beside = (str(Path(self.interpreter).parent), self.scripts)
            found = shutil.which(manager.name, path=os.pathsep.join(filter(None, beside)))
        return found

    def invocation(self, manager: Manager, executable: str) -> Invocation:
        """Describe to `install_argv` how ``manager`` is to be called here."""
        return Invocation(
            executable=executable,
            interpreter=self.interpreter,
            uv_project=manager.name == "uv" and is_uv_project(self.environ, self.project),
            target=self.environ.get(TARGET_VARIABLE) or None,
        )

    def child_environ(self) -> dict[str, str]:
        """Make the environment variables of an installer: lines come at once, as UTF-8, plain."""
        return {
            **self.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8:replace",
            "NO_COLOR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }


def surroundings_of_this_process(
    *, cwd: str | None = None, filename: Callable[[], str | None] = lambda: None
) -> Surroundings:
    """Describe the environment that this process runs in. Reads directories: call it at start."""
    where = Path(cwd) if cwd is not None else Path.cwd()
    environ = MappingProxyType(dict(os.environ))
    path = environ.get("PATH")
    return Surroundings(
        interpreter=sys.executable,
        environ=environ,
        cwd=str(where),
        which=lambda name: shutil.which(name, path=path),
        project=read_project(where, sys.prefix, environ),
        isolated=is_isolated(
            environ,
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            platform=sys.platform,
            files=_names_in(Path(sys.prefix)) | _names_in(Path("/")),
        ),
        filename=filename,
        scripts=sysconfig.get_path("scripts"),
    )


def read_project(directory: Path, prefix: str, environ: Mapping[str, str]) -> Project:
    """Read what tells the manager of a project: the nearest directory upwards with a sign in it."""
    signs = {"pyproject.toml", "poetry.lock", "pixi.lock", "pixi.toml", "uv.lock"}
    root = next(
        (place for place in (directory, *directory.parents) if signs & _names_in(place)), directory
    )
    try:
        pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pyproject = ""
    environment = Path(environ.get("VIRTUAL_ENV") or prefix)
    return Project(
        files=_names_in(root),
        pyproject=pyproject,
        prefix=prefix,
        beside_prefix=_names_in(environment.parent),
    )


def _names_in(directory: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return frozenset()
