"""The rules by which commands change a notebook, one by one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

import pytest

from callboard.actors.notebook.analysis import Analyser, mangle
from callboard.actors.notebook.plan import (
    Mutation,
    NotebookState,
    Preparation,
    RunResult,
    StateWrite,
    begin_run,
    blame,
    configure,
    finish_run,
    has_stale_ancestor,
    mark_stale,
    markdown_cells,
    mutate,
    plan_stale,
    plan_sync,
    remember,
    replan,
    run_set,
    state_roots,
    ui_roots,
    variables,
    wake,
)
from callboard.messages.ids import SETUP_CELL, CellId
from callboard.messages.payloads import (
    CellConfig,
    CycleError,
    MultipleDefinitionError,
    SetupRefsError,
    SyntaxCellError,
    VariableDeclaration,
)

A, B, C, D, E = (CellId(name) for name in "abcde")


class Notebook:
    """A notebook whose runs all succeed unless told otherwise."""

    def __init__(self, *, autorun: bool = True) -> None:
        self.autorun = autorun
        self.state = NotebookState()
        self.analyse = Analyser("plan")

    def mutate(
        self, codes: Mapping[CellId, str] | Mapping[str, str], delete: Iterable[CellId] = ()
    ) -> Mutation:
        found = mutate(
            self.state,
            {CellId(cell): code for cell, code in codes.items()},
            delete,
            autorun=self.autorun,
            analyse=self.analyse,
        )
        self.state = found.state
        return found

    def run(self, roots: Iterable[CellId], **results: RunResult) -> tuple[CellId, ...]:
        plan = begin_run(self.state, roots, autorun=self.autorun)
        ended = {c: results.get(c, RunResult.SUCCESS) for c in plan.order}
        for cell in plan.order:
            if plan.state.is_disabled(cell):
                ended[cell] = RunResult.DISABLED
        self.state = finish_run(plan.state, ended).state
        return plan.order

    def execute(
        self, codes: Mapping[CellId, str] | Mapping[str, str], **results: RunResult
    ) -> tuple[CellId, ...]:
        return self.run(self.mutate(codes).to_run, **results)


def opened(codes: Mapping[CellId, str] | Mapping[str, str], *, autorun: bool = True) -> Notebook:
    notebook = Notebook(autorun=autorun)
    notebook.execute(codes)
    return notebook


# Registering and deleting.


def test_a_replaced_cell_loses_the_names_of_its_old_code() -> None:
    notebook = opened({"a": "x = _y = 1", "b": "x"})
    (gone,) = notebook.mutate({"a": "z = 2"}).invalidated
    assert gone.cell_id == A
    assert gone.names == {"x", mangle("_y", A)}
    assert gone.dispose == (A, B)


def test_unchanged_code_keeps_its_registration_and_runs() -> None:
    notebook = opened({"a": "x = 1", "b": "y = 1"})
    again = notebook.mutate({"a": "x = 1"})
    assert again.invalidated == ()
    assert again.to_run == again.registered == (A,)
    assert list(notebook.state.graph.cells) == [A, B]
    notebook.mutate({"a": "x = 2"})
    assert list(notebook.state.graph.cells) == [B, A]


def test_blank_cells_never_count_as_unchanged() -> None:
    notebook = opened({"a": "", "b": "x = 1"})
    assert [i.cell_id for i in notebook.mutate({"a": ""}).invalidated] == [A]
    assert list(notebook.state.graph.cells) == [B, A]


def test_former_children_run_when_they_lose_a_parent() -> None:
    notebook = opened({"a": "x = 1", "b": "x", "c": "x + y", "d": "y = 1"})
    assert notebook.mutate({"a": "z = 1"}).to_run == (B, C, A)
    assert notebook.mutate({}, [D]).to_run == (C,)


def test_cells_below_a_batch_of_invalidations_are_disposed_of_once() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "y"})
    gone = notebook.mutate({"a": "x = 2", "b": "y = x + 1"}).invalidated
    assert [i.dispose for i in gone] == [(A, B, C), (B,)]


def test_deleting_forgets_config_results_and_staleness() -> None:
    notebook = opened({"a": "x = 1"}, autorun=False)
    notebook.state = configure(notebook.state, {A: {"hide_code": True}}, autorun=False).state
    notebook.state = mark_stale(notebook.state, [A]).state
    change = notebook.mutate({}, [A, B])
    assert [i.cell_id for i in change.invalidated] == [A]
    state = notebook.state
    assert not state.graph.cells
    assert not state.configs
    assert not state.results
    assert not state.stale


def test_deletion_wins_over_registration() -> None:
    notebook = opened({"a": "x = 1"})
    change = notebook.mutate({"a": "x = 2", "b": "y = 1"}, [A])
    assert change.registered == (B,)
    assert A not in notebook.state.graph


def test_a_cell_that_does_not_compile_leaves_the_graph() -> None:
    notebook = opened({"a": "x = 1", "b": "x"})
    change = notebook.mutate({"a": "x =", "c": "y ="})
    assert isinstance(change.failed[A], SyntaxCellError)
    assert change.failed.keys() == {A, C}
    assert change.failed_known == {A}
    assert [i.cell_id for i in change.invalidated] == [A]
    assert change.errors == {A: (change.failed[A],), C: (change.failed[C],)}
    assert change.to_run == (B,)
    assert change.registered == ()


def test_an_uncompiled_cell_is_forgotten_at_the_next_change_and_clears_when_it_compiles() -> None:
    notebook = Notebook()
    notebook.mutate({"a": "x =", "b": "y ="})
    change = notebook.mutate({"a": "x = 1"})
    assert change.recovered == (A,)
    assert change.errors == {}


def test_configs_outlive_errors_and_precede_their_cell() -> None:
    notebook = Notebook()
    notebook.state = configure(notebook.state, {A: {"disabled": True}}, autorun=True).state
    assert notebook.state.disabled == frozenset()
    notebook.mutate({"a": "x ="})
    notebook.mutate({"a": "x = 1", "b": "x"})
    assert notebook.state.disabled == {A}
    assert notebook.state.blocked == {B}


def test_new_cells_take_on_what_is_above_them() -> None:
    notebook = opened({"a": "x = 1"}, autorun=False)
    notebook.state = mark_stale(notebook.state, [A]).state
    notebook.state = configure(notebook.state, {A: {"disabled": True}}, autorun=False).state
    change = notebook.mutate({"b": "y = x", "c": "y", "d": "1"})
    assert change.born_stale == change.born_blocked == (B, C)
    assert notebook.state.stale == {A, B, C}


# Conflicts.


def test_a_new_definer_errs_alone_until_the_old_one_is_run() -> None:
    notebook = opened({"a": "x = 1", "b": "x"})
    change = notebook.mutate({"c": "x = y = 2"})
    assert change.errors == {C: (MultipleDefinitionError("x", [A]),)}
    (gone,) = change.errored_invalidated
    assert gone.names == {"y"}
    assert change.to_run == ()

    change = notebook.mutate({"a": "x = 1"})
    assert change.errors == {
        A: (MultipleDefinitionError("x", [C]),),
        C: (MultipleDefinitionError("x", [A]),),
    }
    assert [i.cell_id for i in change.errored_invalidated] == [A]
    assert change.errored_invalidated[0].names == {"x"}
    assert change.to_run == (B,)
    assert notebook.state.results[A] is RunResult.IN_ERROR


def test_conflicts_reach_untouched_cells_below_registered_ones() -> None:
    notebook = opened({"a": "y = 1", "b": "x = y"})
    assert notebook.mutate({"c": "x = 1"}).errors.keys() == {C}
    assert notebook.mutate({"a": "y = 2"}).errors.keys() == {B, C}


def test_a_cell_in_error_owns_no_state() -> None:
    notebook = opened({"a": "x = 1"})
    notebook.execute({"b": "x = 2"})
    change = notebook.mutate({"b": "x = 3"})
    assert change.invalidated == ()
    assert change.errored_invalidated == ()
    assert change.errors.keys() == {B}
    change = notebook.mutate({}, [B])
    assert change.invalidated == ()


def test_errors_are_sent_again_on_every_change() -> None:
    notebook = opened({"a": "x = 1"})
    first = notebook.mutate({"b": "x = 2"})
    assert notebook.mutate({"c": "z = 1"}).errors == first.errors
    assert notebook.mutate({}).errors == first.errors


def test_cells_that_recover_run_with_what_is_below_them() -> None:
    notebook = opened({"a": "x = 1", "b": "x = 2", "c": "x"})
    assert notebook.state.errors.keys() == {A, B}
    change = notebook.mutate({}, [B])
    assert change.recovered == (A,)
    assert change.errors == {}
    assert notebook.run(change.to_run) == (A, C)


def test_closing_a_cycle_puts_all_its_cells_in_error() -> None:
    notebook = opened({"a": "x = y0", "b": "y = x", "c": "y"})
    change = notebook.mutate({"a": "x = y"})
    error = CycleError([(B, ["y"], A), (A, ["x"], B)])
    assert change.errors == {B: (error,), A: (error,)}
    assert change.to_run == (C,)
    assert notebook.mutate({"a": "x = 1"}).recovered == (B, A)


def test_setup_depends_on_nothing() -> None:
    notebook = opened({SETUP_CELL: "y = x"})
    change = notebook.mutate({"a": "x = 1"})
    assert change.errors == {SETUP_CELL: (SetupRefsError([(A, ["x"], SETUP_CELL)]),)}
    assert notebook.mutate({SETUP_CELL: "y = 1"}).errors == {}


def test_editing_a_stale_cell_into_an_error_clears_its_staleness() -> None:
    notebook = opened({"a": "x = 1", "b": "y = 1"}, autorun=False)
    notebook.state = mark_stale(notebook.state, [A, B]).state
    notebook.mutate({"a": "y = 2"})
    assert notebook.state.stale == {B}
    notebook.mutate({"b": "y ="})
    assert notebook.state.stale == {A}  # which has recovered, and was not asked to run


def test_lazy_mode_marks_what_it_does_not_run() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "y", "d": "1"}, autorun=False)
    change = notebook.mutate({"a": "z = 1"})
    assert change.to_run == (A,)
    assert change.stale == (B, C)
    assert notebook.state.stale == {B, C}


def test_variables_list_binders_and_readers_by_name() -> None:
    notebook = opened({"b": "y = x = 1\nx", "a": "x + z", "c": "def f(): return f"})
    assert variables(notebook.state.graph) == [
        VariableDeclaration(name, list(by), list(used))  # type: ignore[arg-type]
        for name, by, used in [("f", "c", ""), ("x", "b", "a"), ("y", "b", "")]
    ]
    own = opened({"a": "x\nx = 1"})
    assert variables(own.state.graph)[0].used_by == [A]


# Runs.


def test_a_run_takes_in_stale_ancestors_through_fresh_ones() -> None:
    lazy = opened({"a": "x = 1", "b": "y = x", "c": "z = y", "d": "z"}, autorun=False)
    lazy.state = mark_stale(lazy.state, [D]).state
    state = NotebookState(lazy.state.graph, stale=frozenset({A}))
    assert run_set(state, [C], autorun=False) == (A, B, C)
    assert run_set(state, [C], autorun=True) == (A, B, C, D)


def test_a_lazy_run_takes_in_cells_between_its_roots() -> None:
    lazy = opened({"a": "x = 1", "b": "y = x", "c": "y", "d": "x"}, autorun=False)
    assert run_set(lazy.state, [A, C], autorun=False) == (A, B, C)


def test_a_stale_setup_joins_every_run() -> None:
    lazy = opened({SETUP_CELL: "x = 1", "a": "1"}, autorun=False)
    assert run_set(lazy.state, [A], autorun=False) == (A,)
    lazy.state = mark_stale(lazy.state, [SETUP_CELL]).state
    assert run_set(lazy.state, [A], autorun=False) == (SETUP_CELL, A)
    assert run_set(lazy.state, [], autorun=False) == ()


def test_a_run_leaves_out_cells_in_error_but_not_what_is_below_them() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "y"})
    notebook.execute({"d": "y = 2"})
    notebook.execute({"b": "y = x"})
    assert notebook.state.errors.keys() == {B, D}
    assert run_set(notebook.state, [A, CellId("none")], autorun=True) == (A, C)


def test_the_whole_set_is_prepared_before_it_runs() -> None:
    notebook = opened({"a": "x = _p = 1", "b": "y = x", "c": "y"})
    notebook.state = configure(notebook.state, {B: {"disabled": True}}, autorun=True).state
    plan = begin_run(notebook.state, [A], autorun=True)
    assert plan.preparations == (
        Preparation(A, disabled=False, blocked=False, was_stale=False),
        Preparation(B, disabled=True, blocked=False, was_stale=False),
        Preparation(C, disabled=False, blocked=True, was_stale=False),
    )
    assert [(i.cell_id, i.dispose) for i in plan.invalidations] == [
        (A, (A, B, C)),
        (B, (B,)),
        (C, (C,)),
    ]
    assert plan.invalidations[0].names == {"x", mangle("_p", A)}
    assert plan.outside == ()
    assert plan.state.stale == {B, C}


def test_a_lazy_run_marks_what_is_below_it() -> None:
    lazy = opened({"a": "x = 1", "b": "y = x", "c": "y"}, autorun=False)
    lazy.state = mark_stale(lazy.state, [A]).state
    plan = begin_run(lazy.state, [A], autorun=False)
    assert plan.order == (A,)
    assert plan.preparations[0].was_stale
    assert plan.outside == (B, C)
    assert plan.state.stale == {B, C}
    assert has_stale_ancestor(plan.state, C)
    assert not has_stale_ancestor(plan.state, A)


def test_a_run_that_changes_no_staleness_copies_nothing() -> None:
    notebook = opened({"a": "x = 1", "b": "x"})
    plan = begin_run(notebook.state, [A], autorun=True)
    assert plan.state is notebook.state
    ended = dict.fromkeys(plan.order, RunResult.SUCCESS)
    assert finish_run(plan.state, ended).state is notebook.state


def test_a_missing_name_is_blamed_on_the_cell_that_raised() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "z = 1", "d": "y + z"})
    notebook.run([A], a=RunResult.EXCEPTION, b=RunResult.CANCELLED, d=RunResult.CANCELLED)
    assert blame(notebook.state, B, ["x"], [B]) == A
    assert blame(notebook.state, D, ["y"], [C, D]) == A
    assert blame(notebook.state, D, ["y"], [A, B, D]) is None
    assert blame(notebook.state, D, ["z", "print"], [D]) is None


def test_a_disabled_cell_recovers_once_nothing_above_it_fails() -> None:
    notebook = opened({"a": "x = 1", "b": "y = 1", "c": "x + y"})
    notebook.run([A], a=RunResult.EXCEPTION, c=RunResult.CANCELLED)
    notebook.run([B], b=RunResult.EXCEPTION, c=RunResult.CANCELLED)
    notebook.state = configure(notebook.state, {C: {"disabled": True}}, autorun=True).state

    def rerun(cell: CellId) -> tuple[CellId, ...]:
        plan = begin_run(notebook.state, [cell], autorun=True)
        ended = {cell: RunResult.SUCCESS, C: RunResult.DISABLED}
        finish = finish_run(plan.state, ended)
        notebook.state = finish.state
        return finish.recovered

    assert rerun(A) == ()
    assert notebook.state.results[C] is RunResult.CANCELLED
    assert rerun(B) == (C,)
    assert notebook.state.results[C] is RunResult.DISABLED
    assert rerun(B) == ()


def test_results_of_cells_that_are_gone_are_ignored() -> None:
    notebook = opened({"a": "x = 1"})
    plan = begin_run(notebook.state, [A], autorun=True)
    notebook.mutate({}, [A])
    finish = finish_run(notebook.state, dict.fromkeys(plan.order, RunResult.EXCEPTION))
    assert finish.state.results == {}


def test_a_newer_run_goes_after_the_leftovers_it_leaves_alone() -> None:
    notebook = opened(
        {"u": "u = 1", "v": "v = 1", "a": "a1 = u", "b": "a1 + v", "c": "c1 = u", "d": "v"}
    )
    left = run_set(notebook.state, ui_roots(notebook.state, ["u"]), autorun=True)
    assert left == (A, B, C)
    newer = replan(notebook.state, left, ui_roots(notebook.state, ["v"]))
    assert newer.kept == (A, C)
    assert newer.dropped == (B,)
    assert newer.run.order == (B, D)
    assert newer.order == (A, C, B, D)


def test_planning_a_tick_does_the_same_work_however_many_unrelated_cells_there_are() -> None:
    def work(unrelated: int) -> int:
        others = {f"o{i}": f"p{i} = o{i - 1} if {i} else print" for i in range(unrelated)}
        codes = {"u": "u = 1", "x": "x = u", "y": "print(x, u)"}
        notebook = opened({**others, **codes})
        # Somewhere else in the notebook things are stale and disabled.
        marked = mark_stale(notebook.state, [CellId("o1")]).state
        off = configure(marked, {CellId("o2"): {"disabled": True}}, autorun=True).state
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            roots = ui_roots(off, ["u"])
            begun = begin_run(off, roots, autorun=True)
            replan(begun.state, begun.order[1:], roots)
            finish_run(begun.state, dict.fromkeys(begun.order, RunResult.SUCCESS))
        finally:
            sys.setprofile(None)
        assert len(begun.order) == 2
        return calls

    assert work(10) == work(300)


def test_a_tick_runs_the_readers_of_each_name_but_not_its_definers() -> None:
    notebook = opened({"a": "x = 1\nx", "b": "y = 1\nx", "c": "y", "d": "del x"})
    assert ui_roots(notebook.state, ["x"]) == (B, D)
    assert ui_roots(notebook.state, ["x", "y"]) == (B, C, D)
    assert ui_roots(notebook.state, ["none"]) == ()


def test_lazy_ticks_mark_readers_and_what_is_below_them() -> None:
    lazy = opened({"a": "x = 1", "b": "y = x", "c": "y"}, autorun=False)
    marks = mark_stale(lazy.state, ui_roots(lazy.state, ["x"]))
    assert marks.cells == (B, C)
    assert marks.state.stale == {B, C}


# State objects.


def test_state_reruns_its_readers_that_have_not_seen_it() -> None:
    notebook = opened(
        {"a": "get = set_ = 1", "b": "get", "c": "get; set_", "d": "get", "e": "alias = get"}
    )
    state = notebook.state
    write = StateWrite(frozenset({"get"}), C)
    assert state_roots(state, [write], [B, C, D]) == (B, E)
    assert state_roots(state, [write], [C]) == (B, D, E)
    assert state_roots(state, [StateWrite(frozenset({"get"}), C, True)], [C]) == (B, C, D, E)
    assert state_roots(state, [StateWrite(frozenset({"get"}), None)], [B, C]) == (B, C, D, E)
    assert state_roots(state, [StateWrite(frozenset({"get", "alias"}), A)], []) == (B, C, D, E)


def test_state_does_not_rerun_what_is_in_error_or_cancelled() -> None:
    notebook = opened({"a": "get = 1", "b": "x = get", "c": "get"})
    notebook.execute({"d": "x = get"})
    notebook.run([A], c=RunResult.CANCELLED)
    assert state_roots(notebook.state, [StateWrite(frozenset({"get"}), A)], []) == (B,)


# Imports.


def test_an_import_block_run_again_leaves_its_dependants_alone() -> None:
    notebook = opened({"a": "import m\nimport n", "b": "x = m", "c": "n"})
    assert notebook.execute({"a": "import m\nimport n"}) == (A,)
    plan = begin_run(notebook.state, [A], autorun=True)
    assert plan.invalidations[0].dispose == (A,)


@pytest.mark.parametrize(
    ("code", "order"),
    [
        ("import m\nimport n\nimport o", (D, A)),
        ("import o\nimport n", (B, D, A)),
        ("import m.k\nimport n", (A, B)),
        ("import n\nimport m\nimport m.k", (A, B)),
        ("from m import m\nimport n", (A, B)),
        ("import k as m\nimport n", (A, B)),
        ("import m\nimport n\nx0 = 1", (A, B, C)),
    ],
)
def test_editing_an_import_block_runs_dependants_of_what_changed(
    code: str, order: tuple[CellId, ...]
) -> None:
    notebook = opened({"a": "import m\nimport n", "b": "m", "c": "n", "d": "o"})
    assert set(notebook.execute({"a": code})) == set(order)


def test_dropping_an_import_runs_those_that_used_it_beside_another() -> None:
    notebook = opened({"a": "import m\nimport n", "b": "m", "c": "m, n"})
    assert notebook.execute({"a": "import m"}) == (A, C)
    lazy = opened({"a": "import m\nimport n", "b": "m", "c": "m, n"}, autorun=False)
    lazy.execute({"b": "m", "c": "m, n"})
    assert lazy.mutate({"a": "import m"}).stale == (C,)


def test_dependants_that_never_came_to_use_an_import_run_with_it() -> None:
    notebook = Notebook()
    notebook.mutate({"a": "import m\nimport n", "b": "m", "c": "m", "d": "n", "e": "m"})
    ended = {
        A: RunResult.EXCEPTION,
        B: RunResult.CANCELLED,
        C: RunResult.INTERRUPTED,
        D: RunResult.CANCELLED,
        E: RunResult.EXCEPTION,
    }
    notebook.state = finish_run(notebook.state, ended, {A: {"m"}}).state
    assert notebook.state.imported[A] == {"m"}
    assert run_set(notebook.state, [A], autorun=True) == (A, B, C, D)


def test_an_import_cell_that_leaves_an_error_reruns_its_dependants() -> None:
    notebook = opened({"a": "import m", "b": "m"})
    notebook.execute({"c": "m = 1"})
    assert notebook.execute({"a": "import m"}) == (B,)
    change = notebook.mutate({}, [C])
    assert change.recovered == (A,)
    assert notebook.run(change.to_run) == (A, B)


# Configs.


def test_configs_merge_key_by_key() -> None:
    notebook = opened({"a": "x = 1"})
    notebook.state = configure(notebook.state, {A: {"hide_code": True}}, autorun=True).state
    notebook.state = configure(notebook.state, {A: {"column": 2}, B: {}}, autorun=True).state
    assert notebook.state.configs == {A: CellConfig(column=2, hide_code=True), B: CellConfig()}


def test_disabling_announces_what_is_below() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "y"})
    plan = configure(notebook.state, {A: {"disabled": True}}, autorun=True)
    assert list(plan.statuses.items()) == [(B, True), (C, True)]
    assert plan.to_run == ()
    again = configure(plan.state, {A: {"hide_code": True}}, autorun=True)
    assert again.statuses == plan.statuses


def test_enabling_several_cells_runs_the_stale_ones_of_each() -> None:
    notebook = opened({"a": "x = 1", "b": "x", "c": "y = 1", "d": "y", "e": "1"})
    off: Mapping[CellId, object] = dict.fromkeys((A, C, E))
    notebook.state = configure(
        notebook.state, {cell: {"disabled": True} for cell in off}, autorun=True
    ).state
    notebook.run([A, C])
    assert notebook.state.stale == {A, B, C, D}
    on = {cell: {"disabled": False} for cell in off}
    plan = configure(notebook.state, on, autorun=True)  # type: ignore[arg-type]
    assert plan.statuses == {B: False, D: False}
    assert plan.to_run == (A, B, C, D)
    lazy = configure(notebook.state, on, autorun=False)  # type: ignore[arg-type]
    assert lazy.to_run == ()


def test_enabling_leaves_alone_what_something_else_disables() -> None:
    notebook = opened({"a": "x = 1", "b": "y = x", "c": "y", "d": "x"})
    patches = {cell: {"disabled": True} for cell in (A, B)}
    notebook.state = configure(notebook.state, patches, autorun=True).state  # type: ignore[arg-type]
    notebook.run([A])
    plan = configure(notebook.state, {A: {"disabled": False}}, autorun=True)
    assert plan.statuses == {B: False, D: False}
    assert plan.to_run == (A, D)
    assert plan.state.blocked == {C}


# Cells that were never registered.


def test_a_notebook_opened_without_running_announces_all_but_blank_cells() -> None:
    marks = remember(NotebookState(), {A: "x = 1", B: " \n", C: "y ="})
    assert marks.cells == (A, C)
    assert not marks.state.graph.cells
    assert marks.state.dormant.keys() == {A, B, C}


def test_executing_a_dormant_cell_wakes_what_it_needs() -> None:
    notebook = Notebook(autorun=False)
    codes = {A: "z =", B: "y = x", C: "x = 1", D: "y", E: "other = 1"}
    notebook.state = remember(notebook.state, codes).state
    codes = wake(notebook.state, {D: "y + 1"}, analyse=notebook.analyse)
    assert list(codes.items()) == [(B, "y = x"), (C, "x = 1"), (D, "y + 1")]
    change = notebook.mutate(codes)
    assert change.born_stale == ()
    assert notebook.state.stale == {B, C, D}
    assert notebook.state.dormant.keys() == {A, E}
    plan = begin_run(notebook.state, change.to_run, autorun=False)
    assert plan.order == (C, B, D)
    assert all(p.was_stale for p in plan.preparations)
    assert wake(NotebookState(), {D: "y"}) == {D: "y"}


def test_deleting_forgets_dormant_cells() -> None:
    notebook = Notebook()
    notebook.state = remember(notebook.state, {A: "x = 1", B: "y = 1"}).state
    notebook.mutate({}, [A])
    assert notebook.state.dormant == {B: "y = 1"}


def test_running_everything_stale_survives_a_dormant_cell_that_does_not_compile() -> None:
    notebook = opened({"c": "z = 1", "d": "w = 1"}, autorun=False)
    notebook.state = mark_stale(notebook.state, [C, D]).state
    notebook.state = configure(notebook.state, {D: {"disabled": True}}, autorun=False).state
    notebook.state = remember(notebook.state, {A: "x = ", B: "y = 1"}).state
    plan = plan_stale(notebook.state)
    assert plan.roots == (C,)
    change = notebook.mutate(plan.codes)
    assert change.failed.keys() == change.errors.keys() == {A}
    assert change.to_run == (B,)
    assert notebook.state.dormant == {}


def test_markdown_need_not_run_if_another_cell_binds_its_module() -> None:
    words = {A: 'mo.md("hi")', B: "mo.md(x)", C: 'cb.md("there")'}
    analyse = Analyser("plan")
    assert markdown_cells(words, analyse=analyse) == {}
    assert markdown_cells({**words, D: "import marimo as mo", E: "x ="}) == {A: "hi"}
    both = markdown_cells({**words, D: "import callboard as cb, marimo as mo"})
    assert both == {A: "hi", C: "there"}
    assert markdown_cells({A: "x.md("}) == {}


def test_sync_deletes_what_the_file_no_longer_has_and_runs_what_that_leaves() -> None:
    notebook = opened({"a": "x = 1", "b": "x", "c": "y = 1", "d": "y"})
    notebook.state = remember(notebook.state, {E: "dormant"}).state
    plan = plan_sync(notebook.state, {B: "x", C: "y = 2", D: "y"}, [C], [])
    assert plan.delete == (A,)
    assert plan.codes == {C: "y = 2"}
    left = notebook.mutate({}, plan.delete).to_run
    assert left == (B,)
    assert notebook.run([*left, *notebook.mutate(plan.codes).to_run]) == (B, C, D)
    assert notebook.state.dormant == {E: "dormant"}


def test_sync_refuses_to_run_cells_it_was_not_given() -> None:
    with pytest.raises(ValueError, match="b"):
        plan_sync(NotebookState(), {A: "1"}, [A, B], [])
