"""Faults of the files that a cache is kept in: at every operation, at every passage."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from callboard.caching.files import FileStore, RealFileOps
from callboard.caching.store import Entry, SaveFailed
from callboard.testing.faults import DisturbedFiles, Fault, FaultPlan, Faults

KEYS = ("C_" + "0" * 64, "C_" + "1" * 64)
NAMES = frozenset({"x"})
WRITING = ("makedirs", "write", "replace")
READING = ("read", "listing", "stat", "remove")


def entry(key: str, value: int) -> Entry:
    return Entry(key, {"x": [value] * 1000})


def value(store: FileStore, key: str) -> int | None:
    """What is kept under a key; fails if that is anything but an entry that was put whole."""
    found = store.get(key, NAMES, {})
    if found is None:
        return None
    (x,) = found.values.values()
    assert len(x) == 1000
    assert len(set(x)) == 1
    return int(x[0])


def disturbed(folder: Path, fault: Fault) -> tuple[FileStore, Faults]:
    faults = Faults(FaultPlan((fault,)))
    return FileStore(str(folder), "n", files=DisturbedFiles(RealFileOps(), faults)), faults


@pytest.mark.parametrize("nth", range(1, 5))
@pytest.mark.parametrize("operation", WRITING)
@pytest.mark.parametrize("name", ["disk-full", "disk-error"])
def test_a_disk_that_fails_costs_the_entry_in_hand_and_no_other(
    tmp_path: Path, name: str, operation: str, nth: int
) -> None:
    store, faults = disturbed(tmp_path, Fault(name, operation, nth=nth))
    kept: dict[str, int] = {}
    failures: list[BaseException | None] = []
    for number, key in enumerate(KEYS * 2):
        try:
            store.put(entry(key, number), {})
        except SaveFailed as error:
            failures.append(error.__cause__)
        else:
            kept[key] = number
        assert {key: value(store, key) for key in kept} == kept
    (failure,) = failures
    assert isinstance(failure, OSError)
    assert failure.errno == (errno.ENOSPC if name == "disk-full" else errno.EIO)
    assert faults.fired[name] == 1
    # Nothing is left of what could not be written.
    assert sorted(path.stem for path in (tmp_path / "n").iterdir()) == sorted(kept)


@pytest.mark.parametrize("nth", range(1, 3))
@pytest.mark.parametrize("operation", READING)
@pytest.mark.parametrize("name", ["disk-full", "disk-error"])
def test_what_cannot_be_read_or_removed_is_missing_or_stays(
    tmp_path: Path, name: str, operation: str, nth: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store, faults = disturbed(tmp_path, Fault(name, operation, nth=nth))
    for number, key in enumerate(KEYS):
        store.put(entry(key, number), {})
    found = [value(store, key) for key in KEYS]
    lost = found.count(None)
    assert lost == (operation == "read")
    assert [one for one in found if one is not None] == [
        number for number, one in enumerate(found) if one is not None
    ]
    assert ("cannot be read" in capsys.readouterr().err) is bool(lost)
    for _ in range(3):
        store.clear()
    assert faults.fired[name] == 1
    assert [value(store, key) for key in KEYS] == [None, None]


def test_a_write_that_came_half_way_unnoticed_counts_as_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, faults = disturbed(tmp_path, Fault("partial-write", nth=2))
    for number, key in enumerate(KEYS):
        store.put(entry(key, number), {})
    assert faults.fired == {"partial-write": 1}
    assert [value(store, key) for key in KEYS] == [0, None]
    assert "is not used" in capsys.readouterr().err
    store.put(entry(KEYS[1], 7), {})
    assert [value(store, key) for key in KEYS] == [0, 7]
