"""What one install command comes to: pure, no effects."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from callboard.actors.packages.modules import modules_for_package, package_for_module
from callboard.actors.packages.requirements import Requirement, merge
from callboard.actors.packages.state import FinalStatus, PackagesState


@attrs.frozen
class Step:
    """One package of a command. ``known``: it is not installed again, because it ended so before."""

    requirement: Requirement
    known: FinalStatus | None = None

    @property
    def label(self) -> str:
        """How the package is called in notifications."""
        return self.requirement.label


def plan_installation(
    requested: Collection[Requirement], missing: Collection[str], state: PackagesState
) -> list[Step]:
    """List the packages to install: those asked for and those of missing modules, one per name.

    What was installed before, asked for just as now, and is not missing, is not installed again.
    What failed before is tried again when somebody asks for it by name (the network may be back),
    and is left out when it is merely missing still. Sorted by label.
    """
    asked = {requirement.key for requirement in requested}
    needed = [Requirement(name) for name in sorted({*map(package_for_module, missing)})]
    lacking = {requirement.key for requirement in needed}
    wanted = [
        requirement
        for requirement in needed
        if requirement.key not in asked and state.attempted(requirement.name) is None
    ]
    return [
        Step(
            requirement,
            known="installed"
            if requirement.key not in lacking and _was_installed(requirement, state)
            else None,
        )
        for requirement in merge([*requested, *wanted])
    ]


def modules_unblocked(
    installed: Collection[Requirement], missing: Collection[str]
) -> frozenset[str]:
    """Name the modules that installed packages may have made importable.

    Both those that were missing and belong to one of them and those they are known to provide, with
    the packages above them: ``google.cloud.storage`` makes ``google`` importable too.
    """
    keys = {requirement.key for requirement in installed}
    found = {module for module in missing if Requirement(package_for_module(module)).key in keys}
    for requirement in installed:
        found |= modules_for_package(requirement.name)
    parts = [module.split(".") for module in found]
    return frozenset(".".join(part[:end]) for part in parts for end in range(1, len(part) + 1))


def _was_installed(requirement: Requirement, state: PackagesState) -> bool:
    earlier = state.attempted(requirement.name)
    if earlier is None or earlier.status != "installed":
        return False
    # The spelling of the name is all that may differ.
    return attrs.evolve(earlier.requirement, name=requirement.name) == requirement
