"""Sends every message through callboard's and marimo's codecs, in both directions.

    python -m benchmarks.compat [--release 0.23.7] [--verbose]

Ours to marimo and back: messages that show every variant of every field are encoded by callboard,
decoded and encoded again by marimo, and decoded by callboard. marimo's to ours and back: the same
with messages made from marimo's own types. Each marimo release lives in an environment of its own.
Differences are printed by name with the reason that `benchmarks.compat.known` gives. It fails when
one has no reason, or a reason no difference.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.compat.differences import Difference, Kind, What, changes, judge
from benchmarks.compat.known import KNOWN
from benchmarks.compat.samples import instances
from benchmarks.environments import InstallFailed, environment
from callboard.messages.codec import (
    DecodeError,
    decode_command,
    decode_notification,
    encode_command,
    encode_notification,
)
from callboard.messages.commands import COMMAND_TYPES
from callboard.messages.notifications import NOTIFICATION_TYPES

NEWEST = "newest"
RELEASES = {"0.23.7": "marimo==0.23.7", NEWEST: "marimo"}
PEER = Path(__file__).with_name("peer.py")
TYPES: dict[Kind, dict[str, Any]] = {
    "command": dict(COMMAND_TYPES),
    "notification": dict(NOTIFICATION_TYPES),
}


@attrs.frozen
class Sample:
    """One message of ours and its wire form."""

    kind: Kind
    tag: str
    message: Any
    text: str


def our_samples() -> list[Sample]:
    """Every command and notification there is, in all variants."""
    return [
        Sample(kind, tag, message, encode(kind, message))
        for kind, types in TYPES.items()
        for tag, message_type in types.items()
        for message in instances(message_type)
    ]


def encode(kind: Kind, message: Any) -> str:
    """A message's wire form."""
    data = encode_command(message) if kind == "command" else encode_notification(message)
    return data.decode()


def decode(kind: Kind, text: str) -> Any:
    """The message of a wire form.

    Raises:
        DecodeError: callboard refuses it.
    """
    return decode_command(text) if kind == "command" else decode_notification(text)


def ask(python: Path, echo: Iterable[tuple[str, str]], *, samples: bool) -> Any:
    """Have marimo echo messages and give its own; see `benchmarks.compat.peer`."""
    ran = subprocess.run(
        [str(python), str(PEER)],
        input=json.dumps({"echo": list(echo), "samples": samples}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # Some of what marimo reports depends on the tools it finds.
        env={"PATH": str(python.parent)},
    )
    return json.loads(ran.stdout)


class Comparison:
    """Collects the differences from one release, each once."""

    def __init__(self) -> None:
        self.differences: dict[Difference, Difference] = {}
        self.round_trips = 0

    def note(self, kind: Kind, tag: str, path: str, what: What, detail: str = "") -> None:
        difference = Difference(kind, tag, path, what, detail)
        self.differences.setdefault(difference, difference)

    def note_changes(self, sample: tuple[Kind, str, str], echoed: str, party: str) -> bool:
        kind, tag, text = sample
        found = list(changes(json.loads(text), json.loads(echoed)))
        for path, how, detail in found:
            what: Any = f"{how} by {party}"
            self.note(kind, tag, path, what, detail)
        return bool(found)

    def ours_and_back(self, sample: Sample, answer: dict[str, str]) -> None:
        """Judge what marimo made of a message of ours, and what we make of that."""
        kind, tag = sample.kind, sample.tag
        if "refused" in answer:
            self.note(kind, tag, answer["path"], "refused by marimo", answer["refused"])
            return
        self.round_trips += 1
        altered = self.note_changes((kind, tag, sample.text), answer["text"], "marimo")
        try:
            again = decode(kind, answer["text"])
        except DecodeError as error:
            self.note(kind, tag, error.path or "", "refused by callboard", error.reason)
            return
        if not altered and again != sample.message:
            self.note(kind, tag, "", "read differently by callboard", repr(again))

    def theirs_and_back(self, kind: Kind, tag: str, text: str) -> str | None:
        """Judge what we make of a message of marimo's; give what we would send."""
        try:
            again = encode(kind, decode(kind, text))
        except DecodeError as error:
            self.note(kind, tag, error.path or "", "refused by callboard", error.reason)
            return None
        self.note_changes((kind, tag, text), again, "callboard")
        return again


def compare(python: Path) -> tuple[str, Comparison]:
    """Compare with one release; give its version and the differences."""
    comparison = Comparison()
    ours = our_samples()
    answer = ask(python, [(sample.kind, sample.text) for sample in ours], samples=True)
    for kind, types in TYPES.items():
        for tag in sorted(types.keys() - answer["tags"][kind]):
            comparison.note(kind, tag, "", "only in callboard")
        for tag in sorted(set(answer["tags"][kind]) - types.keys()):
            comparison.note(kind, tag, "", "only in marimo")
    for sample, echoed in zip(ours, answer["echo"], strict=True):
        if sample.tag in answer["tags"][sample.kind]:
            comparison.ours_and_back(sample, echoed)
    sent = [
        (kind, tag, again)
        for kind, tag, text in answer["samples"]
        if tag in TYPES[kind] and (again := comparison.theirs_and_back(kind, tag, text))
    ]
    returned = ask(python, [(kind, text) for kind, _, text in sent], samples=False)
    for (kind, tag, _), echoed in zip(sent, returned["echo"], strict=True):
        if "refused" in echoed:
            comparison.note(kind, tag, echoed["path"], "refused by marimo", echoed["refused"])
        else:
            comparison.round_trips += 1
    return answer["version"], comparison


def report(release: str, version: str, comparison: Comparison, *, verbose: bool) -> bool:
    """Print what was found in one release; tell whether all of it is known and all known found."""
    verdict = judge(comparison.differences, KNOWN, release)
    count = sum(map(len, verdict.explained.values()))
    print(
        f"marimo {version}: {comparison.round_trips} round trips, {count} known differences, "
        f"{len(verdict.unexplained)} others"
    )
    for reason, differences in verdict.explained.items():
        print(f"\n  {reason}")
        for difference in differences:
            print(f"    {difference}{f'  ({difference.detail})' if verbose else ''}")
    if verdict.unexplained:
        print("\n  without a known reason:")
        for difference in verdict.unexplained:
            print(f"    {difference}  ({difference.detail})")
    if verdict.stale:
        print("\n  known, but no longer found; take them out:")
        for text in verdict.stale:
            print(f"    {text}")
    print()
    return not verdict.unexplained and not verdict.stale


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare with each release and exit with 1 if anything is unexplained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", action="append", choices=[*RELEASES], help="default: all")
    parser.add_argument("--renew", action="store_true", help="fetch the newest release again")
    parser.add_argument("--verbose", action="store_true", help="with an example of each")
    options = parser.parse_args(arguments)
    # marimo's own samples have keys that callboard warns of; the differences tell.
    logging.getLogger("callboard").setLevel(logging.ERROR)
    good = True
    for release in options.release or RELEASES:
        try:
            python = environment([RELEASES[release]], renew=options.renew and release == NEWEST)
        except InstallFailed as failure:
            sys.exit(f"marimo could not be installed: {failure}")
        version, comparison = compare(python)
        good &= report(release, version, comparison, verbose=options.verbose)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
