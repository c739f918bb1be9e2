"""What a cell binds and needs, and what it compiles to."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import linecache
import random
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callboard.actors.notebook.analysis import (
    Analyser,
    CellAnalysis,
    CellSourceError,
    DefKind,
    ImportedName,
    analyse,
    cell_filename,
    cell_of_filename,
    demangle,
    forget_source,
    is_private,
    mangle,
)
from callboard.messages.ids import CellId
from callboard.messages.payloads import CellError, ImportStarError, SyntaxCellError, UnknownError

CELL = CellId("one")


@pytest.fixture(autouse=True)
def _clean_linecache() -> Iterator[None]:
    yield
    forget_source(CELL)


def read(code: str) -> CellAnalysis:
    return analyse(code, CELL)


def own(names: frozenset[str]) -> set[str]:
    return {name for name in names if not hasattr(builtins, name)}


def refused(code: str) -> CellError:
    with pytest.raises(CellSourceError) as caught:
        read(code)
    assert caught.value.cell_id == CELL
    return caught.value.error


@pytest.mark.parametrize(
    ("code", "defs"),
    [
        ("x = 1", "x"),
        ("x, (y, *z) = v", "x y z"),
        ("[x, y] = v", "x y"),
        ("x: int = 1", "x"),
        ("x: int", "x"),
        ("x += 1", "x"),
        ("for x, y in v: z = 1", "x y z"),
        ("with v as (x, y), w as z: pass", "x y z"),
        ("(x := 1)", "x"),
        ("[[(x := y) for y in z] for z in v]", "x"),
        ("def x(y, /, z, *a, k=1, **b): w = 1", "x"),
        ("async def x(): pass", "x"),
        ("class x(v, metaclass=w): y = 1", "x"),
        ("import x.y", "x"),
        ("import x.y as z", "z"),
        ("from x import y, z as w", "y w"),
        ("from . import x", "x"),
        ("def f():\n  import y", "f"),
        (
            "match v:\n  case [x, *y]: pass\n  case {'k': z, **w}: pass\n  case A(b=q) as r: pass",
            "x y z w q r",
        ),
        ("def f():\n  global x\n  x = 1", "f x"),
        ("def f():\n  def g():\n    global x\n    for x in v: pass", "f x"),
        ("class f:\n  global x\n  x = 1", "f x"),
        ("def f():\n  global x\n  return x", "f"),
        ("if v:\n  x = 1\nelse:\n  y = 1", "x y"),
        ("try:\n  x = 1\nexcept E as e:\n  y = 1\nelse:\n  z = 1\nfinally:\n  w = 1", "x y z w"),
        ("x = {y: z for y, z in v}", "x"),
        ("lambda x: (y := x)", ""),
        ("v.x = 1; v['y'] = 2", ""),
        ("__x = 1; __y__ = 2", "__x __y__"),
        ("def f(x):\n  def g():\n    nonlocal x\n    x = 1", "f"),
    ],
)
def test_defs_are_the_names_bound_at_top_level(code: str, defs: str) -> None:
    assert read(code).defs == set(defs.split())


@pytest.mark.parametrize(
    ("code", "refs"),
    [
        ("x", "x"),
        ("x.y.z", "x"),
        ("x = x", "x"),
        ("x = 1; x", ""),
        ("x; x = 1", "x"),
        ("x += 1", ""),
        ("x += y", "y"),
        ("x[y] += z", "x y z"),
        ("v.x = w", "v w"),
        ("def f(a=x, *, b=y): return z", "x y z"),
        ("def f(a: x, *b: y, **c: z) -> w: pass", "x y z w"),
        ("@x\ndef f(): pass", "x"),
        ("@x\nclass f(y, k=z): pass", "x y z"),
        ("def f(): return x\nx = 1", ""),
        ("def f(): return f()", ""),
        ("def f():\n  y = x\n  x = 1", ""),
        ("def f(a):\n  def g(): return a + x\n  return g", "x"),
        ("def f():\n  global x\n  return x", "x"),
        ("def f():\n  class A:\n    a = x\n    def g(self): return a\n  return A", "x a"),
        ("class A:\n  x = 1\n  y = x\n  def f(self): return x", "x"),
        ("class A:\n  x = x", "x"),
        ("class A:\n  v = 1\n  y = [v for _ in v]", "v"),
        ("class A: b = A", "A"),
        ("class A:\n  class B: pass\n  class C: x = B", "B"),
        ("[y for y in x]", "x"),
        ("[x for x in x]", "x"),
        ("[x for y in v for x in y]", "v"),
        ("[x for y in x for x in y]", "x"),
        ("{x: y for x in v if w}", "v w y"),
        ("lambda a, b=x: a + b + y", "x y"),
        ("f'{x!r:>{y}}'", "x y"),
        ("try: pass\nexcept x as e: e", "x"),
        ("try: pass\nexcept x as e: pass\ne", "x e"),
        ("try: pass\nexcept x as e:\n  def f(): return e", "x"),
        ("try: pass\nexcept* x as e: e", "x"),
        ("import a\na.b", ""),
        ("match x:\n  case y.Z: pass\n  case C(d=1): pass\n  case a if a: pass", "x y C"),
        ("print(x, file=y)", "x y"),
        ("del x", "x"),
        ("x = 1\ndel x", ""),
        ("del x.y, x[z]", "x z"),
        ("with x as y: y", "x"),
        ("for x in y: x", "y"),
        ("while (x := y): x", "y"),
        ("async def f(): return await x", "x"),
        ("global x\nx = 1", ""),
        ("def f():\n  from m import x\n  return x", ""),
        ("lambda: [x for x in y]", "y"),
        ("assert x, y", "x y"),
    ],
)
def test_refs_are_the_names_needed_from_elsewhere(code: str, refs: str) -> None:
    assert own(read(code).refs) == set(refs.split())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
@pytest.mark.parametrize(
    ("code", "defs", "refs"),
    [
        ("type X = list[Y]", "X", "Y"),
        ("type X[T] = dict[T, X]", "X", ""),
        ("def f[T: B](a: T) -> T: return T", "f", "B"),
        ("class A[T](Base[T]):\n  x: T", "A", "Base"),
        ("type X = Y\nY = 1", "X Y", ""),
    ],
)
def test_type_parameters_are_local(code: str, defs: str, refs: str) -> None:
    assert read(code).defs == set(defs.split())
    assert own(read(code).refs) == set(refs.split())


def test_deleted_names_are_those_the_cell_does_not_bind() -> None:
    assert read("del x, y\nz = 1\ndel z").deleted == {"x", "y"}
    assert read("del x\nx = 1").deleted == frozenset()
    assert read("def f():\n  global x\n  del x").deleted == {"x"}
    assert read("def f(x):\n  del x").deleted == frozenset()
    assert read("del _x").deleted == frozenset()


def test_kinds_tell_what_bound_a_name_first() -> None:
    kinds = read("import a\ndef f(): pass\nclass C: pass\nx = f = 1").kinds
    assert kinds == {
        "a": DefKind.IMPORT,
        "f": DefKind.FUNCTION,
        "C": DefKind.CLASS,
        "x": DefKind.VARIABLE,
    }


def run(code: str, namespace: dict[str, Any] | None = None) -> Any:
    analysis = read(code)
    globals_ = {} if namespace is None else namespace
    if analysis.body is not None:
        exec(analysis.body, globals_)
    return eval(analysis.output, globals_) if analysis.output is not None else None


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1", 1),
        ("x = 2\nx", 2),
        ("x = 2", None),
        ("1;", None),
        ("1;  # shown?", None),
        ("1  # ;", 1),
        ("(1)\n# ;\n", 1),
        ("(1) \\\n ;", None),
        ("x = 'é'; 'ü';", None),
        ("';'", ";"),
        ("'a'\n'b'", "b"),
        ("if 1: 5", None),
        ("3\xa0+\xa04", 7),
    ],
)
def test_the_output_is_the_last_expression_unless_a_semicolon_ends_it(
    code: str, value: object
) -> None:
    assert run(code) == value


def test_everything_but_the_output_runs_even_when_suppressed() -> None:
    calls: list[int] = []
    run("f(1)\nf(2);", {"f": calls.append})
    assert calls == [1, 2]


@pytest.mark.parametrize("code", ["", "  \n", "# only\n# words", "\n\n#", "\xa0"])
def test_blank_cells_are_empty_and_need_nothing(code: str) -> None:
    analysis = read(code)
    assert analysis.empty
    assert not analysis.defs
    assert not analysis.refs
    assert analysis.body is None
    assert analysis.output is None
    assert not analysis.import_block


def test_flags_of_the_host_are_not_inherited() -> None:
    # This very module has `from __future__ import annotations`.
    namespace: dict[str, Any] = {}
    run("def f(x: 1 + 1): pass", namespace)
    assert namespace["f"].__annotations__ == {"x": 2}


def test_a_future_statement_holds_for_its_cell() -> None:
    namespace: dict[str, Any] = {}
    run("from __future__ import annotations\ndef f(x: A): pass", namespace)
    assert namespace["f"].__annotations__ == {"x": "A"}


@pytest.mark.parametrize(
    ("code", "is_async"),
    [
        ("await f()", True),
        ("x = await f()\nx", True),
        ("async for x in y: pass", True),
        ("async with x: pass", True),
        ("[x async for x in y]", True),
        ("async def f(): await g()", False),
        ("f()", False),
    ],
)
def test_a_cell_is_async_if_it_awaits_at_top_level(code: str, is_async: bool) -> None:
    assert read(code).is_async is is_async


def test_async_code_evaluates_to_a_coroutine() -> None:
    analysis = read("import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 7)")
    body, output = analysis.body, analysis.output
    assert body is not None
    assert output is not None
    namespace: dict[str, Any] = {}

    async def main() -> Any:
        await eval(body, namespace)
        return await eval(output, namespace)

    assert asyncio.run(main()) == 7


def test_private_names_are_neither_defs_nor_refs_and_carry_their_cell() -> None:
    analysis = read("_x = 1\n__ = 2\n_ = 3\n[_y for _y in _z]\n_x + __ + _")
    assert not analysis.defs
    assert not analysis.refs
    assert analysis.private == {mangle(name, CELL) for name in ("_x", "__", "_")}
    namespace: dict[str, Any] = {mangle("_z", CELL): ()}
    assert run(analysis.code, namespace) == 6
    assert namespace[mangle("_x", CELL)] == 1
    assert "_x" not in namespace


PRIVATE_PROGRAM = """
import math as _m
from math import pi as _pi
def _f(n):
    _local = n
    return 0 if n == 0 else _local + _f(n - 1)
