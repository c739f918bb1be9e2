"""What a command does to the notebook, decided without running anything.

Every function takes a `NotebookState` and returns a new one together with what has to be done and
said, in order. Nothing here waits, locks, prints or sees the namespace.
"""

from callboard.actors.notebook.plan.configs import ConfigPlan, configure
from callboard.actors.notebook.plan.dormant import (
    StalePlan,
    SyncPlan,
    markdown_cells,
    plan_stale,
    plan_sync,
    remember,
    wake,
)
from callboard.actors.notebook.plan.foresight import Change, Foresight
from callboard.actors.notebook.plan.mutation import Mutation, mutate
from callboard.actors.notebook.plan.run import (
    Finish,
    Preparation,
    Replan,
    RunPlan,
    StaleMarks,
    StateWrite,
    begin_run,
    blame,
    finish_run,
    has_stale_ancestor,
    mark_stale,
    replan,
    run_set,
    state_roots,
    ui_roots,
)
from callboard.actors.notebook.plan.state import (
    Invalidation,
    NotebookState,
    RunResult,
    variables,
)

__all__ = [
    "Change",
    "ConfigPlan",
    "Finish",
    "Foresight",
    "Invalidation",
    "Mutation",
    "NotebookState",
    "Preparation",
    "Replan",
    "RunPlan",
    "RunResult",
    "StaleMarks",
    "StalePlan",
    "StateWrite",
    "SyncPlan",
    "begin_run",
    "blame",
    "configure",
    "finish_run",
    "has_stale_ancestor",
    "mark_stale",
    "markdown_cells",
    "mutate",
    "plan_stale",
    "plan_sync",
    "remember",
    "replan",
    "run_set",
    "state_roots",
    "ui_roots",
    "variables",
    "wake",
]
