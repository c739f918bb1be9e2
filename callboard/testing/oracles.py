"""Oracles: what must be true of a kernel at quiescence, whatever happened before.

Each takes a `Record` and yields one sentence for every violation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from callboard.actors.requests import Refused
from callboard.messages.commands import (
    COMMANDS,
    DiscoverDataSourcesCommand,
    GetCacheInfoCommand,
    InvokeFunctionCommand,
    ListSecretKeysCommand,
    ModelCommand,
    ModelCustomMessage,
    UpdateUIElementCommand,
    command_tag,
)
from callboard.messages.conflation import state_key
from callboard.messages.notifications import (
    CellOpNotification,
    CommandSettledNotification,
    CompletedRunNotification,
    FunctionCallResultNotification,
)
from callboard.messages.payloads import InterruptionError
from callboard.messages.replies import command_id, finishes
from callboard.runtime import Outcome, Settlement
from callboard.testing.record import Handled, Posted, Reading, Record

Oracle = Callable[[Record], Iterator[str]]


def conservation(record: Record) -> Iterator[str]:
    """Every command accepted is settled exactly once, and told once; requests get one reply."""
    ends = Counter(settlement.seq for settlement in record.settlements)
    for seq, times in ends.items():
        if times > 1:
            yield f"message {seq} was settled {times} times"
    outcomes = {settlement.seq: settlement.outcome for settlement in record.settlements}
    for posted in record.posted:
        envelope = posted.envelope
        if envelope.seq not in outcomes:
            yield f"{_what(posted)} was never settled"
        elif envelope.outcome is not outcomes[envelope.seq]:
            yield f"{_what(posted)} ended as {outcomes[envelope.seq]} and then {envelope.outcome}"
    kernel = record._kernel
    if kernel is not None and not kernel.ledger.balanced:
        yield f"the ledger is out of balance by {kernel.ledger.in_flight}"
    ended = [one for one in record.settlements if type(one.message) in COMMANDS]
    expected = Counter((command_tag(one.message), _id(one), str(one.outcome)) for one in ended)
    told = Counter(
        (message.type, message.id, message.outcome)
        for message in _messages(record, CommandSettledNotification)
    )
    for key in sorted(expected.keys() | told.keys(), key=str):
        if expected[key] != told[key]:
            yield f"command-settled {key} was told {told[key]} times, not {expected[key]}"
    calls = Counter(_id(one) for one in ended if type(one.message) is InvokeFunctionCommand)
    results = Counter(
        str(message.function_call_id)
        for message in _messages(record, FunctionCallResultNotification)
    )
    for call in sorted(calls.keys() | results.keys(), key=str):
        if calls[call] != results[call]:  # type: ignore[index]
            yield f"function call {call} got {results[call]} replies, not {calls[call]}"  # type: ignore[index]
    wanted = sum(
        finishes(type(one.message)) and one.outcome is not Outcome.SUPERSEDED  # type: ignore[arg-type]
        for one in ended
    )
    told_ends = len(_messages(record, CompletedRunNotification))
    if told_ends < wanted:
        yield f"completed-run was told {told_ends} times for {wanted} commands"


def unnoticed(record: Record) -> Iterator[str]:
    """Nothing went wrong where errors are only counted."""
    kernel = record._kernel
    if kernel is None:
        return
    ledger, ingress = kernel.ledger, kernel._parts.ingress
    for place in (kernel._supervisor, ledger, ledger.dead_letters):
        if place.listener_errors:
            yield f"listeners of {type(place).__name__} raised {place.listener_errors} times"
    if ingress.errors:
        yield f"the ingress failed {ingress.errors} times: {ingress.last_error!r}"


def order(record: Record) -> Iterator[str]:
    """A domain handles what it is sent in posting order, and no tick passes a custom message."""
    last: dict[str, int] = {}
    for handled in record.handled:
        if handled.place <= last.get(handled.domain, 0):
            yield (
                f"{handled.domain} handled message {handled.seq} (place {handled.place}) after one "
                f"with place {last[handled.domain]}"
            )
        last[handled.domain] = handled.place
    yield from _barriers(record)


def _barriers(record: Record) -> Iterator[str]:
    """No tick is merged across a custom message or a command that could observe it."""
    sent = Counter(getattr(posted.command, "token", "") for posted in record.posted)
    by_token = {
        token: posted.envelope.seq
        for posted in record.posted
        # A duplicate could be either of the two.
        if _is_tick(posted) and sent[token := getattr(posted.command, "token", "")] == 1
    }
    accepted = [
        posted for posted in record.posted if posted.envelope.outcome is not Outcome.REJECTED
    ]
    barriers = [
        posted.envelope.seq
        for posted in accepted
        if not _is_tick(posted) and posted.envelope.target in ("ui", "notebook", "functions")
    ]
    for handled in record.handled:
        seqs = [by_token[token] for token in handled.tokens if token in by_token]
        if handled.domain != "ui" or len(seqs) < 2:
            continue
        first, last = min(seqs), max(seqs)
        for barrier in barriers:
            if first < barrier < last:
                yield f"ticks {first} and {last} were merged across message {barrier}"


def one_at_a_time(record: Record) -> Iterator[str]:
    """User code never overlaps user code."""
    for overlap in record.overlaps:
        yield f"user code ran at the same time: {overlap}"


def handled_once(record: Record) -> Iterator[str]:
    """No message is handled twice; a poison message is not tried again."""
    for seq, times in Counter(handled.seq for handled in record.handled).items():
        if times > 1:
            yield f"message {seq} was handled {times} times"


def aimed_interrupts(record: Record) -> Iterator[str]:
    """An interrupt breaks the run it was meant for, and what was sent before it; nothing else."""
    kernel = record._kernel
    if kernel is None or getattr(kernel._host, "abandoned", None):
        return  # A run that did not give way says that it was interrupted whenever it does.
    latest = max(record.interrupts, default=0.0)
    allowed = [
        handled
        for handled in record.handled
        if handled.interrupted
        or handled.envelope.cancel_requested
        or _killed(handled)
        or getattr(handled.envelope.message, "timestamp", latest) < latest
    ]
    for frame in record.frames:
        if not _tells_of_interrupt(frame.message):
            continue
        if not any(one.after_frame < frame.seq <= one.last_frame for one in allowed):
            yield f"notification {frame.seq} tells of an interrupt that was for another run"


def _killed(handled: Handled) -> bool:
    """Whether a stop broke it at its drain deadline."""
    settlement = handled.envelope.settlement
    return settlement is not None and (settlement.reason or "").startswith("killed: ")


def _tells_of_interrupt(message: object) -> bool:
    if not isinstance(message, CellOpNotification) or message.output is None:
        return False
    data = message.output.data
    return isinstance(data, list) and any(isinstance(error, InterruptionError) for error in data)


def bounds(record: Record) -> Iterator[str]:
    """No mailbox was ever fuller than it may be."""
    for name, (peak, capacity) in record.peaks.items():
        if peak > capacity:
            yield f"the mailbox of {name} held {peak} messages, and may hold {capacity}"


def contiguous(record: Record) -> Iterator[str]:
    """The sequence numbers of notifications have no gap."""
    numbers = [frame.seq for frame in record.frames]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the sequence numbers of notifications are not 1, 2, 3, ..."


def readers(record: Record) -> Iterator[str]:
    """A reader misses nothing but state that something newer replaces, or is cut off and knows."""
    keys = {frame.seq: state_key(frame.message) for frame in record.frames}
    newest: dict[object, int] = {key: seq for seq, key in keys.items() if key is not None}
    for reading in record.readings:
        yield from _gaps(reading, keys, newest)


def _gaps(reading: Reading, keys: dict[int, object], newest: dict[object, int]) -> Iterator[str]:
    frames = reading.frames
    if reading.resynced is not None:
        if not frames and reading.lagged is None and not reading.ended:
            yield f"{reading.name} was resynchronised and not told"
        before, frames = reading.started_after, frames[1:]
    else:
        before = reading.started_after if reading.since is None else reading.since
    for frame in frames:
        if frame.seq <= before:
            yield f"{reading.name} got notification {frame.seq} after {before}"
        for missed in range(before + 1, frame.seq):
            key = keys[missed]
            if key is None:
                yield f"{reading.name} missed notification {missed}, which must not be skipped"
            elif newest[key] <= missed:
                yield f"{reading.name} missed notification {missed}, which nothing newer replaces"
        before = frame.seq


def isolated(record: Record, aimed_at: Collection[str]) -> Iterator[str]:
    """Domains that no fault was aimed at neither fail nor restart."""
    for change in record.changes:
        if change.actor not in aimed_at and change.error is not None:
            yield f"{change.actor} crashed, though no fault was aimed at it: {change.error!r}"


EXACT = 1e-6
"""Seconds that sums of virtual times may be off."""
WITHOUT_CELLS = (ListSecretKeysCommand, DiscoverDataSourcesCommand, GetCacheInfoCommand)
"""Requests that name no variable and make one call, in a thread of their domain."""


def meanwhile(record: Record, aimed_at: Collection[str], *, slowest: float) -> Iterator[str]:
    """Requests that need no cell are answered in the time that their own call takes, whatever cells run.

    A call takes ``slowest`` virtual seconds at most, and may have to wait for those of other requests to its domain.
    Not asked of domains that a fault was aimed at, nor to be asked of a run in which something held up the control
    thread.
    """
    ends = {settlement.seq: settlement for settlement in record.settlements}
    for posted in record.posted:
        settlement = ends.get(posted.envelope.seq)
        if (
            settlement is None
            or not isinstance(posted.command, WITHOUT_CELLS)
            or settlement.target in aimed_at
        ):
            continue
        took = settlement.queued + settlement.ran
        beside = sum(
            handled.domain == settlement.target
            and handled.envelope is not posted.envelope
            and handled.envelope.posted_at <= posted.at + took
            and posted.at <= handled.envelope._settled_at
            for handled in record.handled
        )
        allowed = slowest * (1 + beside)
        if took > allowed + EXACT and not posted.envelope.cancel_requested:
            end = "answered" if settlement.outcome is Outcome.COMPLETED else settlement.outcome
            yield f"{_what(posted)} was {end} after {took:.3f} s, not within {allowed:g} s"


READING = ("storage", "datasets", "sql")
"""Domains that answer from the variables of the notebook."""


def read_your_writes(answered: Iterable[tuple[Posted, object]]) -> Iterator[str]:
    """Each request is replied as a strictly serial kernel replies, so it sees the runs before it and none after it.

    Given the commands with what such a kernel replied to each. Those that were cancelled, expired or hit by a fault are
    left out: they have no reply that could be right.
    """
    for posted, expected in answered:
        settlement = posted.envelope.settlement
        if settlement is None or settlement.target not in READING:
            continue
        refused = isinstance(settlement.error, Refused)
        if settlement.outcome is not Outcome.COMPLETED and not refused:
            continue
        if settlement.reply != expected:
            yield f"{_what(posted)} was replied {settlement.reply}, serially {expected}"


def without_secret(record: Record, secret: str) -> Iterator[str]:
    """A secret value is in nothing that leaves the kernel."""
    raw = secret.encode()
    for frame in record.frames:
        if raw in frame.data:
            yield f"notification {frame.seq} ({frame.message.op}) holds a secret"
    for settlement in record.settlements:
        if settlement.reason and secret in settlement.reason:
            yield f"the reason of message {settlement.seq} holds a secret"
    kernel = record._kernel
    if kernel is not None and secret in repr(kernel.ledger.dead_letters.latest()):
        yield "a dead letter holds a secret"


EVERY_RUN: tuple[Oracle, ...] = (
    conservation,
    unnoticed,
    order,
    one_at_a_time,
    handled_once,
    aimed_interrupts,
    bounds,
    contiguous,
    readers,
)
"""Those that need nothing but the record."""


def violations(record: Record) -> list[str]:
    """Ask every oracle that needs nothing but the record."""
    return [f"{oracle.__name__}: {text}" for oracle in EVERY_RUN for text in oracle(record)]


def _is_tick(posted: Posted) -> bool:
    command = posted.command
    if isinstance(command, ModelCommand):
        return not isinstance(command.message, ModelCustomMessage)
    return isinstance(command, UpdateUIElementCommand)


def _id(settlement: Settlement) -> str | None:
    return command_id(settlement.message)  # type: ignore[arg-type]


def _what(posted: Posted) -> str:
    return f"{command_tag(posted.command)} (message {posted.envelope.seq} of {posted.client})"


def _messages(record: Record, kind: type) -> list:  # type: ignore[type-arg]
    return [frame.message for frame in record.frames if isinstance(frame.message, kind)]
