"""What changed between two JSON values, and which of the changes are known and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

Kind = Literal["command", "notification"]
What = Literal[
    "only in callboard",
    "only in marimo",
    "refused by callboard",
    "refused by marimo",
    "dropped by callboard",
    "dropped by marimo",
    "added by callboard",
    "added by marimo",
    "changed by callboard",
    "changed by marimo",
    "read differently by callboard",
]


@attrs.frozen
class Difference:
    """One way in which one kind of message does not come through; ``detail`` is an example."""

    kind: Kind
    tag: str
    path: str
    what: What
    detail: str = attrs.field(default="", eq=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.tag}{' ' + self.path if self.path else ''}: {self.what}"


@attrs.frozen
class Known:
    """Differences that are meant to be, as they are printed, why, and in which releases."""

    releases: frozenset[str]
    reason: str
    differences: Sequence[str]


@attrs.frozen
class Verdict:
    """Differences with their reasons, those that have none, and known ones that are no more."""

    explained: Mapping[str, Sequence[Difference]]
    unexplained: Sequence[Difference]
    stale: Sequence[str]


def judge(differences: Iterable[Difference], known: Iterable[Known], release: str) -> Verdict:
    """Hold the differences found in a release against those known for it.

    Raises:
        ValueError: the table explains one difference twice.
    """
    reasons: dict[str, str] = {}
    for entry in known:
        for text in entry.differences if release in entry.releases else ():
            if text in reasons:
                raise ValueError(f"known twice: {text}")
            reasons[text] = entry.reason
    found = {str(difference): difference for difference in differences}
    explained: dict[str, list[Difference]] = {}
    for text, difference in found.items():
        if text in reasons:
            explained.setdefault(reasons[text], []).append(difference)
    return Verdict(
        explained,
        [difference for text, difference in found.items() if text not in reasons],
        [text for text in reasons if text not in found],
    )


def changes(
    before: object, after: object, path: str = ""
) -> Iterator[tuple[str, Literal["dropped", "added", "changed"], str]]:
    """Where two JSON values differ: the path, how, and an example. List positions count as one."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in after:
                yield inner, "dropped", repr(before[key])
            elif key not in before:
                yield inner, "added", repr(after[key])
            else:
                yield from changes(before[key], after[key], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            yield from changes(old, new, path + "[]")
    elif type(before) is bool or type(after) is bool:
        if before is not after:
            yield path, "changed", f"{before!r} to {after!r}"
    elif before != after:
        yield path, "changed", f"{before!r} to {after!r}"
