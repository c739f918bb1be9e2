"""Random programs of actors that crash, hang, expire, get cancelled and stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from functools import partial
from math import inf

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from callboard.runtime import (
    ActorContext,
    ActorError,
    Backoff,
    ChildSpec,
    Envelope,
    Intensity,
    Lane,
    Ledger,
    Mailbox,
    Outcome,
    Overflow,
    Restart,
    Router,
    Settlement,
    StopReport,
    Strategy,
    Supervisor,
)

KINDS = (
    "plain",
    "plain",
    "tick",
    "tick",
    "slow",
    "crash",
    "crash late",
    "hang",
    "shielded",
    "background crash",
    "settles itself",
    "swallows cancellation",
    "with children",
    "ends",
)


@attrs.frozen(eq=False)
class Job:
    kind: str
    number: int


class Ticks:
    max_size = 4

    def key(self, message: Job) -> Hashable | None:
        return "tick" if message.kind == "tick" else None

    def size(self, message: Job) -> int:
        return 1

    def merge(self, pending: Job, later: Job) -> Job:
        return later


@attrs.define(eq=False)
class World:
    """What the actors share: who is inside the lane, and what each has started."""

    in_lane: set[str] = attrs.field(factory=set)
    started: dict[str, list[int]] = attrs.field(factory=dict)
    overlaps: int = 0


@attrs.define(eq=False)
class Worker:
    world: World
    name: str
    in_lane: bool
    context: ActorContext[Job] = attrs.field(init=False)

    async def on_start(self, context: ActorContext[Job]) -> None:
        self.context = context
        await trio.sleep(0.1 * (context.incarnation % 3))
        if context.incarnation % 7 == 4:
            raise OSError("not this time")

    async def handle(self, envelope: Envelope[Job]) -> None:
        assert not envelope.settled
        if envelope.message.kind != "tick":
            # A merged tick is ahead of its number, everything else in its order.
            self.world.started.setdefault(self.name, []).append(envelope.seq)
        if self.in_lane:
            self.world.overlaps += bool(self.world.in_lane)
            self.world.in_lane.add(self.name)
        try:
            await self.perform(envelope)
        finally:
            self.world.in_lane.discard(self.name)

    async def perform(self, envelope: Envelope[Job]) -> None:
        kind = envelope.message.kind
        if kind in ("plain", "tick"):
            envelope.answer(envelope.message.number)
        elif kind == "slow":
            await trio.sleep(0.5)
        elif kind == "crash":
            raise ValueError("boom")
        elif kind == "crash late":
            await trio.sleep(0.3)
            raise ValueError("boom")
        elif kind == "hang":
            await trio.sleep_forever()
        elif kind == "shielded":
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
        elif kind == "background crash":
            self.context.nursery.start_soon(self.crash_soon)
            await trio.sleep(1)
        elif kind == "settles itself":
            envelope.settle(Outcome.FAILED, reason="politely")
            await trio.sleep(0.2)
        elif kind == "swallows cancellation":
            with trio.move_on_after(5):
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    envelope.answer("last words")
                    raise
        elif kind == "with children":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.2)
                nursery.start_soon(trio.sleep, 2)
        elif kind == "ends":
            self.context.stop()

    async def crash_soon(self) -> None:
        await trio.sleep(0.2)
        raise OSError("in the background")

    async def on_stop(self) -> None:
        await trio.sleep(0.05)


@attrs.frozen
class Post:
    kind: str
    target: str
    allowed: float


@attrs.frozen
class Cancel:
    index: int


@attrs.frozen
class GiveUpAsking:
    target: str
    patience: float


@attrs.frozen
class Wait:
    seconds: float


Step = Post | Cancel | GiveUpAsking | Wait
TARGETS = st.sampled_from("abc")
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Post, st.sampled_from(KINDS), TARGETS, st.sampled_from([inf, inf, 0.0, 0.25, 1.0])),
    st.builds(Cancel, st.integers(0, 40)),
    st.builds(GiveUpAsking, TARGETS, st.sampled_from([0.0, 0.2, 2.0])),
    st.builds(Wait, st.sampled_from([0.0, 0.1, 0.5, 3.0, 12.0])),
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(STEPS, max_size=40),
    strategy=st.sampled_from(Strategy),
    restarts=st.tuples(*[st.sampled_from([*Restart, Restart.PERMANENT]) for _ in range(3)]),
    overflow=st.sampled_from(Overflow),
    ending=st.sampled_from(["stop", "impatient stop", "cancel"]),
    patience=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_every_message_ends_exactly_once_and_the_lane_is_never_shared(
    steps: list[Step],
    strategy: Strategy,
    restarts: tuple[Restart, Restart, Restart],
    overflow: Overflow,
    ending: str,
    patience: float,
) -> None:
    async def main() -> None:
        ledger = Ledger()
        seen: Counter[int] = Counter()
        outcomes: Counter[Outcome] = Counter()

        def note(settlement: Settlement) -> None:
            seen[settlement.seq] += 1
            outcomes[settlement.outcome] += 1
            assert settlement.queued >= 0
            assert settlement.ran >= 0

        ledger.add_listener(note)
        supervisor: Supervisor[Job] = Supervisor(
            ledger,
            strategy=strategy,
            intensity=Intensity(2, 5.0),
            backoff=Backoff(initial=0.2, jitter=0.0),
            cooldown=10.0,
        )
        world = World()
        lane = Lane(ledger.next_seq)
        for index, restart in enumerate(restarts):
            name = "abc"[index]
            in_lane = name != "c"
            supervisor.add(
                ChildSpec(
                    name=name,
                    behaviour=partial(Worker, world, name, in_lane),
                    mailbox=Mailbox(name, 4, overflow, Ticks()),
                    restart=restart,
                    lane=lane if in_lane else None,
                )
            )
        posted: list[Envelope[Job]] = []

        async def play() -> None:
            for step in steps:
                match step:
                    case Post(kind, target, allowed):
                        deadline = inf if allowed == inf else trio.current_time() + allowed
                        ref = supervisor.ref(target)
                        posted.append(ref.tell(Job(kind, len(posted)), deadline=deadline))
                    case Cancel(index) if posted:
                        posted[index % len(posted)].cancel("random")
                    case GiveUpAsking(target, give_up_after):
                        with trio.move_on_after(give_up_after):
                            try:
                                await supervisor.ref(target).ask(Job("slow", -1))
                            except ActorError:
                                pass
                    case Wait(seconds):
                        await trio.sleep(seconds)
                for name in "abc":
                    mailbox = supervisor.ref(name).mailbox
                    assert mailbox.depth <= mailbox.capacity

        report: StopReport | None = None
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await play()
            if ending == "cancel":
                nursery.cancel_scope.cancel()
            else:
                kill = 10.0 if ending == "stop" else 0.5
                before = trio.current_time()
                report = await supervisor.stop(drain=patience, kill=kill)
                assert trio.current_time() - before <= patience + kill + 1e-6
                assert ledger.balanced
        assert ledger.balanced
        assert all(number == 1 for number in seen.values())
        assert len(seen) == ledger.accepted + ledger.rejected
        assert outcomes == +Counter(ledger.outcomes)
        assert world.overlaps == 0
        assert lane.holder is None
        assert len(lane) == 0
        for started in world.started.values():
            assert started == sorted(set(started))
        if report is not None and report.drained:
            assert not report.cancelled
        after: Router[Job] = Router(ledger)
        after.register(Job, supervisor.ref("a"))
        assert after.post(Job("plain", -2)).outcome is Outcome.REJECTED

    trio.run(main, clock=MockClock(autojump_threshold=0))
