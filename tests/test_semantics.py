"""The promises and the tests that hold them, kept together."""

from __future__ import annotations

import ast
import re
from pathlib import Path

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
