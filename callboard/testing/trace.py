"""What happened in a simulation, in order, without what differs from process to process."""

from __future__ import annotations

import hashlib
import re

import attrs
import msgspec

_RANDOM = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b|(?<=-)[0-9a-f]{8}(?=-\d)"
    r"|(?<=<kernel )[0-9a-f]{6}(?= cell )|(?<=&lt;kernel )[0-9a-f]{6}(?= cell )"
)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_WHEN = re.compile(r'"timestamp":[0-9.e+-]+')


@attrs.frozen
class Event:
    """One line of a trace. ``at`` is in virtual seconds."""

    at: float
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:10.4f}  {self.kind:<9} {self.text}"


@attrs.define(eq=False)
class Trace:
    """Events in the order they happened. Random identifiers are numbered by first sight."""

    events: list[Event] = attrs.field(factory=list)
    _known: dict[str, str] = attrs.field(factory=dict, init=False)

    def add(self, at: float, kind: str, text: str) -> None:
        """Take down an event."""
        self.events.append(Event(round(at, 6), kind, self.normal(text)))

    def normal(self, text: str) -> str:
        """Replace what is not the same in the next process."""
        text = _ADDRESS.sub("0x", text)
        text = _WHEN.sub('"timestamp":0', text)
        return _RANDOM.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        return self._known.setdefault(found[0], f"<{len(self._known) + 1}>")

    @property
    def digest(self) -> str:
        """A hash of everything that happened."""
        packed = msgspec.json.encode([(event.at, event.kind, event.text) for event in self.events])
        return hashlib.sha256(packed).hexdigest()

    def timeline(self, last: int = 80, *, without: tuple[str, ...] = ("frame", "stop")) -> str:
        """Return the last events as lines, some kinds left out."""
        lines = [str(event) for event in self.events if event.kind not in without]
        cut = len(lines) - last
        return "\n".join([f"... {cut} events before", *lines[cut:]] if cut > 0 else lines)
