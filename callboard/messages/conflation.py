"""How messages merge while they wait: ticks of UI elements and widget models, and what replaces what.

Ticks merge whatever their interleaving: the last value of an element wins, and the last write of
each key of a model's state. A custom message of a widget is no tick; nothing may be merged across
it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import attrs
from msgspec import UNSET

from callboard.messages.commands import (
    Command,
    ModelCommand,
    ModelUpdateMessage,
    UpdateUIElementCommand,
)
from callboard.messages.ids import ModelId, UIElementId
from callboard.messages.notifications import (
    CellOpNotification,
    CommandProgressNotification,
    Notification,
    VariablesNotification,
)
from callboard.messages.payloads import HTTPRequest

ElementTarget = tuple[Literal["element"], UIElementId]
ModelTarget = tuple[Literal["model"], ModelId]
Target = ElementTarget | ModelTarget

REMEMBERED_TOKENS = 1024
"""How many tokens a batch keeps. A duplicate follows its original closely, so older ones may go."""


@attrs.define
class ModelState:
    """Merged updates of one widget model.

    The buffers are kept under the key of the state they belong to, so that overwriting a key costs
    the same however many buffers it had.
    """

    state: dict[str, object]
    _buffers: dict[str | int, dict[tuple[str | int, ...], bytes]]
    _keys: int

    @classmethod
    def of(cls, message: ModelUpdateMessage, buffers: Sequence[bytes]) -> ModelState:
        """Take over one update; the message stays as it is."""
        by_key: dict[str | int, dict[tuple[str | int, ...], bytes]] = {}
        for path, buffer in zip(message.buffer_paths, buffers, strict=True):
            by_key.setdefault(path[0] if path else "", {})[tuple(path)] = buffer
        return cls(dict(message.state), by_key, len(message.state.keys() | by_key.keys()))

    @property
    def buffers(self) -> dict[tuple[str | int, ...], bytes]:
        """The binary values by their path in the state."""
        return {path: data for of_key in self._buffers.values() for path, data in of_key.items()}

    @property
    def keys(self) -> int:
        """How many keys of the state it sets; an update without any counts as one."""
        return max(1, self._keys)

    def absorb(self, later: ModelState) -> None:
        """Merge a later update into this one. Costs the size of the later one."""
        touched = later.state.keys() | later._buffers.keys()
        self._keys += sum(key not in self.state and key not in self._buffers for key in touched)
        for key in later.state:
            self._buffers.pop(key, None)
        for place, of_key in later._buffers.items():
            if (place,) in of_key:
                # The whole value is binary now, so nothing of an earlier one may be left in it.
                self._buffers.pop(place, None)
                if isinstance(place, str):
                    self.state.pop(place, None)
            self._buffers.setdefault(place, {}).update(of_key)
        self.state.update(later.state)

    def message(self) -> tuple[ModelUpdateMessage, list[bytes]]:
        """Make one update of it all, with its buffers apart."""
        buffers = self.buffers
        message = ModelUpdateMessage(self.state, [list(path) for path in buffers])
        return message, list(buffers.values())


@attrs.define
class UIBatch:
    """Ticks merged into one: apply it once, then run the dependants once.

    ``values`` and ``models`` are in the order in which each was first seen, ``order`` is the order
    across both. ``token`` is the last command's, ``request`` the last element update's.
    """

    values: dict[UIElementId, object] = attrs.field(factory=dict)
    models: dict[ModelId, ModelState] = attrs.field(factory=dict)
    order: list[Target] = attrs.field(factory=list)
    token: str = ""
    request: HTTPRequest | None = None
    has_ui_update: bool = False
    """Whether an element update is in it, which is true of one that names no element, too."""
    _tokens: dict[str, None] = attrs.field(factory=dict)
    _keys: int = 0

    @property
    def tokens(self) -> set[str]:
        """The tokens of the commands that were merged, up to the last ``REMEMBERED_TOKENS``."""
        return set(self._tokens)

    def has_token(self, token: str) -> bool:
        """Say whether a command with this token is in it. An empty token identifies nothing."""
        return token in self._tokens

    @property
    def keys(self) -> int:
        """How many elements and model keys it holds: what a bound on its size counts."""
        return self._keys

    def absorb(self, later: UIBatch) -> UIBatch:
        """Merge a later batch into this one, and return this one.

        Costs the size of the later batch. A duplicate, all of whose tokens are here already,
        changes nothing. The later batch must not be used any more.
        """
        if later._tokens and later._tokens.keys() <= self._tokens.keys():
            return self
        for target in later.order:
            if target[0] == "element":
                if target[1] not in self.values:
                    self.order.append(target)
                    self._keys += 1
                self.values[target[1]] = later.values[target[1]]
            else:
                self._absorb_model(target, later.models[target[1]])
        self.token = later.token
        if later.has_ui_update:
            self.has_ui_update = True
            self.request = later.request
        self._tokens |= later._tokens
        while len(self._tokens) > REMEMBERED_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return self

    def _absorb_model(self, target: ModelTarget, later: ModelState) -> None:
        model = self.models.get(target[1])
        if model is None:
            self.order.append(target)
            self.models[target[1]] = later
            self._keys += later.keys
        else:
            self._keys -= model.keys
            model.absorb(later)
            self._keys += model.keys


def as_batch(command: Command | UIBatch) -> UIBatch | None:
    """Make a batch of a single tick. None for whatever is no tick, custom messages included."""
    if isinstance(command, UIBatch):
        return command
    if isinstance(command, UpdateUIElementCommand):
        values = dict(zip(command.object_ids, command.values, strict=True))
        return UIBatch(
            values=values,
            order=[("element", element) for element in values],
            token=command.token,
            request=command.request,
            has_ui_update=True,
            tokens={command.token: None} if command.token else {},
            keys=len(values),
        )
    if isinstance(command, ModelCommand) and isinstance(command.message, ModelUpdateMessage):
        model = ModelState.of(command.message, command.buffers)
        return UIBatch(
            models={command.model_id: model},
            order=[("model", command.model_id)],
            token=command.token,
            tokens={command.token: None} if command.token else {},
            keys=model.keys,
        )
    return None


def state_key(notification: Notification) -> Hashable | None:
    """Say which notifications replace each other for a subscriber that is behind; None: keep every one.

    Only those that are the whole truth about something: the list of variables, how far a command is, and of a cell its
    status, staleness and output, each kind of message by itself. Console text, replies and settlements are kept.
    """
    if isinstance(notification, CommandProgressNotification):
        return ("progress", notification.type, notification.id)
    if isinstance(notification, VariablesNotification):
        return "variables"
    if isinstance(notification, CellOpNotification) and not notification.console:
        aspects = (
            notification.output is not None,
            notification.console is not None,
            notification.status is not None,
            notification.stale_inputs is not None,
        )
        if notification.serialization is UNSET:
            return (notification.cell_id, aspects)
    return None
