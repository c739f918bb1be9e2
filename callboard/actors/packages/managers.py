"""The package managers: how each is called, and which one a project uses."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from callboard.actors.packages.requirements import Requirement

TARGET_VARIABLE: Final = "CALLBOARD_UV_TARGET"
"""Environment variable: the directory that ``uv pip install`` installs into."""

_CACHE_FAULT: Final = re.compile(
    r"(?i)(?:fail\w*|unable|cannot|could not|error|denied|read-only)[^\n]*\bcache\b"
    r"|\bcache\b[^\n]*(?:permission denied|read-only|no space left|failed|os error)"
)


class UnknownManager(ValueError):
    """A manager's name that is none of the known ones; the fault of whoever sent it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown package manager {name!r}; known are {', '.join(MANAGERS)}")
        self.name = name


@attrs.frozen
class Manager:
    """One package manager.

    ``auto_installs``: missing packages are installed without asking; none of the built-in managers
    does.
    """

    name: str
    auto_installs: bool = False


MANAGERS: Final[Mapping[str, Manager]] = {
    name: Manager(name) for name in ("pip", "uv", "rye", "poetry", "pixi")
}


def manager_named(name: str) -> Manager:
    """Look a manager up.

    Raises:
        UnknownManager: there is none of that name.
    """
    try:
        return MANAGERS[name]
    except KeyError:
        raise UnknownManager(name) from None


@attrs.frozen
class Invocation:
    """What an install command depends on besides the packages.

    ``executable`` is the manager's program (for pip: the interpreter). ``uv_project`` says that uv
    manages the environment as a project's. ``target`` is a directory to install into, uv only.
    """

    executable: str
    interpreter: str
    uv_project: bool = False
    target: str | None = None


def install_argv(
    manager: Manager,
    requirement: Requirement,
    invocation: Invocation,
    *,
    upgrade: bool = False,
    use_cache: bool = True,
) -> tuple[str, ...]:
    """Build the command that installs or upgrades one package.

    ``use_cache`` is heeded by uv only. Managers that upgrade what a lock file names take the bare
    name.
    """
    program = invocation.executable
    package = str(requirement)
    upgrades = ("--upgrade",) if upgrade else ()
    match manager.name:
        case "pip":
            return (program, "-m", "pip", "install", "--no-input", *upgrades, package)
        case "uv":
            fresh = () if use_cache else ("--no-cache",)
            if invocation.uv_project:
                return (program, "add", *fresh, *upgrades, package)
            target = ("--target", invocation.target) if invocation.target else ()
            python = ("--python", invocation.interpreter)
            return (program, "pip", "install", *fresh, *upgrades, *python, *target, package)
        case "rye":
            return (
                (program, "sync", "--update", requirement.name)
                if upgrade
                else (
                    program,
                    "add",
                    package,
                )
            )
        case "poetry":
            verb, what = ("update", requirement.name) if upgrade else ("add", package)
            return (program, verb, "--no-interaction", what)
        case "pixi":
            verb, what = ("upgrade", requirement.name) if upgrade else ("add", package)
            return (program, verb, what)
    raise UnknownManager(manager.name)


def failed_for_the_cache(output: Sequence[str]) -> bool:
    """Tell whether a failed installer complained that it cannot write its cache."""
    return any(_CACHE_FAULT.search(line) for line in output)


@attrs.frozen
class Project:
    """What lies around a notebook, as far as the choice of a manager goes.

    ``files`` are the names in the project's directory, ``pyproject`` is the text of its
    ``pyproject.toml`` (empty: none). ``prefix`` is the environment's directory.
    """

    files: frozenset[str] = frozenset()
    pyproject: str = attrs.field(default="", repr=False)
    prefix: str = ""
    beside_prefix: frozenset[str] = attrs.field(default=frozenset())
    """The names in the directory that holds the environment."""


def default_manager(environ: Mapping[str, str], project: Project) -> Manager:
    """Choose the manager a project uses; the first sign decides.

    The signs: the ``UV`` variable (uv started the kernel), a tool table in ``pyproject.toml``, a
    lock file, ``pixi.toml``, an environment that uv keeps for a tool; else it is pip.
    """
    if environ.get("UV"):
        return MANAGERS["uv"]
    tools = _tool_tables(project.pyproject)
    for name in ("poetry", "pixi", "uv", "rye"):
        if name in tools:
            return MANAGERS[name]
    locks = {
        "poetry.lock": "poetry",
        "pixi.lock": "pixi",
        "uv.lock": "uv",
        "requirements.lock": "rye",
    }
    for lock, name in locks.items():
        if lock in project.files:
            return MANAGERS[name]
    if "pixi.toml" in project.files:
        return MANAGERS["pixi"]
    if "uv" in PurePath(project.prefix.replace("\\", "/")).parts[:-1]:
        return MANAGERS["uv"]
    return MANAGERS["pip"]


def is_uv_project(environ: Mapping[str, str], project: Project) -> bool:
    """Tell whether uv manages the environment as a project's, so that ``uv add`` is right.

    Either the active environment is the one named as the project's, or uv started the kernel and a
    ``uv.lock`` with its ``pyproject.toml`` lies beside the environment.
    """
    active = environ.get("VIRTUAL_ENV", "")
    if not active:
        return False
    if environ.get("UV_PROJECT_ENVIRONMENT", "") == active:
        return True
    return bool(environ.get("UV")) and {"uv.lock", "pyproject.toml"} <= project.beside_prefix


def is_isolated(
    environ: Mapping[str, str],
    *,
    prefix: str,
    base_prefix: str,
    platform: str,
    files: Collection[str] = (),
) -> bool:
    """Tell whether the environment is the notebook's own, so that installing disturbs nobody.

    A virtual environment, conda, WebAssembly or a container. ``files`` are the names in the
    environment's directory and in the root of the file system.
    """
    return (
        prefix != base_prefix
        or platform == "emscripten"
        or any(environ.get(name) for name in ("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "MODAL_TASK_ID"))
        or any(name in files for name in ("conda-meta", ".dockerenv", ".containerenv"))
    )


def _tool_tables(pyproject: str) -> Collection[str]:
    if not pyproject:
        return ()
    try:
        tool = tomllib.loads(pyproject).get("tool", {})
    except tomllib.TOMLDecodeError:
        # A file being edited; the other signs still tell.
        return ()
    return tool if isinstance(tool, dict) else ()
