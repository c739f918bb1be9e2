"""pip and uv for real: into throw-away environments, from a wheel made on the spot."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import trio

from callboard.actors.packages.demo_wheel import DEMO_MODULE, DEMO_PACKAGE
from callboard.actors.packages.environment import (
    EnvironmentNotMade,
    VirtualEnvironment,
    create_environment,
)
from callboard.actors.packages.lines import OutputLimits
from callboard.actors.packages.managers import MANAGERS
from callboard.actors.packages.process import TrioProcessRunner
from callboard.actors.packages.requirements import Requirement
from callboard.actors.packages.script_metadata import ScriptMetadata
from callboard.actors.packages.surroundings import Surroundings, read_project
from callboard.runtime import Outcome
from tests.actors.packages.support import FakeHost, packages_system


def version_in(interpreter: Path) -> str | None:
    """The version of the demo package that an interpreter imports."""
    code = f"import {DEMO_MODULE} as m; print(m.__version__, m.greet())"
    done = subprocess.run(
        [interpreter, "-c", code], check=False, capture_output=True, text=True, cwd="/"
    )
    return done.stdout.split()[0] if done.returncode == 0 else None


def real_surroundings(
    interpreter: Path, environ: dict[str, str], programs: dict[str, str], cwd: Path
) -> Surroundings:
    return Surroundings(
        interpreter=str(interpreter),
        environ=environ,
        cwd=str(cwd),
        which=programs.get,
        project=read_project(cwd, str(interpreter.parent.parent), environ),
    )


@pytest.fixture
async def uv_environment(uv: str, offline: dict[str, str], tmp_path: Path) -> VirtualEnvironment:
    runner = TrioProcessRunner()
    return await create_environment(tmp_path / "env", runner, uv=uv, environ=offline)


async def test_uv_installs_what_the_notebook_misses(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    host = FakeHost(missing=frozenset({DEMO_MODULE}))
    surroundings = real_surroundings(uv_environment.interpreter, offline, {"uv": uv}, tmp_path)
    async with packages_system(TrioProcessRunner(), host, surroundings=surroundings) as system:
        assert (await system.install("uv")).outcome is Outcome.COMPLETED
    assert system.statuses == {DEMO_PACKAGE: "installed"}
    assert version_in(uv_environment.interpreter) == "2.0"
    assert (uv_environment.site_packages / DEMO_MODULE / "__init__.py").exists()
    (modules,) = host.installed
    assert DEMO_MODULE in modules
    assert any(DEMO_PACKAGE in "".join((each.logs or {}).values()) for each in system.progress)


async def test_a_version_asked_for_is_the_version_installed(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    surroundings = real_surroundings(uv_environment.interpreter, offline, {"uv": uv}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({"Callboard_Demo.Package": "1.0"}, "uv").wait()
        assert version_in(uv_environment.interpreter) == "1.0"
        await system.send({"callboard-demo-package[extra]": "2.0"}, "uv").wait()
        assert version_in(uv_environment.interpreter) == "2.0"


async def test_one_package_that_cannot_be_had_does_not_keep_the_others_away(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    surroundings = real_surroundings(uv_environment.interpreter, offline, {"uv": uv}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        command = {"callboard-demo-broken": "", DEMO_PACKAGE: "", "callboard-demo-nowhere": ""}
        await system.send(command, "uv").wait()
    assert system.statuses == {
        "callboard-demo-broken": "failed",
        "callboard-demo-nowhere": "failed",
        DEMO_PACKAGE: "installed",
    }
    log = "".join(text for each in system.progress for text in (each.logs or {}).values())
    # uv wraps its lines where it likes.
    assert "callboard-demo-nowhere was not found" in " ".join(log.split())


async def test_uv_installs_although_its_cache_cannot_be_written(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    environ = {**offline, "UV_CACHE_DIR": "/dev/null/cache"}
    surroundings = real_surroundings(uv_environment.interpreter, environ, {"uv": uv}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: ""}, "uv").wait()
    assert system.statuses == {DEMO_PACKAGE: "installed"}
    told = [text for each in system.progress for text in (each.logs or {}).values()]
    assert "Trying again without the cache\n" in told


async def test_uv_installs_into_a_directory_of_its_own(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "target"
    environ = {**offline, "CALLBOARD_UV_TARGET": str(target)}
    surroundings = real_surroundings(uv_environment.interpreter, environ, {"uv": uv}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: ""}, "uv").wait()
    assert (target / DEMO_MODULE / "__init__.py").exists()
    assert version_in(uv_environment.interpreter) is None


async def test_in_a_project_of_uv_the_package_becomes_a_dependency(
    uv: str, offline: dict[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "0"\nrequires-python = ">=3.11"\n'
    )
    made = await create_environment(project / ".venv", TrioProcessRunner(), uv=uv, environ=offline)
    environ = {
        **offline,
        "VIRTUAL_ENV": str(made.directory),
        "UV_PROJECT_ENVIRONMENT": str(made.directory),
    }
    surroundings = real_surroundings(made.interpreter, environ, {"uv": uv}, project)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: "1.0"}, "uv").wait()
    assert system.statuses == {DEMO_PACKAGE: "installed"}
    assert f'"{DEMO_PACKAGE}==1.0"' in (project / "pyproject.toml").read_text()
    assert version_in(made.interpreter) == "1.0"


@pytest.mark.slow
async def test_pip_installs_as_a_module_of_the_interpreter(
    pip_environment: Path, offline: dict[str, str], tmp_path: Path
) -> None:
    surroundings = real_surroundings(pip_environment, offline, {}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: "1.0", "callboard-demo-nowhere": ""}, "pip").wait()
    assert system.statuses == {DEMO_PACKAGE: "installed", "callboard-demo-nowhere": "failed"}
    assert version_in(pip_environment) == "1.0"
    log = "".join(text for each in system.progress for text in (each.logs or {}).values())
    assert f"Successfully installed {DEMO_PACKAGE}-1.0" in log
    assert "No matching distribution found" in log


async def test_an_environment_without_pip_is_told_apart_from_a_package_that_fails(
    uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    surroundings = real_surroundings(uv_environment.interpreter, offline, {}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: ""}, "pip").wait()
    assert [alert.title for alert in system.alerts] == ["pip is not installed"]
    assert system.progress == []


ENDLESS_BUILD = """
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
with open({temporary!r}, "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename({temporary!r}, {final!r})
time.sleep(600)
"""


def endless_source(directory: Path, final: Path) -> None:
    """Make a source distribution whose build tells its process numbers and never ends."""
    backend = ENDLESS_BUILD.format(temporary=f"{final}.part", final=str(final))
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    stem = "callboard-demo-endless-1.0"
    directory.mkdir()
    with tarfile.open(directory / f"{stem}.tar.gz", "w:gz") as archive:
        for name, text in {"backend.py": backend, "pyproject.toml": project}.items():
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.slow
async def test_cancelling_ends_the_installer_and_what_it_builds_with(
    pip_environment: Path, offline: dict[str, str], tmp_path: Path
) -> None:
    wheels = tmp_path / "sources"
    endless_source(wheels, tmp_path / "building")
    environ = {**offline, "PIP_FIND_LINKS": str(wheels)}
    surroundings = real_surroundings(pip_environment, environ, {}, tmp_path)
    async with packages_system(TrioProcessRunner(), surroundings=surroundings) as system:
        envelope = system.send({"callboard-demo-endless": ""}, "pip")
        building = trio.Path(tmp_path / "building")
        with trio.fail_after(60):
            while not await building.exists():  # noqa: ASYNC110 (another program makes it)
                await trio.sleep(0.02)
        pids = [int(pid) for pid in (await building.read_text()).split()]
        processes = [psutil.Process(pid) for pid in pids]
        assert all(process.is_running() for process in processes)
        envelope.cancel("enough")
        assert (await envelope.wait()).outcome is Outcome.CANCELLED
        # The command is settled when its handler has unwound: nothing is left by then.
        assert [p.pid for p in processes if p.is_running() and p.status() != "zombie"] == []
    assert system.statuses == {"callboard-demo-endless": "failed"}


async def test_the_notebook_file_declares_its_packages_and_keeps_the_rest_of_itself(
    uv: str, uv_environment: VirtualEnvironment, offline: dict[str, str], tmp_path: Path
) -> None:
    notebook = tmp_path / "notebook.py"
    notebook.write_text("# %%\nimport os\n")
    environ = {**offline, "CALLBOARD_MANAGE_SCRIPT_METADATA": "1"}
    surroundings = Surroundings(
        interpreter=str(uv_environment.interpreter),
        environ=environ,
        cwd=str(tmp_path),
        which={"uv": uv}.get,
        filename=lambda: str(notebook),
    )
    metadata = ScriptMetadata(surroundings, TrioProcessRunner())
    await metadata.manager_chosen(MANAGERS["uv"])
    await metadata.installed(MANAGERS["uv"], [Requirement(DEMO_PACKAGE, specifier="==1.0")])
    text = notebook.read_text()
    assert text.startswith("# /// script\n")
    assert text.endswith("# %%\nimport os\n")
    assert '#     "callboard",\n' in text
    assert f'#     "{DEMO_PACKAGE}==1.0",\n' in text


async def test_an_environment_that_cannot_be_made_says_why(
    uv: str, offline: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "env").write_text("in the way")
    with pytest.raises(EnvironmentNotMade, match="env"):
        await create_environment(tmp_path / "env", TrioProcessRunner(), uv=uv, environ=offline)


@pytest.mark.slow
async def test_without_uv_an_environment_has_pip(offline: dict[str, str], tmp_path: Path) -> None:
    runner = TrioProcessRunner(limits=OutputLimits(tail=5))
    made = await create_environment(tmp_path / "env", runner, environ=offline)
    assert made.manager == "pip"
    surroundings = real_surroundings(made.interpreter, offline, {}, tmp_path)
    async with packages_system(runner, surroundings=surroundings) as system:
        await system.send({DEMO_PACKAGE: ""}, made.manager).wait()
    assert system.statuses == {DEMO_PACKAGE: "installed"}
    assert (made.site_packages / DEMO_MODULE).is_dir()
