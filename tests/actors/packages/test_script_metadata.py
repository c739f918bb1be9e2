"""When a notebook's file declares its packages, and when it is let alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from callboard.actors.packages.managers import MANAGERS
from callboard.actors.packages.ports import ProcessResult
from callboard.actors.packages.requirements import Requirement
from callboard.actors.packages.script_metadata import (
    ScriptMetadata,
    installed_version,
    pinned,
)
from tests.actors.packages.support import FakeRunner, OnLine, fake_surroundings, printing
from tests.actors.packages.test_packages_behaviour import vanish

ENABLED = {"CALLBOARD_MANAGE_SCRIPT_METADATA": "true"}
ONE = [Requirement("one", specifier="==1.0")]


async def test_uv_is_told_to_add_without_resolving() -> None:
    runner = FakeRunner()
    await ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner).installed(MANAGERS["uv"], ONE)
    (argv,) = runner.runs
    assert " ".join(argv) == (
        "/bin/uv add --frozen --script n.py --python /env/bin/python one==1.0"
    )


@pytest.mark.parametrize(
    ("environ", "filename", "manager"),
    [({}, "n.py", "uv"), (ENABLED, None, "uv"), (ENABLED, "n.py", "pip")],
    ids=["not enabled", "no file", "not uv"],
)
async def test_otherwise_the_file_is_let_alone(
    environ: dict[str, str], filename: str | None, manager: str
) -> None:
    runner = FakeRunner()
    metadata = ScriptMetadata(fake_surroundings(environ, filename), runner)
    await metadata.installed(MANAGERS[manager], ONE)
    await metadata.manager_chosen(MANAGERS[manager])
    assert runner.runs == []


async def test_what_was_installed_without_a_version_is_pinned_to_what_came() -> None:
    runner = FakeRunner()
    versions = {"one": "3.0", "two": "4.0"}
    metadata = ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner, versions.get)
    wanted = [*ONE, Requirement("two", extras=("x",)), Requirement("three")]
    await metadata.installed(MANAGERS["uv"], wanted)
    assert runner.runs[0][-3:] == ("one==1.0", "two[x]==4.0", "three")


async def test_modules_are_declared_as_they_are_imported() -> None:
    runner = FakeRunner()
    metadata = ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner, {"PyYAML": "6"}.get)
    await metadata.modules_imported(MANAGERS["uv"], ["yaml", "os"])
    await metadata.modules_imported(MANAGERS["uv"], ["os"])
    await metadata.modules_imported(MANAGERS["pip"], ["yaml"])
    assert [argv[-1] for argv in runner.runs] == ["PyYAML==6"]


async def test_the_file_is_written_by_one_at_a_time(autojump_clock: MockClock) -> None:
    running = 0

    async def count(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
        nonlocal running
        running += 1
        assert running == 1
        await trio.sleep(1)
        running -= 1
        return ProcessResult(0)

    runner = FakeRunner(dict.fromkeys(("a", "b", "callboard"), count))
    metadata = ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner, lambda package: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metadata.manager_chosen, MANAGERS["uv"])
        for name in ("a", "b"):
            nursery.start_soon(metadata.installed, MANAGERS["uv"], [Requirement(name)])
    assert len(runner.runs) == 3


async def test_what_the_file_declares_is_not_added_again() -> None:
    runner = FakeRunner()
    metadata = ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner)
    await metadata.installed(MANAGERS["uv"], ONE)
    await metadata.installed(MANAGERS["uv"], ONE)
    await metadata.installed(MANAGERS["uv"], [])
    assert len(runner.runs) == 1


@pytest.mark.parametrize(
    "program", [printing("at https://me:hunter2@example.org", status=1), vanish]
)
async def test_what_goes_wrong_is_logged_without_credentials_and_tried_again_next_time(
    program: object, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    runner = FakeRunner({"one==1.0": program})  # type: ignore[dict-item]
    metadata = ScriptMetadata(fake_surroundings(ENABLED, "n.py"), runner)
    with caplog.at_level(logging.WARNING):
        await metadata.installed(MANAGERS["uv"], ONE)
    assert "n.py" in caplog.text
    assert "hunter2" not in caplog.text
    await metadata.installed(MANAGERS["uv"], ONE)
    assert len(runner.runs) == 2


def test_modules_are_pinned_to_what_is_installed() -> None:
    versions = {"PyYAML": "6.0", "foo-bar": "1"}
    found = pinned(["yaml", "foo_bar.x", "os", "absent", "foo_bar"], versions.get)
    assert [str(each) for each in found] == ["PyYAML==6.0", "foo-bar==1"]


def test_the_version_of_what_is_installed_is_known() -> None:
    assert installed_version("trio") == trio.__version__
    assert installed_version("callboard-demo-nowhere") is None
    assert installed_version("") is None
