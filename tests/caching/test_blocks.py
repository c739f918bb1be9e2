"""What cached blocks hold to, in plain scripts."""

from __future__ import annotations

import ast
import asyncio
import inspect
import linecache
import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import callboard.caching as cb

numbers = count()


def script(source: str, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a script whose source Python can find."""
    name = f"<script {next(numbers)}>"
    namespace = {} if namespace is None else namespace
    namespace.setdefault("ran", [])
    namespace.update(cb=cb, __name__="__main__")
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    code = compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return namespace


def twice(body: str, **values: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a block two times: in a fresh script, and again in its place with the variables gone."""
    source = f"for turn in (1, 2):\n    with cb.cache('b') as c:\n        ran.append(1)\n{body}\n    snap(c)"
    shots: list[dict[str, Any]] = []
    namespace: dict[str, Any] = {"ran": Log(), **values}
    namespace["__annotations__"] = {}
    known = set(namespace) | {"cb", "__name__", "__builtins__", "snap", "turn", "c"}

    def snap(c: Any) -> None:
        shots.append({"hit": c.hit, **{k: v for k, v in namespace.items() if k not in known}})
        for name in set(namespace) - known:
            del namespace[name]

    namespace["snap"] = snap
    script(source, namespace)
    return shots[0], shots[1]


class Log(list[Any]):
    """A list that is no input."""

    def __cache_key__(self) -> object:
        return None


@pytest.mark.parametrize(
    "body",
    [
        "        x = [1]; y = x",
        "        for i in range(3):\n            x = i",
        "        while True:\n            x = 1\n            break",
        "        try:\n            1 / 0\n        except BaseException as e:\n            x = str(e)",
        "        with open('/dev/null') as f:\n            x = f.read()\n        del f",
        "        import os as x, sys",
        "        def x(): return 1",
        "        class x: pass",
        "        if ran: x = 3\n        else: y = 4",
        "        x: int = 3; [x := x + 1 for _ in range(3)]",
        "        match ran:\n            case [a, *x]: pass",
        "        x = 1\n        x += 1\n        del x",
        "        pass",
    ],
)
def test_a_known_block_is_left_out_and_its_variables_are_bound(body: str) -> None:
    ran = Log()
    first, second = twice(body, ran=ran)
    assert (first.pop("hit"), second.pop("hit")) == (False, True)
    assert ran == [1]
    assert second == first
    assert all(second[name] is first[name] for name in first)


@pytest.mark.parametrize(
    "source",
    [
        "with cb.cache('one'): ran.append(1); x = 1",
        "with cb.cache('one') as c: x = ran.append(1)",
        "with open('/dev/null') as f, cb.cache('one') as c:\n    x = ran.append(1)",
        "with cb.cache(\n  'one'\n) as c:\n\n    x = ran.append(1)",
        "with cb.lru_cache('one', maxsize=3):\n    x = ran.append(1)",
        "with cb.cache():\n    x = ran.append(1)",
        "made = cb.cache('one')\nwith made:\n    x = ran.append(1)",
        "import asyncio\nwith cb.cache('one'):\n    await asyncio.sleep(0); x = ran.append(1)",
        "if True:\n    try:\n        with cb.cache('one'):\n            x = ran.append(1)\n    finally:\n        pass",
    ],
)
def test_it_may_be_written_in_any_way(source: str) -> None:
    ran = Log()
    name = f"<script {next(numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    for _ in range(2):
        namespace: dict[str, Any] = {"cb": cb, "ran": ran, "__name__": "__main__"}
        result = eval(compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)
        assert "x" in namespace
    assert ran == [1]
    assert sys.gettrace() is None or "pytest" not in repr(sys.gettrace())


def test_what_the_block_reads_counts_and_what_it_binds_itself_does_not() -> None:
    ran = Log()
    source = "with cb.cache('in') as c:\n    ran.append(1)\n    t = 0\n    t += n * len(items)\nout.append((t, c.hit))"
    out = Log()
    name = "<script in>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"cb": cb, "ran": ran, "out": out, "n": 2, "items": [1]}
    code = compile(source, name, "exec")
    for change in ({}, {}, {"n": 3}, {"items": [1, 2]}, {"n": 2, "items": [1]}):
        namespace.update(change)
        exec(code, namespace)
    assert list(out) == [(2, False), (2, True), (3, False), (6, False), (2, True)]


def test_an_exception_passes_and_nothing_is_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        script("with cb.cache('fails') as c:\n    x = 1\n    1 / 0")
    space = script(
        "for _ in (1, 2):\n"
        "    try:\n"
        "        with cb.cache('fails') as c:\n"
        "            x = 1\n"
        "            1 / 0\n"
        "    except ZeroDivisionError:\n"
        "        info = c.cache_info(), c.hit"
    )
    assert space["info"][0].currsize == 0
    assert space["info"][1] is False


def test_a_block_reports_no_misses_and_can_be_cleared() -> None:
    space = script(
        "infos = []\n"
        "for turn in range(3):\n"
        "    with cb.cache('count') as c:\n"
        "        x = 1\n"
        "    infos.append((c.cache_info()[:4], c.last_hash[:2]))\n"
        "c.cache_clear()\n"
        "after = c.cache_info()\n"
    )
    assert space["infos"] == [
        ((0, 0, None, 1), "P_"),
        ((1, 0, None, 1), "P_"),
        ((2, 0, None, 1), "P_"),
    ]
    assert space["after"][:4] == (2, 0, None, 0)


def test_it_has_to_be_at_the_top_level() -> None:
    with pytest.raises(cb.BlockError, match="top level of a cell, not inside of work"):
        script("def work():\n    with cb.cache('x'):\n        y = 1\nwork()")
    with pytest.raises(cb.BlockError, match="not inside of Thing"):
        script("class Thing:\n    with cb.cache('x'):\n        y = 1")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("with cb.cache('x') as (a, b):\n    y = 1", "plain name"),
        ("for i in range(2):\n    with cb.cache('x'):\n        break", "stand by itself"),
        ("with cb.persistent_cache():\n    y = 1", "needs a name"),
        (
            "import contextlib\ns = contextlib.ExitStack()\ns.enter_context(cb.cache('x'))",
            "top level",
        ),
    ],
)
def test_what_cannot_be_a_block_is_said(source: str, error: str) -> None:
    with pytest.raises(cb.BlockError, match=error):
        script(source)


