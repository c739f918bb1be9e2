"""Every kind of actor, ended in every way, under every strategy; and what must hold in each case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from itertools import pairwise, product
from math import inf
from random import Random

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callboard.runtime import (
    ActorContext,
    ActorState,
    Backoff,
    ChildSpec,
    Dead,
    Envelope,
    Intensity,
    Lane,
    Ledger,
    Mailbox,
    Outcome,
    Restart,
    StateChange,
    Strategy,
    Supervisor,
)
from tests.runtime.support import (
    Message,
    Performer,
    Script,
    System,
    crash,
    end_normally,
    hang,
    hang_shielded,
    open_system,
    taking,
)

Hook = Callable[[ActorContext[Message]], Awaitable[None]]

START, STOP = "start", "stop"
STARTING, RUNNING, BACKOFF = ActorState.STARTING, ActorState.RUNNING, ActorState.BACKOFF
DOWN, STOPPING, STOPPED = ActorState.DOWN, ActorState.STOPPING, ActorState.STOPPED

STEPS = {
    STARTING: {RUNNING, BACKOFF, DOWN, STOPPING, STOPPED},
    RUNNING: {STARTING, BACKOFF, DOWN, STOPPING, STOPPED},
    BACKOFF: {STARTING, DOWN, STOPPED},
    DOWN: {STARTING, STOPPED},
    STOPPING: {STOPPED},
    STOPPED: set[ActorState](),
}
"""From each state, those that an actor may go to."""


class Ticks:
    """A conflation that merges neighbouring ticks."""

    max_size = 4

    def key(self, message: Message) -> Hashable | None:
        return "tick" if message.label.startswith("tick") else None

    def size(self, message: Message) -> int:
        return 1

    def merge(self, pending: Message, later: Message) -> Message:
        return later


@attrs.frozen
class Kind:
    """A kind of actor."""

    restart: Restart
    in_lane: bool
    conflating: bool

    def __str__(self) -> str:
        lane = " in a lane" if self.in_lane else ""
        return f"{self.restart}{lane}{' conflating' if self.conflating else ''}"


KINDS = [Kind(*choice) for choice in product(Restart, (False, True), (False, True))]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
every_strategy = pytest.mark.parametrize("strategy", list(Strategy), ids=str)


@attrs.define(eq=False)
class Stage:
    """Four actors, of which ``b`` is the one that things happen to."""

    system: System
    kind: Kind
    lane: Lane
    posted: list[str] = attrs.field(factory=list)
    """The labels of all messages in the order they were posted."""

    @classmethod
    def of(cls, system: System, kind: Kind) -> Stage:
        return cls(system, kind, Lane(system.ledger.next_seq))

    def add(
        self,
        name: str,
        before_start: Hook | None = None,
        before_stop: Hook | None = None,
        *,
        restart: Restart = Restart.PERMANENT,
        start_timeout: float = 3.0,
    ) -> None:
        self.system.add(
            name,
            restart=restart,
            lane=self.lane if self.kind.in_lane else None,
            conflation=Ticks() if self.kind.conflating else None,
            before_start=before_start,
            before_stop=before_stop,
            start_timeout=start_timeout,
        )

    def tell(
        self, name: str, label: str, script: Script | None = None, within: float = inf
    ) -> Envelope[Message]:
        self.posted.append(label)
        ref = self.system.supervisor.ref(name)
        return ref.tell(Message(label, script), deadline=trio.current_time() + within)

    def state(self, name: str) -> ActorState:
        return self.system.supervisor.state(name)

    def starts(self, name: str) -> int:
        return self.system.diaries[name].count(START)

    def look(self) -> None:
        """Ask every oracle; after the stop."""
        system = self.system
        assert system.ledger.balanced
        settled = system.outcomes()
        for name, diary in system.diaries.items():
            where = STARTING
            for change in (change for change in system.changes if change.actor == name):
                assert change.old is where, f"{name} went from {change.old}, and was {where}"
                assert change.new in STEPS[where], f"{name} went from {where} to {change.new}"
                where = change.new
            assert where is STOPPED
            assert system.supervisor.ref(name).mailbox.depth == 0
            lives = [entry for entry in diary if entry in (START, STOP)]
            assert lives == [START, STOP] * (len(lives) // 2), f"{name}: {diary}"
            handled = [entry for entry in diary if entry not in (START, STOP)]
            assert len(handled) == len(set(handled)), f"{name} handled twice: {handled}"
            assert set(handled) <= set(settled)
            places = [self.posted.index(label) for label in handled]
            assert places == sorted(places), f"{name} out of order: {handled}"
        times = [change.at for change in system.changes]
        assert times == sorted(times)
        assert self.lane.holder is None
        assert len(self.lane) == 0


# What an actor can be told to do.


async def raise_later(_: Performer, __: Envelope[Message]) -> None:
    await trio.sleep(1)
    raise ValueError("boom")


async def raise_two(_: Performer, __: Envelope[Message]) -> None:
    raise BaseExceptionGroup("both", [ValueError("one"), OSError("two")])


async def leave(_: Performer, __: Envelope[Message]) -> None:
    raise SystemExit(3)


async def fall_over(seconds: float) -> None:
    await trio.sleep(seconds)
    raise OSError("in the background")


async def hang_over_failing_task(performer: Performer, _: Envelope[Message]) -> None:
    performer.context.nursery.start_soon(fall_over, 1.0)
    await trio.sleep_forever()


async def leave_failing_task(performer: Performer, _: Envelope[Message]) -> None:
    performer.context.nursery.start_soon(fall_over, 1.0)


async def leave_task_that_stops(performer: Performer, _: Envelope[Message]) -> None:
    async def later() -> None:
        await trio.sleep(1)
        performer.context.stop()

    performer.context.nursery.start_soon(later)


async def cancel_own_nursery(performer: Performer, _: Envelope[Message]) -> None:
    performer.context.nursery.cancel_scope.cancel()
    await trio.sleep_forever()


async def complete_when_cancelled(_: Performer, envelope: Envelope[Message]) -> None:
    try:
        await trio.sleep_forever()
    except trio.Cancelled:
        envelope.answer("last words")
        envelope.settle(COMPLETED)
        raise


async def leave_shielded_task(performer: Performer, _: Envelope[Message]) -> None:
    performer.context.nursery.start_soon(sleep_shielded)


async def sleep_shielded() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1000)


def first(act: Callable[[ActorContext[Message]], Awaitable[None]]) -> Hook:
    """What happens to the first incarnation only."""

    async def hook(context: ActorContext[Message]) -> None:
        if context.incarnation == 1:
            await act(context)

    return hook


def second(act: Callable[[ActorContext[Message]], Awaitable[None]]) -> Hook:
    """What happens to the second incarnation only."""

    async def hook(context: ActorContext[Message]) -> None:
        if context.incarnation == 2:
            await act(context)

    return hook


async def fail(_: ActorContext[Message]) -> None:
    raise OSError("cannot")


async def never(_: ActorContext[Message]) -> None:
    await trio.sleep_forever()


async def slowly(_: ActorContext[Message]) -> None:
    await trio.sleep(2)


async def shielded(_: ActorContext[Message]) -> None:
    await sleep_shielded()


async def too_slow(_: ActorContext[Message]) -> None:
    with trio.fail_after(1):
        await trio.sleep_forever()


async def stop_at_once(context: ActorContext[Message]) -> None:
    context.stop()


@attrs.frozen
class Ending:
    """A way for an incarnation to end, and what is expected of it."""

    crash: bool | None
    """Whether it is a crash rather than a normal end; None: it is no end, the actor goes on."""
    outcome: Outcome | None = None
    """Of the message that ends it; None: that waits as the others do."""
    script: Script | None = None
    start: Hook | None = None
    stop: Hook | None = None
    lasts: float = 0.0
    """Seconds for which a lane is held."""
    idle: bool = False
    """Whether it comes when everything queued has been handled."""
    at_start: bool = False
    """Whether it comes with the first start, for which what is sent has to wait."""
    within: float = inf
    """Seconds that the message gets."""
    withdrawn: bool = False
    """Whether the message is cancelled by its sender after a second."""
    again: tuple[ActorState, ...] = (BACKOFF, STARTING, RUNNING)
    """Where a restart leads over."""


COMPLETED, FAILED, CANCELLED = Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELLED

ENDINGS = {
    "stops itself": Ending(False, COMPLETED, end_normally),
    "stops itself while idle": Ending(False, COMPLETED, leave_task_that_stops, idle=True),
    "stops itself in on_start": Ending(False, start=first(stop_at_once), at_start=True),
    "cancels its own nursery": Ending(False, CANCELLED, cancel_own_nursery),
    "handler raises": Ending(True, FAILED, crash),
    "handler raises late": Ending(True, FAILED, raise_later, lasts=1.0),
    "handler raises two": Ending(True, FAILED, raise_two),
    "handler exits": Ending(True, FAILED, leave),
    "background raises under a handler": Ending(True, FAILED, hang_over_failing_task, lasts=1.0),
    "background raises while idle": Ending(True, COMPLETED, leave_failing_task, idle=True),
    "on_start raises": Ending(True, start=first(fail), at_start=True),
    "on_start hangs": Ending(True, start=first(never), at_start=True),
    "on_start raises at the restart": Ending(
        True,
        FAILED,
        crash,
        start=second(fail),
        again=(BACKOFF, STARTING, BACKOFF, STARTING, RUNNING),
    ),
    "on_start hangs at the restart": Ending(
        True,
        FAILED,
        crash,
        start=second(never),
        again=(BACKOFF, STARTING, BACKOFF, STARTING, RUNNING),
    ),
    "on_stop raises": Ending(True, COMPLETED, end_normally, stop=first(fail)),
    "on_stop hangs": Ending(True, COMPLETED, end_normally, stop=first(never)),
    "handler and on_stop raise": Ending(True, FAILED, crash, stop=first(fail)),
    "handler raises and on_stop hangs": Ending(True, FAILED, crash, stop=first(never)),
    "message is cancelled": Ending(None, CANCELLED, hang, withdrawn=True, lasts=1.0),
    "message expires": Ending(None, Outcome.EXPIRED, hang, within=1.0, lasts=1.0),
}


@every_strategy
@every_kind
@pytest.mark.parametrize("name", ENDINGS)
async def test_an_ending_has_the_consequences_of_its_kind(
    autojump_clock: MockClock, name: str, kind: Kind, strategy: Strategy
) -> None:
    ending = ENDINGS[name]
    async with open_system(strategy=strategy) as system:
        stage = Stage.of(system, kind)
        stage.add("a")
        stage.add("b", ending.start, ending.stop, restart=kind.restart)
        stage.add("c")
        if not ending.at_start:
            await system.supervisor.wait_running("a", "c")
        end = stage.tell("b", "ending", ending.script, ending.within)
        queued = [stage.tell("b", label) for label in ("left", "tick 1", "tick 2")]
        probes = {other: stage.tell(other, f"probe of {other}") for other in "ac"}
        began = trio.current_time()
        answered: dict[str, float] = {}
        async with trio.open_nursery() as nursery:

            async def wait(other: str) -> None:
                assert (await probes[other].wait()).outcome is COMPLETED
                answered[other] = trio.current_time() - began

            for other in probes:
                nursery.start_soon(wait, other)
            if ending.withdrawn:
                await trio.sleep(1)
                end.cancel("withdrawn")
        await trio.sleep(20)

        goes_on = ending.crash is None
        restarted = not goes_on and (
            kind.restart is Restart.PERMANENT
            or (kind.restart is Restart.TRANSIENT and bool(ending.crash))
        )
        assert stage.state("b") is (RUNNING if restarted or goes_on else STOPPED)
        if restarted or goes_on or ending.idle:
            fate = COMPLETED
        else:
            fate = FAILED if ending.crash else CANCELLED
        merged = Outcome.SUPERSEDED if kind.conflating else fate
        assert [envelope.outcome for envelope in queued] == [fate, merged, fate]
        assert end.outcome is (ending.outcome or fate)
        assert end.settlement is not None
        assert end.outcome is COMPLETED or end.settlement.reason

        before = () if ending.at_start and ending.crash else (RUNNING,)
        after = () if goes_on else ending.again if restarted else (STOPPED,)
        assert tuple(system.states("b")) == before + after
        follows = restarted and strategy is Strategy.REST_FOR_ONE and not ending.at_start
        assert system.states("a") == [RUNNING]
        of_c = [RUNNING, STARTING, RUNNING] if follows else [RUNNING]
        if restarted and strategy is Strategy.REST_FOR_ONE and ending.at_start:
            # It may have come up between the first start of b and its end.
            of_c = of_c[-len(system.states("c")) :] if ending.crash else system.states("c")[-3:]
        assert system.states("c") == of_c

        # Whoever was not restarted with it has not waited for it, but for the lane it held.
        held = ending.lasts if kind.in_lane else 0.0
        assert answered["a"] == pytest.approx(held)
        if strategy is Strategy.ONE_FOR_ONE:
            assert answered["c"] == pytest.approx(held)
        refused = stage.tell("b", "later")
        assert (refused.outcome is Outcome.REJECTED) is (stage.state("b") is STOPPED)
        await system.supervisor.stop(1, 1)
    stage.look()


@attrs.frozen
class Case:
    """What ``b`` is at when everything is stopped with two seconds to drain and three to unwind."""

    seconds: float = 0.0
    """How long the stop takes."""
    script: Script | None = None
    start: Hook | None = None
    stop: Hook | None = None
    fates: tuple[Outcome, Outcome] | None = (COMPLETED, COMPLETED)
    """Of the message in hand and of the one behind it; None: none is sent."""
    cancelled: bool = False
    unfinished: bool = False
    starting: bool = False
    """Whether ``b`` does not come up, and so none that waits for it."""
    crashes_for_good: bool = False
    """Whether a temporary actor has ended by then, and its queue with it."""


CASES = {
    "idle": Case(fates=None),
    "busy": Case(1.0, taking(1)),
    "hangs in the handler": Case(2.0, hang, fates=(CANCELLED, CANCELLED), cancelled=True),
    "hangs in the handler, shielded": Case(
        5.0, hang_shielded, fates=(CANCELLED, CANCELLED), cancelled=True, unfinished=True
    ),
    "completes the message when it is cancelled": Case(
        2.0, complete_when_cancelled, fates=(COMPLETED, CANCELLED), cancelled=True
    ),
    "hangs in on_start": Case(
        2.0, start=never, fates=(CANCELLED, CANCELLED), cancelled=True, starting=True
    ),
    "hangs in on_start with nothing to do": Case(
        2.0, start=never, fates=None, cancelled=True, starting=True
    ),
    "hangs in on_start, shielded": Case(
        5.0,
        start=shielded,
        fates=(CANCELLED, CANCELLED),
        cancelled=True,
        unfinished=True,
        starting=True,
    ),
    "on_stop raises": Case(stop=fail),
    "on_stop raises after a kill": Case(
        2.0, hang, stop=fail, fates=(CANCELLED, CANCELLED), cancelled=True
    ),
    "hangs in on_stop": Case(4.7, stop=never, cancelled=True),
    "hangs in on_stop after a kill": Case(
        4.7, hang, stop=never, fates=(CANCELLED, CANCELLED), cancelled=True
    ),
    "hangs in on_stop, shielded": Case(5.0, stop=shielded, cancelled=True, unfinished=True),
    "a background task does not end": Case(
        5.0, leave_shielded_task, cancelled=True, unfinished=True
    ),
    "crashes and comes up again": Case(
        1.0, crash, fates=(FAILED, COMPLETED), crashes_for_good=True
    ),
}


@every_strategy
@every_kind
@pytest.mark.parametrize("name", CASES)
async def test_a_stop_is_bounded_and_settles_everything_whatever_an_actor_is_at(
    autojump_clock: MockClock, name: str, kind: Kind, strategy: Strategy
) -> None:
    case = CASES[name]
    async with open_system(strategy=strategy) as system:
        stage = Stage.of(system, kind)
        stage.add("a")
        stage.add("b", case.start, case.stop, restart=kind.restart, start_timeout=inf)
        stage.add("c")
        messages = []
        if case.fates is not None:
            messages = [stage.tell("b", "ending", case.script), stage.tell("b", "left")]
        await wait_all_tasks_blocked()
        report = await system.supervisor.stop(drain=2, kill=3)

        final = case.crashes_for_good and kind.restart is Restart.TEMPORARY
        expected = [] if case.fates is None else [*case.fates]
        if final:
            expected = [FAILED, FAILED]
        assert [message.outcome for message in messages] == expected
        assert system.ledger.balanced
        assert report.seconds == pytest.approx(0.0 if final else case.seconds)
        late: tuple[str, ...] = ("b",) if case.cancelled else ()
        if case.starting and messages and strategy is Strategy.REST_FOR_ONE:
            # Not closed yet, since the queue before it is not worked off.
            late += ("c",)
        assert report.cancelled == late
        assert report.unfinished == (("b",) if case.unfinished else ())
        assert report.drained is not case.cancelled
        assert report.leftovers == expected.count(CANCELLED)
        others = [name for name in "abc" if name not in report.unfinished]
        assert {stage.state(name) for name in others} == {STOPPED}
        assert await system.supervisor.stop(9, 9) is report
    stage.look()


SIBLINGS: dict[str, tuple[Script, Hook | None, Hook | None]] = {
    "unwinds": (hang, None, None),
    "unwinds slowly": (hang, None, first(slowly)),
    "raises while it unwinds": (hang, None, None),
    "on_stop raises": (hang, None, first(fail)),
    "on_stop hangs": (hang, None, first(never)),
    "on_start raises": (hang, second(fail), None),
    "on_start hangs": (hang, second(never), None),
    "on_start is slow": (hang, second(slowly), None),
}


async def raise_while_unwinding(_: Performer, __: Envelope[Message]) -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise ValueError("while unwinding")


SIBLINGS["raises while it unwinds"] = (raise_while_unwinding, None, None)


@every_kind
@pytest.mark.parametrize("name", SIBLINGS)
async def test_a_sibling_that_fails_during_a_restart_delays_only_those_after_it(
    autojump_clock: MockClock, name: str, kind: Kind
) -> None:
    script, start, stop = SIBLINGS[name]
    async with open_system(strategy=Strategy.REST_FOR_ONE) as system:
        stage = Stage.of(system, kind)
        stage.add("a")
        stage.add("b", start, stop, restart=kind.restart)
        stage.add("c")
        await system.supervisor.wait_running()
        boom = stage.tell("a", "boom", crash)
        in_hand = stage.tell("b", "in hand", script)
        await wait_all_tasks_blocked()
        await boom.wait()
        await trio.sleep(30)

        raised = name == "raises while it unwinds"
        if not kind.in_lane or in_hand.started_at == 0.0:
            assert in_hand.outcome is (FAILED if raised else CANCELLED)
        stage_b = stage.state("b")
        assert stage_b is (STOPPED if kind.restart is Restart.TEMPORARY else RUNNING)
        assert stage.state("a") is stage.state("c") is RUNNING
        # Each came up last after those before it had.
        up = [change.actor for change in system.changes if change.new is RUNNING]
        last = {actor: place for place, actor in enumerate(up)}
        assert last["a"] < last["c"]
        assert stage_b is STOPPED or last["a"] < last["b"] < last["c"]
        # And the restart is over: the next normal end is one.
        if stage_b is RUNNING:
            await stage.tell("b", "ends", end_normally).wait()
            await trio.sleep(30)
            transient = kind.restart is Restart.TRANSIENT
            assert stage.state("b") is (STOPPED if transient else RUNNING)
        # None of what the restart cancelled was left over by the stop.
        assert (await system.supervisor.stop(1, 1)).leftovers == 0
    stage.look()


async def test_a_start_that_gives_up_by_itself_is_not_said_to_have_taken_its_whole_time(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        system.add("a", before_start=first(too_slow), start_timeout=3.0)
        await trio.sleep(5)
        assert system.changes[0].at == 1.0
        assert "TooSlowError" in system.changes[0].reason
        assert "more than 3" not in system.changes[0].reason


# Intensity, backoff, circuit.


async def crash_at(system: System, *times: float) -> None:
    """Have the actor ``a`` crash at these times of the clock."""
    for number, time in enumerate(times):
        await trio.sleep_until(time)
        await system.supervisor.ref("a").tell(Message(f"boom {number}", crash)).wait()
        await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("restarts", "times", "down"),
    [
        (0, (1.0,), True),
        (1, (0.0, 10.0), False),
        (1, (0.0, 9.999), True),
        (2, (0.0, 5.0, 10.0), False),
        (2, (0.0, 5.0, 9.999), True),
        (2, (0.0, 5.0, 10.0, 15.0, 20.0, 25.0), False),
        (2, (0.0, 5.0, 10.0, 14.999), True),
        (3, (0.0, 0.0, 0.0), False),
        (3, (0.0, 0.0, 0.0, 0.0), True),
        (3, (0.0, 0.0, 0.0, 10.0), False),
    ],
)
async def test_the_period_of_the_intensity_leaves_out_a_crash_as_old_as_itself(
    autojump_clock: MockClock, restarts: int, times: tuple[float, ...], down: bool
) -> None:
    async with open_system(
        intensity=Intensity(restarts, 10.0), backoff=Backoff(initial=0.0, jitter=0.0)
    ) as system:
        system.add("a")
        await system.supervisor.wait_running()
        await crash_at(system, *times)
        assert [state for state in system.states("a") if state is DOWN] == [DOWN] * down
        assert (system.supervisor.state("a") is DOWN) is down


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("seed", range(5))
async def test_every_restart_comes_when_the_backoff_has_drawn_it_and_within_its_bounds(
    autojump_clock: MockClock, seed: int, jitter: float
) -> None:
    attempts = 9
    async with open_system(
        intensity=Intensity(attempts, 1000.0),
        backoff=Backoff(0.1, 2.0, 5.0, jitter, Random(seed)),
    ) as system:
        ref = system.add("a")
        for number in range(attempts):
            await ref.tell(Message(f"boom {number}", crash)).wait()
            await ref.ask(Message(f"back {number}"))
        waited = [change for change in system.changes if change.new in (BACKOFF, STARTING)]
    same = Backoff(0.1, 2.0, 5.0, jitter, Random(seed))
    for attempt in range(1, attempts + 1):
        ended, again = waited[2 * attempt - 2 : 2 * attempt]
        full = min(5.0, 0.1 * 2.0 ** (attempt - 1))
        assert ended.retry_in == same.delay(attempt)
        assert full * (1 - jitter) <= ended.retry_in <= full
        assert again.at - ended.at == pytest.approx(ended.retry_in)


TRIALS: dict[str, tuple[tuple[Script | None, ...], Hook | None, ActorState]] = {
    # What it does when it is tried again, and where a crash after that leads to.
    "completes a message": ((None,), None, BACKOFF),
    "completes nothing": ((), None, DOWN),
    "fails a message politely": ((), None, DOWN),
    "does not start": ((), second(fail), DOWN),
    "does not start in time": ((), second(never), DOWN),
}


@every_kind
@pytest.mark.parametrize("name", TRIALS)
async def test_a_circuit_is_half_open_until_a_message_has_been_completed(
    autojump_clock: MockClock, name: str, kind: Kind
) -> None:
    scripts, start, then = TRIALS[name]

    async def fail_politely(_: Performer, envelope: Envelope[Message]) -> None:
        envelope.settle(FAILED, reason="sorry")

    restart = Restart.PERMANENT if kind.restart is Restart.TEMPORARY else kind.restart
    async with open_system(intensity=Intensity(1, 5.0), cooldown=20.0) as system:
        stage = Stage.of(system, kind)
        stage.add("b", start, restart=restart)
        changes = system.changes
        if start is None:
            await stage.tell("b", "boom 1", crash).wait()
            await trio.sleep(2)
            assert stage.state("b") is RUNNING
        else:
            stage.system.supervisor.intensity = Intensity(0, 5.0)
        last_straw = stage.tell("b", "boom 2", crash)
        left = stage.tell("b", "left")
        await last_straw.wait()
        await left.wait()
        opened = trio.current_time()
        # Open: what waited fails, and everything is answered at once.
        assert stage.state("b") is DOWN
        assert left.outcome is FAILED
        assert isinstance(left.settlement and left.settlement.error, Dead)
        assert changes[-1].retry_in == 20.0
        await trio.sleep_until(opened + 19.999)
        assert stage.tell("b", "too early").outcome is Outcome.REJECTED
        # Half open, after the cool-down to the instant.
        seen = len(changes)
        await trio.sleep_until(opened + 20.0)
        await wait_all_tasks_blocked()
        assert changes[seen].new is STARTING
        assert changes[seen].at == pytest.approx(opened + 20.0)
        if start is None:
            assert stage.state("b") is RUNNING
            if name == "fails a message politely":
                await stage.tell("b", "politely", fail_politely).wait()
            for number, script in enumerate(scripts):
                await stage.tell("b", f"trial {number}", script).wait()
            await stage.tell("b", "boom 3", crash).wait()
            await wait_all_tasks_blocked()
        elif name == "does not start in time":
            await trio.sleep(3)
            await wait_all_tasks_blocked()
        assert stage.state("b") is then
        assert changes[-1].retry_in == (20.0 if then is DOWN else 1.0)
        # Closed in the end, whatever it was.
        await trio.sleep(21)
        assert stage.state("b") is RUNNING
        assert (await stage.tell("b", "works").wait()).outcome is COMPLETED
        await system.supervisor.stop(1, 1)
    stage.look()


# Escalation.


@attrs.define(eq=False)
class Department:
    """An actor that runs a supervisor of its own, and fails when one of its actors is down."""

    ledgers: list[Ledger]
    inner: Supervisor[Message] = attrs.field(init=False)
    changes: list[StateChange] = attrs.field(factory=list)

    async def on_start(self, context: ActorContext[Message]) -> None:
        ledger = Ledger()
        self.ledgers.append(ledger)
        self.inner = Supervisor(
            ledger, intensity=Intensity(1, 10.0), backoff=Backoff(initial=0.1, jitter=0.0)
        )
        self.inner.add(ChildSpec("worker", lambda: Performer([]), Mailbox("worker", 10)))
        down = trio.Event()

        def note(change: StateChange) -> None:
            self.changes.append(change)
            if change.new is DOWN:
                down.set()

        async def escalate() -> None:
            await down.wait()
            raise Dead(self.changes[-1].reason)

        self.inner.add_listener(note)
        await context.nursery.start(self.inner.run)
        context.nursery.start_soon(escalate)

    async def handle(self, envelope: Envelope[Message]) -> None:
        worker = self.inner.ref("worker")
        script = envelope.message.script
        envelope.answer(await worker.ask(Message(f"inner {envelope.message.label}", script)))

    async def on_stop(self) -> None:
        assert self.inner.state("worker") is STOPPED


async def test_beyond_its_intensity_an_actor_is_down_and_nobody_else_is(
    autojump_clock: MockClock,
) -> None:
    async with open_system(intensity=Intensity(0, 10.0)) as system:
        for name in "abc":
            system.add(name)
        await system.supervisor.wait_running()
        await system.supervisor.ref("b").tell(Message("boom", crash)).wait()
        await wait_all_tasks_blocked()
        states = {name: system.supervisor.state(name) for name in "abc"}
        assert states == {"a": RUNNING, "b": DOWN, "c": RUNNING}
        assert await system.supervisor.ref("c").ask(Message("works")) == "works"


async def test_a_supervisor_inside_of_an_actor_escalates_by_failing_it(
    autojump_clock: MockClock,
) -> None:
    ledgers: list[Ledger] = []
    async with open_system() as system:
        outer = system.supervisor.add(
            ChildSpec("department", lambda: Department(ledgers), Mailbox("department", 10))
        )
        bystander = system.add("bystander")
        assert await outer.ask(Message("1")) == "inner 1"
        for label in ("2", "3"):
            with pytest.raises(Dead):
                await outer.ask(Message(label, crash))
            await trio.sleep(2)
        # The second crash was beyond the inner intensity: all of it is new now.
        assert len(ledgers) >= 2
        assert await outer.ask(Message("4")) == "inner 4"
        assert system.states("department").count(BACKOFF) == len(ledgers) - 1
        assert await bystander.ask(Message("5")) == "5"
        await system.supervisor.stop(1, 1)
    assert all(ledger.balanced for ledger in ledgers)


@pytest.mark.parametrize(("script", "seconds"), [(hang, 2.0), (hang_shielded, 5.0)])
async def test_a_stop_reaches_the_actors_of_a_supervisor_inside_of_an_actor(
    autojump_clock: MockClock, script: Script, seconds: float
) -> None:
    ledgers: list[Ledger] = []
    async with open_system() as system:
        outer = system.supervisor.add(
            ChildSpec("department", lambda: Department(ledgers), Mailbox("department", 10))
        )
        message = outer.tell(Message("hangs", script))
        await wait_all_tasks_blocked()
        report = await system.supervisor.stop(drain=2, kill=3)
        assert report.seconds == pytest.approx(seconds)
        assert message.outcome is CANCELLED
    assert all(ledger.balanced for ledger in ledgers)


# Order and deadlines of a stop.


@every_kind
@every_strategy
async def test_a_stop_ends_the_last_added_first_and_those_before_it_still_answer(
    autojump_clock: MockClock, kind: Kind, strategy: Strategy
) -> None:
    asked: list[object] = []

    def asks(other: str) -> Hook:
        async def hook(_: ActorContext[Message]) -> None:
            await trio.sleep(0.5)
            asked.append(await system.supervisor.ref(other).ask(Message(f"to {other}")))

        return hook

    async with open_system(strategy=strategy) as system:
        stage = Stage.of(system, kind)
        stage.add("a")
        stage.add("b", before_stop=asks("a"), restart=kind.restart)
        stage.add("c", before_stop=asks("b"), restart=kind.restart)
        await system.supervisor.wait_running()
        report = await system.supervisor.stop(drain=2, kill=1)
        assert report.clean
        assert report.seconds == pytest.approx(1.0)
        assert asked == ["to b", "to a"]
        ended = [(change.actor, change.new) for change in system.changes[-6:]]
        assert ended == [(name, state) for name in "cba" for state in (STOPPING, STOPPED)]


@pytest.mark.parametrize(
    ("drain", "kill"), list(product((0.0, 0.5, 2.0), (0.0, 0.5, 3.0))), ids=str
)
async def test_a_stop_takes_its_deadlines_and_no_longer(
    autojump_clock: MockClock, drain: float, kill: float
) -> None:
    """With an actor that is done in time, one to be cancelled, one to be cut off, one that does not end."""
    async with open_system() as system:
        stage = Stage.of(system, KINDS[0])
        stage.add("shielded")
        stage.add("stubborn", before_stop=never)
        stage.add("hangs")
        stage.add("idle")
        stage.tell("shielded", "1", hang_shielded)
        stage.tell("stubborn", "2", hang)
        stage.tell("hangs", "3", hang)
        await wait_all_tasks_blocked()
        report = await system.supervisor.stop(drain, kill)
        assert report.seconds == pytest.approx(drain + kill)
        assert report.cancelled == ("shielded", "stubborn", "hangs")
        assert "shielded" in report.unfinished
        if kill:
            assert report.unfinished == ("shielded",)
        assert set(system.outcomes().values()) == {"cancelled"}
    stage.look()


def test_the_states_an_actor_goes_through_lead_somewhere() -> None:
    reachable = {STARTING}
    while more := {state for known in reachable for state in STEPS[known]} - reachable:
        reachable |= more
    assert reachable == set(ActorState)
    assert all(after in STEPS[before] for before, after in pairwise((STARTING, RUNNING, STOPPED)))
