"""Caches in the cells of a real kernel."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callboard.caching import Caches, RealFileOps, caches_of
from callboard.messages.commands import (
    DeleteCellCommand,
    ExecuteScratchpadCommand,
    RenameNotebookCommand,
)
from callboard.messages.ids import SCRATCHPAD_CELL, CellId
from callboard.testing.driver import Driver, Heard, execute, open_driver


@pytest.fixture
async def notebook() -> AsyncIterator[Driver]:
    async with open_driver(drain=2, kill=2) as driver:
        await driver.run(imports="import callboard as cb")
        yield driver
        assert driver.restarts == 0


def caches(notebook: Driver) -> Caches:
    return caches_of(notebook.kernel._parts.engine.book.registry)


def printed(heard: Heard, cell: str) -> list[str]:
    story = heard.cell(cell)
    assert story.errors == []
    return story.stdout.splitlines()


FUNCTION = """
@cb.cache
def work(x):
    print("computing", x)
    return [x * factor]
"""


async def test_running_the_defining_cell_again_keeps_its_results(notebook: Driver) -> None:
    heard = await notebook.run(factor="factor = 2", work=FUNCTION, use="print(work(1), work(1))")
    assert printed(heard, "use") == ["computing 1", "[2] [2]"]
    heard = await notebook.run(work=f"# a remark\n{FUNCTION}\n")
    assert printed(heard, "use") == ["[2] [2]"]
    heard = await notebook.run(factor="factor = 1 + 1")
    assert printed(heard, "use") == ["[2] [2]"]
    heard = await notebook.run(factor="factor = 3")
    assert printed(heard, "use") == ["computing 1", "[3] [3]"]
    heard = await notebook.run(work=FUNCTION.replace("[x * factor]", "(x * factor,)"))
    assert printed(heard, "use") == ["computing 1", "(3,) (3,)"]


async def test_hits_are_counted_on_and_misses_anew_when_the_cell_runs_again(
    notebook: Driver,
) -> None:
    await notebook.run(factor="factor = 2", work=FUNCTION, use="work(1); work(1)")
    await notebook.run(work=FUNCTION + "#")
    heard = await notebook.run(info="print(work.cache_info()[:4])")
    assert printed(heard, "info") == ["(3, 0, None, 1)"]


async def test_a_block_is_left_out_with_all_it_would_do(notebook: Driver) -> None:
    source = (
        "_before = factor\n"
        "with cb.cache('block') as cached:\n"
        "    print('training')\n"
        "    _step = _before + 1\n"
        "    model = {'step': _step}\n"
        "print(model, _step, cached.hit)"
    )
    heard = await notebook.run(factor="factor = 2", train=source, use="print(model['step'])")
    assert printed(heard, "train") == ["training", "{'step': 3} 3 False"]
    heard = await notebook.run(train=source.replace("print('training')", "print('training')  # !"))
    assert printed(heard, "train") == ["{'step': 3} 3 True"]
    assert printed(heard, "use") == ["3"]
    heard = await notebook.run(factor="factor = 5")
    assert printed(heard, "train") == ["training", "{'step': 6} 6 False"]
    heard = await notebook.run(factor="factor = 2")
    assert printed(heard, "train") == ["{'step': 3} 3 True"]


async def test_an_element_is_read_by_its_value(notebook: Driver) -> None:
    heard = await notebook.run(
        slider="slider = cb.ui.slider(0, 10)",
        work="@cb.cache\ndef work():\n    print('computing')\n    return slider.value",
        use="print(work())",
        block="with cb.cache('b'):\n    print('in block')\n    twice = slider.value * 2\nprint(twice)",
    )
    assert printed(heard, "use") == ["computing", "0"]
    for value, fresh in ((3, True), (0, False), (3, False)):
        heard = await notebook.tick({"slider-0": value})
        assert printed(heard, "use") == [*(["computing"] * fresh), str(value)]
        assert printed(heard, "block") == [*(["in block"] * fresh), str(value * 2)]


async def test_what_has_no_content_counts_by_the_cells_that_made_it(notebook: Driver) -> None:
    cells = {
        "start": "start = cb.ui.slider(0, 10)",
        "table": "names = ['a', str(start.value)]",
        "connection": "import sqlite3\nconnection = sqlite3.connect(':memory:')\n"
        "connection.execute(f'create table t({names[0]})')",
        "work": "@cb.cache\ndef count():\n    print('asking')\n"
        "    return connection.execute('select count(*) from t').fetchone()",
        "use": "print(count(), count.last_hash[:2])",
        "argument": "@cb.cache\ndef ask(c): print('asked'); return 1\n"
        "ask(connection); ask(connection); print(ask.last_hash[:2])",
    }
    heard = await notebook.run(cells)
    assert printed(heard, "use") == ["asking", "(0,) E_"]
    assert printed(heard, "argument") == ["asked", "E_"]
    heard = await notebook.run(connection=cells["connection"] + "  # again")
    assert printed(heard, "use") == ["(0,) E_"]
    heard = await notebook.run(table="names = ['b', str(start.value)]")
    assert printed(heard, "use") == ["asking", "(0,) E_"]
    heard = await notebook.tick({"start-0": 4})
    assert printed(heard, "use") == ["asking", "(0,) E_"]
    heard = await notebook.tick({"start-0": 0})
    assert printed(heard, "use") == ["(0,) E_"]


async def test_a_variable_that_takes_several_objects_in_turn_is_refused(notebook: Driver) -> None:
    heard = await notebook.run(
        a="import threading\n@cb.cache\ndef work(lock): return id(lock)",
        b="for lock in [threading.Lock(), threading.Lock()]: work(lock)",
    )
    assert heard.cell("b").error.exception_type == "Unkeyable"
    assert "argument 'lock'" in heard.cell("b").error.msg


async def test_private_names_are_the_same_in_any_cell(notebook: Driver) -> None:
    source = "_k = 2\n@cb.cache\ndef {0}(x): return x + _k\n{0}(1)\nprint({0}.last_hash)".format
    renamed = source("one")
    heard = await notebook.run(first=renamed)
    (one,) = printed(heard, "first")
    await notebook.do(DeleteCellCommand(CellId("first")))
    heard = await notebook.run(second=renamed)
    assert printed(heard, "second") == [one]


async def test_equal_calls_of_a_cell_share_one_execution(notebook: Driver) -> None:
    heard = await notebook.run(
        work="import asyncio\n@cb.cache\nasync def work(x):\n    print('computing')\n"
        "    await asyncio.sleep(0)\n    return x",
        use="print(await asyncio.gather(work(1), work(1), work(1)), work.cache_info()[:2])",
    )
    assert printed(heard, "use") == ["computing", "[1, 1, 1] (2, 1)"]


async def test_an_interrupted_computation_leaves_nothing_behind(notebook: Driver) -> None:
    hold = notebook.hold("hold")
    notebook.share(turns=[])
    await notebook.run(
        work="@cb.cache\ndef work(x):\n    if first(): wait()\n    return x",
        helper="class Quiet:\n    def __cache_key__(self): return 0\n"
        "    def __call__(self): turns.append(1); return len(turns) == 1\n"
        "class Wait(Quiet):\n    def __call__(self): hold()\nfirst, wait = Quiet(), Wait()",
    )
    envelope = notebook.post(execute({"use": "print(work(1))"}))
    await hold.reached()
    notebook.kernel.interrupt()
    await envelope.wait()
    hold.release()
    heard = await notebook.run(use="print(work(1), work.cache_info()[:2])")
    assert printed(heard, "use")[-1] == "1 (0, 2)"


async def test_caches_work_in_the_scratchpad(notebook: Driver) -> None:
    await notebook.run(factor="factor = 2", work=FUNCTION)
    code = (
        "@cb.cache\ndef local(x):\n    print('local')\n    return x + factor\n"
        "with cb.cache('scratch') as c:\n    print('block')\n    _y = factor * 2\n"
        "print(local(1), work(1), _y, c.hit)"
    )
    for expected in (
        ["block", "local", "computing 1", "3 [2] 4 False"],
        ["3 [2] 4 True"],
    ):
        heard = await notebook.do(ExecuteScratchpadCommand(code))
        assert printed(heard, SCRATCHPAD_CELL) == expected


async def test_files_are_beside_the_notebook(notebook: Driver, tmp_path: Path) -> None:
    await notebook.do(RenameNotebookCommand(str(tmp_path / "book.py")))
    heard = await notebook.run(
        work="class Point:\n    x = 3\n@cb.persistent_cache\ndef work(n): return Point()",
        block="with cb.persistent_cache('a model', method='json') as c:\n    model = [1]",
        use="print(type(work(1)) is Point, work(1).x, work.last_hash, c.last_hash)",
    )
    same, x, function, block = printed(heard, "use")[0].split(" ")
    assert (same, x) == ("True", "3")
    folder = tmp_path / "__callboard__" / "cache"
    assert [path.name for path in (folder / "work").iterdir()] == [f"{function}.pickle"]
    assert [path.name for path in (folder / "a_model").iterdir()] == [f"{block}.json"]
    async with open_driver(drain=2, kill=2) as second:
        await second.do(RenameNotebookCommand(str(tmp_path / "book.py")))
        heard = await second.run(
            i="import callboard as cb",
            block="with cb.persistent_cache('a model', method='json') as c:\n    model = [1]\nprint(c.hit, model)",
        )
        assert printed(heard, "block") == ["True [1]"]


async def test_a_block_that_cannot_be_saved_succeeds(
    notebook: Driver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.share(path=tmp_path)
    heard = await notebook.run(
        a="with cb.persistent_cache('n', save_path=path):\n    f = lambda: 1\nprint(f())",
        b="with cb.persistent_cache('n', save_path=path):\n    def g(): return 1\nprint(g())",
        c="with cb.persistent_cache('n', save_path=path):\n    s = cb.ui.slider(0, 1)\nprint('made')",
    )
    assert [printed(heard, cell) for cell in "abc"] == [["1"], ["1"], ["made"]]
    told = capsys.readouterr().err
    assert told.count("was not saved") == 3
    assert "g is not, or no longer, a variable" in told
    assert "element belongs to the run" in told


async def test_what_a_changed_or_deleted_cell_cached_is_let_go_of(notebook: Driver) -> None:
    made = "@cb.cache\ndef work(x): return Heavy({0})\nwork(1)".format
    await notebook.run(
        a="import weakref\nlive = weakref.WeakSet()\nclass Heavy:\n"
        "    def __init__(self, n): self.n = n; live.add(self)"
    )
    for number in range(5):
        await notebook.run(b=made(number))
    heard = await notebook.run(c="print(sorted(each.n for each in live))")
    # That of the run before is kept, as an edit may be taken back.
    assert printed(heard, "c") == ["[3, 4]"]


async def test_unnamed_blocks_of_any_number_are_kept_while_their_cell_is_there(
    notebook: Driver,
) -> None:
    blocks = "".join(f"with cb.cache():\n    print({n})\n    v{n} = {n}\n" for n in range(150))
    heard = await notebook.run(a=blocks)
    assert len(printed(heard, "a")) == 150
    heard = await notebook.run(a=blocks + "#")
    assert printed(heard, "a") == []
    assert caches(notebook).totals().hits == 150
    await notebook.do(DeleteCellCommand(CellId("a")))
    assert caches(notebook).totals().hits == 0


async def test_a_fault_of_the_disk_is_no_fault_of_the_cell(
    notebook: Driver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(RealFileOps):
        def replace(self, source: str, target: str) -> None:
            raise OSError(errno.ENOSPC, "full")

    caches(notebook).files = Full()
    notebook.share(path=tmp_path)
    heard = await notebook.run(
        a="with cb.persistent_cache('n', save_path=path):\n    x = 1\nprint(x)"
    )
    assert printed(heard, "a") == ["1"]
    assert "the disk is full" in capsys.readouterr().err
    assert caches(notebook).totals().disk_total == 0


async def test_kernels_of_one_process_share_no_caches(notebook: Driver) -> None:
    cell = "@cb.cache\ndef work(x): print('computing'); return x\nwork(1); work(1)"
    async with open_driver(drain=2, kill=2) as second:
        await second.run(imports="import callboard as cb")
        for one in (notebook, second):
            heard = await one.run(work=cell)
            assert printed(heard, "work") == ["computing"]
        caches(second).clear()
        assert caches(second).totals().misses == 1
        heard = await notebook.run(work=cell)
        assert printed(heard, "work") == []
        assert caches(notebook).totals().hits == 3
        assert caches(second).totals().hits == 1
