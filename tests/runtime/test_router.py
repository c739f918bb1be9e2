"""Posting: forwarding by type, in the sender's task, to one owner."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.runtime import (
    ActorContext,
    Cause,
    ChildSpec,
    Closed,
    Conflation,
    Envelope,
    Full,
    Lane,
    Ledger,
    Mailbox,
    Outcome,
    Ref,
    Router,
    Supervisor,
    Unroutable,
)


@attrs.frozen
class Move:
    value: int


@attrs.frozen
class FastMove(Move):
    pass


@attrs.frozen
class Execute:
    code: str


@attrs.frozen
class Halt:
    pass


Command = Move | Execute | Halt


class LastMove:
    max_size = 1000

    def key(self, message: Command) -> str | None:
        return "move" if isinstance(message, Move) else None

    def size(self, message: Command) -> int:
        return 1

    def merge(self, pending: Command, later: Command) -> Command:
        return later


def target(
    ledger: Ledger,
    name: str,
    capacity: int = 10,
    conflation: Conflation[Command] | None = None,
    lane: Lane | None = None,
) -> Ref[Command]:
    return Ref(Mailbox(name, capacity, conflation=conflation), ledger.account(name, lane))


async def test_each_type_goes_to_its_owner_and_subclasses_do_not_count() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    moves, cells = target(ledger, "moves"), target(ledger, "cells")
    router.register(Move, moves)
    router.register(Execute, cells)
    assert router.post(Move(1)).target == "moves"
    assert router.post(Execute("x")).target == "cells"
    assert router.post(FastMove(1)).outcome is Outcome.REJECTED
    assert {kind.__name__: route.ref.name for kind, route in router.routes.items()} == {
        "Move": "moves",
        "Execute": "cells",
    }


async def test_a_type_has_one_owner() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    router.register(Move, target(ledger, "first"))
    with pytest.raises(ValueError, match="Move is claimed by 'first' and by 'second'"):
        router.register(Move, target(ledger, "second"))


async def test_what_nobody_owns_is_rejected_by_name_and_raises_nothing() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    settlement = router.post(Move(1), sender="page").settlement
    assert settlement is not None
    assert settlement.outcome is Outcome.REJECTED
    assert settlement.reason == "nobody handles Move"
    assert isinstance(settlement.error, Unroutable)
    assert settlement.sender == "page"
    assert ledger.dead_letters.counts == {Cause.UNROUTABLE: 1}
    assert (ledger.accepted, ledger.rejected, ledger.balanced) == (0, 1, True)


async def test_a_full_target_rejects_and_delays_nobody_else() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    router.register(Move, target(ledger, "moves", capacity=1))
    router.register(Execute, target(ledger, "cells"))
    router.post(Move(1))
    refused = router.post(Move(2)).settlement
    assert refused is not None
    assert isinstance(refused.error, Full)
    assert router.post(Execute("x")).outcome is None


async def test_numbers_rise_in_the_order_of_posting_refusals_included() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    router.register(Move, target(ledger, "moves", capacity=1))
    numbers = [router.post(command).seq for command in (Move(1), Execute("x"), Move(2), Halt())]
    assert numbers == sorted(set(numbers))


async def test_after_close_everything_is_rejected_but_what_was_accepted_stays() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    moves = target(ledger, "moves")
    router.register(Move, moves)
    accepted = router.post(Move(1))
    router.close("shutdown")
    router.close("again")
    assert router.closed
    for command in (Move(2), Execute("x")):
        settlement = router.post(command).settlement
        assert settlement is not None
        assert isinstance(settlement.error, Closed)
        assert settlement.reason == "router is closed: shutdown"
    assert not accepted.settled
    assert moves.mailbox.depth == 1


async def test_a_sealing_type_keeps_later_ticks_from_moving_across_it() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    moves = target(ledger, "moves", conflation=LastMove())
    router.register(Move, moves)
    router.register(Execute, target(ledger, "cells"), seals=[moves.mailbox])
    for command in (Move(1), Move(2), Execute("x"), Move(3), Move(4)):
        router.post(command)
    assert [envelope.message for envelope in moves.mailbox.drain_nowait()] == [Move(2), Move(4)]


async def test_a_control_type_goes_ahead_and_takes_no_place_in_the_lane() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    lane = Lane(ledger.next_seq)
    ref = target(ledger, "cells", lane=lane)
    router.register(Execute, ref)
    router.register(Halt, ref, control=True)
    execute, halt = router.post(Execute("x")), router.post(Halt())
    assert len(lane) == 1
    assert (execute.ticket, halt.ticket) == (execute.seq, 0)
    assert lane.is_next(execute.seq)
    drained = ref.mailbox.drain_nowait()
    assert [envelope.message for envelope in drained] == [Halt(), Execute("x")]


async def test_a_merged_message_keeps_the_place_of_its_slot_in_the_lane() -> None:
    ledger = Ledger()
    router: Router[Command] = Router(ledger)
    lane = Lane(ledger.next_seq)
    moves = target(ledger, "moves", conflation=LastMove(), lane=lane)
    router.register(Move, moves)
    router.register(Execute, target(ledger, "cells", lane=lane))
    first, execute, second = (router.post(c) for c in (Move(1), Execute("x"), Move(2)))
    assert first.outcome is Outcome.SUPERSEDED
    assert second.ticket == first.seq
    assert not lane.acquire_nowait(execute.seq)
    assert lane.is_next(second.ticket)
    assert lane.acquire_nowait(second.ticket)
    assert lane.is_next(execute.seq)
    second.settle(Outcome.COMPLETED)
    assert len(lane) == 1
    lane.release(second.ticket)
    assert lane.acquire_nowait(execute.seq)


async def test_a_barrier_between_slots_of_one_mailbox_does_not_block_the_lane() -> None:
    """A merged slot ahead of an older message must not wait for it: it is ahead."""

    @attrs.define(eq=False)
    class Note:
        handled: list[Command]

        async def on_start(self, context: ActorContext[Command]) -> None:
            pass

        async def handle(self, envelope: Envelope[Command]) -> None:
            self.handled.append(envelope.message)

        async def on_stop(self) -> None:
            pass

    class PerParity(LastMove):
        def key(self, message: Command) -> str | None:
            return str(message.value % 2) if isinstance(message, Move) else None

    ledger = Ledger()
    handled: list[Command] = []
    supervisor: Supervisor[Command] = Supervisor(ledger)
    lane = Lane(ledger.next_seq)
    mailbox: Mailbox[Command] = Mailbox("moves", 10, conflation=PerParity())
    async with trio.open_nursery() as nursery:
        ref = supervisor.add(ChildSpec("moves", lambda: Note(handled), mailbox, lane=lane))
        for value in (0, 1, 2, 3):
            ref.tell(Move(value))
        await nursery.start(supervisor.run)
        await wait_all_tasks_blocked()
        assert handled == [Move(2), Move(3)]
        await supervisor.stop(1, 1)


async def test_trace_context_and_deadline_are_carried() -> None:
    ledger = Ledger()
    router: Router[Any] = Router(ledger)
    router.register(Move, target(ledger, "moves"))
    envelope = router.post(Move(1), deadline=12.5, trace="00-1-2-01")
    assert (envelope.deadline, envelope.trace) == (12.5, "00-1-2-01")
    assert router.post(Halt(), trace="00-3-4-01").trace == "00-3-4-01"