def test_code_without_source_is_refused() -> None:
    with pytest.raises(cb.BlockError, match="source"):
        exec(compile("with cb.cache('x'):\n    y = 1", "<nowhere>", "exec"), {"cb": cb})


def test_a_file_that_has_changed_since_it_was_loaded_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("with cb.cache('x'):\n    y = 1\n")
    code = compile(file.read_text(), str(file), "exec")
    file.write_text("with cb.cache('x'):\n    y = 1 + len('abc')\n")
    with pytest.raises(cb.BlockError, match="has changed"):
        exec(code, {"cb": cb})


def test_a_tracer_sees_what_runs_and_is_there_afterwards() -> None:
    lines: list[int] = []

    def tracer(frame: Any, event: str, argument: object) -> Any:
        if event == "line" and frame.f_code.co_filename.startswith("<script"):
            lines.append(frame.f_lineno)
        return tracer

    outer = sys.gettrace()
    sys.settrace(tracer)
    try:
        script(
            "for turn in (1, 2):\n    with cb.cache('t') as c:\n        x = 1\n        y = 2\n    z = 3"
        )
        kept = sys.gettrace()
    finally:
        sys.settrace(outer)
    assert kept is tracer
    # The second turn goes from the statement to what follows it.
    assert [line for line in lines if line in (3, 4)] == [3, 4]
    assert lines.count(5) == 2


def test_a_debugger_steps_over_what_is_left_out() -> None:
    import bdb

    class Debugger(bdb.Bdb):
        def user_line(self, frame: Any) -> None:
            if frame.f_code.co_filename.startswith("<script"):
                stops.append(frame.f_lineno)
            self.set_step()

    stops: list[int] = []
    debugger = Debugger()
    outer = sys.gettrace()
    try:
        debugger.runcall(
            script, "for turn in (1, 2):\n    with cb.cache('d'):\n        x = 1\n    z = 3"
        )
    finally:
        sys.settrace(outer)
    assert stops.count(3) == 1
    assert stops.count(4) == 2


def test_other_threads_are_not_traced() -> None:
    seen: list[object] = []
    script(
        "for turn in (1, 2):\n    with cb.cache('th'):\n        x = 1\n    look()",
        {"look": lambda: _in_thread(lambda: seen.append(sys.gettrace()))},
    )
    assert len(seen) == 2
    assert len(set(map(id, seen))) == 1


def _in_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
