"""What follows from several sources of secrets: who lists which name, and what the environment becomes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import attrs

from callboard.messages.payloads import SecretKeys

ENVIRONMENT = "Environment variables"
"""The name of the provider ``env``."""


def names(values: Mapping[str, str]) -> str:
    """Show what is in a mapping without its values."""
    return str(sorted(values))


@attrs.frozen
class Source:
    """The names that one provider has."""

    provider: Literal["env", "dotenv"]
    name: str
    keys: Collection[str]


@attrs.frozen
class Step:
    """One variable to set or to remove; None stands for none. The repr shows no value."""

    key: str
    before: str | None = attrs.field(repr=False)
    """Its value when that was decided; if it has another one by now, it is left alone."""
    after: str | None = attrs.field(repr=False)


@attrs.frozen
class Changes:
    """What the environment lacks to be as the files want it."""

    steps: tuple[Step, ...] = ()
    given: Mapping[str, str] = attrs.field(factory=dict, repr=names)
    """The variables that come from the files once the steps are done, with the values they got."""


def list_keys(sources: Iterable[Source]) -> list[SecretKeys]:
    """Return what each source lists, in their order: sorted names, each under the first source alone that has it."""
    seen: set[str] = set()
    listed = []
    for source in sources:
        keys = set(source.keys) - seen
        seen |= keys
        listed.append(SecretKeys(source.provider, source.name, sorted(keys)))
    return listed


def merge(files: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the values of several files; where two have a name, the first one's counts, as in the list."""
    merged: dict[str, str] = {}
    for values in files:
        for key, value in values.items():
            merged.setdefault(key, value)
    return merged


def plan(
    current: Mapping[str, str],
    at_start: Collection[str],
    given: Mapping[str, str],
    wanted: Mapping[str, str],
    *,
    override: bool,
) -> Changes:
    """Say how to bring the environment to what the files want.

    ``current`` is the environment now, ``at_start`` the names it had before any file was loaded, ``given`` what the
    files have given it so far. A variable belongs to whom it comes from: what was there at the start is never touched,
    nor what the notebook itself has set or changed. What the files gave follows the files: with ``override`` a changed
    value is taken over, and a name that they no longer have goes; without it neither, and only new names are set.
    """
    steps: list[Step] = []
    gives: dict[str, str] = {}
    for key, value in wanted.items():
        if key in at_start:
            continue
        held = current.get(key)
        ours = held is not None and given.get(key) == held
        if held is None or (ours and override):
            gives[key] = value
            if held != value:
                steps.append(Step(key, held, value))
        elif ours:
            gives[key] = held
    for key, value in given.items():
        if key not in wanted and current.get(key) == value:
            if override:
                steps.append(Step(key, value, None))
            else:
                gives[key] = value
    return Changes(tuple(steps), gives)
