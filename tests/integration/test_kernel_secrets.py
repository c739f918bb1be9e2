"""Secret values that are planted wherever a kernel can come by them show up nowhere."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callboard.actors.answering import RequestDomain
from callboard.actors.domain import Domain
from callboard.actors.notebook.settings import Settings
from callboard.actors.secrets.answers import COMMANDS, SecretsAnswers
from callboard.actors.secrets.environ import Environ
from callboard.actors.secrets.loader import DotenvLoader
from callboard.messages.codec import encode_notification
from callboard.messages.commands import (
    ClearCacheCommand,
    GetCacheInfoCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    ListSecretKeysCommand,
    RefreshSecretsCommand,
    UpdateUserConfigCommand,
)
from callboard.messages.ids import FunctionCallId, RequestId
from callboard.messages.notifications import (
    CommandSettledNotification,
    SecretKeysResultNotification,
)
from callboard.messages.payloads import HTTPRequest, RequestURL
from callboard.runtime import ActorContext, ActorState, Envelope, Settlement, StateChange
from callboard.testing.driver import Driver, execute, open_driver, tick

CANARY = "canary"
"""Part of every planted value and of nothing else."""

CONFIDENTIAL = (HTTPRequest, RequestURL, UpdateUserConfigCommand)
"""Messages whose repr shows less than they say. The others show it, and are shown by nothing else."""

ENVIRONMENT = {
    "PLANTED_TOKEN": "canary-token",
    "PLANTED_URL": "postgres://me:canary-password@db/x",
    "PIP_INDEX_URL": "https://me:canary-index@index.invalid/simple",
    "UV_INDEX_PRIVATE_PASSWORD": "canary-uv",
}

DOTENV = """\
PLANTED_FILE=canary-file
PLANTED_QUOTED='canary
over two lines'
PLANTED_REFERENCE=${PLANTED_FILE}${PLANTED_TOKEN}
PLANTED_KEY=-----BEGIN PRIVATE KEY-----
canaryB64nLinesWithoutEnd0
canaryB64LastLine00A==
postgres://me:canary@db/x?y=1
"canary": "x=1"
= canary
PLANTED_OPEN='canary
"""


class Indiscreet(Exception):
    """Its text and what it comes from hold credentials."""

    def __init__(self) -> None:
        super().__init__(
            "no answer from postgres://me:canary-password@db/x (password='canary-password')"
        )


class Talkative:
    """A domain whose handler raises what libraries raise."""

    async def on_start(self, context: ActorContext[Any]) -> None:
        """Nothing to prepare."""

    async def handle(self, envelope: Envelope[Any]) -> None:
        local = "canary-local"
        try:
            raise ConnectionError(f"{'x' * 1990} https://user:canary-token-{len(local)}@host/")
        except ConnectionError as error:
            raise Indiscreet from error

    async def on_stop(self) -> None:
        """Nothing to release."""


@attrs.define(eq=False)
class Planted:
    """A kernel amid secrets."""

    driver: Driver
    loader: DotenvLoader
    log: pytest.LogCaptureFixture
    ends: list[Settlement] = attrs.field(factory=list)
    changes: list[StateChange] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.driver.kernel.ledger.add_listener(self.ends.append)
        self.driver.kernel._supervisor.add_listener(self.changes.append)

    def shown(self) -> Iterator[str]:
        """Everything that anybody could see: notifications, ends of commands, dead letters, status, logs, reprs."""
        kernel = self.driver.kernel
        self.driver.news()
        for notification in self.driver.heard:
            yield encode_notification(notification).decode()
        yield repr(kernel.ledger.dead_letters.latest())
        yield repr(kernel.status())
        yield repr(kernel.report)
        yield repr(self.ends)
        yield repr(self.changes)
        for record in self.log.records:
            yield record.getMessage()
            if record.exc_info is not None and record.exc_info[1] is not None:
                yield "".join(traceback.format_exception(record.exc_info[1]))
        gc.collect()
        for each in gc.get_objects():
            module = type(each).__module__
            said = module.startswith("callboard.messages.") and type(each) not in CONFIDENTIAL
            if module.startswith("callboard.") and not said and not isinstance(each, type):
                yield repr(each)

    def leaks(self) -> list[str]:
        return [text[:1000] for text in self.shown() if CANARY in text]


@pytest.fixture
async def planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Planted]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".env").write_text(DOTENV)
    caplog.set_level(logging.DEBUG)
    loader = DotenvLoader(
        Environ.private(),
        settings=lambda: driver.kernel._parts.engine.book.settings,
        filename=lambda: str(tmp_path / "notebook.py"),
    )
    answers = SecretsAnswers(loader)
    async with open_driver(
        drain=2,
        kill=2,
        domains=[
            RequestDomain("secrets", COMMANDS, answers),
            Domain("cache", (ClearCacheCommand, GetCacheInfoCommand), Talkative),
        ],
    ) as driver:
        yield Planted(driver, loader, caplog)


async def test_names_are_told_and_values_never(planted: Planted, tmp_path: Path) -> None:
    driver = planted.driver
    listing = ListSecretKeysCommand(RequestId("r1"))
    (reply,) = (await driver.do(listing)).of(SecretKeysResultNotification)
    assert set(ENVIRONMENT) <= set(reply.secrets[0].keys)
    assert (reply.secrets[1].name, reply.secrets[1].keys) == (
        ".env",
        ["PLANTED_FILE", "PLANTED_KEY", "PLANTED_QUOTED", "PLANTED_REFERENCE"],
    )
    await driver.do(RefreshSecretsCommand())
    assert planted.loader.environ.values["PLANTED_REFERENCE"] == "canary-filecanary-token"
    await driver.do(
        UpdateUserConfigCommand(
            {
                "ai": {"open_ai": {"api_key": "canary-api-key"}},
                "runtime": {"dotenv": {"canary": "canary"}},
            }
        )
    )
    for content in (b"\xff canary", b"canary\0", b"A=canary\n" * 200_000, b"A=${B}canary"):
        (tmp_path / ".env").write_bytes(content)
        await driver.do(RefreshSecretsCommand())
        await driver.do(listing)
    assert driver.heard
    assert planted.log.records
    assert planted.leaks() == []
    assert driver.restarts == 0


async def test_what_a_handler_raises_is_told_without_credentials(planted: Planted) -> None:
    driver = planted.driver
    for _ in range(6):
        heard = await driver.do(GetCacheInfoCommand())
        assert heard.settled == ["get-cache-info failed"]
    while driver.kernel._supervisor.state("cache") is not ActorState.DOWN:
        await trio.lowlevel.checkpoint()
    heard = await driver.do(GetCacheInfoCommand())
    assert heard.settled == ["get-cache-info rejected"]
    (end,) = heard.of(CommandSettledNotification)
    assert end.reason == (
        "actor 'cache' is down: crashed: Indiscreet: "
        "no answer from postgres://[redacted]@db/x (password=[redacted])"
    )
    (crash, *_) = [record for record in planted.log.records if record.levelname == "ERROR"]
    assert "ConnectionError" in crash.getMessage()
    assert crash.exc_info is None
    assert planted.leaks() == []


async def test_what_an_app_keeps_for_the_log_has_no_credentials(planted: Planted) -> None:
    driver = planted.driver
    driver.kernel._parts.engine.book.settings = Settings(run_mode=True)
    url = "url = 'postgres://me:' + 'canary'[:6] + '-password@db'"
    heard = await driver.run(a=f"{url.replace('canary', 'CANARY')}\nraise OSError(url.lower())")
    assert heard.cell("a").error.type == "internal"
    (record,) = [one for one in planted.log.records if one.levelname == "ERROR"]
    assert "OSError: postgres://[redacted]@db" in record.getMessage()
    assert planted.leaks() == []


@pytest.mark.parametrize("manager", ["pip", "uv", "nothing"])
async def test_an_installation_tells_no_credentials(
    planted: Planted, manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = planted.driver
    packages = {
        "git+https://me:canary-index@host.invalid/x.git": "",
        "a @ https://canary-index@host.invalid/a.whl": "",
        "b": "https://me:canary-index@host.invalid",
        "c": "canary==",
    }
    heard = await driver.do(InstallPackagesCommand(manager, packages))
    assert heard.finished <= 1
    assert heard.of(CommandSettledNotification)
    assert [one for one in planted.leaks() if "canary==" not in one] == []


async def test_answers_to_questions_and_the_headers_of_requests_go_to_the_code_alone(
    planted: Planted,
) -> None:
    driver = planted.driver
    url = RequestURL("/", 80, "http", "host", "token=canary-query", "host")
    request = HTTPRequest(
        url,
        url,
        {"authorization": "Bearer canary-header"},
        {"q": ["canary-query"]},
        {},
        {"session": "canary-cookie"},
    )
    code = "len(input('key: ')) + len(input())"
    driver.post(execute({"a": code}, request=request))
    driver.kernel.send_stdin("canary-line\n")
    driver.kernel.send_stdin("canary-line\n")
    driver.kernel.send_stdin("canary-waiting\n")
    heard = await driver.settle()
    assert heard.cell("a").output == "22"
    driver.post(tick({"nobody": "canary-value"}, request=request), timeout=0)
    driver.kernel.cancel(driver.post(execute({"a": "1"}, request=request)))
    await driver.settle()
    call = InvokeFunctionCommand(FunctionCallId("f"), "nobody", "f", {"password": "canary-arg"})
    await driver.do(call)
    assert planted.leaks() == []
