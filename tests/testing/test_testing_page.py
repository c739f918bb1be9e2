"""The examples of the page about testing run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import environment

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_examples_pass_as_tests_of_somebody_else(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 2
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"test_example_{number}.py").write_text(example)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    plugins = [] if _installed() else ["-p", "callboard.testing.plugin"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tests = sum(len(re.findall(r"^(?:async )?def test_", text, re.M)) for text in EXAMPLES)
    assert f"{tests} passed" in ran.stdout


def _installed() -> bool:
    """Whether pytest finds the plugin by itself."""
    from importlib.metadata import entry_points

    return any(point.name == "callboard" for point in entry_points(group="pytest11"))
