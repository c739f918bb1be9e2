"""Reads a notebook's dotenv files, and loads them into the environment."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from callboard.actors.secrets.dotenv_file import DotenvFile, read, resolve
from callboard.actors.secrets.environ import Environ
from callboard.actors.secrets.locations import dotenv_paths
from callboard.actors.secrets.sources import ENVIRONMENT, Changes, Source, list_keys, merge, plan
from callboard.messages.payloads import SecretKeys

_log = logging.getLogger(__name__)


class DotenvSettings(Protocol):
    """What a kernel can be told about dotenv files."""

    @property
    def dotenv(self) -> Sequence[str] | None:
        """The paths of the files; None for the project's own."""

    @property
    def dotenv_override(self) -> bool:
        """Whether a changed file changes variables that it has set before."""


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been removed
        return os.path.abspath(os.sep)


def _warn(text: str) -> None:
    _log.warning("%s", text)


@attrs.frozen
class Reading:
    """What was found in the files at one time."""

    number: int
    """Readings are numbered in the order in which they were begun."""
    files: tuple[DotenvFile, ...]


@attrs.define(eq=False)
class DotenvLoader:
    """Reads and loads the dotenv files of one kernel, and remembers what they gave. It outlives its actor.

    ``read`` and ``list_keys`` may be called on any thread, ``apply`` and ``load`` where the environment may be
    written; none of them raises. An interrupt may break ``apply``; the next one finishes what it began. Names alone
    are told to anybody, never a value.
    """

    environ: Environ
    settings: Callable[[], DotenvSettings]
    """Gives the settings as of now; called from any thread."""
    filename: Callable[[], str | None] = lambda: None
    """Gives the path of the notebook, None if it has none; called from any thread."""
    warn: Callable[[str], object] = _warn
    """Told in one line of text what is wrong with a file, once until that changes; called from any thread."""
    working_directory: str = attrs.field(factory=_working_directory)
    """Where to look without a notebook file: not where the cells go later."""
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _applied: int = attrs.field(default=0, init=False)
    _changes: Changes = attrs.field(factory=Changes, init=False)
    """The latest, with the steps that are still to be done: an interrupt may come between any two."""
    _known: dict[str, dict[str, str]] = attrs.field(factory=dict, init=False, repr=False)
    """By path, what a file was last known to say."""
    _complaints: dict[str, str] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def read(self) -> Reading:
        """Read the files. Blocks for as long as the file system does."""
        number = next(self._numbers)
        return Reading(number, tuple(self._read()))

    def list_keys(self) -> list[SecretKeys]:
        """Name the secrets there are: those of the environment at the start, then those of each file as it is now."""
        files = self._read()
        own = Source("env", ENVIRONMENT, self.environ.at_start.keys())
        return list_keys(
            [own, *(Source("dotenv", file.name, file.values.keys()) for file in files)]
        )

    def load(self) -> None:
        """Read the files and load them."""
        self.apply(self.read())

    def apply(self, reading: Reading) -> None:
        """Bring the environment to what the files say; does nothing if a later reading has been applied already.

        Afterwards it is what a kernel started now would have, apart from what the notebook itself has changed: a
        variable whose file no longer has it goes, unless ``dotenv_override`` is off. A file that cannot be read, or
        not all of it, takes nothing away: it may be in the middle of being written.
        """
        with self._lock:
            if reading.number <= self._applied:
                return
            left_out = self._finish()
            known = {
                file.path: {**self._known.get(file.path, {}), **file.values}
                if file.problem is not None
                else dict(file.values)
                for file in reading.files
            }
            values, given = self.environ.values, self._changes.given
            # One by one: a thread of the notebook's may remove some meanwhile.
            current = {key: held for key in list(values) if (held := values.get(key)) is not None}
            own = {key: held for key, held in current.items() if given.get(key) != held}
            wanted, too_long = resolve(known.values(), own)
            override = self.settings().dotenv_override
            at_start = self.environ.at_start.keys()
            self._changes = plan(current, at_start, given, merge(wanted), override=override)
            self._known, self._applied = known, reading.number
            left_out += [*too_long, *self._finish()]
        self._complain("", f"not loaded: {', '.join(left_out[:10])}" if left_out else None)

    def _finish(self) -> list[str]:
        """Do the steps that are to be done; returns the names that the system does not take. May be done again."""
        values, changes = self.environ.values, self._changes
        refused = []
        for step in changes.steps:
            if values.get(step.key) != step.before:
                continue
            if step.after is None:
                values.pop(step.key, None)
                continue
            try:
                values[step.key] = step.after
            except (ValueError, OSError):  # its text has the value, or a part of it
                refused.append(step.key)
        given = {key: value for key, value in changes.given.items() if key not in refused}
        self._changes = Changes((), given)
        return refused

    def _read(self) -> list[DotenvFile]:
        filename: object = self.filename()
        if not isinstance(filename, str):  # ``__file__`` is what the notebook's code makes of it
            filename = None
        paths = dotenv_paths(self.settings().dotenv, filename, self.working_directory)
        files = [read(path) for path in paths]
        for file in files:
            self._complain(file.path, file.problem)
        return files

    def _complain(self, path: str, problem: str | None) -> None:
        if problem is None:
            self._complaints.pop(path, None)
        elif self._complaints.get(path) != problem:
            self._complaints[path] = problem
            self.warn(f"dotenv file {path}: {problem}" if path else f"dotenv variables {problem}")
