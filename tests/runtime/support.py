"""An actor whose messages are what it shall do, and a system to run it in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from callboard.runtime import (
    ActorContext,
    ActorState,
    Backoff,
    ChildSpec,
    Conflation,
    Envelope,
    Intensity,
    Lane,
    Ledger,
    Mailbox,
    Overflow,
    Ref,
    Restart,
    Router,
    Settlement,
    StateChange,
    Strategy,
    Supervisor,
)

Script = Callable[["Performer", Envelope["Message"]], Awaitable[None]]


@attrs.frozen(eq=False)
class Message:
    """A message that says what its handler does; by default it answers with its label."""

    label: str
    script: Script | None = None


@attrs.define(eq=False)
class Performer:
    """Does what its messages say, and keeps a diary that outlives its incarnations."""

    diary: list[str]
    before_start: Callable[[ActorContext[Message]], Awaitable[None]] | None = None
    before_stop: Callable[[ActorContext[Message]], Awaitable[None]] | None = None
    context: ActorContext[Message] = attrs.field(init=False)

    async def on_start(self, context: ActorContext[Message]) -> None:
        self.context = context
        if self.before_start is not None:
            await self.before_start(context)
        self.diary.append("start")

    async def handle(self, envelope: Envelope[Message]) -> None:
        message = envelope.message
        self.diary.append(message.label)
        if message.script is not None:
            await message.script(self, envelope)
        else:
            envelope.answer(message.label)

    async def on_stop(self) -> None:
        self.diary.append("stop")
        if self.before_stop is not None:
            await self.before_stop(self.context)


async def crash(_: Performer, __: Envelope[Message]) -> None:
    raise ValueError("boom")


async def hang(_: Performer, __: Envelope[Message]) -> None:
    await trio.sleep_forever()


async def end_normally(performer: Performer, _: Envelope[Message]) -> None:
    performer.context.stop()


async def hang_shielded(_: Performer, __: Envelope[Message]) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1000)


def taking(seconds: float) -> Script:
    """A script that takes so long."""

    async def script(_: Performer, __: Envelope[Message]) -> None:
        await trio.sleep(seconds)

    return script


def gated(gate: trio.Event) -> Script:
    """A script that waits for a gate, and answers with its label then."""

    async def script(_: Performer, envelope: Envelope[Message]) -> None:
        await gate.wait()
        envelope.answer(envelope.message.label)

    return script


@attrs.define(eq=False)
class System:
    """A supervisor with a ledger and a router, and a record of all that happened in it."""

    supervisor: Supervisor[Message]
    ledger: Ledger
    router: Router[Message]
    nursery: trio.Nursery
    settlements: list[Settlement] = attrs.field(factory=list)
    changes: list[StateChange] = attrs.field(factory=list)
    diaries: dict[str, list[str]] = attrs.field(factory=dict)

    def add(
        self,
        name: str,
        *,
        capacity: int = 100,
        overflow: Overflow = Overflow.REJECT,
        conflation: Conflation[Message] | None = None,
        restart: Restart = Restart.PERMANENT,
        lane: Lane | None = None,
        before_start: Callable[[ActorContext[Message]], Awaitable[None]] | None = None,
        before_stop: Callable[[ActorContext[Message]], Awaitable[None]] | None = None,
        start_timeout: float = 30.0,
        stop_timeout: float = 5.0,
    ) -> Ref[Message]:
        diary = self.diaries[name] = []
        return self.supervisor.add(
            ChildSpec(
                name=name,
                behaviour=lambda: Performer(diary, before_start, before_stop),
                mailbox=Mailbox(name, capacity, overflow, conflation),
                restart=restart,
                lane=lane,
                start_timeout=start_timeout,
                stop_timeout=stop_timeout,
            )
        )

    def states(self, name: str) -> list[ActorState]:
        """The states that an actor went to, in order."""
        return [change.new for change in self.changes if change.actor == name]

    async def until(self, name: str, state: ActorState) -> None:
        """Wait until an actor is in that state."""
        while self.supervisor.state(name) is not state:
            changed = trio.Event()

            def note(_: StateChange, changed: trio.Event = changed) -> None:
                changed.set()

            self.supervisor.add_listener(note)
            await changed.wait()

    def outcomes(self) -> dict[str, str]:
        """The outcome of each message by its label; fails if one was settled twice."""
        found: dict[str, str] = {}
        for settlement in self.settlements:
            assert isinstance(settlement.message, Message)
            assert settlement.message.label not in found, "settled twice"
            found[settlement.message.label] = str(settlement.outcome)
        return found


@asynccontextmanager
async def open_system(
    *,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity | None = None,
    backoff: Backoff | None = None,
    cooldown: float = 30.0,
) -> AsyncIterator[System]:
    """A running system without actors yet; stopped at the end, and balanced then."""
    ledger = Ledger()
    supervisor: Supervisor[Message] = Supervisor(
        ledger,
        strategy=strategy,
        intensity=intensity,
        backoff=backoff or Backoff(initial=1.0, jitter=0.0),
        cooldown=cooldown,
    )
    async with trio.open_nursery() as nursery:
        system = System(supervisor, ledger, Router(ledger), nursery)
        ledger.add_listener(system.settlements.append)
        supervisor.add_listener(system.changes.append)
        await nursery.start(supervisor.run)
        yield system
        await supervisor.stop(drain=0, kill=2000)
    assert ledger.balanced
    assert ledger.accepted + ledger.rejected == ledger.settled == len(system.settlements)
