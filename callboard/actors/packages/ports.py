"""What the packages domain needs from outside, as narrow as it goes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callboard.messages.notifications import Notification


class Notify(Protocol):
    """Publishes a notification; never waits and never raises."""

    def __call__(self, notification: Notification, /) -> object:
        """Publish one notification."""


class PackagesHost(Protocol):
    """The part of the notebook that the packages domain sees. Control thread only."""

    def missing_modules(self) -> frozenset[str]:
        """Modules that registered cells import and that cannot be found."""

    async def packages_installed(self, modules: frozenset[str]) -> None:
        """Run, or mark stale, the cells that newly importable modules unblock."""


@attrs.frozen
class ProcessResult:
    """How a program ended: its exit status, or minus the number of the signal that killed it."""

    returncode: int

    @property
    def succeeded(self) -> bool:
        """Whether the exit status is 0."""
        return self.returncode == 0

    def __str__(self) -> str:
        if self.returncode >= 0:
            return f"exit status {self.returncode}"
        try:
            return f"killed by {signal.Signals(-self.returncode).name}"
        except ValueError:
            return f"killed by signal {-self.returncode}"


class ProcessNotStarted(Exception):
    """A program could not be started: it is not there, may not be run, or its directory is gone."""


class ProcessRunner(Protocol):
    """Runs programs. A simulation brings one of its own."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        on_line: Callable[[str], object],
    ) -> ProcessResult:
        """Run a program to its end; ``on_line`` gets each line of its output as it comes.

        Output and errors come as one stream, without line ends. No shell is involved. Cancelling
        ends the program and all it started before the cancellation goes on.

        Raises:
            ProcessNotStarted: the program could not be started.
        """
