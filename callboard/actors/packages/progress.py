"""Telling how an installation goes: one notification for every change and every line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import attrs

from callboard.actors.packages.plan import Step
from callboard.actors.packages.ports import Notify
from callboard.messages.notifications import InstallingPackageAlertNotification

Status = Literal["queued", "installing", "installed", "failed"]
Source = Literal["kernel", "server"]


@attrs.define(eq=False)
class Progress:
    """The status of every package of one command; each notification carries them all.

    ``redact`` is applied to whatever goes into a log, ``terminal`` gets the same text. Packages
    that are not installed again stand there with their known status from the start.
    """

    notify: Notify
    source: Source
    redact: Callable[[str], str]
    terminal: Callable[[str], object]
    _statuses: dict[str, Status] = attrs.field(factory=dict, init=False)

    def begin(self, steps: Iterable[Step]) -> None:
        """Tell which packages there are; nothing is told when there are none."""
        self._statuses = {step.label: step.known or "queued" for step in steps}
        if self._statuses:
            self._tell()

    def installing(self, label: str) -> None:
        """Tell that the turn of a package has come."""
        self._statuses[label] = "installing"
        self._tell()
        self._log(label, f"Installing {label}\n", "start")

    def line(self, label: str, line: str) -> None:
        """Pass a line of the installer's output on."""
        self._log(label, f"{line}\n", "append")

    def done(self, label: str, status: Literal["installed", "failed"], text: str) -> None:
        """Tell how a package ended."""
        self._statuses[label] = status
        self._log(label, f"{text}\n", "done")

    def abandon(self, text: str) -> None:
        """Tell that no package in hand or waiting will be installed: the command was cancelled."""
        unfinished: list[str] = []
        for label, status in self._statuses.items():
            if status in ("queued", "installing"):
                self._statuses[label] = "failed"
                unfinished.append(label)
        for label in unfinished:
            self._log(label, f"{text}\n", "done")

    def _tell(self) -> None:
        self.notify(
            InstallingPackageAlertNotification(packages=dict(self._statuses), source=self.source)
        )

    def _log(self, label: str, text: str, status: Literal["start", "append", "done"]) -> None:
        safe = self.redact(text)
        self.terminal(safe)
        self.notify(
            InstallingPackageAlertNotification(
                packages=dict(self._statuses),
                logs={label: safe},
                log_status=status,
                source=self.source,
            )
        )
