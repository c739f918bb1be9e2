"""Edges, order and conflicts, held against a model that knows no index."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.notebook.analysis import CellAnalysis
from callboard.actors.notebook.graph import Graph, reach
from callboard.actors.notebook.graph_errors import cycles, semantic_errors
from callboard.messages.ids import SETUP_CELL, CellId
from callboard.messages.payloads import CycleError, MultipleDefinitionError, SetupRefsError


def cell(name: str, defs: str = "", refs: str = "", deleted: str = "") -> CellAnalysis:
    return CellAnalysis(
        CellId(name),
        "",
        frozenset(defs.split()),
        frozenset(refs.split()) | frozenset(deleted.split()),
        frozenset(deleted.split()),
    )


def graph(*cells: CellAnalysis) -> Graph:
    return Graph().change(cells)


def ids(names: str) -> list[CellId]:
    return [CellId(name) for name in names.split()]


DIAMOND = graph(cell("a", "x"), cell("b", "y", "x"), cell("c", "z", "x"), cell("d", "", "y z"))


def test_edges_lead_from_the_definer_of_a_name_to_its_referrers() -> None:
    a, b, c, d = ids("a b c d")
    assert DIAMOND.children(a) == {b, c}
    assert DIAMOND.parents(d) == {b, c}
    assert DIAMOND.ancestors([d]) == {a, b, c}
    assert DIAMOND.descendants([a]) == {b, c, d}
    assert DIAMOND.descendants([b, c]) == {d}
    assert list(DIAMOND.definers("x")) == [a]
    assert list(DIAMOND.referrers("x")) == [b, c]
    assert DIAMOND.linking_names(a, b) == ["x"]
    assert DIAMOND.parents(CellId("none")) == DIAMOND.children(CellId("none")) == set()


def test_a_cell_never_depends_on_itself() -> None:
    own = graph(cell("a", "x", "x"))
    (a,) = ids("a")
    assert own.parents(a) == own.children(a) == set()
    assert own.order([a]) == (a,)
    assert semantic_errors(own) == {}


def test_a_cell_that_deletes_a_name_follows_all_that_refer_to_it() -> None:
    a, b, c = ids("a b c")
    deleting = graph(cell("c", deleted="x"), cell("b", "", "x"), cell("a", "x"))
    assert deleting.parents(c) == {a, b}
    assert deleting.children(b) == {c}
    assert deleting.order([a, b, c]) == (a, b, c)
    assert deleting.linking_names(b, c) == ["x"]


def test_two_cells_that_delete_the_same_name_form_a_cycle() -> None:
    both = graph(cell("a", "x"), cell("b", deleted="x"), cell("c", deleted="x"))
    assert cycles(both, both.cells) == [ids("b c")]


def test_ties_are_broken_by_registration_order_which_a_change_ends() -> None:
    three = graph(cell("c"), cell("b"), cell("a"))
    assert three.order(three.cells) == tuple(ids("c b a"))
    again = three.change([cell("c", "x")])
    assert again.order(again.cells) == tuple(ids("b a c"))
    assert three.order(three.cells) == tuple(ids("c b a"))


def test_order_counts_only_edges_within_the_subset() -> None:
    chain = graph(cell("c", "", "y"), cell("b", "y", "x"), cell("a", "x"))
    assert chain.order(ids("a b c")) == tuple(ids("a b c"))
    assert chain.order(ids("a c")) == tuple(ids("c a"))
    assert chain.order(ids("none a")) == tuple(ids("a"))
    assert chain.order([]) == ()


def test_order_does_not_lose_cells_on_cycles() -> None:
    knot = graph(cell("d", "", "x"), cell("b", "y", "x"), cell("a", "x", "y"), cell("c"))
    assert knot.order(knot.cells) == tuple(ids("c d b a"))


def test_registering_and_deleting_at_once() -> None:
    start = graph(cell("a", "x"), cell("b", "y", "x"))
    end = start.change([cell("b", "z"), cell("c", "", "z"), cell("b", "w")], ids("a b none"))
    assert list(end.cells) == ids("b c")
    assert end.definers("x") == end.definers("y") == end.definers("z") == {}
    assert list(end.definers("w")) == ids("b")
    assert set(end.defined_names) == {"w"}


def test_each_definer_gets_an_error_per_name_listing_the_others() -> None:
    errors = semantic_errors(graph(cell("c", "y x"), cell("b", "x"), cell("a", "x y"), cell("d")))
    a, b, c = ids("a b c")
    assert errors == {
        c: [MultipleDefinitionError("x", [a, b]), MultipleDefinitionError("y", [a])],
        b: [MultipleDefinitionError("x", [a, c])],
        a: [MultipleDefinitionError("x", [b, c]), MultipleDefinitionError("y", [c])],
    }
    assert list(errors) == [c, b, a]


def test_each_cell_of_a_cycle_gets_its_edges_with_the_linking_names() -> None:
    a, b, _, _ = ids("a b c d")
    knot = graph(cell("a", "x z", "y"), cell("b", "y", "z x"), cell("c", "", "y"), cell("d", "w"))
    error = CycleError([(a, ["x", "z"], b), (b, ["y"], a)])
    assert semantic_errors(knot) == {a: [error], b: [error]}


def test_separate_cycles_are_separate() -> None:
    two = graph(*(cell(n, n, r) for n, r in [("a", "b"), ("b", "a"), ("c", "d a"), ("d", "c")]))
    assert cycles(two, two.cells) == [ids("a b"), ids("c d")]
    assert cycles(two, ids("c")) == [ids("c d")]
    assert cycles(two, ids("a none")) == [ids("a b")]


def test_setup_may_not_depend_on_another_cell() -> None:
    (a,) = ids("a")
    errors = semantic_errors(graph(cell("a", "x"), cell(SETUP_CELL, "y", "x print")))
    assert errors == {SETUP_CELL: [SetupRefsError([(a, ["x"], SETUP_CELL)])]}


def test_errors_of_a_cell_come_by_kind() -> None:
    knot = graph(cell("a", "x y", "z"), cell(SETUP_CELL, "z y", "x"))
    kinds = [error.type for error in semantic_errors(knot)[SETUP_CELL]]
    assert kinds == ["multiple-defs", "cycle", "setup-refs"]


def test_a_long_chain_needs_no_recursion() -> None:
    size = 3000
    chain = graph(*(cell(f"c{i}", f"x{i}", f"x{i - 1}") for i in reversed(range(size))))
    assert chain.order(chain.cells) == tuple(CellId(f"c{i}") for i in range(size))
    assert len(chain.descendants([CellId("c0")])) == size - 1
    ring = chain.change([cell("c0", "x0", f"x{size - 1}")])
    assert [len(group) for group in cycles(ring, [CellId("c7")])] == [size]


# The model: cells by name, edges recomputed from the definition.

NAMES = list("wxyz")
CELLS = [CellId(name) for name in ("a", "b", "c", "d", "e", SETUP_CELL)]
name_sets = st.frozensets(st.sampled_from(NAMES), max_size=2)


@st.composite
def analyses(draw: st.DrawFn) -> CellAnalysis:
    defs, refs = draw(name_sets), draw(name_sets)
    deleted = draw(st.sampled_from([frozenset(), frozenset(), draw(name_sets)])) - defs
    return CellAnalysis(draw(st.sampled_from(CELLS)), "", defs, refs | deleted, deleted)


changes = st.lists(
    st.tuples(st.lists(analyses(), max_size=4), st.frozensets(st.sampled_from(CELLS), max_size=2)),
    max_size=5,
)


def is_edge(u: CellAnalysis, v: CellAnalysis) -> bool:
    return u is not v and bool(u.defs & v.refs or u.refs & v.deleted)


def closure(cells: Mapping[CellId, CellAnalysis], starts: Iterable[CellId]) -> set[CellId]:
    found = {v.cell_id for s in starts for v in cells.values() if is_edge(cells[s], v)}
    while True:
        more = {v.cell_id for u in found for v in cells.values() if is_edge(cells[u], v)} - found
        if not more:
            return found
        found |= more


@given(changes)
def test_any_history_gives_the_edges_of_its_last_state(
    history: list[tuple[list[CellAnalysis], frozenset[CellId]]],
) -> None:
    model: dict[CellId, CellAnalysis] = {}
    actual = Graph()
    for register, delete in history:
        before = dict(actual.cells)
        changed = actual.change(register, delete)
        assert actual.cells == before
        actual = changed
        for cell_id in {*delete, *(analysis.cell_id for analysis in register)}:
            model.pop(cell_id, None)
        for analysis in {analysis.cell_id: analysis for analysis in register}.values():
            model[analysis.cell_id] = analysis
    assert list(actual.cells.items()) == list(model.items())
    for cell_id, analysis in model.items():
        assert actual.children(cell_id) == {
            v.cell_id for v in model.values() if is_edge(analysis, v)
        }
        assert actual.parents(cell_id) == {
            u.cell_id for u in model.values() if is_edge(u, analysis)
        }
        below = closure(model, [cell_id])
        assert actual.descendants([cell_id]) == below
        assert actual.ancestors([cell_id]) == {
            other for other in model if cell_id in closure(model, [other])
        }
        assert set(reach([cell_id], actual.children)) == below | {cell_id}
    for name in NAMES:
        assert set(actual.definers(name)) == {c for c, a in model.items() if name in a.defs}
        assert set(actual.referrers(name)) == {c for c, a in model.items() if name in a.refs}
        assert set(actual.deleters(name)) == {c for c, a in model.items() if name in a.deleted}


@given(st.lists(analyses(), max_size=8), st.frozensets(st.sampled_from(CELLS)))
def test_order_is_the_first_topological_one_by_registration(
    register: list[CellAnalysis], subset: frozenset[CellId]
) -> None:
    actual = Graph().change(register)
    left = [c for c in actual.cells if c in subset]
    expected: list[CellId] = []
    while left:
        ready = [
            v for v in left if not any(is_edge(actual.cells[u], actual.cells[v]) for u in left)
        ]
        if not ready:
            break
        expected.append(ready[0])
        left.remove(ready[0])
    assert actual.order(subset) == (*expected, *left)


@given(st.lists(analyses(), max_size=8), st.frozensets(st.sampled_from(CELLS)))
def test_conflicts_are_those_of_the_definition(
    register: list[CellAnalysis], suspects: frozenset[CellId]
) -> None:
    actual = Graph().change(register)
    cells = actual.cells
    below = {c: closure(cells, [c]) for c in cells}
    errors = semantic_errors(actual)
    partial = semantic_errors(actual, suspects)
    for cell_id, analysis in cells.items():
        clashing = {
            name: sorted(o for o, a in cells.items() if name in a.defs and o != cell_id)
            for name in sorted(analysis.defs)
        }
        own_cycle = {o for o in cells if o in below[cell_id] and cell_id in below[o]}
        got = errors.get(cell_id, [])
        assert [e for e in got if isinstance(e, MultipleDefinitionError)] == [
            MultipleDefinitionError(name, others) for name, others in clashing.items() if others
        ]
        edges = [e.edges_with_vars for e in got if isinstance(e, CycleError)]
        assert len(edges) == bool(own_cycle)
        for u, names, v in itertools.chain(*edges):
            assert names
            assert {u, v} <= own_cycle
            assert is_edge(cells[u], cells[v])
        assert any(isinstance(e, SetupRefsError) for e in got) == (
            cell_id == SETUP_CELL and bool(actual.parents(cell_id))
        )
        concerned = {cell_id, *own_cycle} | {o for others in clashing.values() for o in others}
        if cell_id in suspects:
            assert partial.get(cell_id, []) == got
        elif not concerned & suspects and cell_id != SETUP_CELL:
            assert cell_id not in partial
