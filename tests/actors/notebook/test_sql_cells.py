"""SQL in cells: what it makes and needs, and which cells that links."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.notebook.analysis import CellAnalysis, analyse, shown_name
from callboard.actors.notebook.graph import Graph
from callboard.actors.notebook.graph_errors import semantic_errors
from callboard.actors.notebook.plan import NotebookState, mutate
from callboard.actors.notebook.plan.state import variables
from callboard.messages.ids import CellId
from callboard.messages.payloads import CycleError, MultipleDefinitionError

CB = "import callboard as cb"


def cell(code: str) -> CellAnalysis:
    return analyse(code, CellId("cell"))


def made(code: str) -> list[str]:
    return sorted(shown_name(name) for name in cell(code).gives - cell(code).defs)


def graph(**codes: str) -> Graph:
    return Graph().change([analyse(code, CellId(cell_id)) for cell_id, code in codes.items()])


def parents(cells: Graph, cell_id: str) -> list[str]:
    return sorted(cells.parents(CellId(cell_id)))


@pytest.mark.parametrize(
    "code",
    [
        "cb.sql('create table t (x int)')",
        "callboard.sql('create table t (x int)', output=False)",
        "mo.sql('create table t (x int)')",
        "marimo.sql('create table t (x int)')",
        "duckdb.sql('create table t (x int)')",
        "duckdb.execute('create table t (x int)')",
        "import callboard as c\nc.sql('create table t (x int)')",
        "import duckdb as d\nd.sql('create table t (x int)')",
        "from callboard import sql\nsql('create table t (x int)')",
        "from duckdb import execute as run\nrun('create table t (x int)')",
        "x = cb.sql(f'create table t as select {n}')",
        "def make():\n    cb.sql('create table t (x int)')",
        "cb.sql('create table t (x int)', engine=None)",
    ],
)
def test_calls_that_take_a_query_are_found(code: str) -> None:
    assert made(code) == ["t"]


@pytest.mark.parametrize(
    "code",
    [
        "cb = 1\ncb.sql('create table t (x int)')",
        "other.sql('create table t (x int)')",
        "sql('create table t (x int)')",
        "cb.sql('create table t (x int)', 1)",
        "cb.sql(query)",
        "cb.sql('create table ' + name)",
        "cb.sql(f'create table {name} (x int)')",
        "cb.sql(f'create table t_{name} (x int)')",
        "cb.sql('create table t (x int)', engine=engines[0])",
        "cb.sql('create table t (x int)', **options)",
        "import polars as cb\ncb.sql('create table t (x int)')",
        "print('create table t (x int)  -- cb.sql')",
    ],
)
def test_other_calls_and_unknown_names_make_nothing(code: str) -> None:
    assert made(code) == []


def test_a_query_needs_the_variables_and_the_tables_that_it_reads() -> None:
    analysis = cell("cb.sql(f'select * from df join s.t using (x) where y = {n}')")
    assert analysis.refs == {"cb", "df", "n"}
    assert {shown_name(name) for name in analysis.takes - analysis.refs} == {"df", "s", "s.t"}


def test_what_the_cell_binds_or_makes_itself_is_no_variable_that_it_needs() -> None:
    analysis = cell(
        "df = 1\ncb.sql('create table t as from df')\ncb.sql('from t')\ncb.sql('from _private')"
    )
    assert analysis.refs == {"cb"}


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("cb.sql('create table t (x int)')", True),
        ("cb.sql(f'attach {path}')", True),
        ("cb.sql('create gibberish (((')", True),
        ("cb.sql('select 1')", False),
        ("cb.sql('create table t (x int)', engine=pg)", False),
        ("x = 'create table'", False),
    ],
)
def test_cells_that_change_the_catalog_are_recognised(code: str, changes: bool) -> None:
    assert cell(code).changes_catalog is changes


@pytest.mark.parametrize(
    "query", ["selec nonsense", "select 'open", "'", "(" * 5000, "", "\x00", "select 1 from"]
)
def test_sql_that_is_not_understood_rejects_no_cell(query: str) -> None:
    analysis = cell(f"x = cb.sql({query!r})")
    assert analysis.defs == {"x"}
    assert not analysis.sql_makes
    assert not analysis.sql_needs


@given(st.text(max_size=40))
def test_no_query_rejects_a_cell(query: str) -> None:
    query = query.encode(errors="replace").decode()
    assert cell(f"x = cb.sql({query!r})").defs == {"x"}


def test_a_missing_parser_rejects_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    analysis = cell("x = cb.sql('create table t (x int)')")
    assert analysis.defs == {"x"}
    assert analysis.gives == {"x"}
    assert analysis.changes_catalog


def test_the_parser_is_imported_for_cells_with_sql_only() -> None:
    script = (
        "import sys\n"
        "from callboard.actors.notebook.analysis import analyse\n"
        "analyse('x = 1\\nsql = 2\\ndf.sql(1)', 'a')\n"
        "assert 'sqlglot' not in sys.modules\n"
        "analyse('cb.sql(\"select 1\")', 'a')\n"
        "assert 'sqlglot' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_tables_link_the_cells_that_make_them_to_those_that_read_them() -> None:
    cells = graph(
        data="df = load()",
        make="cb.sql('create table t as from df')",
        view="cb.sql('create view v as from t')",
        read="out = cb.sql('select * from T join main.v using (x)')",
        python="df, t",
    )
    assert parents(cells, "make") == ["data"]
    assert parents(cells, "view") == ["make"]
    assert parents(cells, "read") == ["make", "view"]
    assert parents(cells, "python") == ["data"]
    assert cells.order(cells.cells) == ("data", "make", "view", "read", "python")
    assert cells.linking_names(CellId("make"), CellId("view")) == ["t"]


@pytest.mark.parametrize(
    ("made_by", "read_by", "linked"),
    [
        ("create schema s", "from s.t", True),
        ("create schema s", "create table s.t (x int)", True),
        ("create schema s", "from t", False),
        ("attach 'f.db' as c", "from c.t", True),
        ("attach 'f.db' as c", "from c.s.t", True),
        ("attach 'f.db' as c", "create schema c.s", True),
        ("attach 'f.db' as c", "use c", True),
        ("attach 'f.db' as c", "from t", False),
        ("create schema c.s", "from c.s.t", True),
        ("create schema c.s", "from c.t", False),
        ("create table s.t (x int)", "from s.t", True),
        ("create table s.t (x int)", "from t", False),
        ("create table memory.main.t (x int)", "from t", True),
        ("create temp table t (x int)", "from temp.t", True),
        ("create table c.main.t (x int)", "from c.t", True),
        ('create table "a.b" (x int)', "from a.b", False),
        ('create table "odd name" (x int)', 'from "ODD NAME"', True),
    ],
)
def test_names_with_schema_and_catalog_match_what_they_are_in(
    made_by: str, read_by: str, linked: bool
) -> None:
    cells = graph(make=f"cb.sql({made_by!r})", read=f"cb.sql({read_by!r})")
    assert parents(cells, "read") == (["make"] if linked else [])


def test_what_is_made_with_another_engine_is_that_engines_alone() -> None:
    cells = graph(
        data="t = 1",
        make="cb.sql('create table t (x int)', engine=pg)",
        same="cb.sql('select * from public.t', engine=pg)",
        other="cb.sql('select * from t', engine=other)",
        built_in="cb.sql('select * from t')",
    )
    assert parents(cells, "same") == ["make"]
    assert parents(cells, "other") == []
    assert parents(cells, "built_in") == ["data"]


def test_a_table_that_two_cells_make_is_an_error_of_both() -> None:
    cells = graph(a="cb.sql('create table s.T (x int)')", b="cb.sql('create view s.t as select 1')")
    errors = semantic_errors(cells)
    assert errors == {
        CellId("a"): [MultipleDefinitionError("s.T", [CellId("b")])],
        CellId("b"): [MultipleDefinitionError("s.T", [CellId("a")])],
    }


def test_a_table_and_a_variable_of_one_name_do_not_conflict() -> None:
    cells = graph(a="df = 1", b="cb.sql('create table df as from df')", c="cb.sql('from df')")
    assert semantic_errors(cells) == {}
    assert parents(cells, "b") == ["a"]
    assert parents(cells, "c") == ["a", "b"]


def test_a_cycle_through_a_table_names_it() -> None:
    cells = graph(a="x = cb.sql('from main.t')", b="cb.sql(f'create table t as select {x}')")
    (error, *_) = semantic_errors(cells)[CellId("a")]
    assert isinstance(error, CycleError)
    assert ("b", ["t"], "a") in error.edges_with_vars
    assert ("a", ["x"], "b") in error.edges_with_vars


def test_the_list_of_variables_has_the_tables_too() -> None:
    cells = graph(a="df = 1", b="cb.sql('create table s.t as from df')", c="cb.sql('from s.t')")
    listed = {each.name: (each.declared_by, each.used_by) for each in variables(cells)}
    assert listed == {"df": (["a"], ["b"]), "s.t": (["b"], ["c"])}


def test_replacing_a_cell_takes_back_what_its_sql_made_and_runs_what_read_it() -> None:
    codes = {
        CellId("make"): "cb.sql('create table t (x int)')",
        CellId("read"): "cb.sql('from t')",
    }
    state = mutate(NotebookState(), codes, autorun=True).state
    change = mutate(state, {CellId("make"): "1"}, autorun=True)
    (invalidation,) = change.invalidated
    assert [made.made.parts for made in invalidation.sql] == [("t",)]
    assert change.to_run == ("read", "make")


def test_a_cell_put_in_error_spares_the_table_that_a_valid_one_made() -> None:
    table = "cb.sql('create table t (x int)')"
    state = mutate(NotebookState(), {CellId("a"): table}, autorun=True).state
    change = mutate(state, {CellId("b"): table}, autorun=True)
    assert list(change.errors) == ["b"]
    (invalidation,) = change.errored_invalidated
    assert invalidation.cell_id == "b"
    assert invalidation.sql == ()
