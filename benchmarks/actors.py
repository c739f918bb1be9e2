"""The runtime beside bare trio and Pykka: tell, ask, fan-out and the way in from threads.

    python -m benchmarks.actors [--quick] [--rounds N] [--json PATH]

Within a round all contestants of a scenario run one after another, and the next round starts with
another of them, so that a machine that changes its pace changes it for all. A ratio is taken within
a round, to the baseline of the scenario, and the table shows its median. Figures are microseconds.

What is compared with what:

tell      One producer, one consumer that does nothing. Bare trio: ``await send(...)`` into a memory
          channel of 1024 and ``async for``. callboard: ``tell``, which waits for nothing, with a
          yield to the scheduler every 64 messages; ends when the last is settled. "batched" is
          what is left when bare trio is told to do the same by hand: ``send_nowait``, a yield
          every 64, and a consumer that drains with ``receive_nowait``.
tell 1    The same, with a yield after every message.
ask       One question at a time, the 50th percentile of the time to the answer. Bare trio: a
          memory channel, an Event and a slot.
fan-out   A notification that is encoded once goes to 6 subscribers, until the last of them has it.
          Bare trio: a memory channel each. "burst": 16 are published between two yields.
ingress   Items from another thread to the trio thread. Baseline: ``run_sync_soon`` for each.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf

import attrs
import pykka
import trio

from benchmarks.harness import (
    Spread,
    arguments,
    machine,
    percentile,
    preamble,
    table,
    write_json,
)
from callboard.runtime import (
    ActorContext,
    Broadcaster,
    ChildSpec,
    Envelope,
    Ingress,
    Lane,
    Ledger,
    Mailbox,
    Outcome,
    Ref,
    Supervisor,
)

BATCH = 64
BUFFER = 1024
SUBSCRIBERS = 6
# Many short rounds rather than few long ones: the neighbours in a round then share the machine's mood.
ROUNDS = 31
QUICK_ROUNDS = 7
MICRO = 1e6

Measure = Callable[[int], float]
"""Does so many operations, and returns microseconds for one."""


@attrs.define(eq=False)
class Echo:
    """Answers with the message if it is asked to."""

    answers: bool

    async def on_start(self, context: ActorContext[int]) -> None:
        pass

    async def handle(self, envelope: Envelope[int]) -> None:
        if self.answers:
            envelope.answer(envelope.message)

    async def on_stop(self) -> None:
        pass


class PykkaEcho(pykka.ThreadingActor):
    def on_receive(self, message: object) -> object:
        return message


@attrs.define(eq=False)
class Question:
    """An ask by hand."""

    message: int
    answered: trio.Event
    answer: int | None = None


def in_trio(measure: Callable[[int], Awaitable[float]]) -> Measure:
    """A measurement in a trio run of its own."""

    def measured(number: int) -> float:
        return trio.run(measure, number)

    return measured


def per_item(seconds: float, number: int) -> float:
    return seconds / number * MICRO


async def tell_bare(number: int) -> float:
    send, receive = trio.open_memory_channel[int](BUFFER)

    async def produce() -> None:
        async with send:
            for message in range(number):
                await send.send(message)

    started = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        async for _ in receive:
            pass
    return per_item(time.perf_counter() - started, number)


def tell_batched(every: int) -> Measure:
    async def measure(number: int) -> float:
        send, receive = trio.open_memory_channel[int](BUFFER)

        async def produce() -> None:
            with send:
                for message in range(number):
                    send.send_nowait(message)
                    if message % every == 0:
                        await trio.lowlevel.checkpoint()

        started = time.perf_counter()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce)
            async for _ in receive:
                try:
                    for _ in range(BATCH - 1):
                        receive.receive_nowait()
                except (trio.WouldBlock, trio.EndOfChannel):
                    pass
        return per_item(time.perf_counter() - started, number)

    return in_trio(measure)


async def with_actor(
    answers: bool, use: Callable[[Ref[int]], Awaitable[float]], *, in_lane: bool = False
) -> float:
    """Run an actor, and what is to be done with it."""
    ledger = Ledger()
    supervisor: Supervisor[int] = Supervisor(ledger)
    lane = Lane(ledger.next_seq) if in_lane else None
    mailbox: Mailbox[int] = Mailbox("echo", BUFFER)
    ref = supervisor.add(ChildSpec("echo", lambda: Echo(answers), mailbox, lane=lane))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.wait_running()
        result = await use(ref)
        await supervisor.stop(drain=10, kill=1)
    assert ledger.balanced
    assert ledger.outcomes[Outcome.COMPLETED] == ledger.accepted
    assert ledger.rejected == 0
    return result


def tell_callboard(every: int) -> Measure:
    async def measure(number: int) -> float:
        async def use(ref: Ref[int]) -> float:
            started = time.perf_counter()
            for message in range(number - 1):
                ref.tell(message)
                if message % every == 0:
                    await trio.lowlevel.checkpoint()
            await ref.tell(number).wait()
            return per_item(time.perf_counter() - started, number)

        return await with_actor(False, use)

    return in_trio(measure)


def tell_pykka(number: int) -> float:
    ref = PykkaEcho.start()
    started = time.perf_counter()
    for message in range(number - 1):
        ref.tell(message)
    ref.ask(number)
    seconds = time.perf_counter() - started
    ref.stop()
    return per_item(seconds, number)


async def ask_bare(number: int) -> float:
    send, receive = trio.open_memory_channel[Question](BUFFER)

    async def serve() -> None:
        async for question in receive:
            question.answer = question.message
            question.answered.set()

    times = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.lowlevel.checkpoint()
        with send:
            for message in range(number):
                started = time.perf_counter()
                question = Question(message, trio.Event())
                send.send_nowait(question)
                await question.answered.wait()
                times.append(time.perf_counter() - started)
                assert question.answer == message
    return percentile(times, 0.5) * MICRO


def ask_callboard(timeout: float = inf, *, in_lane: bool = False) -> Measure:
    async def measure(number: int) -> float:
        async def use(ref: Ref[int]) -> float:
            times = []
            for message in range(number):
                started = time.perf_counter()
                answer = await ref.ask(message, timeout=timeout)
                times.append(time.perf_counter() - started)
                assert answer == message
            return percentile(times, 0.5) * MICRO

        return await with_actor(True, use, in_lane=in_lane)

    return in_trio(measure)


def ask_pykka(number: int) -> float:
    ref = PykkaEcho.start()
    times = []
    for message in range(number):
        started = time.perf_counter()
        answer = ref.ask(message)
        times.append(time.perf_counter() - started)
        assert answer == message
    ref.stop()
    return percentile(times, 0.5) * MICRO


def encode(notification: dict[str, object]) -> bytes:
    return json.dumps(notification).encode()


NOTIFICATION: dict[str, object] = {"op": "cell-op", "cell_id": "Hbol", "status": "running"}


def fan_out_bare(burst: int) -> Measure:
    async def measure(number: int) -> float:
        channels = [trio.open_memory_channel[bytes](inf) for _ in range(SUBSCRIBERS)]

        async def read(receive: trio.MemoryReceiveChannel[bytes]) -> None:
            async for _ in receive:
                pass

        async with trio.open_nursery() as nursery:
            for _, receive in channels:
                nursery.start_soon(read, receive)
            await trio.lowlevel.checkpoint()
            started = time.perf_counter()
            for count in range(number):
                data = encode(NOTIFICATION)
                for send, _ in channels:
                    send.send_nowait(data)
                if count % burst == 0:
                    await trio.lowlevel.checkpoint()
            for send, _ in channels:
                send.close()
        return per_item(time.perf_counter() - started, number)

    return in_trio(measure)


def fan_out_callboard(burst: int) -> Measure:
    async def measure(number: int) -> float:
        broadcaster: Broadcaster[dict[str, object]] = Broadcaster(encode)
        subscriptions = [broadcaster.subscribe(max_buffer=BUFFER) for _ in range(SUBSCRIBERS)]
        read_by: list[int] = [0] * SUBSCRIBERS

        async def read(index: int) -> None:
            async for frame in subscriptions[index]:
                read_by[index] = frame.seq

        async with trio.open_nursery() as nursery:
            for index in range(SUBSCRIBERS):
                nursery.start_soon(read, index)
            await trio.lowlevel.checkpoint()
            started = time.perf_counter()
            for count in range(number):
                broadcaster.publish(NOTIFICATION)
                if count % burst == 0:
                    await trio.lowlevel.checkpoint()
            broadcaster.close()
        assert read_by == [number] * SUBSCRIBERS
        return per_item(time.perf_counter() - started, number)

    return in_trio(measure)


async def ingress_each(number: int) -> float:
    token = trio.lowlevel.current_trio_token()
    return await from_thread(number, token.run_sync_soon)


async def ingress_callboard(number: int) -> float:
    ingresses: list[Ingress[int]] = []

    def put(sink: Callable[[int], None], item: int) -> None:
        if not ingresses:
            ingresses.append(Ingress(sink))
        ingresses[0].put(item)

    # Made on the trio thread.
    return await from_thread(number, put)


async def from_thread(number: int, put: Callable[[Callable[[int], None], int], object]) -> float:
    """Put so many items from a thread; the trio thread sleeps in between, as it does in a kernel."""
    arrived = trio.Event()

    def sink(item: int) -> None:
        if item == number - 1:
            arrived.set()

    put(sink, -1)
    go = threading.Event()

    def produce() -> None:
        go.wait()
        for item in range(number):
            put(sink, item)

    thread = threading.Thread(target=produce)
    thread.start()
    started = time.perf_counter()
    go.set()
    await arrived.wait()
    seconds = time.perf_counter() - started
    thread.join()
    return per_item(seconds, number)


@attrs.frozen
class Contestant:
    name: str
    measure: Measure
    target: float | None = None
    """The largest ratio to the baseline that it may have."""


@attrs.frozen
class Scenario:
    """Some ways to do one thing; the first is the baseline."""

    name: str
    number: int
    contestants: Sequence[Contestant]


SCENARIOS = (
    Scenario(
        "tell",
        10_000,
        (
            Contestant("trio send/receive", in_trio(tell_bare)),
            Contestant("callboard", tell_callboard(BATCH), target=0.5),
            Contestant("trio, batched by hand", tell_batched(BATCH)),
            Contestant("Pykka", tell_pykka),
        ),
    ),
    Scenario(
        "tell 1",
        5_000,
        (
            Contestant("trio send/receive", in_trio(tell_bare)),
            Contestant("callboard", tell_callboard(1)),
        ),
    ),
    Scenario(
        "ask",
        2_000,
        (
            Contestant("trio channel and Event", in_trio(ask_bare)),
            Contestant("callboard", ask_callboard(), target=1.3),
            Contestant("callboard, deadline", ask_callboard(60.0)),
            Contestant("callboard, in a lane", ask_callboard(in_lane=True)),
            Contestant("Pykka", ask_pykka),
        ),
    ),
    Scenario(
        "fan-out to 6",
        2_000,
        (
            Contestant("trio channels", fan_out_bare(1)),
            Contestant("callboard", fan_out_callboard(1), target=1.0),
        ),
    ),
    Scenario(
        "fan-out to 6, burst",
        5_000,
        (
            Contestant("trio channels", fan_out_bare(16)),
            Contestant("callboard", fan_out_callboard(16), target=1.0),
        ),
    ),
    Scenario(
        "ingress",
        10_000,
        (
            Contestant("run_sync_soon each", in_trio(ingress_each)),
            Contestant("callboard", in_trio(ingress_callboard), target=1.0),
        ),
    ),
)


def play(scenario: Scenario, rounds: int, number: int) -> list[dict[str, object]]:
    """Measure all contestants in turn, so many rounds, and describe what came out."""
    contestants = scenario.contestants
    figures: list[list[float]] = [[] for _ in contestants]
    for turn in range(rounds):
        for place in range(len(contestants)):
            index = (turn + place) % len(contestants)
            gc.collect()
            figures[index].append(contestants[index].measure(number))
    results = []
    for contestant, own in zip(contestants, figures, strict=True):
        ratios = [figure / baseline for figure, baseline in zip(own, figures[0], strict=True)]
        results.append(
            {
                "scenario": scenario.name,
                "contestant": contestant.name,
                "operations": number,
                "microseconds": attrs.asdict(Spread.of(own)),
                "ratio": attrs.asdict(Spread.of(ratios)),
                "target": contestant.target,
                "samples": own,
            }
        )
    return results


def row(result: dict[str, object]) -> list[str]:
    microseconds, ratio, target = result["microseconds"], result["ratio"], result["target"]
    assert isinstance(microseconds, dict)
    assert isinstance(ratio, dict)
    aim = ""
    if isinstance(target, float):
        aim = f"<= {target:.2f} {'met' if ratio['median'] <= target else 'MISSED'}"
    return [
        f"{result['scenario']}: {result['contestant']}",
        Spread(**microseconds).text(),
        f"{ratio['median']:.2f}",
        aim,
    ]


def main() -> None:
    options = arguments(
        "The runtime beside bare trio and Pykka.", rounds=ROUNDS, quick_rounds=QUICK_ROUNDS
    ).parse_args()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    facts = machine("trio", "pykka")
    print(preamble(facts))
    print(f"{rounds} rounds; microseconds: min / median / max; ratio: median within a round\n")
    results: list[dict[str, object]] = []
    for scenario in SCENARIOS:
        number = scenario.number // 4 if options.quick else scenario.number
        results += play(scenario, rounds, number)
    print(table(["scenario", "microseconds", "ratio", "target"], map(row, results)))
    if options.json is not None:
        write_json(options.json, facts, results)


if __name__ == "__main__":
    main()
