"""What a cache hit costs, and what telling values apart costs, against marimo's caches and joblib's.

    python -m benchmarks.caching [--rounds N] [--quick] [--json PATH] [--renew]

All contestants are in one process, in an environment made for the purpose; marimo's functions are in
cells of a marimo app, as they cannot be used outside of one. In every round the contestants take
turns at each case. The table shows medians over the rounds, in microseconds, and how many times as
long callboard takes as each rival: smallest, middle and largest ratio of the rounds.

call      A hit of a function cached in memory (joblib has only files), by its arguments.
files     A hit of a function cached in files; callboard and joblib read theirs at every hit, marimo
          only at the first.
digest    Telling a value by its content, without a call.

A contestant is *stale* in a case if it gives the old result after a value was changed in place; its
figures are shown, and nothing is required against it. marimo remembers the digests of some values by
the name of the parameter that they are given for, and so does not look at them again. Required: faster
than every rival that is not stale.

The quick one asks no registry for anything, so it has no rivals and requires nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.environments import ROOT, InstallFailed, environment
from benchmarks.harness import Spread, arguments, machine, preamble, table, write_json

MARIMO = "marimo==0.23.7"
LIBRARIES = ("joblib", "numpy", "pandas", "polars", "pyarrow", "attrs")
MINE = "callboard"
TURN = 0.05
"""Seconds that one turn of a contestant takes, at least."""

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    @mo.cache
    def in_memory(value=None, other=1):
        return [1]

    @mo.persistent_cache(save_path={folder!r})
    def in_files(value=None, other=1):
        return [1]

    return in_files, in_memory


@app.cell
def _(in_files, in_memory):
    from benchmarks.caching import contest

    contest({rounds}, {{"call": in_memory, "files": in_files}})
    return


if __name__ == "__main__":
    app.run()
"""


@attrs.frozen
class Case:
    """One thing that contestants are compared in."""

    kind: str
    name: str
    value: Any
    change: Callable[[Any], object] | None = None
    """Changes the value in place."""
    keywords: Mapping[str, object] = attrs.field(factory=dict)


def cases(*, tables: bool = True) -> list[Case]:
    """All cases; those without ``tables`` need nothing but Python."""
    nested = {
        f"key {n}": [n, n / 3, ("a", str(n)), {"inner": None, "more": [True]}] for n in range(2000)
    }
    plain = [
        ("an int", 1),
        ("a text", "a text of no great length"),
        ("100 ints", list(range(100))),
        ("nested, 2 000 dicts", nested),
    ]
    found = [Case("call", name, value, change=_changes.get(type(value))) for name, value in plain]
    found.insert(1, Case("call", "an int and a keyword", 1, keywords={"other": 2}))
    found += [
        Case("files", "an int", 1),
        Case("digest", "100 000 ints", list(range(100_000))),
        Case("digest", "100 000 texts", [f"text {n}" for n in range(100_000)]),
        Case("digest", "nested, 2 000 dicts", nested),
    ]
    if not tables:
        return found
    np: Any = importlib.import_module("numpy")
    pd: Any = importlib.import_module("pandas")
    pl: Any = importlib.import_module("polars")
    random = np.random.default_rng(1)
    columns = {f"c{n}": random.random(100_000) for n in range(8)}
    frame = pd.DataFrame({**columns, "text": [f"row {n}" for n in range(100_000)]})
    arrays = [
        ("array, 100 numbers", random.random(100)),
        ("array, 8 MB", random.random(1_000_000)),
        ("array, 80 MB", random.random(10_000_000)),
        ("array, 8 MB, columns first", np.asfortranarray(random.random((1000, 1000)))),
        ("100 arrays in a dict", {f"a{n}": random.random(1000) for n in range(100)}),
        ("pandas, 100 000 x 8 numbers", frame.drop(columns="text")),
        ("pandas, with a text column", frame),
        ("polars, with a text column", pl.DataFrame({**columns, "t": frame["text"].tolist()})),
    ]
    found += [Case("digest", name, value) for name, value in arrays]
    found += [
        Case("call", "array, 100 numbers", random.random(100), _changes_array),
        Case("call", "array, 8 MB", random.random(1_000_000), _changes_array),
        Case("call", "pandas, 100 000 x 8 numbers", frame.drop(columns="text"), _changes_frame),
    ]
    return sorted(found, key=lambda case: ("call", "files", "digest").index(case.kind))


def _changes_array(array: Any) -> None:
    array[3] += 1


def _changes_frame(frame: Any) -> None:
    frame.iloc[3, 3] += 1


_changes: dict[type, Callable[[Any], object]] = {
    list: lambda value: value.append(1),
    dict: lambda value: value.update(more=1),
}


