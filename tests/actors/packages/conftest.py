"""Real environments and a real wheel, made once for all tests here. No network is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.actors.packages.demo_wheel import build_demo_wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with wheels: an index nobody has to reach."""
    directory = tmp_path_factory.mktemp("wheels")
    build_demo_wheel(directory)
    build_demo_wheel(directory, version="2.0", extras=("extra",))
    build_demo_wheel(directory, name="callboard-demo-broken", requires=("callboard-demo-nowhere",))
    return directory


@pytest.fixture(scope="session")
def uv() -> str:
    """uv's program."""
    found = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("uv is not installed")
    return found


@pytest.fixture
def offline(wheels: Path, tmp_path: Path) -> dict[str, str]:
    """Environment variables that keep installers away from any index but the wheels."""
    # Neither the settings of whoever runs the tests, nor the signs that uv runs them.
    settings = ("PIP_", "UV", "POETRY_", "VIRTUAL_ENV", "PYTHONPATH", "CALLBOARD_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return {
        **environ,
        "HOME": str(tmp_path / "home"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_CACHE_DIR": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheels),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
    }


@pytest.fixture(scope="session")
def pip_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with pip in an environment of its own.

    Sees the packages of the base interpreter, pip among them: putting pip in takes seconds.
    """
    directory = tmp_path_factory.mktemp("pip") / "env"
    make = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(directory)]
    subprocess.run(make, check=True)
    interpreter = directory / "bin" / "python"
    if subprocess.run(
        [interpreter, "-c", "import pip"], check=False, capture_output=True
    ).returncode:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
    return interpreter
