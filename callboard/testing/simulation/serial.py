"""The reference: the same commands one after another, each to its end, in a kernel nothing disturbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

import attrs

from callboard.kernel import Kernel, Outside, open_kernel
from callboard.messages.commands import Command
from callboard.testing.faults import FaultPlan, Faults, SimulatedThreads
from callboard.testing.simulation.cells import SimulatedSurroundings
from callboard.testing.simulation.installer import SimulatedInstaller
from callboard.testing.simulation.scheduler import run_seeded
from callboard.ui.element import UIElement


@attrs.frozen
class NotebookValues:
    """What a notebook has come to: the values of its variables and elements, and what is stale."""

    variables: Mapping[str, object]
    elements: Mapping[str, object]
    stale: frozenset[str]
    owed: tuple[str, ...] = ()
    """Cells left to a newer tick that has not run them."""

    @classmethod
    def of(cls, kernel: Kernel) -> NotebookValues:
        """Look at a kernel that does nothing just now."""
        book = kernel._parts.engine.book
        values = book.namespace.values
        names = {name for cell in book.state.graph.cells.values() for name in cell.defs}
        elements = {
            name: value._raw_value
            for name in sorted(names)
            if isinstance(value := values.get(name), UIElement)
        }
        plain = {
            name: values[name]
            for name in sorted(names)
            if isinstance(values.get(name), int | str | float)
        }
        return cls(plain, elements, frozenset(book.state.stale), book.owed)

    def differences(self, other: NotebookValues) -> list[str]:
        """Say where another notebook has come to something else."""
        found = [
            f"{kind} {name}: {mine.get(name, 'absent')}, serially {theirs.get(name, 'absent')}"
            for kind, mine, theirs in (
                ("variable", self.variables, other.variables),
                ("element", self.elements, other.elements),
            )
            for name in sorted({*mine, *theirs})
            if mine.get(name, self) != theirs.get(name, self)
        ]
        if self.stale != other.stale:
            found.append(f"stale: {sorted(self.stale)}, serially {sorted(other.stale)}")
        if self.owed:
            found.append(f"cells that were left to a newer tick never ran: {list(self.owed)}")
        return found


@attrs.frozen
class SerialRun:
    """What the same commands come to one after another."""

    values: NotebookValues
    replies: tuple[object, ...]
    """What each command was replied, in their order; None where that was nothing."""


def run_serially(commands: Iterable[Command], *, installed: Iterable[str] = ()) -> SerialRun:
    """Carry out commands one after another on virtual time; say what they come to.

    Not to be called in a trio run.
    """

    async def main() -> SerialRun:
        faults = Faults(FaultPlan())
        installer = SimulatedInstaller(Random(0), faults, "")
        installer.installed.update(installed)
        outside = Outside(
            processes=installer,
            threads=lambda name: SimulatedThreads(faults, name),
            rng=Random(0),
            wall_clock=lambda: 0.0,
        )
        with installer.importable():
            async with open_kernel(surroundings=SimulatedSurroundings(), outside=outside) as kernel:
                replies = [(await kernel.ask(command)).reply for command in commands]
                await kernel.wait_idle()
                return SerialRun(NotebookValues.of(kernel), tuple(replies))

    return run_seeded(0, main)[0]
