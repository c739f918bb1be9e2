"""What clients do in a simulation, as values."""

from __future__ import annotations

from math import inf

import attrs

from callboard.messages.commands import (
    Command,
    ExecuteCellsCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    ModelCommand,
    ModelUpdateMessage,
    UpdateUIElementCommand,
    command_tag,
)


@attrs.frozen
class Send:
    """Post a command."""

    command: Command
    timeout: float = inf
    times: int = 1

    def __str__(self) -> str:
        text = describe_command(self.command)
        if self.timeout != inf:
            text += f" within {self.timeout} s"
        return text if self.times == 1 else f"{text}, {self.times} times"


@attrs.frozen
class Interrupt:
    """Interrupt whatever runs, if anything does."""

    times: int = 1

    def __str__(self) -> str:
        return "interrupt" if self.times == 1 else f"interrupt {self.times} times"


@attrs.frozen
class Withdraw:
    """Cancel a command that has not ended: the nth latest of them, counted from 0."""

    nth: int

    def __str__(self) -> str:
        return f"cancel open command {self.nth}"


@attrs.frozen
class Follow:
    """Begin to read notifications, under a name; ``pause`` seconds between reads."""

    name: str
    pause: float = 0.0
    max_buffer: int = 1000
    resume: bool = False
    """Go on after what a reader of this name has read before."""

    def __str__(self) -> str:
        how = "resume" if self.resume else "follow"
        return f"{how} as {self.name}, a read every {self.pause} s, buffer {self.max_buffer}"


@attrs.frozen
class Leave:
    """Stop reading."""

    name: str

    def __str__(self) -> str:
        return f"leave as {self.name}"


@attrs.frozen
class Publish:
    """Publish something that cannot be encoded."""

    def __str__(self) -> str:
        return "publish what cannot be encoded"


@attrs.frozen
class JumpClock:
    """Set the wall clock."""

    seconds: float

    def __str__(self) -> str:
        return f"wall clock jumps by {self.seconds} s"


Act = Send | Interrupt | Withdraw | Follow | Leave | Publish | JumpClock


@attrs.frozen
class Step:
    """One act of one client. ``at``: seconds after the phase has begun."""

    at: float
    client: str
    act: Act
    fault: str = ""
    """The fault that it is part of, if it is."""

    def __str__(self) -> str:
        cause = f" ({self.fault})" if self.fault else ""
        return f"{self.at:8.3f} {self.client}: {self.act}{cause}"


def describe_command(command: Command) -> str:
    """One line about a command."""
    text = command_tag(command)
    if isinstance(command, UpdateUIElementCommand):
        pairs = zip(command.object_ids, command.values, strict=True)
        return f"{text} " + " ".join(f"{element}={value}" for element, value in pairs)
    if isinstance(command, ExecuteCellsCommand):
        return f"{text} {' '.join(command.cell_ids)}"
    if isinstance(command, ModelCommand):
        update = isinstance(command.message, ModelUpdateMessage)
        return f"{text} {command.model_id} {'update' if update else 'custom'}"
    if isinstance(command, InvokeFunctionCommand):
        return f"{text} {command.function_name}"
    if isinstance(command, InstallPackagesCommand):
        return f"{text} {' '.join(command.versions)}"
    return text
