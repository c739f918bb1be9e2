"""What code is told apart by."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.caching import codes
from callboard.caching.codes import as_it_is, binds_once, read_code, read_source, reads_and_stores

SOURCE = """
import math
from os import path as where

LIMIT = 10
async def later(x, *, y=2, **rest):
    async with x as z:
        return [await each async for each in z if each]

def work(rows, limit=LIMIT):
    "Say what it does."
    total = 0.0
    for number, row in enumerate(rows):
        if row is None or number > limit: continue
        try:
            total += math.sqrt(row["value"])
        except (KeyError, ValueError) as error:
            print(f"{error!r:>10}", sep="")
            if total: return total
        else:
            total -= 1
        finally:
            where.join("a", "b")
    while total > 1: total /= 2
    return {k: v for k, v in rows[0].items() if k in {"a", "b", "c"}}, lambda q: q[1:2]

class Thing(dict):
    count: int = 3
    def method(self):
        match self.count:
            case 1 | 2: return super().get(1)
            case [a, *b]: pass
        assert self, "empty"
"""


def spread(tree: ast.Module) -> str:
    """The source with everything between brackets spread over lines, and with comments between."""
    text = ast.unparse(tree)
    lines = text.splitlines()
    depth = 0
    places: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
            if depth and token.string in "([{,":
                places.append(token.end)
        elif token.type == tokenize.NEWLINE:
            places.append(token.start)
    for line, column in reversed(places):
        lines[line - 1] = f"{lines[line - 1][:column]}  # here\n{lines[line - 1][column:]}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    "source",
    [SOURCE, *(inspect.getsource(one) for one in (codes, textwrap))],
    ids=["sample", "codes", "textwrap"],
)
def test_comments_and_layout_do_not_matter(source: str) -> None:
    tree = ast.parse(source)
    # Doc strings keep their white space, so only the sample is spread.
    others = [ast.unparse(tree), source + "\n\n# the end\n", "\n\n# first\n" + source]
    if source is SOURCE:
        others.append(spread(tree))
        compile(others[-1], "", "exec")
    assert {read_source(other) for other in others} == {read_source(source)}


CHANGES = [
    ("LIMIT = 10", "LIMIT = 11"),
    ("LIMIT = 10", "LIMIT = 10.0"),
    ("LIMIT = 10", "LIMIT = True"),
    ("y=2", "y=3"),
    ("**rest", "*rest"),
    ("math.sqrt", "math.cbrt"),
    ("number > limit", "number >= limit"),
    ("(KeyError, ValueError)", "(KeyError, TypeError)"),
    ("error!r", "error!s"),
    (">10", ">11"),
    ("total -= 1", "total -= 2"),
    ("            total -= 1\n        finally", "            pass\n        finally"),
    ('"c"}', '"d"}'),
    ("q[1:2]", "q[1:3]"),
    ("count: int = 3", "count: int = 4"),
    ("super().get(1)", "super().pop(1)"),
    ("[a, *b]", "[a, b]"),
    ('"empty"', '"full"'),
    ("async for each in z if each", "async for each in z if z"),
    ("def work(rows", "def work(lines"),
    ("as where", "as there"),
    ('sep=""', 'end=""'),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_what_code_does_matters(old: str, new: str) -> None:
    assert old in SOURCE
    assert read_source(SOURCE.replace(old, new)) != read_source(SOURCE)


def test_what_is_guarded_by_try_matters() -> None:
    one = "try:\n    a()\n    b()\nexcept E:\n    c()"
    other = "try:\n    a()\nexcept E:\n    c()\nelse:\n    b()"
    assert read_source(one) != read_source(other)


@given(st.text())
def test_any_text_has_a_digest(text: str) -> None:
    assert len(read_source(text)) == 32


def test_nested_code_counts_and_tells_the_globals_it_reads() -> None:
    code = compile("def f():\n    return [g(x) for x in y], lambda: z", "", "exec")
    reading = read_code(code)
    assert {"g", "y", "z"} <= set(reading.globals)
    other = compile("def f():\n    return [g(x) for x in y], lambda: w", "", "exec")
    assert read_code(other).digest != reading.digest


def test_names_are_read_as_in_the_source() -> None:
    def strip(name: str) -> str:
        return name.removeprefix("cell_")

    one, other = (compile(source, "", "exec") for source in ("f(cell_x)", "f(x)"))
    assert read_code(one, strip).digest == read_code(other, as_it_is).digest
    assert read_code(one).digest != read_code(other).digest


@pytest.mark.parametrize(
    ("source", "needs", "binds"),
    [
        ("x = 1\ny = x + z", {"z"}, {"x", "y"}),
        ("if a:\n    x = 1\nprint(x)", {"a", "x", "print"}, {"x"}),
        ("for i in r: t = i", {"r", "i"}, {"i", "t"}),
        ("def f(): return later\nlater = 1", {"later"}, {"f", "later"}),
        ("import a.b, c as d\nfrom e import g", set(), {"a", "d", "g"}),
        ("try: pass\nexcept E as e: print(e)", {"E", "e", "print"}, {"e"}),
        ("x = 1\ndel x", set(), {"x"}),
        ("class C:\n    a = q\n    b = a", {"q"}, {"C"}),
        ("[w for w in s]", {"s"}, set()),
        ("def f():\n    global k\n    k = 1", set(), {"f", "k"}),
        ("with o as p: await p.q", {"o"}, {"p"}),
    ],
)
def test_a_block_needs_what_it_reads_first_and_binds_what_it_may_bind(
    source: str, needs: set[str], binds: set[str]
) -> None:
    code = compile(source, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    needed, stores = reads_and_stores(code)
    # Of a class also the names of its attributes: a name more makes no wrong hit.
    assert needed - {"__name__", "a"} == needs - {"a"}
    assert stores == binds


@pytest.mark.parametrize(
    ("source", "once"),
    [
        ("x = connect()", True),
        ("import x", True),
        ("def x(): pass", True),
        ("with a() as x: pass", True),
        ("def f(x):\n    x = 1\nx = 2", True),
        ("x = 1\nx = 2", False),
        ("for x in y: pass", False),
        ("for a in y:\n    x = a", False),
        ("x = 1\ndef f():\n    global x\n    x = 2", False),
        ("x = 1\ndel x", False),
        ("y = 1", False),
        ("x = (", False),
    ],
)
def test_a_variable_follows_from_code_that_binds_it_once(source: str, once: bool) -> None:
    assert binds_once(source, "x") is once
