"""What entries in files hold to, whatever befalls the files."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callboard.caching as cb
from callboard.caching.files import default_folder, safe_name

KEY = "C_" + "0123456789abcdef" * 3
OTHER = "C_" + "f" * 48
ROOT = Path(__file__).resolve().parents[2]
NAMES = frozenset({"x", "y"})


def entry(key: str = KEY, **values: object) -> cb.Entry:
    return cb.Entry(key, values or {"x": [1, "a"], "y": None}, seconds=1.5)


@pytest.fixture
def store(tmp_path: Path) -> cb.FileStore:
    return cb.FileStore(str(tmp_path), "name")


@pytest.mark.parametrize("method", ["pickle", "json"])
def test_what_was_put_is_found(tmp_path: Path, method: str) -> None:
    store = cb.FileStore(str(tmp_path), "a name", method)
    assert store.get(KEY, NAMES, {}) is None
    store.put(entry(), {})
    found = cb.FileStore(str(tmp_path), "a name", method).get(KEY, NAMES, {})
    assert found is not None
    assert (found.values, found.seconds, found.key) == ({"x": [1, "a"], "y": None}, 1.5, KEY)
    assert [path.name for path in (tmp_path / "a_name").iterdir()] == [f"{KEY}.{method}"]
    assert len(store) == 1


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a b/../c", "a_b_.._c"),
        ("../../etc", "etc"),
        ("..", "cache"),
        ("", "cache"),
        ("/root", "root"),
        ("\x00\n\N{PILE OF POO}", "cache"),
        ("n" * 300, "n" * 100),
    ],
)
def test_names_stay_inside_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_is_one_folder_below(name: str) -> None:
    folder = cb.FileStore("/base", name).folder
    assert os.path.dirname(os.path.normpath(folder)) == "/base"


def test_the_folder_is_beside_the_notebook_or_in_the_pycache_prefix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder({}) == str(tmp_path / "__callboard__" / "cache")
    assert default_folder({"__file__": None}) == str(tmp_path / "__callboard__" / "cache")
    assert default_folder({"__file__": "/books/one.py"}) == "/books/__callboard__/cache"
    monkeypatch.setattr(sys, "pycache_prefix", "/prefix")
    assert default_folder({"__file__": "/books/one.py"}) == "/prefix/books/__callboard__/cache"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_that_is_not_exactly_what_was_written_is_a_miss(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = cb.FileStore(str(tmp_path_factory.mktemp("cache")), "n")
    store.put(entry(), {})
    path = Path(store.path(KEY))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.sampled_from(["cut", "flip", "insert", "zero"]))
    if damage == "cut":
        broken = whole[:place]
    elif damage == "flip":
        broken = (
            whole[:place]
            + bytes([whole[place] ^ 1 << data.draw(st.integers(0, 7))])
            + whole[place + 1 :]
        )
    elif damage == "insert":
        broken = whole[:place] + b"\n" + whole[place:]
    else:
        broken = whole[:place] + bytes(len(whole) - place)
    path.write_bytes(broken)
    assert store.get(KEY, NAMES, {}) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x05N.", b"callboard-cache 1 ", b"callboard-cache 2 ab 3\nabc", os.urandom(1000)],
    ids=["empty", "pickle", "magic", "later version", "noise"],
)
def test_a_foreign_file_is_a_miss_that_is_told_of(
    store: cb.FileStore, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    os.makedirs(store.folder)
    Path(store.path(KEY)).write_bytes(content)
    assert store.get(KEY, NAMES, {}) is None
    assert f"{KEY}.pickle is not used" in capsys.readouterr().err


def test_an_entry_of_another_key_or_with_other_variables_is_refused(
    store: cb.FileStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put(entry(), {})
    os.rename(store.path(KEY), store.path(OTHER))
    assert store.get(OTHER, NAMES, {}) is None
    assert "it is the entry of" in capsys.readouterr().err
    store.put(entry(), {})
    assert store.get(KEY, frozenset({"x"}), {}) is None
    assert "other variables" in capsys.readouterr().err
    assert store.get(KEY, NAMES, {}) is not None


def test_a_folder_or_link_in_place_of_a_file_is_a_miss(
    store: cb.FileStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.makedirs(store.path(KEY))
    assert store.get(KEY, NAMES, {}) is None
    assert "computed again" in capsys.readouterr().err
    os.rmdir(store.path(KEY))
    os.symlink(tmp_path / "nowhere", store.path(KEY))
    assert store.get(KEY, NAMES, {}) is None
    store.put(entry(), {})
    assert store.get(KEY, NAMES, {}) is not None
    assert not (tmp_path / "nowhere").exists()


class Faulty(cb.RealFileOps):
    """A file system that fails at one of the things it does."""

    def __init__(self, fails: str, number: int, *, after: int = 0) -> None:
        self.fails = fails
        self.error = OSError(number, os.strerror(number))
        self.after = after

    def write(self, path: str, pieces: Sequence[bytes]) -> None:
        if self.fails == "write":
            Path(path).write_bytes(b"".join(pieces)[: self.after])
            raise self.error
        super().write(path, pieces)

    def __getattribute__(self, name: str) -> Any:
        if name != "write" and name == object.__getattribute__(self, "fails"):

            def fail(*args: object) -> Any:
                raise self.error

            return fail
        return super().__getattribute__(name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("fails", ["makedirs", "write", "replace"])
def test_what_cannot_be_written_leaves_nothing_and_hurts_no_older_entry(
    tmp_path: Path, fails: str, number: int
) -> None:
    sound = cb.FileStore(str(tmp_path), "n")
    sound.put(entry(x=1), {})
    before = Path(sound.path(KEY)).read_bytes()
    faulty = cb.FileStore(str(tmp_path), "n", files=Faulty(fails, number, after=40))
    for key in (KEY, OTHER):
        with pytest.raises(cb.SaveFailed):
            faulty.put(entry(key, x=2), {})
    assert os.listdir(sound.folder) == [f"{KEY}.pickle"]
    assert Path(sound.path(KEY)).read_bytes() == before


def test_a_full_disk_is_no_failure_of_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def store(name: str) -> cb.FileStore:
        return cb.FileStore(str(tmp_path), name, files=Faulty("write", errno.ENOSPC, after=10))

    @cb.persistent_cache(store=store)
    def work(x: int) -> list[int]:
        return [x]

    assert work(1) == [1]
    assert work(1) == [1]
    assert work.cache_info()[:2] == (0, 2)
    assert "was not saved" in (told := capsys.readouterr().err)
    assert "the disk is full" in told


def test_what_cannot_be_read_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cb.FileStore(str(tmp_path), "n").put(entry(), {})
    store = cb.FileStore(str(tmp_path), "n", files=Faulty("read", errno.EIO))
    assert store.get(KEY, NAMES, {}) is None
    assert "computed again" in capsys.readouterr().err
    listless = cb.FileStore(str(tmp_path), "n", files=Faulty("listing", errno.EACCES))
    assert (listless.clear(), len(listless), listless.bytes_in_root()) == (0, 0, 0)
    stuck = cb.FileStore(str(tmp_path), "n", files=Faulty("remove", errno.EACCES))
    assert stuck.clear() == 0
    assert len(stuck) == 1


WRITER = """
import sys
sys.path.insert(0, {root!r})
import callboard.caching as cb
class Slow(cb.RealFileOps):
    def write(self, path, pieces):
        half = b"".join(pieces)
        with open(path, "wb", buffering=0) as file:
            file.write(half[: len(half) // 2])
            if DIE == "write": print("writing", flush=True); sys.stdin.read()
            file.write(half[len(half) // 2 :])
        if DIE == "replace": print("writing", flush=True); sys.stdin.read()
DIE = {die!r}
cb.FileStore({folder!r}, "n", files=Slow()).put(cb.Entry({key!r}, {{"x": list(range(10000)), "y": 1}}), {{}})
"""


@pytest.mark.parametrize("die", ["write", "replace"])
def test_a_process_that_is_killed_while_it_writes_leaves_the_older_entry(
    tmp_path: Path, die: str
) -> None:
    store = cb.FileStore(str(tmp_path), "n")
    store.put(entry(), {})
    script = WRITER.format(root=str(ROOT), folder=str(tmp_path), key=KEY, die=die)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    found = store.get(KEY, NAMES, {})
    assert found is not None
    assert found.values["x"] == [1, "a"]
    left = [name for name in os.listdir(store.folder) if name.endswith(".unfinished")]
    assert len(left) == 1
    # It may be of somebody who is still writing; once it is old it is not.
    size = os.path.getsize(os.path.join(store.folder, left[0]))
    assert size not in dict(store.removable()).values()
    os.utime(os.path.join(store.folder, left[0]), (1, 1))
    assert size in dict(store.removable()).values()
    store.clear()
    assert os.listdir(store.folder) == []


def test_clearing_removes_the_caches_own_files_and_no_others(tmp_path: Path) -> None:
    store, neighbour = cb.FileStore(str(tmp_path), "n"), cb.FileStore(str(tmp_path), "m")
    for one in (store, neighbour):
        one.put(entry(), {})
        one.put(entry(OTHER), {})
    mine = ["notes.txt", "C_xyz.pickle", f"{KEY}.pickle.bak", "C_12.pickle", f"Z_{'0' * 48}.pickle"]
    for name in mine:
        (Path(store.folder) / name).write_text("precious")
    os.makedirs(os.path.join(store.folder, "P_" + "0" * 48 + ".pickle"))
    size = sum(os.path.getsize(store.path(key)) for key in (KEY, OTHER))
    assert sum(bytes_ for _, bytes_ in store.removable()) == size
    assert store.bytes_in_root() == size * 2
    assert store.clear() == size
    assert sorted(os.listdir(store.folder)) == sorted([*mine, "P_" + "0" * 48 + ".pickle"])
    assert len(neighbour) == 2


class Thing:
    """Something to pickle."""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (lambda: None, "lambda"),
        ((each for each in ""), "generator"),
        (sys.__stdout__, "TextIOWrapper"),
    ],
    ids=["lambda", "generator", "file"],
)
def test_what_has_no_pickle_is_told_of(store: cb.FileStore, value: object, why: str) -> None:
    with pytest.raises(cb.SaveFailed, match=why):
        store.put(entry(x=value), {})
    assert not os.path.exists(store.folder)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {1}, b"x", Thing(), {"a": (1,)}, "\ud800"])
def test_what_is_not_the_same_after_json_is_refused_or_kept_exactly(
    tmp_path: Path, value: object
) -> None:
    store = cb.FileStore(str(tmp_path), "n", "json")
    if value == "\ud800":
        store.put(entry(x=value), {})
        found = store.get(KEY, frozenset("x"), {})
        assert found is not None
        assert found.values == {"x": value}
    else:
        with pytest.raises(cb.SaveFailed):
            store.put(entry(x=value), {})


def notebook(source: str, **values: object) -> dict[str, Any]:
    space: dict[str, Any] = {"cb": cb, "__name__": "__main__", **values}
    exec(source, space)
    return space


def test_classes_and_functions_of_the_notebook_are_found_in_it(tmp_path: Path) -> None:
    source = (
        "import math\n"
        "class Point:\n    def __init__(self, x): self.x = x\n"
        "def helper(): return 1\n"
        "@cb.persistent_cache(save_path=path)\n"
        "def work(x): return [Point(x), Point, helper, math]\n"
    )
    one, other = (notebook(source, path=tmp_path) for _ in range(2))
    one["work"](3)
    point, kind, helper, math = other["work"](3)
    assert other["work"].misses == 0
    assert (type(point), point.x, kind, helper) == (
        other["Point"],
        3,
        other["Point"],
        other["helper"],
    )
    assert math is one["math"]


@pytest.mark.slow
def test_two_sessions_share_what_is_in_files_and_counters_start_anew(tmp_path: Path) -> None:
    source = "@cb.persistent_cache(save_path=PATH)\ndef work(x, y=2): return {'sum': x + y}"
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport callboard.caching as cb\n"
        f"PATH = {str(tmp_path)!r}\n{source}\nwork(1); work(1); print(work.cache_info()[:2], work.last_hash)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.split(") ")
        for seed in ("1", "2")
    ]
    assert [one[0] for one in told] == ["(1, 1", "(2, 0"]
    assert told[0][1] == told[1][1]
    (file,) = (tmp_path / "work").iterdir()
    assert file.name == f"{told[0][1].strip()}.pickle"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: cb.persistent_cache("n", method="yaml"), "method must be one of pickle, json"),
        (lambda: cb.persistent_cache("n", save_path="x", store=cb.MemoryStore()), "not both"),
    ],
)
def test_contradictory_settings_are_refused(make: Callable[[], object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()
    with pytest.raises(TypeError, match="store must be"):
        cb.persistent_cache("n", store=3)


def test_a_tiered_store_fills_the_quicker_ones(tmp_path: Path) -> None:
    memory, files = cb.MemoryStore(), cb.FileStore(str(tmp_path), "n")
    files.put(entry(), {})
    tiered = cb.TieredStore(memory, files)
    assert tiered.get(KEY, NAMES, {}) is not None
    assert memory.get(KEY) is not None
    tiered.put(entry(OTHER), {})
    assert (len(memory), len(files), len(tiered)) == (2, 2, 2)
    assert tiered.clear() > 0
    assert len(tiered) == 0
