"""What commands may do to a name is foreseen: never less than what they do, and hardly ever more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callboard.actors.notebook import analysis, plan
from callboard.actors.notebook.plan import Change, Foresight, NotebookState, RunResult
from callboard.actors.notebook.reads import change_by
from callboard.messages.commands import (
    CreateNotebookCommand,
    DeleteCellCommand,
    ExecuteCellCommand,
    ExecuteCellsCommand,
    ExecuteStaleCellsCommand,
    RenameNotebookCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import SETUP_CELL, CellId

NAMES = tuple("abcde")
ONE, TWO, THREE = CellId("one"), CellId("two"), CellId("three")
CELLS = (ONE, TWO, THREE, CellId("four"), CellId("five"), SETUP_CELL)

analyse = lru_cache(maxsize=None)(analysis.analyse)


@attrs.frozen
class Tick:
    """New values for elements that are bound to names."""

    names: tuple[str, ...]


Command = (
    ExecuteCellsCommand
    | ExecuteStaleCellsCommand
    | DeleteCellCommand
    | SyncGraphCommand
    | UpdateCellConfigCommand
    | RenameNotebookCommand
    | CreateNotebookCommand
    | Tick
)


@attrs.define
class Notebook:
    """Carries out commands as the engine does, but that cells end as they are told to."""

    autorun: bool
    fails: frozenset[CellId] = frozenset()
    state: NotebookState = attrs.field(factory=NotebookState)
    touched: set[str] = attrs.field(factory=set)
    """Names that were bound or taken away."""

    def do(self, command: Command) -> None:
        state = self.state
        if isinstance(command, ExecuteCellsCommand):
            codes = dict(zip(command.cell_ids, command.codes, strict=True))
            self._run(self._mutate(plan.wake(state, codes, analyse=analyse)))
        elif isinstance(command, CreateNotebookCommand):
            if state.graph.cells:
                return
            codes = {each.cell_id: each.code for each in command.execution_requests}
            if command.auto_run:
                self._run(self._mutate(codes))
            else:
                self.state = plan.remember(state, codes).state
        elif isinstance(command, ExecuteStaleCellsCommand):
            stale = plan.plan_stale(state)
            self._run((*stale.roots, *(self._mutate(stale.codes) if stale.codes else ())))
        elif isinstance(command, DeleteCellCommand):
            self._run(self._mutate({}, [command.cell_id]))
        elif isinstance(command, SyncGraphCommand):
            sync = plan.plan_sync(state, command.cells, command.run_ids, command.delete_ids)
            left_behind = self._mutate({}, sync.delete)
            self._run((*left_behind, *self._mutate(sync.codes)))
        elif isinstance(command, UpdateCellConfigCommand):
            change = plan.configure(state, command.configs, autorun=self.autorun)
            self.state = change.state
            if change.to_run:
                self._run(change.to_run)
        elif isinstance(command, RenameNotebookCommand):
            self.touched.add("__file__")
            self._read_anew(["__file__"])
        else:
            self._read_anew(command.names)

    def _read_anew(self, names: Iterable[str]) -> None:
        roots = plan.ui_roots(self.state, names)
        if self.autorun:
            self._run(roots)
        else:
            self.state = plan.mark_stale(self.state, roots).state

    def _mutate(
        self, codes: Mapping[CellId, str], delete: Iterable[CellId] = ()
    ) -> tuple[CellId, ...]:
        mutation = plan.mutate(self.state, codes, delete, autorun=self.autorun, analyse=analyse)
        self.state = mutation.state
        for each in (*mutation.invalidated, *mutation.errored_invalidated):
            self.touched |= each.names
        return mutation.to_run

    def _run(self, roots: Iterable[CellId]) -> None:
        begun = plan.begin_run(self.state, roots, autorun=self.autorun)
        results: dict[CellId, RunResult] = {}
        for cell_id in begun.order:
            cell = begun.state.graph.cells[cell_id]
            self.touched |= cell.defs | cell.deleted
            results[cell_id] = self._result(begun.state, cell_id, results)
        self.state = plan.finish_run(begun.state, results).state

    def _result(
        self, state: NotebookState, cell_id: CellId, results: Mapping[CellId, RunResult]
    ) -> RunResult:
        if state.is_disabled(cell_id):
            return RunResult.DISABLED
        if cell_id in self.fails:
            return RunResult.EXCEPTION
        above = state.graph.ancestors([cell_id])
        failed = any(results.get(each) is RunResult.EXCEPTION for each in above)
        return RunResult.CANCELLED if failed else RunResult.SUCCESS


def foresee(notebook: Notebook, commands: Iterable[Command]) -> Foresight:
    """What is foreseen of commands that are pending."""
    changes = [
        Change(read_anew=command.names)
        if isinstance(command, Tick)
        else change_by(command, notebook.state)
        for command in commands
    ]
    return Foresight(notebook.state, changes, autorun=notebook.autorun)


NAME = st.sampled_from(NAMES)
CELL = st.sampled_from(CELLS)


@st.composite
def codes(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["sum"] * 4 + ["import"] * 2 + ["delete", "other", "file"]))
    name, others = draw(NAME), draw(st.lists(NAME, max_size=2))
    if kind == "import":
        return "import " + ", ".join(dict.fromkeys((name, *others)))
    if kind == "delete":
        return f"del {name}\n" + "".join(f"{other} = 1\n" for other in others)
    if kind == "file":
        return f"{name} = __file__"
    if kind == "other":
        return draw(st.sampled_from(["", "1 +"]))
    return f"{name} = {' + '.join([*others, '1'])}"


CODES = st.dictionaries(CELL, codes(), min_size=1, max_size=3)


def execute(codes: Mapping[CellId, str]) -> ExecuteCellsCommand:
    return ExecuteCellsCommand(list(codes), list(codes.values()), timestamp=0.0)


def create(codes: Mapping[CellId, str], auto_run: bool) -> CreateNotebookCommand:
    requests = [ExecuteCellCommand(cell, code) for cell, code in codes.items()]
    return CreateNotebookCommand(requests, list(codes), UpdateUIElementCommand([], []), auto_run)


@st.composite
def syncs(draw: st.DrawFn) -> SyncGraphCommand:
    cells = draw(CODES)
    return SyncGraphCommand(
        cells, draw(st.lists(st.sampled_from(list(cells)))), draw(st.lists(CELL, max_size=1))
    )


COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(execute, CODES),
    st.builds(execute, CODES),
    st.builds(Tick, st.lists(NAME, min_size=1, max_size=2).map(tuple)),
    st.builds(DeleteCellCommand, CELL),
    st.just(ExecuteStaleCellsCommand()),
    syncs(),
    st.builds(
        lambda cell, disabled: UpdateCellConfigCommand({cell: {"disabled": disabled}}),
        CELL,
        st.booleans(),
    ),
    st.just(RenameNotebookCommand("other.py")),
)
NOTEBOOK = st.dictionaries(CELL, codes(), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    NOTEBOOK,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.frozensets(CELL, max_size=2),
    st.lists(COMMANDS, max_size=3),
    st.lists(COMMANDS, min_size=1, max_size=3),
)
@example(
    {ONE: "import a", TWO: "b = a"}, True, True, True, frozenset(), [], [DeleteCellCommand(ONE)]
)
@example(
    {ONE: "import a", TWO: "b = a + c", THREE: "c = 1"},
    True,
    True,
    True,
    frozenset({THREE}),
    [],
    [execute({ONE: "import a"})],
)
@example(
    {SETUP_CELL: "a = __file__", ONE: "b = 1"},
    True,
    True,
    False,
    frozenset(),
    [RenameNotebookCommand("other.py")],
    [execute({ONE: "b = 1"})],
)
@example(
    {ONE: "del a\na = 1\nb = 1"},
    True,
    True,
    False,
    frozenset(),
    [],
    [execute({TWO: "a = 1"})],
)
def test_nothing_that_commands_do_to_a_name_comes_unforeseen(
    cells: dict[CellId, str],
    auto_run: bool,
    created_before: bool,
    autorun: bool,
    fails: frozenset[CellId],
    before: list[Command],
    pending: list[Command],
) -> None:
    notebook = Notebook(autorun, fails)
    opening = create(cells, auto_run)
    if created_before:
        before = [opening, *before]
    else:
        before, pending = [], [opening, *pending]
    for command in before:
        notebook.do(command)
    notebook.touched.clear()
    foresight = foresee(notebook, pending)
    for command in pending:
        notebook.do(command)
    assert {name for name in notebook.touched if not foresight.may_rebind(name)} == set()


def is_exact(before: NotebookState, after: NotebookState) -> bool:
    """Whether what is foreseen of one command is exact, by what `Foresight` says of itself."""
    if before.errors or after.errors or before.stale or before.dormant or before.disabled:
        return False
    cells = {*before.graph.cells.values(), *after.graph.cells.values()}
    kept = {*before.graph.cells.values()} & {*after.graph.cells.values()}
    return not any(cell.import_block or cell.deleted for cell in cells - kept)


@settings(max_examples=100, deadline=None)
@given(NOTEBOOK, st.booleans(), st.lists(COMMANDS, max_size=2), COMMANDS)
@example({SETUP_CELL: "a = __file__", ONE: "b = 1"}, False, [], RenameNotebookCommand("other.py"))
@example({ONE: "a = a + 1"}, True, [], Tick(("a",)))
def test_nothing_is_foreseen_that_does_not_come(
    cells: dict[CellId, str], autorun: bool, before: list[Command], command: Command
) -> None:
    notebook = Notebook(autorun)
    for each in (create(cells, True), *before):
        notebook.do(each)
    state = notebook.state
    foresight = foresee(notebook, [command])
    notebook.touched.clear()
    notebook.do(command)
    if is_exact(state, notebook.state):
        foreseen = {name for name in (*NAMES, "__file__") if foresight.may_rebind(name)}
        assert foreseen == notebook.touched
