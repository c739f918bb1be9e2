"""What a supervisor is told to do, and what it tells of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeVar

import attrs

from callboard.runtime.actor import Behaviour
from callboard.runtime.envelope import Settlement
from callboard.runtime.lane import Lane
from callboard.runtime.mailbox import Mailbox

M = TypeVar("M")


class Restart(StrEnum):
    """Which endings an actor is started again after."""

    PERMANENT = "permanent"
    """All of them."""
    TRANSIENT = "transient"
    """Crashes, but not the normal end (`ActorContext.stop`)."""
    TEMPORARY = "temporary"
    """None."""


class Strategy(StrEnum):
    """Who is restarted when an actor is."""

    ONE_FOR_ONE = "one-for-one"
    """The actor alone."""
    REST_FOR_ONE = "rest-for-one"
    """The actor and those added after it, which come up again after it and in order."""


class ActorState(StrEnum):
    """Where an actor is in its life."""

    STARTING = "starting"
    """Its ``on_start`` is under way, or that of one it depends on; messages queue."""
    RUNNING = "running"
    BACKOFF = "backoff"
    """It ended and is started again after a while; messages queue."""
    DOWN = "down"
    """It crashed too often: messages are refused at once, until a later try succeeds."""
    STOPPING = "stopping"
    """It takes in nothing more and works off what is queued."""
    STOPPED = "stopped"
    """It has ended for good."""


@attrs.frozen
class Intensity:
    """How many restarts within how many seconds are borne; one more opens the circuit."""

    restarts: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    period: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))


@attrs.frozen
class Backoff:
    """How long to wait before a restart: exponential, with jitter.

    Before the n-th restart within the intensity period, that is ``initial * factor ** (n - 1)``
    seconds, at most ``maximum``, less a random part of up to ``jitter`` (0 to 1) of it.
    """

    initial: float = attrs.field(default=0.05, validator=attrs.validators.ge(0))
    factor: float = attrs.field(default=2.0, validator=attrs.validators.ge(1))
    maximum: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))
    jitter: float = attrs.field(
        default=0.25, validator=[attrs.validators.ge(0), attrs.validators.le(1)]
    )
    rng: random.Random = attrs.field(factory=random.Random, eq=False)

    def delay(self, attempt: int) -> float:
        """Seconds to wait before restart number `attempt`, counted from 1."""
        try:
            full = min(self.maximum, self.initial * self.factor ** (attempt - 1))
        except OverflowError:
            full = self.maximum
        return full * (1.0 - self.jitter * self.rng.random())


@attrs.frozen
class ChildSpec(Generic[M]):
    """One actor: how to make its behaviour, where its messages wait, and when it is restarted.

    ``start_timeout`` bounds ``on_start``, ``stop_timeout`` bounds ``on_stop``; both in seconds.
    A ``lane`` has the actor handle its messages in posting order with the lane's other actors.
    """

    name: str
    behaviour: Callable[[], Behaviour[M]]
    mailbox: Mailbox[M]
    restart: Restart = Restart.PERMANENT
    lane: Lane | None = None
    start_timeout: float = 30.0
    stop_timeout: float = 5.0


@attrs.frozen
class StateChange:
    """An actor went from one state to another.

    ``error`` is the crash, if one caused it, and ``poison`` how the message in hand ended then;
    it is not retried. ``retry_in`` is seconds until the next start, where one is planned.
    """

    actor: str
    old: ActorState
    new: ActorState
    at: float
    reason: str
    error: BaseException | None = attrs.field(default=None, repr=lambda error: type(error).__name__)
    poison: Settlement | None = None
    retry_in: float | None = None


@attrs.frozen
class StopReport:
    """How a stop went.

    ``drained``: everything queued was handled in time. ``cancelled`` names the actors that had to
    be cancelled, ``unfinished`` those that had not ended even so when the kill deadline passed;
    their tasks still run. ``leftovers`` counts messages settled as cancelled by the stop.
    """

    drained: bool
    cancelled: tuple[str, ...]
    unfinished: tuple[str, ...]
    leftovers: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether every actor worked off its queue and ended by itself."""
        return self.drained and not self.cancelled and not self.unfinished
