"""What a broadcaster is given fails, in every role and at every moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest

from callboard.runtime import Broadcaster, Frame, Subscription
from callboard.testing.faults import Fault, FaultPlan, Faults
from callboard.testing.faults.callables import disturbed

ALL = 12


class Unequal:
    """A key that cannot be compared."""

    def __hash__(self) -> int:
        return hash("even")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")


NONSENSE: dict[str, dict[str, Callable[[], Any] | None]] = {
    "encode": {"raises": None, "is no bytes": lambda: None},
    "conflate": {"raises": None, "is no key": list, "is a bad key": Unequal},
    "on_encode_error": {"raises": None, "is no notification": lambda: 7, "is nothing": str},
    "on_resync": {"raises": None, "is no list": lambda: None, "holds nonsense": lambda: [7]},
}


async def drain(subscription: Subscription[str]) -> list[Frame[str]]:
    frames = []
    while (frame := subscription.next_nowait()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("nth", [1, 2, 5, ALL])
@pytest.mark.parametrize(
    ("role", "how"), [(role, how) for role, hows in NONSENSE.items() for how in hows]
)
async def test_a_broadcaster_outlives_what_it_is_given(role: str, how: str, nth: int) -> None:
    plan = FaultPlan((Fault("broadcaster-crash", role, nth=nth),))
    if role == "on_encode_error":
        plan += FaultPlan((Fault("broadcaster-crash", "encode", nth=nth),))
        plan = FaultPlan((Fault("broadcaster-crash", role), *plan.faults[1:]))
    if role == "on_resync":
        plan = FaultPlan((Fault("broadcaster-crash", role),))
    faults = Faults(plan)

    def given(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        nonsense = NONSENSE[name][how] if name == role else None
        return disturbed(function, faults, name, nonsense=nonsense)

    def key(text: str) -> Hashable | None:
        return "even" if int(text.rpartition(" ")[2]) % 2 == 0 else None

    broadcaster: Broadcaster[str] = Broadcaster(
        given("encode", lambda text: text.encode()),
        conflate=given("conflate", key),
        on_encode_error=given("on_encode_error", lambda text, error: f"instead of {text}"),
        on_resync=given("on_resync", lambda reason, seq: [f"snapshot of {seq}"]),
        ring_frames=8,
    )
    reader = broadcaster.subscribe(name="reader")
    sleeper = broadcaster.subscribe(name="sleeper")
    seen: list[Frame[str]] = []
    published = 0
    for number in range(1, ALL + 1):
        seq = broadcaster.publish(f"number {number}")
        published += seq is not None
        assert seq in (None, published)
        seen += await drain(reader)
    late = broadcaster.subscribe(since=0, name="late")
    broadcaster.publish("number 99")
    seen += await drain(reader)

    assert faults.fired["broadcaster-crash"] == len(plan.faults)
    # Whoever keeps up has got all that has a number, and one at most had none.
    assert [frame.seq for frame in seen] == list(range(1, published + 2))
    assert published >= ALL - 1
    assert sum("number" not in frame.message for frame in seen) <= 1
    # So have those that lag, less what is newer elsewhere; and those that come late go on live.
    assert [frame.seq for frame in await drain(sleeper)][-1] == published + 1
    assert late.resynced is not None
    assert [frame.message for frame in await drain(late)][-1] == "number 99"
    assert broadcaster.cut_off == 0
    assert len(broadcaster.subscriptions) == 3
