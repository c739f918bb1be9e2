"""Supervised actors on trio: mailboxes, routing, settlement, broadcasting.

Generic over the message type, and knows nothing of what the messages mean.
"""

from callboard.runtime.actor import ActorContext, Behaviour, Ref
from callboard.runtime.broadcaster import Broadcaster, Frame, Subscription
from callboard.runtime.dead_letters import Cause, DeadLetter, DeadLetters
from callboard.runtime.envelope import Envelope, Outcome, Settlement
from callboard.runtime.errors import (
    ActorError,
    CallExited,
    Cancelled,
    Closed,
    Dead,
    Dropped,
    Expired,
    Full,
    Lagged,
    StartFailed,
    Superseded,
    Unroutable,
)
from callboard.runtime.fairness import fair_checkpoint
from callboard.runtime.ingress import Ingress
from callboard.runtime.lane import Lane, TicketGone, Turn
from callboard.runtime.ledger import Account, Ledger
from callboard.runtime.mailbox import Conflation, Mailbox, Overflow
from callboard.runtime.metrics import (
    ActorSnapshot,
    Histogram,
    HistogramSnapshot,
    SupervisorSnapshot,
)
from callboard.runtime.policy import (
    ActorState,
    Backoff,
    ChildSpec,
    Intensity,
    Restart,
    StateChange,
    StopReport,
    Strategy,
)
from callboard.runtime.router import Route, Router
from callboard.runtime.supervisor import Supervisor
from callboard.runtime.workers import NoThread, ThreadPool, TrioThreads, Workers

__all__ = [
    "Account",
    "ActorContext",
    "ActorError",
    "ActorSnapshot",
    "ActorState",
    "Backoff",
    "Behaviour",
    "Broadcaster",
    "CallExited",
    "Cancelled",
    "Cause",
    "ChildSpec",
    "Closed",
    "Conflation",
    "Dead",
    "DeadLetter",
    "DeadLetters",
    "Dropped",
    "Envelope",
    "Expired",
    "Frame",
    "Full",
    "Histogram",
    "HistogramSnapshot",
    "Ingress",
    "Intensity",
    "Lagged",
    "Lane",
    "Ledger",
    "Mailbox",
    "NoThread",
    "Outcome",
    "Overflow",
    "Ref",
    "Restart",
    "Route",
    "Router",
    "Settlement",
    "StartFailed",
    "StateChange",
    "StopReport",
    "Strategy",
    "Subscription",
    "Superseded",
    "Supervisor",
    "SupervisorSnapshot",
    "ThreadPool",
    "TicketGone",
    "TrioThreads",
    "Turn",
    "Unroutable",
    "Workers",
    "fair_checkpoint",
]
