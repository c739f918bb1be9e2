"""The page about faults says what the code does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from callboard.testing.faults import FAULTS, as_table
from callboard.testing.simulation.bugs import BUGS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()


def test_the_page_holds_the_table_of_all_faults() -> None:
    assert as_table() in PAGE, (
        "put the output of callboard.testing.faults.as_table() into docs/faults.md"
    )


@pytest.mark.parametrize("name", sorted(BUGS))
def test_the_page_names_every_planted_bug_with_its_number_of_seeds(name: str) -> None:
    bug = BUGS[name]
    assert f"| {bug.name} | {bug.meaning} | {bug.within} |" in PAGE


def test_the_page_names_the_test_of_every_fault_that_is_not_simulated() -> None:
    for kind in FAULTS.values():
        if not kind.simulated:
            file, _, test = kind.test.partition("::")
            assert f"`{kind.name}`" in PAGE
            assert f"`{test}`" in PAGE
            assert f"`{file}`" in PAGE


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_test_of_every_fault_exists(name: str) -> None:
    file, _, test = FAULTS[name].test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    functions = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert test.partition("[")[0] in functions
