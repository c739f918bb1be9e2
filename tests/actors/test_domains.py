"""Every command has exactly one owner, and whoever breaks that is named."""

from __future__ import annotations

import attrs
import pytest

from callboard.actors.domain import ABSENT, Domain, partition
from callboard.messages.commands import (
    COMMANDS,
    ClearCacheCommand,
    GetCacheInfoCommand,
    StopKernelCommand,
)
from callboard.testing.driver import open_driver


@attrs.frozen
class First:
    pass


@attrs.frozen
class Second:
    pass


@attrs.frozen
class Third:
    pass


def domain(name: str, *commands: type) -> Domain:
    def behaviour() -> object:
        raise AssertionError("nothing is started to find out who owns what")

    return Domain(name, commands, behaviour)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _nothing_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.actors.domain.ABSENT", {})


def test_every_command_is_mapped_to_its_owner() -> None:
    owners = partition([domain("a", First, Second), domain("b", Third)], [First, Second, Third])
    assert owners == {First: "a", Second: "a", Third: "b"}


def test_a_command_without_owner_is_named() -> None:
    with pytest.raises(ValueError, match="Third has no owner"):
        partition([domain("a", First, Second)], [First, Second, Third])


def test_a_command_with_two_owners_is_named_with_both() -> None:
    with pytest.raises(ValueError, match="Second is claimed by a and b"):
        partition([domain("b", Second), domain("a", First, Second)], [First, Second])


def test_a_command_that_does_not_exist_is_named_with_who_claims_it() -> None:
    with pytest.raises(ValueError, match=r"Third \(claimed by a\) is no command"):
        partition([domain("a", First, Third)], [First])


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        partition([domain("a", First), domain("b", First, Third)], [First, Second])
    text = str(caught.value)
    assert all(part in text for part in ("Third", "First is claimed", "Second has no owner"))


def test_domains_that_are_not_there_own_their_commands_until_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callboard.actors.domain.ABSENT", {"later": (Second,)})
    assert partition([domain("a", First)], [First, Second])[Second] == "later"
    present = [domain("a", First), domain("later", Second)]
    assert partition(present, [First, Second])[Second] == "later"
    with pytest.raises(ValueError, match="Second is claimed by a and later"):
        partition([domain("a", First, Second)], [First, Second])


def test_no_two_domains_that_are_not_there_claim_the_same() -> None:
    claimed = [command for commands in ABSENT.values() for command in commands]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= set(COMMANDS)


async def test_a_kernel_refuses_to_start_with_domains_that_do_not_fit() -> None:
    greedy = domain("greedy", StopKernelCommand, ClearCacheCommand)
    with pytest.raises(ValueError, match="StopKernelCommand is claimed by greedy and kernel"):
        async with open_driver(domains=[greedy]):
            raise AssertionError("it must not start")


async def test_an_added_domain_takes_the_place_of_the_absent_one_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from callboard.messages.notifications import CacheClearedNotification
    from callboard.runtime import ActorContext, Envelope

    class Cache:
        async def on_start(self, context: ActorContext[object]) -> None:
            pass

        async def handle(self, envelope: Envelope[object]) -> None:
            envelope.answer(CacheClearedNotification(42))

        async def on_stop(self) -> None:
            pass

    monkeypatch.setattr("callboard.actors.domain.ABSENT", ABSENT)
    cache = Domain("cache", (ClearCacheCommand, GetCacheInfoCommand), Cache)
    async with open_driver(domains=[cache]) as notebook:
        heard = await notebook.do(ClearCacheCommand())
        assert heard.trace == ["cache-cleared", "settled clear-cache completed"]
