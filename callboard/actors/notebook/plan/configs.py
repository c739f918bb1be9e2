"""Changing how cells are configured, which can disable and enable what depends on them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from callboard.actors.notebook.plan.state import NotebookState, disabled_cells
from callboard.messages.ids import CellId
from callboard.messages.payloads import CellConfig, CellConfigPatch


@attrs.frozen
class ConfigPlan:
    """New configs; announce the cells in `statuses` (True: disabled by an ancestor, else idle)."""

    state: NotebookState
    statuses: Mapping[CellId, bool]
    to_run: tuple[CellId, ...]
    """Stale cells that may run again, in registration order. Empty in lazy mode."""


def configure(
    state: NotebookState, patches: Mapping[CellId, CellConfigPatch], *, autorun: bool
) -> ConfigPlan:
    """Change the named keys of cells' configs, of cells that do not exist yet too.

    What is below a disabled cell is announced whichever key of it changes; what is below a cell
    that was just enabled is announced where nothing else disables it, and runs if stale.
    """
    configs = dict(state.configs)
    for cell, patch in patches.items():
        configs[cell] = attrs.evolve(configs.get(cell, CellConfig()), **patch)
    graph = state.graph
    disabled, blocked = disabled_cells(graph, configs)
    statuses: dict[CellId, bool] = {}
    enabled: list[CellId] = []
    for cell in patches:
        if cell in disabled:
            statuses.update((c, True) for c in graph.order(graph.descendants([cell])))
        elif cell in state.disabled:
            enabled.append(cell)
            below = graph.order(graph.descendants([cell]))
            statuses.update((c, False) for c in below if c not in blocked)
    to_run: set[CellId] = set()
    if enabled and autorun:
        awake = {*enabled, *graph.descendants(enabled)} - disabled - blocked
        to_run = awake & state.stale
    new = attrs.evolve(state, configs=configs, disabled=disabled, blocked=blocked)
    return ConfigPlan(new, statuses, tuple(graph.by_rank(to_run)))
