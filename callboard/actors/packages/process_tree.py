"""Finding and signalling every process that a program started, also those that left its group.

On Linux three signs tie a process to the program, and each is enough: a parent that is known, the
program's session, or the mark that the program's environment was given. The mark finds those that
made a session of their own and whose parent has ended. What started with an emptied environment,
in a session of its own, and lost its parent before it was ever seen is not found. Elsewhere than
on Linux the process group is all there is.
"""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK_VARIABLE: Final = "CALLBOARD_PROCESS_MARK"
"""The environment variable that marks a program and whatever it starts."""

PROC: Final = Path("/proc")


def new_mark() -> str:
    """Make a mark for one program; no two are alike."""
    return uuid.uuid4().hex


@attrs.frozen
class Identity:
    """A process, for good: numbers are used again, a number with its start time is not."""

    pid: int
    started: int


@attrs.frozen
class ProcessEntry:
    """What ``/proc`` says of a process. ``ended``: gone but for somebody to wait for it."""

    identity: Identity
    parent: int
    session: int
    ended: bool


class ProcessTree:
    """The processes that descend from ``root``, the leader of a session of its own.

    A process once seen stays known when its parent ends. `scan` reads ``/proc`` throughout, some 20
    microseconds for each process of the machine; `alive` looks at the known ones only. Make it
    before ``root`` has been waited for, so that its number is certainly its own.
    """

    def __init__(self, root: int, mark: str, proc: Path = PROC) -> None:
        self._root = root
        self._mark = f"{MARK_VARIABLE}={mark}".encode()
        self._proc = proc
        self._known: set[Identity] = set()
        self._session_lives = True
        entry = read_entry(root, proc)
        self._born = entry.identity.started if entry is not None else None

    def scan(self) -> list[Identity]:
        """Find the members that are alive now: those known, and any that came since."""
        if self._born is None:
            return self.alive()
        entries = {
            entry.identity.pid: entry
            for entry in read_entries(self._proc)
            # Nothing older can descend from the root; that leaves few environments to read.
            if entry.identity.started >= self._born and entry.identity.pid != os.getpid()
        }
        members = {entry.identity for entry in entries.values() if self._is_member(entry)}
        if not any(entry.session == self._root for entry in entries.values()):
            # From now on the number may become another session's.
            self._session_lives = False
        pids = {identity.pid for identity in members}
        grown = True
        while grown:
            children = [
                entry
                for entry in entries.values()
                if entry.parent in pids and entry.identity.pid not in pids
            ]
            pids.update(entry.identity.pid for entry in children)
            members.update(entry.identity for entry in children)
            grown = bool(children)
        self._known |= members
        return self._living(entries[identity.pid] for identity in members)

    def alive(self) -> list[Identity]:
        """Find those known that are still alive; ended ones adopted by this process are reaped."""
        if self._born is None:
            return [Identity(self._root, 0)] if _group_exists(self._root) else []
        entries = (read_entry(identity.pid, self._proc) for identity in self._known)
        return self._living(
            entry for entry in entries if entry is not None and entry.identity in self._known
        )

    def send(self, members: Iterable[Identity], number: signal.Signals) -> None:
        """Send a signal to members; those that ended meanwhile are left out."""
        if self._born is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._root, number)
            return
        for identity in members:
            self._send_to_one(identity, number)

    def _is_member(self, entry: ProcessEntry) -> bool:
        return (
            entry.identity == Identity(self._root, self._born or 0)
            or entry.identity in self._known
            or (self._session_lives and entry.session == self._root)
            or self._is_marked(entry.identity.pid)
        )

    def _is_marked(self, pid: int) -> bool:
        try:
            environ = (self._proc / str(pid) / "environ").read_bytes()
        except OSError:
            # It ended, or it is somebody else's and out of reach anyway.
            return False
        return self._mark in environ.split(b"\0")

    def _living(self, entries: Iterable[ProcessEntry]) -> list[Identity]:
        living: list[Identity] = []
        for entry in entries:
            if not entry.ended:
                living.append(entry.identity)
            elif entry.parent == os.getpid() and entry.identity.pid != self._root:
                # An orphan falls to this process where it is the init of a container; nobody else
                # would wait for it. The root is left to whoever started it.
                with suppress(ChildProcessError):
                    os.waitpid(entry.identity.pid, os.WNOHANG)
        return sorted(living, key=lambda identity: identity.pid)

    def _send_to_one(self, identity: Identity, number: signal.Signals) -> None:
        try:
            descriptor = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return
        except OSError:
            # An old kernel, or a sandbox that forbids it: a moment is left in which the number
            # could change hands.
            if self._is_current(identity):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(identity.pid, number)
            return
        try:
            # The descriptor holds on to one process; only now is it certain to be the right one.
            if self._is_current(identity):
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)

    def _is_current(self, identity: Identity) -> bool:
        entry = read_entry(identity.pid, self._proc)
        return entry is not None and entry.identity == identity


def read_entries(proc: Path = PROC) -> Iterator[ProcessEntry]:
    """Read the process table; a process that ends meanwhile may be missing."""
    with os.scandir(proc) as listing:
        pids = [int(item.name) for item in listing if item.name.isdecimal()]
    for pid in pids:
        entry = read_entry(pid, proc)
        if entry is not None:
            yield entry


def read_entry(pid: int, proc: Path = PROC) -> ProcessEntry | None:
    """Read one line of the process table; None: there is no such process, or no such table."""
    try:
        text = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name stands in brackets and may itself hold brackets and spaces.
    fields = text.rpartition(b")")[2].split()
    return ProcessEntry(
        identity=Identity(pid, int(fields[19])),
        parent=int(fields[1]),
        session=int(fields[3]),
        ended=fields[0] in (b"Z", b"X"),
    )


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
