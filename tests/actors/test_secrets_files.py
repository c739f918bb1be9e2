"""Dotenv files: where they are looked for, and what comes of whatever is in their place."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard.actors.secrets import dotenv_file
from callboard.actors.secrets.dotenv_file import DotenvFile, read, resolve
from callboard.actors.secrets.locations import MAX_FILES, dotenv_paths


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def of(file: Path, content: str | bytes) -> DotenvFile:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(str(file))


# what is written there


def test_values_are_read_as_python_dotenv_reads_them(file: Path) -> None:
    found = of(
        file,
        "\ufeff# a comment\r\nA=1\nexport B = two words # not this\n\nC='a # b'\nD=\"x\\ny\"\n"
        "E=\nF=http://h/?a=b\nG='several\nlines'\nA=2\n",
    )
    assert found == DotenvFile(
        str(file),
        {
            "A": "2",
            "B": "two words",
            "C": "a # b",
            "D": "x\ny",
            "E": "",
            "F": "http://h/?a=b",
            "G": "several\nlines",
        },
    )
    assert found.name == ".env"


def test_what_cannot_be_read_of_a_file_is_counted_and_the_rest_is_read(file: Path) -> None:
    found = of(file, "A=1\nnonsense\n=3\nB 'x\n9=4\na/b=5\nC=6\n")
    assert dict(found.values) == {"A": "1", "C": "6"}
    assert found.problem == "5 statements could not be read, at line 2 the first"
    assert found.usable


def test_a_piece_of_a_secret_is_never_taken_for_a_name(file: Path) -> None:
    found = of(
        file,
        "KEY=-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
        "c2VjcmV0IGJ1dCBub3QgYSBuYW1l4A==\nVkVSWSBzZWNyZXQ2NA=\n-----END PRIVATE KEY-----\n"
        'postgres://me:hunter2@host/db?sslmode=require\n"private_key": "hunter3=x"\n'
        "'hunter4 '=1\nAPI_TOKEN_OF_SERVICE_2=\n",
    )
    assert list(found.values) == ["KEY", "API_TOKEN_OF_SERVICE_2"]


def test_nothing_that_is_said_of_a_file_shows_what_is_in_it(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    for content in ("A=canary\nB='canary\n", b"A=canary\xff\n", b"A=canary\0\n", "canary\n"):
        found = of(file, content)
        assert found.problem is not None
        assert "canary" not in repr(found) + found.problem + caplog.text


# what is in its place


def test_a_file_that_is_not_there_is_no_problem(file: Path) -> None:
    assert read(str(file)) == DotenvFile(str(file))
    file.touch()
    assert read(str(file / "below")).problem is None


@pytest.mark.parametrize("kind", ["directory", "pipe", "loop", "device", "pipe behind a link"])
def test_what_is_no_file_is_not_opened(file: Path, kind: str) -> None:
    path = str(file)
    match kind:
        case "directory":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "pipe behind a link":
            os.mkfifo(file.with_name("pipe"))
            file.symlink_to("pipe")
        case "loop":
            file.symlink_to(".env")
        case _:
            path = "/dev/zero"
    found = read(path)
    assert not found.usable
    assert found.problem in (
        "it is not a regular file",
        os.strerror(errno.ELOOP),
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_problem(file: Path) -> None:
    file.touch(0)
    assert read(str(file)).problem == "Permission denied"


@pytest.mark.parametrize("path", ["a\0b", "x" * 10_000, "\ud800"])
def test_impossible_paths_are_a_problem_and_raise_nothing(path: str) -> None:
    found = read(f"/{path}")
    assert not found.usable
    assert found.problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("A=" + "x" * dotenv_file.MAX_BYTES, "it has more than 1000000 bytes"),
        (b"\x7fELF\x02\0\0", "it is not a text file"),
        (b"A=caf\xe9", "it is not UTF-8 text"),
        ("#\n" * (dotenv_file.MAX_STATEMENTS + 1), "it has more than 20000 statements"),
        ("".join(f"A{n}=\n" for n in range(5001)), "it has more than 5000 variables"),
        ("A=a" + " " * 900_000 + "b", "it has too many blanks in a row"),
        ("A=" + "${" * 60_000 + ":", "it has too many references in one value"),
    ],
)
def test_what_would_take_too_long_is_refused_quickly(
    file: Path, content: str | bytes, problem: str
) -> None:
    began = time.process_time()
    assert of(file, content) == DotenvFile(str(file), problem=problem, usable=False)
    assert time.process_time() - began < 5


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text("A='\"\\\n\r# ${}:-.export", max_size=200))
def test_no_content_makes_reading_fail(file: Path, content: str | bytes) -> None:
    if isinstance(content, str):
        content = content.encode()
    found = of(file, content)
    assert found.usable or not found.values
    resolve([found.values], {})


# references


def test_references_stand_for_what_a_variable_is_once_all_is_loaded() -> None:
    files = [
        {"A": "1", "B": "${A}${HOME}", "C": "${A}", "D": "${NONE:-x}${NONE}", "E": "${LATER}"},
        {"A": "2", "F": "${A}${B}", "LATER": "3"},
    ]
    assert resolve(files, {"HOME": "/h", "C": "real"}) == (
        [
            {"A": "1", "B": "1/h", "C": "1", "D": "x", "E": ""},
            {"A": "2", "F": "11/h", "LATER": "3"},
        ],
        [],
    )
    assert resolve([{"A": "1", "B": "${A}"}], {"A": "real"})[0][0]["B"] == "real"


def test_values_that_grow_by_references_are_left_out() -> None:
    files = {"A0": "x" * 100}
    files |= {f"A{n}": f"${{A{n - 1}}}" * 10 for n in range(1, 9)}
    (values,), left_out = resolve([files], {})
    assert set(left_out) <= set(files)
    assert left_out[0] == "A4"
    assert sum(map(len, values.values())) <= dotenv_file.MAX_BYTES
    many = {"A": "x" * 100_000} | {f"B{n}": "${A}" for n in range(50)}
    (values,), left_out = resolve([many], {})
    assert len(values) + len(left_out) == 51
    assert sum(map(len, values.values())) <= dotenv_file.MAX_BYTES


# where


def test_by_default_it_is_the_file_beside_the_nearest_project_file(tmp_path: Path) -> None:
    project = tmp_path / "project"
    below = project / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (project / "pyproject.toml").touch()
    expected = [str(project / ".env")]
    assert dotenv_paths(None, str(below / "n.py"), "/") == expected
    assert dotenv_paths(None, "n.py", str(below)) == expected
    assert dotenv_paths(None, "b/n.py", str(below.parent)) == expected
    assert dotenv_paths(None, None, str(below)) == expected


def test_without_a_project_there_is_none_unless_configured(tmp_path: Path) -> None:
    if any((above / "pyproject.toml").exists() for above in tmp_path.parents):
        pytest.skip("the temporary directory is within a project")
    notebook = str(tmp_path / "n.py")
    assert dotenv_paths(None, notebook, "/") == []
    assert dotenv_paths(["a.env", "/b.env"], notebook, "/") == [str(tmp_path / "a.env"), "/b.env"]


def test_configured_files_take_the_place_of_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "pyproject.toml").touch()
    notebook = str(tmp_path / "below" / "n.py")
    assert dotenv_paths([], notebook, "/") == []
    assert dotenv_paths(["x/.env", "~/.env", "~who/.env"], notebook, "/") == [
        str(tmp_path / "x" / ".env"),
        "/home/me/.env",
        str(tmp_path / "~who" / ".env"),
    ]
    assert len(dotenv_paths(["a"] * 1000, notebook, "/")) == MAX_FILES