class _A:
    _attr = 4
    _copy = _attr
    def get(self, _p=1):
        return self._attr + _p + _B
_B = 2
def _set():
    global _G
    _G = 10
_set()
match {"k": 1, "l": 5}:
    case {"k": _k, **_rest}: pass
match [1, 2, 3]:
    case [_first, *_others] as _all: pass
try:
    1 / 0
except ZeroDivisionError as _e:
    _seen = type(_e).__name__
for _i in range(3): pass
with __import__("contextlib").nullcontext(8) as _w: pass
_t: int = 3
_t += 1
_gone = 1
del _gone
_fn = lambda _a: _a + (_walrus := 1)
[(_top := _v) for _v in range(6)]
result = (_f(3), _A().get(), _A._copy, _G, _k, _rest, _first, _others, len(_all), _seen, _i, _w, _t,
          _fn(1), _top, _m.floor(_pi))
"""


def test_private_names_work_like_any_other_within_their_cell() -> None:
    expected: dict[str, Any] = {}
    exec(PRIVATE_PROGRAM, expected)
    namespace: dict[str, Any] = {}
    run(PRIVATE_PROGRAM, namespace)
    assert namespace["result"] == expected["result"]
    leaked = {name for name in namespace if is_private(name) and demangle(name) is None}
    assert not leaked
    analysis = read(PRIVATE_PROGRAM)
    assert {name for name in namespace if is_private(name)} <= analysis.private


def test_a_private_name_imported_as_it_is_keeps_its_name() -> None:
    analysis = read("from m import _p\nimport _thread, _a.b\nimport n as _q\n_p + _q")
    assert not analysis.defs
    assert analysis.private == {"_p", "_thread", "_a", mangle("_q", CELL)}
    assert not analysis.imports
    namespace: dict[str, Any] = {}
    run("import _thread\n_thread.get_ident()", namespace)
    assert "_thread" in namespace


def test_temporaries_are_the_private_names_nothing_can_look_up_later() -> None:
    def kept(code: str) -> set[str]:
        analysis = read(code)
        names = {demangle(name) for name in analysis.private - analysis.temporaries}
        return {name[1] for name in names if name is not None}

    assert kept("_x = 1\n_y = _x\ny = [_x for _ in _y]") == set()
    assert kept("_x = 1\ndef f(): return _x") == {"_x"}
    assert kept("def f(): return _x\n_x = 1") == {"_x"}
    assert kept("_x = 1\nf = lambda: _x") == {"_x"}
    assert kept("_x = 1\nclass A:\n  def f(self): return [_x for _ in ()]") == {"_x"}
    assert kept("_x = 1\ng = (_x for _ in range(3))") == {"_x"}
    assert kept("def _g(): return _h()\ndef _h(): return 1\ndef f(): return _g()") == {"_g", "_h"}
    assert kept("_x = 1\ndef f(_x): return _x") == set()
    assert kept("def f():\n  global _x\n  _x = 1\nf()") == set()


names_ = st.text("ab_", min_size=1, max_size=6).filter(is_private)


@given(st.text("ab_-é", max_size=6).map(CellId), names_)
def test_mangling_can_be_undone(cell_id: CellId, name: str) -> None:
    assert demangle(mangle(name, cell_id)) == (cell_id, name)
    assert is_private(mangle(name, cell_id))


@given(st.text("_cel", max_size=12))
def test_demangling_any_name_gives_a_private_one_or_nothing(text: str) -> None:
    found = demangle("_cell_" + text)
    if found is not None:
        assert mangle(found[1], found[0]) == "_cell_" + text


def test_imports_are_told_apart_by_all_they_say() -> None:
    analysis = read("import a.b, c as d\nfrom .e import f as g\nfrom a import a as h")
    assert analysis.import_block
    assert analysis.imports == (
        ImportedName("a", "a.b"),
        ImportedName("d", "c"),
        ImportedName("g", "e", "f", 1),
        ImportedName("h", "a", "a"),
    )
    assert analysis.modules == {"a.b", "c", "a"}
    assert read("import random").imports != read("from random import random").imports


def test_an_import_block_holds_nothing_else() -> None:
    assert read("import a\n\n# why\nfrom b import c").import_block
    assert not read("import a\nx = 1").import_block
    assert not read("if x: import a").import_block
    assert not read("def f(): import a").import_block


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('cb.md("# hi")', "# hi"),
        ('mo.md(r"""a\nb""")', "a\nb"),
        ('callboard.md(f"plain")', "plain"),
        ('cb.md("a" "b")', "ab"),
        ('cb.md(f"{x}")', None),
        ("cb.md(x)", None),
        ('cb.md("a", "b")', None),
        ('cb.md("a", k=1)', None),
        ('cb.md("a");', None),
        ('md("a")', None),
        ('xx.md("a")', None),
        ('cb.md("a")\n1', None),
        ("cb.md(1)", None),
        ("cb.md(b'x')", None),
    ],
)
def test_a_markdown_cell_is_one_bare_call_with_a_literal(code: str, text: str | None) -> None:
    assert read(code).markdown == text


def test_sole_definitions_and_tests_are_recognised() -> None:
    assert read("def f(): pass").sole_definition == "f"
    assert read("@d\nclass C: pass").sole_definition == "C"
    assert read("async def f(): pass\nx = 1").sole_definition is None
    assert read("def test_a(): pass\nclass TestB: pass").tests_only
    assert not read("def test_a(): pass\nx = 1").tests_only


def test_star_imports_are_refused_wherever_they_stand() -> None:
    for code in (
        "from m import *",
        "x = 1\nif x:\n  from m import *",
        "def f():\n\n  from m import *",
    ):
        error = refused(code)
        assert isinstance(error, ImportStarError)
        assert error.lineno == len(code.splitlines())
        assert error.msg.startswith(f"line {error.lineno}\n")


@pytest.mark.parametrize(
    ("code", "lineno", "says"),
    [
        ("x = ", 1, "invalid syntax"),
        ("x = 1\nreturn x", 2, "'return' outside function"),
        ("\nyield 1", 2, "'yield' outside function"),
        ("def f(:\n  pass", 1, "SyntaxError"),
        ("if x:\npass", 2, "IndentationError"),
        ("nonlocal x", 1, "nonlocal"),
        ("x = 1\ndef f():\n  x = 1\n  global x", 4, "global"),
        ("f(**a, *b)", 1, "SyntaxError"),
        ("x = '\u2028' +", 1, "SyntaxError"),
        ("5 = x", 1, "cannot assign"),
        ("break", 1, "outside loop"),
    ],
)
def test_syntax_errors_say_which_line_and_show_it(code: str, lineno: int, says: str) -> None:
    error = refused(code)
    assert isinstance(error, SyntaxCellError)
    assert error.lineno == lineno
    assert error.msg.startswith(f"line {lineno}\n")
    assert says in error.msg
    assert code.split("\n")[lineno - 1].strip() in error.msg
    assert "Hint" not in error.msg


def test_lines_for_a_shell_get_advice() -> None:
    def msg(code: str) -> str:
        error = refused(code)
        assert isinstance(error, SyntaxCellError)
        return error.msg

    assert "`!pip`" in msg("!pip install x")
    assert "`!pip`" in msg("x = 1\n! python3 -m pip install x")
    assert "`!`" in msg("import os\n!ls")
    assert "`!`" in msg("!pipx run y")
    assert "`%`" in msg("%matplotlib inline")
    assert "`%`" in msg("%%time\nx = 1")


@pytest.mark.parametrize(
    "code",
    [
        "-" * 20_000 + "1",
        "+".join("a" * 200_000),
        "\ud800 = 1",
        "a" + ".b" * 50_000,
        "x = '\ud800'",
    ],
)
def test_what_python_cannot_digest_is_an_unknown_error(code: str) -> None:
    error = refused(code)
    assert isinstance(error, UnknownError)
    assert error.error_type
    assert error.msg


def test_null_bytes_are_refused() -> None:
    assert isinstance(refused("x = 1\0"), SyntaxCellError | UnknownError)


def test_depth_that_python_compiles_is_accepted() -> None:
    # The compiler takes a level of nesting for each frame the limit allows; a recursive reader
    # would need two.
    depth = sys.getrecursionlimit() * 9 // 10
    found: list[frozenset[str]] = []
    # A thread starts on an empty stack, however deep the test runner is.
    thread = threading.Thread(target=lambda: found.append(read("+".join("a" * depth)).refs))
    thread.start()
    thread.join()
    assert found == [{"a"}]


@given(st.text(alphabet=st.characters(codec=None), max_size=30))
@settings(max_examples=200)
def test_any_text_is_analysed_or_refused(code: str) -> None:
    with contextlib.suppress(CellSourceError):
        assert read(code).code == code


def test_identifiers_are_compared_in_normal_form() -> None:
    assert read("ﬁ = 1").defs == {"fi"}
    assert read("naïve = 数 = 1").defs == {"naïve", "数"}


def test_tracebacks_show_the_lines_of_the_cell() -> None:
    code = "x = 1\f\n\ndef f():\n    return x / 0  # here\n\nf()"
    with pytest.raises(ZeroDivisionError) as caught:
        run(code)
    shown = "".join(traceback.format_exception(caught.value))
    assert "return x / 0  # here" in shown
    assert f'"{cell_filename(CELL)}", line 4' in shown
    assert f'"{cell_filename(CELL)}", line 6' in shown


def test_file_names_lead_back_to_their_cell() -> None:
    assert cell_of_filename(cell_filename(CELL)) == CELL
    assert cell_of_filename(cell_filename(CELL, "k"), "k") == CELL
    assert cell_of_filename(cell_filename(CELL, "k")) is None
    assert cell_of_filename("/usr/lib/python/x.py") is None
    analyse("1", CELL, kernel_key="k")
    assert cell_filename(CELL, "k") in linecache.cache
    forget_source(CELL, "k")
    assert cell_filename(CELL, "k") not in linecache.cache


def test_the_analyser_compiles_the_same_text_once() -> None:
    analyser = Analyser("k")
    first = analyser("x = 1", CELL)
    assert analyser("x = 1", CELL) is first
    assert analyser("x = 2", CELL) is not first
    for _ in range(2):
        with pytest.raises(CellSourceError):
            analyser("x =", CELL)
    assert analyser.filename(CELL) in linecache.cache
    analyser.forget(CELL)
    assert analyser.filename(CELL) not in linecache.cache


# Programs in which every line runs and every value is an integer, so that running one tells whether
# the names it was given are the names it needs. Drawn from a seed: a strategy for whole programs
# spends its time on bookkeeping and shrinks them no better.

VARIABLES = "abcd"


def indent(block: str) -> str:
    return "\n".join("    " + line for line in block.split("\n"))


class Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def variable(self) -> str:
        return self.random.choice(VARIABLES)

    def expression(self, walrus: bool, depth: int = 2) -> str:
        kinds = ["1", "name", "name", "name"]
        if depth:
            kinds += ["sum", "comp", "nested", "generator", "lambda"] + ["walrus"] * walrus
        name = self.variable()

        def inner(walrus: bool = False) -> str:
            return self.expression(walrus, depth - 1)

        match self.random.choice(kinds):
            case "name":
                return f"({name} + 0)"
            case "sum":
                return f"({inner(walrus)} + {inner(walrus)})"
            case "comp":
                return f"sum([{inner()} for {name} in range(2) if {inner()} + 1000])"
            case "nested":
                loops = f"for {name} in range(2) for {self.variable()} in range({inner()} * 0 + 1)"
                return f"sum([{inner()} {loops}])"
            case "generator":
                return f"sum({inner()} for {name} in range(2))"
            case "lambda":
                return f"(lambda {name}={inner()}: {name} + 1)()"
            case "walrus":
                return f"({name} := {inner()})"
            case _:
                return "1"

    def program(self) -> str:
        calls: list[str] = []
        lines = self.block("module", 2, calls)
        return "\n".join([lines, *calls])

    def block(self, place: str, depth: int, calls: list[str]) -> str:
        """Some statements; functions they define are to be called as in `calls`, at the end."""
        kinds = ["assign", "assign", "aug", "try", "pair", "expr"]
        if depth:
            kinds += ["if", "def", "def", "class", "match", "with"]
            # A class body that loops may look up a name globally first and locally later.
            kinds += ["for"] * (place != "class")
        chosen = self.random.choices(kinds, k=self.random.randint(1, 3))
        return "\n".join(self.statement(kind, place, depth, calls) for kind in chosen)

    def statement(self, kind: str, place: str, depth: int, calls: list[str]) -> str:
        name, other = self.random.sample(VARIABLES, 2)

        def value() -> str:
            return self.expression(place != "class")

        def body() -> str:
            return indent(self.block(place, depth - 1, calls))

        match kind:
            case "assign":
                return f"{name} = {value()}"
            case "aug":
                return f"{name} = {value()}\n{name} += {value()}"
            case "pair":
                return f"{name}, {other} = {value()}, {value()}"
            case "try":
                handler = f"{name} = bool(error) + {value()}"
                return f"try: 1 / 0\nexcept ZeroDivisionError as error: {handler}"
            case "for":
                return f"for {name} in range(2):\n{body()}"
            case "if":
                return f"if 1000 + {value()}:\n{body()}"
            case "with":
                manager = "__import__('contextlib').nullcontext"
                return f"with {manager}({value()}) as {name}:\n{body()}"
            case "match":
                return f"match {value()}:\n    case {name}:\n{indent(body())}"
            case "class":
                self.count += 1
                inner: list[str] = []
                cls = f"K{self.count}"
                text = indent(self.block("class", depth - 1, inner))
                calls += [f"{cls}.{call}" for call in inner]
                return f"class {cls}:\n{text}"
            case "def":
                self.count += 1
                function = f"f{self.count}"
                calls.append(f"{function}()")
                declared = "global g\n" * self.random.randint(0, 1)
                if declared:
                    declared += f"g = {value()}\ng += 1\n"
                parameters = f"{other}={value()}" * self.random.randint(0, 1)
                inner = []
                text = self.block("function", depth - 1, inner)
                text = indent("\n".join([declared + text, *inner]))
                return f"def {function}({parameters}):\n{text}"
            case _:
                return value()


programs = st.integers(0, 2**32).map(lambda seed: Writer(seed).program())


def attempt(analysis: CellAnalysis, namespace: dict[str, Any]) -> NameError | None:
    """Run a cell; the name it missed, if any. Programs that are wrong anywhere are thrown away."""
    try:
        for part in (analysis.body, analysis.output):
            if part is not None:
                eval(part, namespace)
    except UnboundLocalError:
        assume(False)
    except NameError as error:
        # A closure read before its function bound the name: nothing a namespace holds could help.
        assume("free variable" not in str(error))
        return error
    return None


PROGRAMS = settings(max_examples=300, deadline=None)


@given(programs)
@PROGRAMS
def test_a_cell_needs_exactly_its_refs(code: str) -> None:
    analysis = read(code)
    refs = own(analysis.refs)
    assert refs <= set(VARIABLES)
    assert attempt(analysis, dict.fromkeys(refs, 1)) is None
    for name in refs:
        error = attempt(analysis, dict.fromkeys(refs - {name}, 1))
        assert error is not None, f"{name} is not needed"
        assert error.name == name


@given(programs)
@PROGRAMS
def test_a_cell_binds_exactly_its_defs(code: str) -> None:
    analysis = read(code)
    namespace: dict[str, Any] = dict.fromkeys(own(analysis.refs), Seen())
    assert attempt(analysis, namespace) is None
    bound = {name for name, value in namespace.items() if not isinstance(value, Seen)}
    assert bound - {"__builtins__"} == analysis.defs


class Seen(int):
    """A value that only the namespace holds: a cell's own are the results of arithmetic."""

    def __new__(cls) -> Seen:
        return super().__new__(cls, 1)


@given(programs)
@PROGRAMS
def test_private_names_change_nothing_but_the_names(code: str) -> None:
    public = read(code)
    private = read(re.sub(rf"\b([{VARIABLES}])\b", r"_\1", code))
    assert own(private.refs) == set()
    assert private.defs == public.defs - set(VARIABLES)
    public_space: dict[str, Any] = dict.fromkeys(VARIABLES, 1)
    private_space: dict[str, Any] = {mangle(f"_{name}", CELL): 1 for name in VARIABLES}
    assert attempt(public, public_space) is None
    assert attempt(private, private_space) is None
    for name in VARIABLES:
        assert private_space[mangle(f"_{name}", CELL)] == public_space[name]
