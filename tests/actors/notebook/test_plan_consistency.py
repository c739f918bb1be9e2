"""Whatever is done to a notebook, what its cells show is what running it afresh would show.

A kernel in miniature carries out the plans: its cells compute terms instead of values, so that two
values are equal exactly if they were computed from the same things in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.notebook.analysis import CellAnalysis, CellSourceError, ImportedName
from callboard.actors.notebook.plan import (
    NotebookState,
    RunResult,
    begin_run,
    blame,
    configure,
    finish_run,
    mutate,
    plan_stale,
    plan_sync,
    remember,
    replan,
    ui_roots,
    wake,
)
from callboard.messages.ids import SETUP_CELL, CellId
from callboard.messages.payloads import CellConfigPatch, UnknownError

Term = object
MISSING = "missing"


def analyse(code: str, cell_id: CellId) -> CellAnalysis:
    """Read `defs < refs`, `import defs`, or fail for `?`.

    With `!` among the refs the cell raises, among the imports that import does.
    """
    if code == "?":
        raise CellSourceError(cell_id, UnknownError("unreadable"))
    left, _, right = code.partition("<")
    names = left.split()
    if names[:1] == ["import"]:
        imports = tuple(ImportedName(name.rstrip("*"), name) for name in names[1:] if name != "!")
        return CellAnalysis(
            cell_id,
            code,
            frozenset(i.name for i in imports),
            frozenset(),
            imports=imports,
            import_block=bool(imports),
        )
    return CellAnalysis(
        cell_id, code, frozenset(names), frozenset(right.split()) - {"!"}, empty=not code.strip()
    )


class MiniKernel:
    """Carries plans out; `ui` are the values of elements, which feed the cells that define them."""

    def __init__(self, *, autorun: bool) -> None:
        self.autorun = autorun
        self.state = NotebookState()
        self.namespace: dict[str, Term] = {}
        self.shown: dict[CellId, Term] = {}
        self.seen: dict[CellId, Mapping[str, Term]] = {}
        self.runs: list[CellId] = []
        self.ui: dict[str, int] = {}

    def execute(self, codes: Mapping[CellId, str]) -> None:
        self.change(wake(self.state, codes, analyse=analyse))

    def change(self, codes: Mapping[CellId, str], delete: Iterable[CellId] = ()) -> None:
        self.run(self.mutate(codes, delete))

    def mutate(self, codes: Mapping[CellId, str], delete: Iterable[CellId] = ()) -> set[CellId]:
        mutation = mutate(self.state, codes, delete, autorun=self.autorun, analyse=analyse)
        self.state = mutation.state
        for invalidation in (*mutation.invalidated, *mutation.errored_invalidated):
            self.forget(invalidation.names)
        for cell in (*mutation.errors, *mutation.recovered):
            self.shown.pop(cell, None)
        self.shown = {c: term for c, term in self.shown.items() if c in self.state.graph}
        return set(mutation.to_run)

    def sync(self, cells: Mapping[CellId, str], run_ids: Sequence[CellId]) -> None:
        plan = plan_sync(self.state, cells, run_ids, ())
        roots = self.mutate({}, plan.delete)
        self.run(roots | self.mutate(wake(self.state, plan.codes, analyse=analyse)))

    def run_stale(self) -> None:
        plan = plan_stale(self.state)
        roots = self.mutate(plan.codes) if plan.codes else set()
        self.run({*roots, *plan.roots})

    def configure(self, patches: Mapping[CellId, CellConfigPatch]) -> None:
        plan = configure(self.state, patches, autorun=self.autorun)
        self.state = plan.state
        self.run(plan.to_run)

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self.namespace.pop(name, None)

    def run(self, roots: Iterable[CellId]) -> None:
        plan = begin_run(self.state, roots, autorun=self.autorun)
        self.state = plan.state
        for invalidation in plan.invalidations:
            self.forget(invalidation.names)
        results: dict[CellId, RunResult] = {}
        cancelled: set[CellId] = set()
        for cell in plan.order:
            results[cell] = self.run_cell(cell, plan.order, cancelled)
            if results[cell] in (RunResult.EXCEPTION, RunResult.CANCELLED):
                cancelled |= self.state.graph.descendants([cell])
        bound = {c: self.state.graph.cells[c].defs & self.namespace.keys() for c in results}
        self.state = finish_run(self.state, results, bound).state

    def run_cell(
        self, cell: CellId, running: Sequence[CellId] = (), cancelled: Collection[CellId] = ()
    ) -> RunResult:
        self.runs.append(cell)
        if self.state.is_disabled(cell):
            return RunResult.DISABLED
        analysis = self.state.graph.cells[cell]
        missing = analysis.refs - self.namespace.keys()
        if cell in cancelled or blame(self.state, cell, missing, running):
            self.shown[cell] = RunResult.CANCELLED
            return RunResult.CANCELLED
        seen = {name: self.namespace.get(name, MISSING) for name in analysis.refs}
        self.seen[cell] = seen
        self.shown[cell] = self.value(analysis, seen)
        for name in self.bound(analysis):
            self.namespace[name] = self.term(name, analysis, seen)
        return RunResult.EXCEPTION if "!" in analysis.code else RunResult.SUCCESS

    @staticmethod
    def bound(analysis: CellAnalysis) -> list[str]:
        """The names the cell binds before it raises, if it does."""
        if not analysis.import_block:
            return [] if "!" in analysis.code else list(analysis.defs)
        reached, _, _ = analysis.code.partition("!")
        return [name.rstrip("*") for name in reached.split()[1:]]

    def refresh(self, name: str) -> None:
        """Let an element have its new value; one that is not there will start with it."""
        for definer in self.state.graph.definers(name):
            analysis = self.state.graph.cells[definer]
            if definer in self.shown and not analysis.import_block and name in self.namespace:
                self.namespace[name] = self.term(name, analysis, self.seen[definer])

    @staticmethod
    def value(analysis: CellAnalysis, seen: Mapping[str, Term]) -> Term:
        return (analysis.code, tuple(sorted(seen.items(), key=lambda item: item[0])))

    def term(self, name: str, analysis: CellAnalysis, seen: Mapping[str, Term]) -> Term:
        if analysis.import_block:
            return next(i for i in analysis.imports if i.name == name)
        return (name, self.ui.get(name), self.value(analysis, seen))

    def expected(self) -> dict[CellId, Term]:
        """What the valid cells show when all of them run once, on an empty namespace."""
        state = self.state
        namespace: dict[str, Term] = {}
        shown: dict[CellId, Term] = {}
        cancelled: set[CellId] = set()
        for cell in state.graph.order(c for c in state.graph.cells if c not in state.errors):
            analysis = state.graph.cells[cell]
            if cell in cancelled:
                shown[cell] = RunResult.CANCELLED
                continue
            seen = {name: namespace.get(name, MISSING) for name in analysis.refs}
            shown[cell] = self.value(analysis, seen)
            for name in self.bound(analysis):
                namespace[name] = self.term(name, analysis, seen)
            if "!" in analysis.code:
                cancelled |= state.graph.descendants([cell])
        return shown


CELLS = [CellId(name) for name in ("a", "b", "c", "d", "e", SETUP_CELL)]
names = st.lists(st.sampled_from("wxyz"), max_size=2).map(" ".join)
codes = st.one_of(
    st.builds("{} < {}".format, names, names),
    st.builds("{} < {}".format, names, names),
    st.lists(st.sampled_from(["w", "x", "y", "x*", "y*"]), min_size=1, max_size=2).map(
        lambda imports: "import " + " ".join(imports)
    ),
    st.sampled_from(["?", ""]),
)
cell_ids = st.sampled_from(CELLS)
Step = Callable[[MiniKernel], None]


def known_codes(kernel: MiniKernel) -> dict[CellId, str]:
    return {cell: analysis.code for cell, analysis in kernel.state.graph.cells.items()}


def again(chosen: Sequence[CellId]) -> Step:
    def step(kernel: MiniKernel) -> None:
        kernel.execute({c: code for c, code in known_codes(kernel).items() if c in chosen})

    return step


def sync(cells: Mapping[CellId, str], kept: Sequence[CellId]) -> Step:
    def step(kernel: MiniKernel) -> None:
        known = {c: code for c, code in known_codes(kernel).items() if c in kept}
        kernel.sync({**known, **cells}, list(cells))

    return step


edits = st.dictionaries(cell_ids, codes, min_size=1, max_size=4)
steps: st.SearchStrategy[Step] = st.one_of(
    edits.map(lambda edit: lambda kernel: kernel.execute(edit)),
    edits.map(lambda edit: lambda kernel: kernel.execute(edit)),
    st.lists(cell_ids, min_size=1, max_size=2).map(again),
    cell_ids.map(lambda cell: lambda kernel: kernel.change({}, [cell])),
    st.builds(sync, edits, st.lists(cell_ids)),
    st.just(lambda kernel: kernel.run_stale()),
)


def tick(name: str, value: int) -> Step:
    def step(kernel: MiniKernel) -> None:
        kernel.ui[name] = value
        kernel.refresh(name)
        kernel.run(ui_roots(kernel.state, [name]))

    return step


ticks = st.builds(tick, st.sampled_from("wxyz"), st.integers(0, 3))


@given(st.lists(st.one_of(steps, steps, ticks), max_size=10))
@settings(max_examples=300, deadline=None)
def test_autorun_leaves_every_valid_cell_up_to_date(history: list[Step]) -> None:
    kernel = MiniKernel(autorun=True)
    for step in history:
        step(kernel)
        assert kernel.shown == kernel.expected()
        assert not kernel.state.stale


@given(st.lists(steps, max_size=10))
@settings(max_examples=300, deadline=None)
def test_lazy_mode_marks_every_valid_cell_that_is_not_up_to_date(history: list[Step]) -> None:
    kernel = MiniKernel(autorun=False)
    for step in history:
        step(kernel)
        expected = kernel.expected()
        stale = kernel.state.stale
        assert stale <= expected.keys()
        fresh = {c: term for c, term in kernel.shown.items() if c not in stale}
        assert fresh == {c: term for c, term in expected.items() if c not in stale}
        for cell in stale:
            assert kernel.state.graph.children(cell) - kernel.state.errors.keys() <= stale
    kernel.run_stale()
    assert kernel.shown == kernel.expected()


@given(st.dictionaries(cell_ids, codes), st.lists(steps, max_size=6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_notebook_opened_without_running_catches_up(
    codes: dict[CellId, str], history: list[Step], autorun: bool
) -> None:
    kernel = MiniKernel(autorun=autorun)
    kernel.state = remember(kernel.state, codes).state
    for step in history:
        step(kernel)
    kernel.run_stale()
    assert not kernel.state.dormant
    assert kernel.shown == kernel.expected()


@given(
    st.lists(
        st.one_of(
            steps,
            st.builds(
                lambda cell, disabled: (
                    lambda kernel: kernel.configure({cell: {"disabled": disabled}})
                ),
                cell_ids,
                st.booleans(),
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_enabling_what_was_disabled_catches_up(history: list[Step]) -> None:
    kernel = MiniKernel(autorun=True)
    for step in history:
        step(kernel)
        state = kernel.state
        idle = state.disabled | state.blocked
        assert idle == set(state.disabled) | state.graph.descendants(state.disabled)
        assert state.stale <= idle
        runs = [c for c in kernel.expected() if c not in idle]
        assert {c: kernel.shown.get(c) for c in runs} == {c: kernel.expected()[c] for c in runs}
    kernel.configure({cell: {"disabled": False} for cell in CELLS})
    assert kernel.shown == kernel.expected()
    assert not kernel.state.stale


ORDERLY = [CellId(name) for name in "abcd"]


@st.composite
def orderly_codes(draw: st.DrawFn, at: int) -> str:
    """Code for a cell that conflicts with no other: cells bind names of their own."""
    cell = ORDERLY[at]
    if draw(st.booleans()):
        imports = draw(st.permutations([f"{cell}1", f"{cell}2*", f"{cell}2", "!"]))
        return "import " + " ".join(imports[: draw(st.integers(1, 4))])
    used = draw(st.lists(st.sampled_from([f"{c}{n}" for c in ORDERLY[:at] for n in "12"] + ["!"])))
    return f"{cell}1 {cell}2 < {' '.join(used)}"


orderly_edits = st.dictionaries(st.integers(0, 3), st.none(), min_size=1, max_size=3).flatmap(
    lambda chosen: st.fixed_dictionaries({ORDERLY[at]: orderly_codes(at) for at in chosen})
)
orderly_steps: st.SearchStrategy[Step] = st.one_of(
    orderly_edits.map(lambda edit: lambda kernel: kernel.execute(edit)),
    orderly_edits.map(lambda edit: lambda kernel: kernel.execute(edit)),
    st.lists(st.sampled_from(ORDERLY), min_size=1, max_size=2).map(again),
    st.sampled_from(ORDERLY).map(lambda cell: lambda kernel: kernel.change({}, [cell])),
)


@given(st.lists(orderly_steps, max_size=8))
@settings(max_examples=300, deadline=None)
def test_autorun_recovers_from_cells_and_imports_that_raise(history: list[Step]) -> None:
    kernel = MiniKernel(autorun=True)
    for step in history:
        step(kernel)
        assert not kernel.state.errors
        expected = kernel.expected()
        assert kernel.shown.keys() == expected.keys()
        for cell, term in expected.items():
            if kernel.shown[cell] != term:
                # Run on its own, a cell may use what a cell bound before it raised; and an import
                # that fails now does not undo what cells did with the same import before.
                assert term is RunResult.CANCELLED
                for name, seen in kernel.seen[cell].items():
                    now = kernel.namespace.get(name, MISSING)
                    assert seen == now or (isinstance(seen, ImportedName) and now is MISSING)


class Interleaved(MiniKernel):
    """A kernel whose ticks can arrive while a run is under way."""

    def __init__(self) -> None:
        super().__init__(autorun=True)
        self.left: list[CellId] = []
        self.results: dict[CellId, RunResult] = {}

    def set(self, name: str, value: int) -> None:
        """Give an element a new value and fit what that asks for into the run."""
        self.ui[name] = value
        self.refresh(name)
        plan = replan(self.state, self.left, ui_roots(self.state, [name]))
        assert sorted(plan.kept + plan.dropped) == sorted(self.left)
        self.state = plan.run.state
        for invalidation in plan.run.invalidations:
            self.forget(invalidation.names)
        self.left = list(plan.order)

    def step(self) -> CellId | None:
        if not self.left:
            return None
        cell = self.left.pop(0)
        self.results[cell] = self.run_cell(cell)
        return cell


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 8), max_size=3)), min_size=2, max_size=9),
    st.lists(st.one_of(st.none(), st.sampled_from("uv")), max_size=20),
)
@settings(max_examples=300, deadline=None)
def test_ticks_during_a_run_leave_no_cell_unrun_and_run_none_in_vain(
    parents: list[tuple[list[int]]], events: list[str | None]
) -> None:
    kernel = Interleaved()
    notebook = {CellId("u"): "u <", CellId("v"): "v <"}
    for at, (refs,) in enumerate(parents):
        names = ["u", "v", *(f"n{i}" for i in range(at))]
        used = [names[ref % len(names)] for ref in refs]
        notebook[CellId(f"c{at}")] = f"n{at} < {' '.join(used)}"
    kernel.execute(notebook)
    kernel.runs.clear()
    asked: dict[CellId, int] = {}
    for value, event in enumerate(events):
        if event is None:
            kernel.step()
            continue
        kernel.set(event, value + 1)
        for cell in kernel.state.graph.descendants([CellId(event)]):
            asked[cell] = asked.get(cell, 0) + 1
    while kernel.step() is not None:
        pass
    assert kernel.shown == kernel.expected()
    assert set(kernel.runs) == asked.keys()
    for cell, times in asked.items():
        assert kernel.runs.count(cell) <= times


def test_a_burst_of_ticks_runs_unstarted_cells_once() -> None:
    kernel = Interleaved()
    kernel.execute({CellId("u"): "u <", CellId("a"): "x < u", CellId("b"): "y < x"})
    kernel.runs.clear()
    for value in range(5):
        kernel.set("u", value + 1)
    while kernel.step() is not None:
        pass
    assert kernel.runs == ["a", "b"]
