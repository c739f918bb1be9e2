"""The fixtures and the exploration that embedders test their own actors with."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio

from callboard.actors.domain import Domain
from callboard.kernel import Kernel
from callboard.messages.commands import ClearCacheCommand, GetCacheInfoCommand
from callboard.runtime import ActorContext, Envelope, Outcome
from callboard.testing.driver import create, tick
from callboard.testing.faults import FaultPlan
from callboard.testing.plugin import Sim
from callboard.testing.simulation import SeedFailed, World

CacheCommand = ClearCacheCommand | GetCacheInfoCommand


@attrs.define(eq=False)
class Cache:
    """An actor of an embedder's own: counts, slowly; ``torn`` is a defect that only some orders show."""

    entries: dict[str, int]
    torn: bool = False

    async def on_start(self, context: ActorContext[CacheCommand]) -> None:
        context.nursery.start_soon(self.grow)

    async def grow(self) -> None:
        while self.torn:
            await trio.sleep(0.1)
            size = self.entries.get("size", 0)
            await trio.lowlevel.checkpoint()
            self.entries["size"] = size + 1

    async def handle(self, envelope: Envelope[CacheCommand]) -> None:
        await trio.sleep(0.1)
        if isinstance(envelope.message, ClearCacheCommand):
            self.entries.clear()
            await trio.lowlevel.checkpoint()
            assert not self.entries, "cleared and not empty"

    async def on_stop(self) -> None:
        pass


def cache(**options: bool) -> Domain:
    return Domain("cache", (ClearCacheCommand, GetCacheInfoCommand), lambda: Cache({}, **options))


async def drag_while_the_cache_works(world: World) -> None:
    await world.post(
        create(
            {"a": "import callboard as cb\ns = cb.ui.slider(0, 9)", "b": "s.value"},
        )
    ).wait()
    ends = [world.post(ClearCacheCommand())]
    for value in range(5):
        ends.append(world.post(tick({"a-0": value}, token=f"t{value}")))
        await trio.sleep(0.05)
    assert [(await end.wait()).outcome for end in ends[-1:]] == [Outcome.COMPLETED]


def test_an_actor_of_an_embedder_is_explored_in_many_orders(sim: Sim) -> None:
    sim.explore(drag_while_the_cache_works, domains=[cache()], seeds=range(10))


def test_exploration_names_the_seed_under_which_an_actor_fails_its_command(sim: Sim) -> None:
    async def clear(world: World) -> None:
        for _ in range(3):
            settlement = await world.post(ClearCacheCommand()).wait()
            assert settlement.outcome is Outcome.COMPLETED, settlement.reason

    with pytest.raises(SeedFailed, match="seed ") as failure:
        sim.explore(clear, domains=[cache(torn=True)], seeds=range(50))
    again = failure.value
    with pytest.raises(SeedFailed) as repeated:
        sim.explore(clear, domains=[cache(torn=True)], seeds=[again.seed])
    assert str(repeated.value) == str(again)
    assert "cleared and not empty" in str(again)


def test_a_fault_in_one_domain_is_borne_by_the_others(
    sim: Sim, faults: Callable[..., FaultPlan]
) -> None:
    plan = faults("crash-loop", domain="cache")

    async def drag(world: World) -> None:
        for _ in range(10):
            world.post(ClearCacheCommand())
        await drag_while_the_cache_works(world)
        ends = [settlement for settlement in world.record.settlements if settlement.target == "ui"]
        assert all(end.outcome in (Outcome.COMPLETED, Outcome.SUPERSEDED) for end in ends)
        assert world.faults.fired["crash-loop"]

    sim.explore(drag, domains=[cache()], plan=plan, seeds=range(5))


def test_a_seed_can_be_simulated_as_a_whole(sim: Sim) -> None:
    result = sim.run(0)
    assert result.passed
    assert "faults:" in str(result)
    assert "schedule:" in str(result)
    assert "ann: " in str(result)


async def test_the_kernel_of_the_fixture_runs_notebooks(kernel: Kernel) -> None:
    settlement = await kernel.ask(create({"a": "x = 1"}))
    assert settlement.outcome is Outcome.COMPLETED
