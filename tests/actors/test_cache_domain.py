"""The cache domain, on the caches of real notebooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from callboard.actors.cache import COMMANDS, CacheAnswers
from callboard.caching import caches_of
from callboard.caching.registry import Totals
from callboard.engines.calls import Progress
from callboard.engines.placement import Place
from callboard.messages.commands import ClearCacheCommand, GetCacheInfoCommand
from callboard.messages.notifications import CacheClearedNotification, CacheInfoNotification
from callboard.testing.driver import Driver, execute, open_driver
from callboard.testing.requests import DirectRequest


@pytest.fixture
async def notebook() -> AsyncIterator[Driver]:
    async with open_driver(drain=2, kill=2) as driver:
        await driver.run(imports="import callboard as cb")
        yield driver
        assert driver.restarts == 0


def answers(notebook: Driver) -> CacheAnswers:
    return CacheAnswers(caches_of(notebook.kernel._parts.engine.book.registry))


async def info(notebook: Driver) -> CacheInfoNotification:
    reply = await answers(notebook).answer(DirectRequest(GetCacheInfoCommand()))
    assert isinstance(reply, CacheInfoNotification)
    return reply


async def clear(notebook: Driver) -> int:
    reply = await answers(notebook).answer(DirectRequest(ClearCacheCommand()))
    assert isinstance(reply, CacheClearedNotification)
    return reply.bytes_freed


CELLS = {
    "named": "@cb.cache\ndef named(x): print('named'); return bytes(1000)\nnamed(1); named(1)",
    "block": "with cb.cache('b'):\n    print('block')\n    data = bytes(1000)",
    "unnamed": "with cb.cache():\n    print('unnamed')\n    more = bytes(1000)",
    "method": "class Model:\n    @cb.lru_cache\n    def fit(self): print('method'); return bytes(1000)\n"
    "model = Model(); model.fit(); model.fit()",
    "nested": "def make(n):\n    @cb.cache\n    def inner(x): print('nested'); return bytes(1000 + n)\n"
    "    return inner\n"
    "held = [make(1)]; held[0](1); held[0](1)",
    "file": "@cb.persistent_cache(save_path=path)\ndef kept(x): print('file'); return bytes(1000)\nkept(1); kept(1)",
}


def entries(folder: Path) -> dict[Path, int]:
    """The files of caches in a folder, with their sizes."""
    return {path: path.stat().st_size for path in folder.rglob("*.pickle")}


async def test_all_caches_are_counted_and_cleared_however_they_are_held(
    notebook: Driver, tmp_path: Path
) -> None:
    notebook.share(path=str(tmp_path))
    heard = await notebook.run(CELLS)
    assert all(heard.cell(cell).stdout == f"{cell}\n" for cell in CELLS)
    heard = await notebook.run({cell: code + "\n" for cell, code in CELLS.items()})
    assert all(heard.cell(cell).stdout == "" for cell in CELLS)
    before = await info(notebook)
    # Four functions: one hit at first and two more on the second run; two blocks: one each.
    assert (before.hits, before.time > 0) == (4 * 3 + 2, True)
    files = sum(entries(tmp_path).values())
    assert (before.disk_to_free, before.disk_total) == (files, files)
    freed = await clear(notebook)
    assert files + 5 * 1000 <= freed < files + 5 * 1000 + 5000
    assert entries(tmp_path) == {}
    after = await info(notebook)
    assert (after.hits, after.misses, after.time) == (before.hits, before.misses, before.time)
    assert (after.disk_to_free, after.disk_total) == (0, 0)
    heard = await notebook.run({cell: code + "\n#" for cell, code in CELLS.items()})
    assert all(heard.cell(cell).stdout == f"{cell}\n" for cell in CELLS)


async def test_without_caches_there_is_nothing_to_tell(notebook: Driver) -> None:
    assert await info(notebook) == CacheInfoNotification(0, 0, 0.0, 0, 0)
    assert await clear(notebook) == 0


async def test_clearing_tells_how_many_files_are_gone(notebook: Driver, tmp_path: Path) -> None:
    notebook.share(path=str(tmp_path))
    await notebook.run(
        a="@cb.persistent_cache(save_path=path)\ndef one(x): return x\n[one(x) for x in range(5)]",
        b="@cb.cache\ndef memory(x): return x\nmemory(1)",
        c="@cb.persistent_cache(save_path=path)\ndef other(x): return x\n[other(x) for x in range(2)]",
    )
    request = DirectRequest(ClearCacheCommand())
    await answers(notebook).answer(request)
    assert request.steps == [("files", number, None) for number in range(1, 8)]


async def test_a_store_that_an_author_derives_from_ours_is_cleared_its_own_way(
    notebook: Driver, tmp_path: Path
) -> None:
    notebook.share(path=str(tmp_path))
    heard = await notebook.run(
        i="from callboard.caching.files import FileStore\nfrom callboard.caching.store import TieredStore",
        files="class Own(FileStore):\n    def clear(self): return super().clear() * 0 + 7\n"
        "own = Own(path, 'own')",
        tiers="class Tiers(TieredStore):\n    def clear(self): return super().clear() * 0 + 30\n"
        "tiers = Tiers(FileStore(path, 'first'), FileStore(path, 'second'))",
        a="@cb.persistent_cache(store=own)\ndef one(x): return x\none(1)",
        b="@cb.persistent_cache(store=tiers)\ndef two(x): return x\ntwo(1)",
    )
    assert len(entries(tmp_path)) == 3, heard.trace
    assert await clear(notebook) == 37
    assert entries(tmp_path) == {}


async def test_other_names_in_the_folder_are_counted_and_left(
    notebook: Driver, tmp_path: Path
) -> None:
    notebook.share(path=str(tmp_path))
    await notebook.run(
        a="@cb.persistent_cache(save_path=path)\ndef one(): return bytes(100)\none()",
        b="@cb.persistent_cache(save_path=path)\ndef other(): return bytes(5000)\nother()",
    )
    async with open_driver(drain=2, kill=2) as second:
        second.share(path=str(tmp_path))
        await second.run(
            i="import callboard as cb",
            a="@cb.persistent_cache(save_path=path)\ndef one(): return bytes(100)\none()",
        )
        told = await info(second)
        assert (told.hits, 0 < told.disk_to_free < 1000 < told.disk_total) == (1, True)
        assert await clear(second) == told.disk_to_free
    assert [path.parent.name for path in entries(tmp_path)] == ["other"]


async def test_it_answers_while_a_cell_uses_a_cache(notebook: Driver) -> None:
    hold = notebook.hold("hold")
    await notebook.run(
        quiet="class Wait:\n    def __cache_key__(self): return 0\n    def __call__(self): hold()\nwait = Wait()",
        work="@cb.cache\ndef work(x):\n    if x == 2: wait()\n    return bytes(1000)\nwork(1)",
    )
    envelope = notebook.post(execute({"use": "work(2); print(work.cache_info()[:4])"}))
    await hold.reached()
    with trio.fail_after(60):
        assert (await info(notebook)).misses == 2
        assert await clear(notebook) >= 1000
    hold.release()
    await envelope.wait()
    assert notebook.news().cell("use").stdout == "(0, 2, None, 1)\n"


async def test_caches_are_asked_off_the_cell_thread_and_one_at_a_time() -> None:
    class Fake:
        def totals(self) -> Totals:
            return Totals(1, 2, 3.0, 4, 5)

        def clear(self, reached: Progress) -> int:
            return 6

    exclusive: list[object] = []

    class Noting(DirectRequest[Any]):
        async def call(self, function: Any, place: Place = Place.ANY_THREAD, **options: Any) -> Any:
            exclusive.append(options["exclusive"])
            return await super().call(function, place)

    domain = CacheAnswers(fake := Fake())
    requests = [Noting(GetCacheInfoCommand()), Noting(ClearCacheCommand())]
    assert [await domain.answer(request) for request in requests] == [
        CacheInfoNotification(1, 2, 3.0, 4, 5),
        CacheClearedNotification(6),
    ]
    assert [request.places for request in requests] == [[Place.ANY_THREAD]] * 2
    assert exclusive == [fake, fake]
    assert [tuple(domain.reads(kind())) for kind in COMMANDS] == [(), ()]
