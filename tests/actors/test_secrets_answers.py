"""The secrets domain: what it lists, and what a refresh does to the environment."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callboard.actors.notebook.settings import Settings
from callboard.actors.requests import Answers
from callboard.actors.secrets.answers import COMMANDS, SecretsAnswers
from callboard.actors.secrets.environ import Environ
from callboard.actors.secrets.loader import DotenvLoader
from callboard.engines.placement import Place
from callboard.messages.commands import ListSecretKeysCommand, RefreshSecretsCommand
from callboard.messages.ids import RequestId
from callboard.messages.notifications import SecretKeysResultNotification
from callboard.testing.requests import DirectRequest


@attrs.define
class Kernel:
    """A secrets domain whose files are in a directory, on an environment of its own."""

    directory: Path
    at_start: Mapping[str, str] = attrs.field(factory=lambda: {"HOME": "/h"})
    settings: Settings = attrs.field(factory=Settings)
    warnings: list[str] = attrs.field(factory=list)
    environ: Environ = attrs.field(init=False)
    loader: DotenvLoader = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.environ = Environ(dict(self.at_start), Place.CELL_THREAD, dict(self.at_start))
        self.loader = DotenvLoader(
            self.environ,
            settings=lambda: self.settings,
            filename=lambda: str(self.directory / "notebook.py"),
            warn=self.warnings.append,
        )

    def write(self, **variables: str) -> None:
        text = "".join(f"{key}='{value}'\n" for key, value in variables.items())
        self.directory.joinpath(".env").write_text(text)

    async def do(self, command: Any) -> tuple[Any, list[Place]]:
        request = DirectRequest(command)
        answers: Answers[Any] = SecretsAnswers(self.loader)
        assert list(answers.reads(command)) == []
        reply = await answers.answer(request)
        assert request.told == []
        return reply, request.places

    async def refresh(self) -> dict[str, str]:
        """Refresh, and return what the environment has then beside what it had at the start."""
        assert await self.do(RefreshSecretsCommand()) == (
            None,
            [Place.ANY_THREAD, Place.CELL_THREAD],
        )
        values = dict(self.environ.values)
        assert self.at_start.items() <= values.items()
        return {key: value for key, value in values.items() if key not in self.at_start}

    async def listed(self) -> list[tuple[str, str, list[str]]]:
        reply, places = await self.do(ListSecretKeysCommand(RequestId("r")))
        assert places == [Place.ANY_THREAD]
        assert isinstance(reply, SecretKeysResultNotification)
        assert reply.request_id == "r"
        return [(one.provider, one.name, one.keys) for one in reply.secrets]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    (tmp_path / "pyproject.toml").touch()
    return Kernel(tmp_path)


def test_it_owns_both_commands() -> None:
    assert set(COMMANDS) == {ListSecretKeysCommand, RefreshSecretsCommand}


# the list


async def test_the_environment_is_listed_as_it_was_at_the_start_then_each_file(
    kernel: Kernel,
) -> None:
    kernel.write(B="1", A="2", HOME="3")
    kernel.directory.joinpath("more.env").write_text("C=1\nB=2\nnonsense\n")
    kernel.settings = Settings(dotenv=(".env", "missing.env", "more.env"))
    kernel.environ.values["SET_BY_A_CELL"] = "1"
    await kernel.refresh()
    assert await kernel.listed() == [
        ("env", "Environment variables", ["HOME"]),
        ("dotenv", ".env", ["A", "B"]),
        ("dotenv", "missing.env", []),
        ("dotenv", "more.env", ["C"]),
    ]


async def test_a_file_that_cannot_be_read_takes_nothing_from_the_others(kernel: Kernel) -> None:
    kernel.write(A="1")
    os.mkfifo(kernel.directory / "pipe.env")
    kernel.directory.joinpath("big.env").write_bytes(b"A=1\n" * 500_000)
    kernel.settings = Settings(dotenv=("pipe.env", "big.env", ".env"))
    listed = await kernel.listed()
    assert [keys for _, _, keys in listed[1:]] == [[], [], ["A"]]
    assert await kernel.refresh() == {"A": "1"}
    # Each is told of once, not at every look.
    assert [text.partition(": ")[2] for text in kernel.warnings] == [
        "it is not a regular file",
        "it has more than 1000000 bytes",
    ]


# refresh


async def test_a_refresh_takes_over_what_has_changed(kernel: Kernel) -> None:
    assert await kernel.refresh() == {}
    kernel.write(A="1", B="2")
    assert await kernel.refresh() == {"A": "1", "B": "2"}
    kernel.write(A="changed", C="${A}!")
    assert await kernel.refresh() == {"A": "changed", "C": "changed!"}
    kernel.directory.joinpath(".env").unlink()
    assert await kernel.refresh() == {}


async def test_told_not_to_a_refresh_adds_new_names_alone(kernel: Kernel) -> None:
    kernel.settings = Settings(dotenv_override=False)
    kernel.write(A="1", B="2")
    await kernel.refresh()
    kernel.write(A="changed", C="3")
    assert await kernel.refresh() == {"A": "1", "B": "2", "C": "3"}
    kernel.settings = Settings()
    assert await kernel.refresh() == {"A": "changed", "C": "3"}


async def test_what_the_environment_had_or_a_cell_has_set_stays(kernel: Kernel) -> None:
    kernel.write(HOME="/elsewhere", A="1", B="1")
    kernel.environ.values["A"] = "of a cell"
    assert await kernel.refresh() == {"A": "of a cell", "B": "1"}
    kernel.environ.values["B"] = "of a cell"
    kernel.write(A="2", B="2")
    assert await kernel.refresh() == {"A": "of a cell", "B": "of a cell"}
    kernel.write()
    assert await kernel.refresh() == {"A": "of a cell", "B": "of a cell"}


@pytest.mark.parametrize("broken", [b"A=caf\xe9", b"B=2\nA='unfinished"])
async def test_a_file_that_is_broken_for_a_moment_takes_nothing_away(
    kernel: Kernel, broken: bytes
) -> None:
    kernel.write(A="1", B="2")
    await kernel.refresh()
    kernel.directory.joinpath(".env").write_bytes(broken)
    assert await kernel.refresh() == {"A": "1", "B": "2"}
    kernel.write(B="2")
    assert await kernel.refresh() == {"B": "2"}
    assert len(kernel.warnings) == 1


async def test_a_value_that_the_system_refuses_is_left_out_and_named_without_it(
    kernel: Kernel,
) -> None:
    class Refusing(dict[str, str]):
        def __setitem__(self, key: str, value: str) -> None:
            if key == "A":
                raise ValueError(f"cannot take {value}")
            super().__setitem__(key, value)

    kernel.environ.values = Refusing()
    kernel.write(A="canary", B="2")
    await kernel.do(RefreshSecretsCommand())
    await kernel.do(RefreshSecretsCommand())
    assert dict(kernel.environ.values) == {"B": "2"}
    assert kernel.warnings == ["dotenv variables not loaded: A"]


async def test_an_older_look_at_the_files_is_not_loaded_over_a_newer_one(kernel: Kernel) -> None:
    kernel.write(A="old")
    older = kernel.loader.read()
    kernel.write(A="new")
    assert await kernel.refresh() == {"A": "new"}
    kernel.loader.apply(older)
    assert kernel.environ.values["A"] == "new"


class Interrupted(dict[str, str]):
    """An environment that an interrupt breaks into at one of the writes."""

    def __init__(self, values: Mapping[str, str], at: int) -> None:
        super().__init__(values)
        self.left = at

    def __setitem__(self, key: str, value: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        super().__setitem__(key, value)


@pytest.mark.parametrize("at", range(1, 6))
async def test_the_next_refresh_finishes_what_an_interrupt_broke(kernel: Kernel, at: int) -> None:
    kernel.write(A="1", B="1", C="1")
    await kernel.refresh()
    kernel.environ.values = Interrupted(kernel.environ.values, at)
    kernel.write(A="2", B="2", D="2", E="2", F="2")
    with pytest.raises(KeyboardInterrupt):
        kernel.loader.load()
    kernel.environ.values["G"] = "of a cell"
    kernel.write(A="3", B="2", D="3")
    assert await kernel.refresh() == {"A": "3", "B": "2", "D": "3", "G": "of a cell"}


async def test_a_restarted_actor_goes_on_where_the_last_one_was(kernel: Kernel) -> None:
    kernel.loader.load()
    kernel.write(A="1")
    kernel.loader.load()
    kernel.write()
    assert await kernel.refresh() == {}


async def test_a_refresh_while_others_look_and_load_is_whole(kernel: Kernel) -> None:
    kernel.write(**{f"A{n}": "1" for n in range(50)})
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(kernel.do, RefreshSecretsCommand())
            nursery.start_soon(kernel.do, ListSecretKeysCommand(RequestId("r")))
    assert len(kernel.environ.values) == 51


# the environment


def test_the_environment_of_a_kernel_process_is_the_real_one(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLBOARD_TEST_SECRET", raising=False)
    environ = Environ.of_process()
    loader = DotenvLoader(environ, Settings, lambda: str(kernel.directory / "n.py"))
    kernel.write(CALLBOARD_TEST_SECRET="naïve ✓")
    loader.load()
    assert os.environ.get("CALLBOARD_TEST_SECRET") == "naïve ✓"
    assert "CALLBOARD_TEST_SECRET" not in environ.at_start
    kernel.write()
    loader.load()
    assert "CALLBOARD_TEST_SECRET" not in os.environ
    assert environ.place is Place.CELL_THREAD


def test_an_embedded_kernel_changes_nothing_of_the_process(kernel: Kernel) -> None:
    before = dict(os.environ)
    environ = Environ.private()
    loader = DotenvLoader(environ, Settings, lambda: str(kernel.directory / "n.py"))
    kernel.write(CALLBOARD_TEST_SECRET="1")
    loader.load()
    assert dict(os.environ) == before
    assert dict(environ.values) == {**before, "CALLBOARD_TEST_SECRET": "1"}
    assert environ.place is Place.ANY_THREAD


def test_no_file_name_and_no_working_directory_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    odd: Any = lambda: 3  # noqa: E731
    for filename in (lambda: None, odd):
        loader = DotenvLoader(Environ.private({}), Settings, filename)
        assert loader.read().files == ()


def test_nothing_that_is_remembered_is_shown(kernel: Kernel) -> None:
    kernel.write(A="canary-1", B="${A}")
    kernel.loader.load()
    shown = [kernel.loader, kernel.environ, kernel.loader.read(), SecretsAnswers(kernel.loader)]
    assert "canary" not in repr(shown)
    assert kernel.environ.values["B"] == "canary-1"


def test_warnings_go_to_the_log_by_default(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.directory.joinpath(".env").write_text("canary\nA=%s\n")
    loader = DotenvLoader(Environ.private({}), Settings, lambda: str(kernel.directory / "n.py"))
    thread = threading.Thread(target=loader.load)
    thread.start()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == [
        f"dotenv file {kernel.directory / '.env'}: one statement could not be read, "
        "at line 1 the first"
    ]


# the settings


def test_the_list_of_files_is_a_list_of_paths_or_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings().updated({"runtime": {"dotenv": ["a.env", "b.env"]}})
    assert settings.dotenv == ("a.env", "b.env")
    assert settings.updated({}).dotenv == ("a.env", "b.env")
    assert settings.updated({"runtime": {"dotenv": None}}).dotenv is None
    assert settings.updated({"runtime": {"dotenv": []}}).dotenv == ()
    assert not caplog.records
    for nonsense in ("canary", {"key": "canary"}, 3, True):
        assert settings.updated({"runtime": {"dotenv": nonsense}}) == settings
    assert settings.updated({"runtime": {"dotenv": ["a", 3, ""]}}).dotenv == ("a",)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 5
    assert "canary" not in caplog.text


def test_whether_files_override_is_a_switch() -> None:
    assert Settings().dotenv_override
    assert not Settings().updated({"runtime": {"dotenv_override": False}}).dotenv_override
    with pytest.raises(Exception, match=r"runtime\.dotenv_override must be true or false, not str"):
        Settings().updated({"runtime": {"dotenv_override": "canary"}})
