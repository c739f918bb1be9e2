"""Random histories of a mailbox against a model: nothing is lost, doubled or reordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import (
    Closed,
    Dead,
    Envelope,
    Ledger,
    Mailbox,
    Outcome,
    Overflow,
    Ref,
    Settlement,
)

Message = tuple[str, tuple[tuple[str, int], ...]]
"""A kind (tick, barrier, plain, control) and values by name."""

MAX_SIZE = 3
CAPACITY = 4
CONTROL_CAPACITY = 2


class LastValue:
    max_size = MAX_SIZE

    def key(self, message: Message) -> Hashable | None:
        kind, _ = message
        return kind if kind.startswith("tick") else None

    def size(self, message: Message) -> int:
        return len(message[1])

    def merge(self, pending: Message, later: Message) -> Message:
        return pending[0], tuple(({**dict(pending[1]), **dict(later[1])}).items())


@attrs.define(eq=False)
class Slot:
    """A place in the model's queue."""

    envelope: Envelope[Message]
    kind: str
    values: dict[str, int]
    open: bool


@attrs.define(eq=False)
class Model:
    """What a mailbox should hold."""

    conflating: bool
    overflow: Overflow
    slots: list[Slot] = attrs.field(factory=list)
    control: list[Slot] = attrs.field(factory=list)
    refusing: bool = False
    expected: dict[int, Outcome] = attrs.field(factory=dict)

    def tell(self, envelope: Envelope[Message], kind: str, values: dict[str, int]) -> None:
        if self.refusing:
            self.expected[envelope.seq] = Outcome.REJECTED
            return
        if kind == "control":
            if len(self.control) >= CONTROL_CAPACITY:
                self.expected[envelope.seq] = Outcome.REJECTED
            else:
                self.control.append(Slot(envelope, kind, values, open=False))
            return
        tick = kind.startswith("tick")
        outgrown: Slot | None = None
        if self.conflating:
            if not tick:
                self.seal()
            for slot in self.slots:
                if slot.open and slot.kind == kind:
                    if len(slot.values) + len(values) > MAX_SIZE:
                        outgrown = slot
                        break
                    self.expected[slot.envelope.seq] = Outcome.SUPERSEDED
                    slot.envelope = envelope
                    slot.values.update(values)
                    return
        if len(self.slots) >= CAPACITY:
            if self.overflow is Overflow.REJECT:
                self.expected[envelope.seq] = Outcome.REJECTED
                return
            self.expected[self.slots.pop(0).envelope.seq] = Outcome.REJECTED
        if outgrown is not None:  # only now: a message that was refused follows nothing
            outgrown.open = False
        self.slots.append(Slot(envelope, kind, values, open=self.conflating and tick))

    def seal(self) -> None:
        for slot in self.slots:
            slot.open = False

    def take(self) -> Slot | None:
        if self.control:
            return self.control.pop(0)
        return self.slots.pop(0) if self.slots else None

    def remove(self, envelope: Envelope[Message]) -> bool:
        for queue in (self.control, self.slots):
            for slot in queue:
                if slot.envelope is envelope:
                    queue.remove(slot)
                    return True
        return False


KINDS = st.sampled_from(["tick-a", "tick-a", "tick-b", "plain", "control"])
VALUES = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9), min_size=1, max_size=2)
STEPS = st.sampled_from(
    ["tell"] * 6
    + ["take", "take", "peek", "seal", "cancel", "expire", "settle", "block", "block"]
    + ["refuse", "accept"]
)


@settings(max_examples=400, deadline=None)
@given(
    data=st.data(),
    conflating=st.booleans(),
    overflow=st.sampled_from(Overflow),
    steps=st.lists(STEPS, max_size=60),
)
async def test_any_history_conserves_messages_and_their_order(
    data: st.DataObject, conflating: bool, overflow: Overflow, steps: list[str]
) -> None:
    ledger = Ledger()
    mailbox: Mailbox[Message] = Mailbox(
        "box",
        CAPACITY,
        overflow,
        LastValue() if conflating else None,
        control_capacity=CONTROL_CAPACITY,
    )
    ref = Ref(mailbox, ledger.account("box"))
    model = Model(conflating, overflow)
    settled: Counter[int] = Counter()
    outcomes: dict[int, Outcome] = {}

    def note(settlement: Settlement) -> None:
        settled[settlement.seq] += 1
        outcomes[settlement.seq] = settlement.outcome

    ledger.add_listener(note)
    posted: list[Envelope[Message]] = []
    in_hand: list[Envelope[Message]] = []

    def compare(envelope: Envelope[Message] | None) -> None:
        slot = model.take()
        if slot is None:
            assert envelope is None
        else:
            assert envelope is slot.envelope
            assert dict(envelope.message[1]) == slot.values
            in_hand.append(envelope)

    def tell() -> None:
        kind, values = data.draw(KINDS), data.draw(VALUES)
        envelope = ref.tell((kind, tuple(values.items())), control=kind == "control")
        posted.append(envelope)
        model.tell(envelope, kind, dict(values))

    async def receive(received: list[Envelope[Message] | None]) -> None:
        received.append(await mailbox.receive())

    for step in steps:
        if step == "tell":
            tell()
        elif step == "take":
            compare(mailbox.take_nowait())
        elif step == "peek":
            head = mailbox.peek()
            assert head is (model.slots[0].envelope if model.slots else None)
        elif step == "seal":
            mailbox.seal()
            model.seal()
        elif step in ("cancel", "expire") and posted:
            envelope = data.draw(st.sampled_from(posted))
            if envelope.carries_others and any(s.envelope is envelope for s in model.slots):
                # What it carries of others would be lost with it.
                assert not envelope.cancel()
                envelope.expire()
                assert not envelope.settled
                continue
            was_queued = model.remove(envelope)
            if not envelope.settled:
                if step == "cancel":
                    assert envelope.cancel()
                    outcome = Outcome.CANCELLED
                else:
                    envelope.expire()
                    outcome = Outcome.EXPIRED
                model.expected[envelope.seq] = outcome
            else:
                assert not was_queued
            in_hand = [held for held in in_hand if held is not envelope]
        elif step == "settle" and in_hand:
            envelope = in_hand.pop()
            model.expected[envelope.seq] = Outcome.COMPLETED
            assert envelope.settle(Outcome.COMPLETED)
            assert not envelope.settle(Outcome.FAILED)
        elif step == "block" and mailbox.depth == 0 and not model.refusing:
            # Messages handed to a blocked receiver are queued until it runs.
            received: list[Envelope[Message] | None] = []
            burst = data.draw(st.integers(0, 3))
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(receive, received)
                    await wait_all_tasks_blocked()
                    for _ in range(burst):
                        tell()
                    await wait_all_tasks_blocked()
                    scope.cancel()
            if burst:
                compare(received[0])
            else:
                assert received == []
        elif step == "refuse":
            mailbox.refuse(Dead("down"))
            model.refusing = True
        elif step == "accept":
            mailbox.accept()
            model.refusing = False
        assert mailbox.depth == len(model.slots) + len(model.control)
        assert len(model.slots) <= CAPACITY
        assert outcomes == model.expected
        assert ledger.in_flight == mailbox.depth + len(in_hand)

    mailbox.close(Closed("the end"))
    for envelope in mailbox.drain_nowait():
        compare(envelope)
    assert model.take() is None
    for envelope in in_hand:
        envelope.settle(Outcome.COMPLETED)
    assert ledger.balanced
    assert all(number == 1 for number in settled.values())
    assert len(settled) == len(posted) == ledger.accepted + ledger.rejected
