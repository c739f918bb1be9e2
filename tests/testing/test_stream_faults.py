"""Faults of the byte stream at ``serve_stdio``: sliced, cut and broken at every byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_one_way_pair

from callboard.stdio import Ended, SessionReport, serve_stdio
from callboard.testing.faults import Fault, FaultPlan, Faults
from callboard.testing.faults.streams import DisturbedStream
from callboard.testing.simulation import World, explore

LINES = (
    b'{"type":"execute-cells","cellIds":["\xc3\xa9"],"codes":["x=1"]}',
    b'{"type":"nonsense"}',
    b'{"type":"execute-scratchpad","code":"x"}\r',
)
SAID = b"\n".join(LINES) + b"\n"
BYTES = range(len(SAID) + 1)


async def serve(world: World, said: bytes) -> tuple[SessionReport, list[dict[str, Any]], bytes]:
    """Have a client say all of it; returns the report, and what it was told as lines and as bytes."""
    to_kernel, from_client = memory_stream_one_way_pair()
    to_client, from_kernel = memory_stream_one_way_pair()
    await to_kernel.send_all(said)
    await to_kernel.aclose()
    report = await serve_stdio(
        world.kernel, DisturbedStream(from_client, world.faults), to_client, since=0
    )
    await to_client.aclose()
    told = b""
    while data := await from_kernel.receive_some():
        told += data
    return report, [json.loads(line) for line in told.splitlines()], told


def whole(said: bytes) -> tuple[int, int]:
    """How many lines are commands, and how many are anything else."""
    lines = [line for line in said.split(b"\n") if line.strip()]
    commands = sum(line.strip() in (one.strip() for one in (LINES[0], LINES[2])) for line in lines)
    return commands, len(lines) - commands


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "cuts"), [("stream-cut", BYTES), ("stream-broken", BYTES[::9])])
def test_a_stream_may_be_cut_at_every_byte(name: str, cuts: range) -> None:
    for cut in cuts:
        commands, others = whole(SAID[:cut])

        async def script(
            world: World, cut: int = cut, commands: int = commands, others: int = others
        ) -> None:
            report, told, _ = await serve(world, SAID)
            where = f"cut at {cut}: {told}"
            assert report.ended is Ended.INPUT, where
            assert (report.lines, report.rejected) == (commands + others, others), where
            assert report.delivered, where
            assert report.stop.clean, where
            settled = [line for line in told if line["op"] == "command-settled"]
            assert [line["outcome"] for line in settled] == ["completed"] * commands, where
            rejected = [line for line in told if line["op"] == "command-rejected"]
            assert len(rejected) == others, where
            assert all(line["reason"] for line in rejected), where
            # Nothing is missing but state that something newer replaces.
            seqs = [line["seq"] for line in told]
            assert seqs == sorted(set(seqs)), where
            assert world.faults.fired[name] == 1, where

        explore(script, seeds=[cut], plan=FaultPlan((Fault(name, nth=cut),)))


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_that_is_sliced_at_every_byte_says_the_same(seed: int) -> None:
    told: dict[str, list[Any]] = {}
    for plan in (FaultPlan(), FaultPlan.of("stream-sliced")):

        async def script(world: World, plan: FaultPlan = plan) -> None:
            report, lines, _ = await serve(world, SAID)
            assert (report.lines, report.rejected) == (3, 1)
            assert world.faults.fired["stream-sliced"] == len(plan.faults)
            # Rejections are told at once, so that their place among the ends may differ.
            told[str(plan)] = sorted(
                (
                    (line["op"], line.get("outcome"), line.get("reason"))
                    for line in lines
                    if line["op"].startswith("command")
                ),
                key=lambda one: one[0],
            )

        explore(script, seeds=[seed], plan=plan)
    plain, sliced = told.values()
    assert plain == sliced
    assert len(plain) == 3


async def test_a_stream_that_no_fault_is_planned_for_is_what_it_was() -> None:
    sending, receiving = memory_stream_one_way_pair()
    stream = DisturbedStream(receiving, Faults(FaultPlan()))
    await sending.send_all(b"abc")
    assert await stream.receive_some() == b"abc"
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await receiving.receive_some()


def test_what_is_said_holds_commands_and_something_else() -> None:
    assert whole(SAID) == (2, 1)