def contest(rounds: int, marimos: Mapping[str, Any]) -> None:
    """Measure all contestants here, and write the figures to stdout; called by the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        rivals = {
            "marimo": {**marimos, "digest": _marimo_digest()},
            "joblib": _joblib_functions(folder),
        }
        found = measure(cases(), {MINE: own_functions(folder), **rivals}, rounds)
    json.dump(found, sys.stdout)


def own_functions(folder: str) -> dict[str, Callable[..., object]]:
    """What callboard has for each kind of case."""
    import callboard as cb
    from callboard.caching.content import Hasher

    @cb.cache
    def in_memory(value: object = None, other: object = 1) -> list[int]:
        return [1]

    @cb.persistent_cache(save_path=os.path.join(folder, "callboard"))
    def in_files(value: object = None, other: object = 1) -> list[int]:
        return [1]

    return {"call": in_memory, "files": in_files, "digest": lambda value: Hasher().digest(value)}


def _joblib_functions(folder: str) -> dict[str, Callable[..., object]]:
    joblib: Any = importlib.import_module("joblib")

    def in_files(value: object = None, other: object = 1) -> list[int]:
        return [1]

    memory = joblib.Memory(os.path.join(folder, "joblib"), verbose=0)
    return {"files": memory.cache(in_files), "digest": joblib.hash}


def _marimo_digest() -> Callable[[Any], object]:
    """What marimo does with a value that it has not seen, as its ``BlockHasher`` does it."""
    names: Any = importlib.import_module("marimo._save.hash")
    import hashlib

    def digest(value: Any) -> bytes:
        if names.is_primitive(value):
            written = names.primitive_to_bytes(value)
        elif names.is_data_primitive(value):
            written = names.data_to_buffer(value)
        elif names.is_data_primitive_container(value):
            written = names.common_container_to_bytes(value)
        else:
            raise LookupError("marimo does not tell it by its content")
        return hashlib.sha256(written).digest()

    return digest


Found = dict[str, dict[str, Any]]


def measure(
    all_cases: Sequence[Case],
    contestants: Mapping[str, Mapping[str, Callable[..., object]]],
    rounds: int,
) -> Found:
    """The microseconds of each contestant in each case by round, and whether it is stale there."""
    found: Found = {}
    for case in all_cases:
        works: dict[str, Callable[[], object]] = {}
        for name, functions in contestants.items():
            work = _work(case, functions)
            if work is not None:
                works[name] = work
        repeats = {name: _repeats(work) for name, work in works.items()}
        figures: dict[str, list[float]] = {name: [] for name in works}
        names = list(works)
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                figures[name].append(_timed(works[name], repeats[name]))
        stale = {
            name: _is_stale(case, contestants[name][case.kind]) for name in works if case.change
        }
        found[f"{case.kind}: {case.name}"] = {"us": figures, "stale": stale}
    return found


def _work(
    case: Case, functions: Mapping[str, Callable[..., object]]
) -> Callable[[], object] | None:
    function = functions.get(case.kind)
    if function is None:
        return None

    def work() -> object:
        return function(case.value, **case.keywords)

    try:
        work()
    except Exception:
        return None  # it cannot do this
    return work


def _repeats(work: Callable[[], object]) -> int:
    work()
    took = _timed(work, 1) / 1e6
    return max(1, min(20_000, int(TURN / took)))


def _timed(work: Callable[[], object], repeat: int) -> float:
    start = time.perf_counter_ns()
    for _ in range(repeat):
        work()
    return (time.perf_counter_ns() - start) / repeat / 1000


def _is_stale(case: Case, function: Any) -> bool:
    """Whether a changed value gives the result of the old one: all results are the same list otherwise."""
    before = function(case.value, **case.keywords)
    assert case.change is not None
    case.change(case.value)
    return function(case.value, **case.keywords) is before


def play(rounds: int, *, renew: bool) -> Found:
    """Measure everybody in an environment that has everybody."""
    python = environment([MARIMO, *LIBRARIES], renew=renew)
    with tempfile.TemporaryDirectory() as folder:
        notebook = Path(folder, "notebook.py")
        notebook.write_text(NOTEBOOK.format(rounds=rounds, folder=os.path.join(folder, "marimo")))
        ran = subprocess.run(
            [str(python), str(notebook)],
            check=True,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": folder, "HOME": folder},
        )
    found: Found = json.loads(ran.stdout.splitlines()[-1])
    return found


def report(found: Found) -> str:
    """The table, and whether what is required holds."""
    rivals = sorted({name for case in found.values() for name in case["us"]} - {MINE}, reverse=True)
    rows = []
    verdicts = []
    for name, case in found.items():
        mine = case["us"][MINE]
        row = [name, f"{Spread.of(mine).median:.1f}"]
        ratios = []
        for rival in rivals:
            theirs = case["us"].get(rival)
            if theirs is None:
                row.append("-")
                ratios.append("-")
                continue
            stale = case["stale"].get(rival, False)
            row.append(f"{Spread.of(theirs).median:.1f}" + " stale" * stale)
            times = Spread.of(here / there for here, there in zip(mine, theirs, strict=True))
            ratios.append(times.text(3))
            if not stale and times.median >= 1:
                verdicts.append(f"FAIL  {name}: {times.median:.2f} x {rival}")
        if case["stale"].get(MINE):
            verdicts.append(f"FAIL  {name}: {MINE} does not see a change")
        rows.append([*row, *ratios])
    header = ["us", MINE, *rivals, *(f"x {rival}" for rival in rivals)]
    if rivals and not verdicts:
        verdicts = ["pass  faster than every rival that is not stale, in every case"]
    return "\n".join([table(header, rows), "", *verdicts])


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = arguments(str(__doc__), rounds=9, quick_rounds=2)
    parser.add_argument("--renew", action="store_true", help="make the environment anew")
    options = parser.parse_args(argv)
    rounds = options.rounds or (2 if options.quick else 9)
    facts = machine("callboard")
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(cases(tables=False), {MINE: own_functions(folder)}, rounds)
    else:
        try:
            found = play(rounds, renew=options.renew)
        except InstallFailed as failure:
            sys.exit(f"an environment could not be made: {failure}")
    print(preamble(facts))
    print(report(found))
    if options.json is not None:
        write_json(options.json, facts, {"unit": "microseconds", "by round": found})


if __name__ == "__main__":
    main()
