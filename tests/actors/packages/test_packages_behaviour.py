"""The packages actor, with installers that only pretend, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.actors.packages.ports import ProcessNotStarted, ProcessResult
from callboard.messages.commands import InstallPackagesCommand
from callboard.messages.notifications import (
    AlertNotification,
    InstallingPackageAlertNotification,
)
from callboard.runtime import Outcome
from tests.actors.packages.support import (
    FakeHost,
    FakeRunner,
    OnLine,
    fake_surroundings,
    packages_system,
    printing,
)


async def hang(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
    on_line("building")
    await trio.sleep_forever()
    raise AssertionError


async def vanish(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
    raise ProcessNotStarted(f"{argv[0]}: No such file or directory")


async def test_an_installation_is_told_step_by_step_with_all_statuses_each_time(
    autojump_clock: MockClock,
) -> None:
    runner = FakeRunner({"a": printing("one", "two"), "b": printing("no such thing", status=1)})
    async with packages_system(runner) as system:
        settlement = await system.install(b="", a="")
    assert settlement.outcome is Outcome.COMPLETED
    assert [
        (tuple(each.packages.values()), each.log_status, each.logs) for each in system.progress
    ] == [
        (("queued", "queued"), None, None),
        (("installing", "queued"), None, None),
        (("installing", "queued"), "start", {"a": "Installing a\n"}),
        (("installing", "queued"), "append", {"a": "one\n"}),
        (("installing", "queued"), "append", {"a": "two\n"}),
        (("installed", "queued"), "done", {"a": "Installed a\n"}),
        (("installed", "installing"), None, None),
        (("installed", "installing"), "start", {"b": "Installing b\n"}),
        (("installed", "installing"), "append", {"b": "no such thing\n"}),
        (
            ("installed", "failed"),
            "done",
            {"b": "Not installed: pip ended with exit status 1\n"},
        ),
    ]
    assert all(list(each.packages) == ["a", "b"] for each in system.progress)
    assert system.told == system.progress


async def test_a_line_is_told_when_it_comes_not_at_the_end(autojump_clock: MockClock) -> None:
    async with packages_system(FakeRunner({"a": printing("one", "two")})) as system:
        system.post(a="")
        await trio.sleep(1.5)
        assert system.progress[-1].logs == {"a": "one\n"}
        await trio.sleep(1)
        assert system.statuses == {"a": "installed"}


async def test_what_is_told_at_one_moment_does_not_change_later() -> None:
    async with packages_system() as system:
        await system.install(a="")
    assert system.progress[0].packages == {"a": "queued"}


async def test_the_source_of_the_command_is_echoed() -> None:
    async with packages_system() as system:
        command = InstallPackagesCommand(manager="pip", versions={"a": ""}, source="server")
        await system.router.post(command).wait()
    assert {each.source for each in system.progress} == {"server"}


async def test_the_output_goes_to_the_terminal_too(autojump_clock: MockClock) -> None:
    async with packages_system(FakeRunner({"a": printing("one")})) as system:
        await system.install(a="")
    assert system.terminal == ["Installing a\n", "one\n", "Installed a\n"]


async def test_the_program_gets_the_environment_that_makes_it_print_at_once() -> None:
    runner = FakeRunner()
    environ = {"PIP_INDEX_URL": "https://example.org"}
    async with packages_system(runner, surroundings=fake_surroundings(environ)) as system:
        await system.install(a="1.0")
    assert runner.runs == [
        ("/env/bin/python", "-m", "pip", "install", "--no-input", "a==1.0"),
    ]
    assert runner.environs[0]["PYTHONUNBUFFERED"] == "1"
    assert runner.environs[0]["PIP_INDEX_URL"] == "https://example.org"


async def test_what_the_notebook_misses_is_installed_too_one_of_each_name() -> None:
    host = FakeHost(missing=frozenset({"yaml", "foo_bar", "pandas", "google.cloud.storage"}))
    runner = FakeRunner()
    async with packages_system(runner, host) as system:
        await system.send({"Foo.Bar[x]": "2.0", "numpy": ""}).wait()
    assert sorted(runner.packages) == [
        "Foo.Bar[x]==2.0",
        "PyYAML",
        "google-cloud-storage",
        "numpy",
        "pandas",
    ]
    assert list(system.statuses) == sorted(system.statuses)
    (modules,) = host.installed
    assert {"yaml", "foo_bar", "pandas", "numpy", "google.cloud.storage", "google"} <= modules


async def test_only_what_was_installed_unblocks_cells() -> None:
    host = FakeHost(missing=frozenset({"good", "bad"}))
    runner = FakeRunner({"bad": printing(status=1)})
    async with packages_system(runner, host) as system:
        await system.install()
        assert host.installed == [frozenset({"good"})]
        # And what could not be installed is not tried again only because it is missing.
        await system.install(other="")
    assert runner.packages == ["bad", "good", "other"]
    assert host.installed[1:] == [frozenset({"other"})]


async def test_nothing_to_install_is_silent() -> None:
    async with packages_system() as system:
        settlement = await system.install()
    assert settlement.outcome is Outcome.COMPLETED
    assert system.told == []
    assert system.host.installed == []


async def test_a_package_installed_before_is_told_installed_and_not_installed_again() -> None:
    runner = FakeRunner()
    async with packages_system(runner) as system:
        await system.send({"foo[b,a]": "1.0"}).wait()
        del system.told[:]
        await system.send({"Foo[a,b]": "1.0", "new": ""}).wait()
        assert system.progress[0].packages == {"Foo[a,b]": "installed", "new": "queued"}
        assert system.statuses == {"Foo[a,b]": "installed", "new": "installed"}
        del system.told[:]
        await system.send({"foo[b,a]": "1.0"}).wait()
        assert [each.packages for each in system.progress] == [{"foo[a,b]": "installed"}]
    assert runner.packages == ["foo[a,b]==1.0", "new"]


async def test_another_version_or_extra_is_another_installation() -> None:
    runner = FakeRunner()
    async with packages_system(runner) as system:
        await system.send({"foo": "1.0"}).wait()
        await system.send({"foo": "2.0"}).wait()
        await system.send({"foo[x]": "2.0"}).wait()
    assert runner.packages == ["foo==1.0", "foo==2.0", "foo[x]==2.0"]


async def test_a_package_removed_meanwhile_is_installed_again() -> None:
    host = FakeHost()
    runner = FakeRunner()
    async with packages_system(runner, host) as system:
        await system.install(foo="")
        host.missing = frozenset({"foo"})
        await system.install(foo="")
    assert runner.packages == ["foo", "foo"]


async def test_a_package_that_failed_is_tried_again_when_somebody_asks_for_it() -> None:
    runner = FakeRunner({"foo": printing(status=1)})
    async with packages_system(runner) as system:
        await system.install(foo="")
        assert system.statuses == {"foo": "failed"}
        runner.programs.clear()
        await system.install(foo="")
        assert system.statuses == {"foo": "installed"}


@pytest.mark.parametrize(
    "text",
    ["-r secret.txt", "./<b>", "https://me:hunter2@example.org/a.whl", "a @ file:///a", "a b.whl"],
)
async def test_a_request_for_no_package_ends_in_an_alert_before_anything_ran(text: str) -> None:
    runner = FakeRunner()
    async with packages_system(runner) as system:
        settlement = await system.send({"good": "", text: ""}, "uv").wait()
        assert system.state.manager.name == "pip"
    assert settlement.outcome is Outcome.COMPLETED
    assert runner.runs == []
    (alert,) = system.told
    assert isinstance(alert, AlertNotification)
    assert alert.variant == "danger"
    assert (
        text.replace("me:hunter2", "[redacted]").replace("<", "&lt;").replace(">", "&gt;")
        in alert.description
    )
    assert "hunter2" not in repr(alert)
    assert "<" not in alert.description


async def test_a_manager_that_is_not_there_ends_in_an_alert() -> None:
    runner = FakeRunner()
    async with packages_system(runner) as system:
        settlement = await system.install("rye", a="")
        assert system.state.manager.name == "rye"
    assert settlement.outcome is Outcome.COMPLETED
    assert runner.runs == []
    (alert,) = system.told
    assert isinstance(alert, AlertNotification)
    assert (alert.title, alert.variant) == ("rye is not installed", "danger")


@pytest.mark.parametrize("program", [printing(status=1), vanish])
async def test_an_interpreter_without_pip_has_no_pip(program: object) -> None:
    runner = FakeRunner({"has pip": program})  # type: ignore[dict-item]
    async with packages_system(runner) as system:
        await system.install(a="")
    assert [alert.title for alert in system.alerts] == ["pip is not installed"]
    assert runner.runs == []


async def test_an_unknown_manager_fails_the_command_and_not_the_actor() -> None:
    async with packages_system() as system:
        for _ in range(10):
            settlement = await system.install("conda", a="")
            assert settlement.outcome is Outcome.FAILED
            assert settlement.reason is not None
            assert "'conda'" in settlement.reason
        assert system.state.manager.name == "pip"
        assert (await system.install(a="")).outcome is Outcome.COMPLETED


async def test_another_manager_stays_the_manager() -> None:
    runner = FakeRunner()
    async with packages_system(runner) as system:
        await system.install("uv", a="")
        assert system.state.manager.name == "uv"
    assert runner.runs == [("/bin/uv", "pip", "install", "--python", "/env/bin/python", "a")]


async def test_uv_tries_once_more_without_a_cache_it_cannot_write(
    autojump_clock: MockClock,
) -> None:
    runner = FakeRunner({"a": printing("error: Failed to initialize cache at `/x`", status=2)})
    async with packages_system(runner) as system:
        await system.install("uv", a="")
    assert [("--no-cache" in argv) for argv in runner.runs] == [False, True]
    assert system.statuses == {"a": "failed"}
    told = [each.logs["a"] for each in system.progress if each.logs]
    assert "Trying again without the cache\n" in told


async def test_other_failures_are_not_tried_again(autojump_clock: MockClock) -> None:
    cache = printing("error: Failed to initialize cache at `/x`", status=2)
    runner = FakeRunner({"a": printing("no such package", status=2), "b": cache})
    async with packages_system(runner) as system:
        await system.install("uv", a="")
        await system.install("pip", b="")
    assert len(runner.runs) == 2


async def test_an_installer_that_vanishes_fails_the_package_and_the_rest_goes_on() -> None:
    runner = FakeRunner({"a": vanish})
    async with packages_system(runner) as system:
        settlement = await system.install("uv", a="", b="")
    assert settlement.outcome is Outcome.COMPLETED
    assert system.statuses == {"a": "failed", "b": "installed"}


async def test_credentials_reach_neither_the_page_nor_the_terminal(
    autojump_clock: MockClock,
) -> None:
    environ = {"UV_INDEX_MINE_PASSWORD": "correct horse"}
    lines = ["Looking at https://me:hunter2@example.org", "sent correct horse"]
    runner = FakeRunner({"a": printing(*lines, status=1)})
    async with packages_system(runner, surroundings=fake_surroundings(environ)) as system:
        await system.install(a="")
    everything = repr(system.told) + repr(system.terminal)
    assert "hunter2" not in everything
    assert "horse" not in everything
    assert "Looking at https://[redacted]@example.org" in everything


async def test_a_cancelled_installation_says_so_and_runs_no_cell() -> None:
    runner = FakeRunner({"b": hang})
    async with packages_system(runner) as system:
        envelope = system.post(a="", b="", c="")
        await wait_all_tasks_blocked()
        assert system.statuses == {"a": "installed", "b": "installing", "c": "queued"}
        envelope.cancel("enough")
        assert (await envelope.wait()).outcome is Outcome.CANCELLED
        assert system.statuses == {"a": "installed", "b": "failed", "c": "failed"}
        last = system.progress[-2:]
        assert [each.logs for each in last] == [{"b": "cancelled\n"}, {"c": "cancelled\n"}]
        assert all(each.log_status == "done" for each in last)
        assert system.host.installed == []
        # Cancelling says nothing about the package: it is no failed attempt.
        assert system.state.attempted("b") is None
        runner.programs.clear()
        await system.install(b="")
        assert system.statuses == {"b": "installed"}


async def test_a_command_that_waited_too_long_is_ended(autojump_clock: MockClock) -> None:
    async with packages_system(FakeRunner({"a": hang})) as system:
        command = InstallPackagesCommand(manager="pip", versions={"a": ""})
        envelope = system.router.post(command, deadline=trio.current_time() + 5)
        assert (await envelope.wait()).outcome is Outcome.EXPIRED
        await wait_all_tasks_blocked()
        assert system.statuses == {"a": "failed"}


async def test_commands_are_carried_out_one_after_another(autojump_clock: MockClock) -> None:
    runner = FakeRunner({"a": printing("x", "y"), "b": printing("x")})
    async with packages_system(runner) as system:
        first, second = system.post(a=""), system.post(b="")
        await second.wait()
        assert first.settled
        labels = [label for each in system.progress for label in each.packages]
        assert labels == sorted(labels)


async def test_a_host_that_fails_does_not_undo_what_was_installed(
    autojump_clock: MockClock,
) -> None:
    async def fail() -> None:
        raise LookupError("no such cell")

    host = FakeHost(on_installed=fail)
    runner = FakeRunner()
    async with packages_system(runner, host) as system:
        settlement = await system.install(a="")
        assert settlement.outcome is Outcome.FAILED
        assert system.statuses == {"a": "installed"}
        host.on_installed = None
        # The actor was restarted; it still knows.
        await system.install(a="")
        assert system.statuses == {"a": "installed"}
    assert runner.packages == ["a"]


async def test_a_runner_that_breaks_leaves_nothing_installing(autojump_clock: MockClock) -> None:
    async def break_down(argv: Sequence[str], on_line: OnLine) -> ProcessResult:
        raise MemoryError

    async with packages_system(FakeRunner({"a": break_down})) as system:
        assert (await system.install(a="", b="")).outcome is Outcome.FAILED
        assert system.statuses == {"a": "failed", "b": "failed"}


async def test_the_file_declares_what_was_installed_where_that_is_asked_for() -> None:
    runner = FakeRunner()
    environ = {"CALLBOARD_MANAGE_SCRIPT_METADATA": "1"}
    surroundings = fake_surroundings(environ, "n.py")
    async with packages_system(runner, surroundings=surroundings) as system:
        await system.install("uv", a="1.0", b="")
        metadata = [argv[-1:] for argv in runner.runs if "--script" in argv]
        assert metadata == [("callboard",), ("b",)]
        assert runner.runs[-1][-2:] == ("a==1.0", "b")
        await system.install("pip", c="")
        assert "--script" not in runner.runs[-1]


async def test_every_notification_of_an_installation_is_of_the_declared_shape(
    autojump_clock: MockClock,
) -> None:
    async with packages_system(FakeRunner({"a": printing("x")})) as system:
        await system.install(a="")
    for each in system.told:
        assert isinstance(each, InstallingPackageAlertNotification)
        assert (each.logs is None) == (each.log_status is None)
