"""What the packages domain remembers: the manager in use and how earlier installations ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import attrs
from packaging.utils import canonicalize_name

from callboard.actors.packages.managers import Manager, manager_named
from callboard.actors.packages.modules import package_for_module
from callboard.actors.packages.requirements import Requirement

FinalStatus = Literal["installed", "failed"]


@attrs.frozen
class Attempt:
    """How the last installation of a package ended."""

    requirement: Requirement
    status: FinalStatus


@attrs.define(eq=False)
class PackagesState:
    """Outlives the behaviour, so that a restarted one knows what it did.

    The packages actor writes, on the control thread; others read, from any thread: every change
    replaces one reference.
    """

    manager: Manager
    attempts: Mapping[str, Attempt] = attrs.field(factory=lambda: MappingProxyType({}))
    """By normalised name of the package."""

    def choose(self, name: str) -> Manager:
        """Switch to another manager.

        Raises:
            UnknownManager: there is none of that name; the one in use stays.
        """
        self.manager = manager_named(name)
        return self.manager

    def record(self, requirement: Requirement, status: FinalStatus) -> None:
        """Remember how an installation ended."""
        attempts = {**self.attempts, requirement.key: Attempt(requirement, status)}
        self.attempts = MappingProxyType(attempts)

    def attempted(self, package: str) -> Attempt | None:
        """Tell how the last installation of a package ended, whatever version was asked for."""
        return self.attempts.get(canonicalize_name(package.partition("[")[0]))

    def packages_for(self, missing: Iterable[str]) -> list[str]:
        """Name the packages of missing modules that are worth reporting, sorted.

        Those whose installation was attempted are not: it failed, or it did not help, and asking
        again would go round in circles.
        """
        names = set(missing)
        # A namespace says nothing where it is known which part of it is missing.
        vague = {name for name in names if any(other.startswith(f"{name}.") for other in names)}
        packages = {package_for_module(module) for module in names - vague}
        return sorted(package for package in packages if self.attempted(package) is None)
