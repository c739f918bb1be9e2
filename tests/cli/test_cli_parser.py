"""The command line itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from callboard.cli.parser import make_parser


def test_help_and_arguments_load_nothing_of_the_kernel() -> None:
    script = (
        "import sys\n"
        "from callboard.cli.parser import make_parser\n"
        "make_parser().parse_args(['run', 'x.py', '--set', 'a=1'])\n"
        "print(*sorted({'trio', 'attrs', 'msgspec', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["kernel"], ["fly"], ["demo", "--seconds", "-1"]]
)
def test_bad_usage_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(arguments)
    assert ended.value.code == 2
    assert "usage: callboard" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "kernel", "demo"])
def test_every_command_documents_its_exit_status(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "exit status:" in text
    assert f"usage: callboard {command}" in text


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["--version"])
    assert ended.value.code == 0
    name, number = capsys.readouterr().out.split()
    assert name == "callboard"
    assert number[0].isdigit()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=[1, 2]", [1, 2]),
        ("a=x", "x"),
        ("a=", ""),
        ("a = true", True),
        ('a="1"', "1"),
    ],
)
def test_a_value_is_json_or_else_a_string(text: str, value: object) -> None:
    options = make_parser().parse_args(["run", "nb.py", "--set", text])
    assert options.set == [("a", value)]


def test_seconds_may_be_infinite() -> None:
    assert make_parser().parse_args(["kernel", "--stdio", "--drain", "inf"]).drain == float("inf")
