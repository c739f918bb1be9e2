"""The promises and the tests that hold them, kept together."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from callboard.testing.oracles import EVERY_RUN, isolated, meanwhile, without_secret

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "semantics.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def clauses(text: str) -> dict[str, str]:
    parts = re.split(r"^## (\d+)\. ", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def functions(path: Path) -> set[str]:
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_every_test_that_a_promise_names_exists() -> None:
    named = NAMED.findall(DOCUMENT.read_text(encoding="utf-8"))
    missing = [f"{file}::{test}" for file, test in named if test not in functions(ROOT / file)]
    assert named
    assert not missing, "docs/semantics.md names tests that are not there:\n" + "\n".join(missing)


def test_every_promise_names_its_tests_or_says_that_it_is_not_held() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").partition("## What cannot be promised")[0]
    found = clauses(text)
    assert list(found) == [str(number) for number in range(1, 13)]
    bare = [number for number, clause in found.items() if not NAMED.search(clause)]
    unheld = [number for number in bare if "*Not yet:*" not in found[number]]
    assert not unheld, f"promises without a test: {', '.join(unheld)}"


SIMULATION = {
    "oracles": ROOT / "callboard" / "testing" / "oracles.py",
    "world": ROOT / "callboard" / "testing" / "simulation" / "world.py",
    "run": ROOT / "callboard" / "testing" / "simulation" / "run.py",
}
SIMULATED = re.compile(rf"`({'|'.join(SIMULATION)})::(\w+)`")
NONE = re.compile(r"\*None:\* \w")


def table() -> dict[str, tuple[str, str]]:
    """For each promise the cells of its row: what holds it in simulations, and in a real process."""
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \| (.*) \|$", text, flags=re.MULTILINE)
    return {number: (simulated, real) for number, simulated, real in rows}


def test_every_promise_says_what_holds_it_in_simulations_and_in_a_real_process() -> None:
    rows = table()
    assert list(rows) == [str(number) for number in range(1, 13)]
    for number, (simulated, real) in rows.items():
        assert SIMULATED.search(simulated) or NONE.match(simulated), f"promise {number}"
        assert NAMED.search(real) or NONE.match(real), f"promise {number}"
    found = SIMULATED.findall(" ".join(simulated for simulated, _ in rows.values()))
    assert [f"{at}::{name}" for at, name in found if name not in functions(SIMULATION[at])] == []


def test_every_oracle_of_the_simulation_holds_some_promise() -> None:
    named = {name for simulated, _ in table().values() for _, name in SIMULATED.findall(simulated)}
    asked = {oracle.__name__ for oracle in (*EVERY_RUN, isolated, meanwhile, without_secret)}
    assert asked - named == set()


def test_what_is_said_to_hold_in_a_real_process_starts_one() -> None:
    for _, real in table().values():
        for file, _ in NAMED.findall(real):
            source = (ROOT / file).read_text(encoding="utf-8")
            assert "pytestmark = pytest.mark.slow" in source, file
            assert "tests.cli.processes" in source or "subprocess" in source, file
