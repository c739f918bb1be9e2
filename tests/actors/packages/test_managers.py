"""How managers are called, and which one a project uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callboard.actors.packages.managers import (
    MANAGERS,
    Invocation,
    Project,
    UnknownManager,
    default_manager,
    failed_for_the_cache,
    install_argv,
    is_isolated,
    is_uv_project,
    manager_named,
)
from callboard.actors.packages.requirements import parse_requirement
from callboard.actors.packages.surroundings import (
    Surroundings,
    read_project,
    surroundings_of_this_process,
)

PANDAS = parse_requirement("pandas[b,a]==2.0")


@pytest.mark.parametrize(
    ("manager", "invocation", "install", "upgrade"),
    [
        (
            "pip",
            Invocation("python3", "python3"),
            "python3 -m pip install --no-input pandas[a,b]==2.0",
            "python3 -m pip install --no-input --upgrade pandas[a,b]==2.0",
        ),
        (
            "uv",
            Invocation("uv", "python3"),
            "uv pip install --python python3 pandas[a,b]==2.0",
            "uv pip install --upgrade --python python3 pandas[a,b]==2.0",
        ),
        (
            "uv",
            Invocation("uv", "python3", target="there"),
            "uv pip install --python python3 --target there pandas[a,b]==2.0",
            "uv pip install --upgrade --python python3 --target there pandas[a,b]==2.0",
        ),
        (
            "uv",
            Invocation("uv", "python3", uv_project=True, target="there"),
            "uv add pandas[a,b]==2.0",
            "uv add --upgrade pandas[a,b]==2.0",
        ),
        (
            "rye",
            Invocation("rye", "python3"),
            "rye add pandas[a,b]==2.0",
            "rye sync --update pandas",
        ),
        (
            "poetry",
            Invocation("poetry", "python3"),
            "poetry add --no-interaction pandas[a,b]==2.0",
            "poetry update --no-interaction pandas",
        ),
        ("pixi", Invocation("pixi", "python3"), "pixi add pandas[a,b]==2.0", "pixi upgrade pandas"),
    ],
)
def test_each_manager_is_called_in_its_own_way(
    manager: str, invocation: Invocation, install: str, upgrade: str
) -> None:
    known = MANAGERS[manager]
    assert install_argv(known, PANDAS, invocation) == tuple(install.split())
    assert install_argv(known, PANDAS, invocation, upgrade=True) == tuple(upgrade.split())


def test_uv_can_do_without_its_cache() -> None:
    uv = MANAGERS["uv"]
    plain = install_argv(uv, PANDAS, Invocation("uv", "python3"), use_cache=False)
    assert plain[:4] == ("uv", "pip", "install", "--no-cache")
    project = Invocation("uv", "python3", uv_project=True)
    assert install_argv(uv, PANDAS, project, use_cache=False)[:3] == ("uv", "add", "--no-cache")


def test_a_marker_is_one_argument() -> None:
    requirement = parse_requirement("a; python_version < '4'")
    argv = install_argv(MANAGERS["pip"], requirement, Invocation("python3", "python3"))
    assert argv[-1] == 'a ; python_version < "4"'


def test_an_unknown_name_is_told_together_with_the_known_ones() -> None:
    with pytest.raises(UnknownManager, match=r"'conda'.*pip, uv, rye, poetry, pixi"):
        manager_named("conda")


def test_no_built_in_manager_installs_without_being_asked() -> None:
    assert not any(manager.auto_installs for manager in MANAGERS.values())


POETRY = "[tool.poetry]\nname = 'x'\n"


@pytest.mark.parametrize(
    ("environ", "project", "expected"),
    [
        ({"UV": "/bin/uv"}, Project(pyproject=POETRY), "uv"),
        ({}, Project(pyproject=POETRY, files=frozenset({"uv.lock"})), "poetry"),
        ({}, Project(pyproject="[tool.pixi.project]\n"), "pixi"),
        ({}, Project(pyproject="[tool.uv]\n"), "uv"),
        ({}, Project(pyproject="[tool.rye]\nmanaged = true\n"), "rye"),
        ({}, Project(pyproject="[tool.rye]\n[tool.uv]\n[tool.poetry]\n"), "poetry"),
        ({}, Project(files=frozenset({"poetry.lock", "uv.lock"})), "poetry"),
        ({}, Project(files=frozenset({"pixi.lock", "uv.lock"})), "pixi"),
        ({}, Project(files=frozenset({"uv.lock", "requirements.lock"})), "uv"),
        ({}, Project(files=frozenset({"requirements.lock"})), "rye"),
        ({}, Project(files=frozenset({"pixi.toml"})), "pixi"),
        ({}, Project(prefix="/home/me/.local/share/uv/tools/x"), "uv"),
        ({}, Project(prefix="/home/me/uv"), "pip"),
        ({}, Project(pyproject="[project]\nname = 'x'\n", prefix="/usr"), "pip"),
        ({}, Project(pyproject="not [toml", files=frozenset({"uv.lock"})), "uv"),
        ({}, Project(pyproject="tool = 3\n"), "pip"),
    ],
)
def test_the_first_sign_of_a_manager_decides(
    environ: dict[str, str], project: Project, expected: str
) -> None:
    assert default_manager(environ, project).name == expected


@pytest.mark.parametrize(
    ("environ", "beside", "expected"),
    [
        ({"VIRTUAL_ENV": "/p/.venv", "UV_PROJECT_ENVIRONMENT": "/p/.venv"}, (), True),
        ({"VIRTUAL_ENV": "/p/.venv", "UV_PROJECT_ENVIRONMENT": "/q"}, (), False),
        ({"VIRTUAL_ENV": "/p/.venv", "UV": "uv"}, ("uv.lock", "pyproject.toml"), True),
        ({"VIRTUAL_ENV": "/p/.venv", "UV": "uv"}, ("pyproject.toml",), False),
        ({"VIRTUAL_ENV": "/p/.venv"}, ("uv.lock", "pyproject.toml"), False),
        ({"UV": "uv", "UV_PROJECT_ENVIRONMENT": ""}, ("uv.lock", "pyproject.toml"), False),
    ],
)
def test_uv_adds_to_a_project_only_where_it_manages_the_environment(
    environ: dict[str, str], beside: tuple[str, ...], expected: bool
) -> None:
    assert is_uv_project(environ, Project(beside_prefix=frozenset(beside))) is expected


@pytest.mark.parametrize(
    ("environ", "prefix", "files", "platform", "expected"),
    [
        ({}, "/usr", (), "linux", False),
        ({}, "/venv", (), "linux", True),
        ({"CONDA_DEFAULT_ENV": "base"}, "/usr", (), "linux", True),
        ({"MODAL_TASK_ID": "x"}, "/usr", (), "linux", True),
        ({}, "/usr", (".dockerenv",), "linux", True),
        ({}, "/usr", ("conda-meta",), "linux", True),
        ({}, "/usr", (), "emscripten", True),
    ],
)
def test_an_environment_of_its_own_is_isolated(
    environ: dict[str, str], prefix: str, files: tuple[str, ...], platform: str, expected: bool
) -> None:
    found = is_isolated(environ, prefix=prefix, base_prefix="/usr", platform=platform, files=files)
    assert found is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("error: Failed to initialize cache at `/dev/null/x`", True),
        ("error: Failed to write to the distribution cache", True),
        ("failed to open file in the cache: Permission denied (os error 13)", True),
        ("No solution found: package was not found in the cache", False),
        ("Using cached foo-1.0.whl", False),
        ("error: no such package", False),
    ],
)
def test_a_cache_that_cannot_be_written_is_recognised(line: str, expected: bool) -> None:
    assert failed_for_the_cache(["Resolving", line]) is expected


def surroundings(**changes: object) -> Surroundings:
    given: dict[str, object] = {
        "interpreter": "/nowhere/python",
        "environ": {},
        "cwd": "/",
        "which": {}.get,
        **changes,
    }
    return Surroundings(**given)  # type: ignore[arg-type]


def test_programs_are_found_where_they_are(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    beside = str(tmp_path / "python")
    assert surroundings().executable(MANAGERS["uv"]) is None
    assert surroundings().executable(MANAGERS["pip"]) == "/nowhere/python"
    assert surroundings(which={"rye": "/bin/rye"}.get).executable(MANAGERS["rye"]) == "/bin/rye"
    # In the environment, also where that is not on the path.
    assert surroundings(interpreter=beside).executable(MANAGERS["uv"]) == str(uv)
    # With the kernel, which may run in another environment than the one installed into.
    assert surroundings(scripts=str(tmp_path)).executable(MANAGERS["uv"]) == str(uv)
    # The uv that started the kernel comes first.
    environ = {"UV": str(uv)}
    found = surroundings(environ=environ, which={"uv": "/bin/uv"}.get).executable(MANAGERS["uv"])
    assert found == str(uv)
    environ = {"UV": "1"}
    found = surroundings(environ=environ, which={"uv": "/bin/uv"}.get).executable(MANAGERS["uv"])
    assert found == "/bin/uv"


def test_the_target_directory_comes_from_the_environment() -> None:
    found = surroundings(environ={"CALLBOARD_UV_TARGET": "/t"}).invocation(MANAGERS["uv"], "uv")
    assert found == Invocation("uv", "/nowhere/python", uv_project=False, target="/t")


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("TRUE", True), ("0", False), ("", False), ("no", False)]
)
def test_script_metadata_is_kept_only_where_asked_for(value: str, expected: bool) -> None:
    found = surroundings(environ={"CALLBOARD_MANAGE_SCRIPT_METADATA": value})
    assert found.keeps_script_metadata is expected


def test_a_project_is_found_from_a_directory_inside_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(POETRY)
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    environment = tmp_path / ".venv"
    project = read_project(inside, str(environment), {})
    assert default_manager({}, project).name == "poetry"
    assert "pyproject.toml" in project.beside_prefix


def test_an_unreadable_project_is_none(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    project = read_project(tmp_path, "/nowhere/at/all", {})
    assert project.pyproject == ""
    assert project.beside_prefix == frozenset()


def test_this_process_is_described_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_UV_TARGET", "/somewhere")
    described = surroundings_of_this_process(cwd=str(tmp_path), filename=lambda: "n.py")
    assert described.invocation(MANAGERS["uv"], "uv").target == "/somewhere"
    assert described.which("sh") is not None
    assert described.filename() == "n.py"
    assert os.access(described.interpreter, os.X_OK)
    # What was true when it was taken stays.
    monkeypatch.setenv("CALLBOARD_UV_TARGET", "/elsewhere")
    assert described.environ["CALLBOARD_UV_TARGET"] == "/somewhere"
    assert surroundings_of_this_process().cwd == str(Path.cwd())
