"""Scenarios: a notebook, a dragged slider and other commands; and what a kernel made of them.

A scenario names no kernel. Whoever drives one reads a `Scenario` from JSON, gives a `Player` a way
to post commands and the kernel's notifications, and writes the `Result` as JSON, so that different
kernels are measured by the same code and compare number by number.

Scenario JSON::

    {"name": "install-5ms", "text": "what happens, in a sentence",
     "cells": {"slider": "slider = nb.ui.slider(0, 100000)\\nslider", "view": "..."},
     "slider": "slider",          the cell whose output shows the slider
     "observed": "view",          the cell whose output holds tick:<value>
     "drag": {"start": 0.5, "seconds": 8.0, "rate": 60.0},
     "commands": [{"at": 1.0, "command": {"type": "list-secret-keys", "requestId": "r"},
                   "answers": [{"op": "secret-keys-result", "request_id": "r"}]}],
     "interleaved": {"type": "model", ...} or null,
     "package": {"name": "slowly-built", "seconds": 5.0} or null,
     "faults": {"storage": "hang"},
     "disturbed": 1.5 or null, "undisturbed": "idle-5ms" or null,
     "patience": 15.0}

Times are in seconds. ``drag.rate`` is in ticks a second whatever the kernel does; 0 sends the next
tick when the last one has been shown, ``drag.seconds`` long. Tick number n (from 1) sets the slider
to n. Commands are in wire form; ``at`` counts from the start of the scenario. A command is answered
by the first later notification that has every field of one of ``answers``; without any, nobody
waits for one. ``interleaved`` is sent after each tick, with a fresh token. The driver adds a first
cell that imports the kernel's package as ``nb``. Before the kernel starts it makes ``package``
available to pip alone (`slow_package`). ``faults`` names domains that have to go wrong, and how
(see `benchmarks.faults`); only callboard's driver can do that. ``disturbed`` is when something
starts that the slider must not feel; it ends with the answer to the first command that has one, or
never. ``undisturbed`` is the scenario without it. ``patience`` is how long to wait after the last
tick for its value and for answers.

Result JSON (times in seconds from the start of the scenario, null where it never happened)::

    {"scenario": "install-5ms", "kernel": "name version", "python": "3.11.7",
     "ticks": [{"value": 1, "sent": 0.5, "shown": 0.51, "caught_up": 0.51}, ...],
     "answers": [{"type": "list-secret-keys", "sent": 1.0, "answered": 1.002, "failure": null}],
     "runs": {"view": 180},
     "summary": {...}}

``shown`` is when an output carried this very value; ``caught_up`` when one carried this value or a
later one, which is what the hand on the slider feels. ``runs`` counts how often a cell started
after the first tick. The summary is in milliseconds, see `Result.summary`.
"""

from __future__ import annotations

import gc
import io
import itertools
import json
import re
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

PRELUDE = "prelude"
ELEMENT_ID = re.compile(r"""object-id=\\?['"]([^'"\\]+)""")
TICK = re.compile(r"tick:(\d+)")

Wire = Mapping[str, Any]


@attrs.frozen
class Drag:
    """When the slider moves and how fast; a rate of 0 waits for each tick to be shown."""

    start: float
    seconds: float
    rate: float


@attrs.frozen
class Timed:
    """A command, when to send it, and the fields of each notification that may answer it."""

    at: float
    command: Wire
    answers: Sequence[Wire] = ()


@attrs.frozen
class SlowPackage:
    """A source distribution whose build takes a given time."""

    name: str
    seconds: float


@attrs.frozen
class Scenario:
    """See the module's description of the JSON."""

    name: str
    text: str
    cells: Mapping[str, str]
    drag: Drag
    slider: str = "slider"
    observed: str = "view"
    commands: Sequence[Timed] = ()
    interleaved: Wire | None = None
    package: SlowPackage | None = None
    faults: Mapping[str, str] = attrs.field(factory=dict)
    disturbed: float | None = None
    undisturbed: str | None = None
    patience: float = 15.0

    def to_json(self) -> str:
        return json.dumps(attrs.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        raw = json.loads(text)
        raw["drag"] = Drag(**raw["drag"])
        raw["commands"] = [Timed(**command) for command in raw["commands"]]
        raw["package"] = SlowPackage(**raw["package"]) if raw["package"] else None
        return cls(**raw)


@attrs.define
class Tick:
    """One value sent, and when it, or a later one, was seen."""

    value: int
    sent: float
    shown: float | None = None
    caught_up: float | None = None


@attrs.define
class Answer:
    """One other command, and when its answer came; why it was not carried out, if that was said."""

    type: str
    sent: float
    answered: float | None = None
    failure: str | None = None

    def __str__(self) -> str:
        after = "never" if self.answered is None else f"{self.answered - self.sent:.3f} s"
        return f"{self.type} {after}" + (f" ({self.failure})" if self.failure else "")


@attrs.frozen
class Result:
    """What one kernel made of one scenario."""

    scenario: str
    kernel: str
    python: str
    ticks: Sequence[Tick]
    answers: Sequence[Answer]
    runs: Mapping[str, int]

    def waits(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Seconds from sending each tick to catching up with it, in order of size.

        Of the ticks sent within a time of the scenario. Infinite for those never caught up with.
        """
        return sorted(
            tick.caught_up - tick.sent if tick.caught_up is not None else float("inf")
            for tick in self.ticks
            if since <= tick.sent <= until
        )

    @property
    def summary(self) -> dict[str, float | int | None]:
        """Milliseconds, except counts.

        ``p50``, ``p99``, ``max``: from sending a tick to catching up with it, over all ticks;
        None as soon as that share of them was never caught up with. ``shown``: how many values
        were shown; ``superseded``: how many never were. ``freeze``: the longest time without a
        new value between the first tick and the last value shown. ``last_value_lag``: from the
        last tick to the output with its value. ``runs``: of the observed and all other cells.
        """
        waits = self.waits()
        shown = sorted(tick.shown for tick in self.ticks if tick.shown is not None)
        marks = [self.ticks[0].sent, *shown] if self.ticks else []
        last = self.ticks[-1] if self.ticks else None
        return {
            "ticks": len(self.ticks),
            "p50": milliseconds(percentile(waits, 0.50)),
            "p99": milliseconds(percentile(waits, 0.99)),
            "max": milliseconds(percentile(waits, 1.0)),
            "shown": len(shown),
            "superseded": len(self.ticks) - len(shown),
            "runs": sum(self.runs.values()),
            "freeze": milliseconds(
                max((b - a for a, b in itertools.pairwise(marks)), default=float("inf"))
            ),
            "last_value_lag": milliseconds(
                last.shown - last.sent if last and last.shown is not None else float("inf")
            ),
        }

    def to_json(self) -> str:
        return json.dumps({**attrs.asdict(self), "summary": self.summary})

    def brief(self) -> dict[str, Any]:
        """Everything but the single ticks."""
        whole = attrs.asdict(self, filter=attrs.filters.exclude("ticks"))
        return {**whole, "summary": self.summary}

    @classmethod
    def from_json(cls, text: str) -> Result:
        raw = json.loads(text)
        del raw["summary"]
        raw["ticks"] = [Tick(**tick) for tick in raw["ticks"]]
        raw["answers"] = [Answer(**answer) for answer in raw["answers"]]
        return cls(**raw)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least a share of the ordered values do not exceed."""
    if not ordered:
        return float("inf")
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def milliseconds(seconds: float) -> float | None:
    """Rounded to the microsecond; infinity, which JSON has not, becomes None."""
    return None if seconds == float("inf") else round(seconds * 1000, 3)


def steady() -> None:
    """Keep what the interpreter does by itself out of a driver's figures."""
    # Its two threads must not delay each other by a whole switch interval.
    sys.setswitchinterval(0.0005)
    # Looking for garbage takes tens of milliseconds, and a driver leaves none to speak of.
    gc.disable()


class Receiver(Protocol):
    """Takes the notifications of a kernel."""

    def receive(self, notification: Wire, at: float) -> None:
        """Take note of one that arrived at a `time.perf_counter` reading."""


class Player:
    """Plays a scenario against one kernel and records what comes back.

    `prepare` and `play` run on the driver's main thread; `receive` on whichever one thread reads
    the kernel's notifications. ``post`` is called on the main thread and must not wait.
    """

    def __init__(self, scenario: Scenario, package: str, post: Callable[[Wire], None]) -> None:
        self._scenario = scenario
        self._package = package
        self._post = post
        self._changed = threading.Condition()
        self._instantiated = False
        self._element: str | None = None
        self._errors: dict[str, str] = {}
        self._ticks: list[Tick] = []
        self._waiting = 0  # index of the first tick not caught up with
        self._pending: list[tuple[Sequence[Wire], Answer]] = []
        self._awaited: list[tuple[Wire, Answer]] = []
        self._answers: list[Answer] = []
        self._runs: dict[str, int] = {}
        self._start = 0.0

    def receive(self, notification: Wire, at: float) -> None:
        """Take note of one notification that arrived at a `time.perf_counter` reading."""
        with self._changed:
            match notification["op"]:
                case "completed-run":
                    self._instantiated = True
                case "cell-op":
                    self._observe(notification, at - self._start)
                case "command-settled" if notification["outcome"] != "completed":
                    self._note_failure(notification)
            for entry in list(self._pending):
                wanted, answer = entry
                if any(fields.items() <= notification.items() for fields in wanted):
                    answer.answered = at - self._start
                    self._pending.remove(entry)
            self._changed.notify_all()

    def _note_failure(self, settled: Wire) -> None:
        for command, answer in self._awaited:
            if command["type"] == settled["type"] and settled["id"] in (None, *command.values()):
                answer.failure = f"{settled['outcome']}: {settled['reason']}"

    def _observe(self, notification: Wire, at: float) -> None:
        cell = notification["cell_id"]
        if self._ticks and notification.get("status") == "running":
            self._runs[cell] = self._runs.get(cell, 0) + 1
        output = notification.get("output")
        if not output:
            return
        text = json.dumps(output["data"])
        if output["channel"].endswith("error"):
            self._errors[cell] = text
        if cell == self._scenario.slider and (found := ELEMENT_ID.search(text)):
            self._element = found.group(1)
        if cell == self._scenario.observed and (found := TICK.search(text)):
            self._show(int(found.group(1)), at)

    def _show(self, value: int, at: float) -> None:
        if 1 <= value <= len(self._ticks) and self._ticks[value - 1].shown is None:
            self._ticks[value - 1].shown = at
        while self._waiting < min(value, len(self._ticks)):
            self._ticks[self._waiting].caught_up = at
            self._waiting += 1

    def prepare(self, patience: float = 30.0) -> None:
        """Create the notebook and wait until every cell ran.

        Raises:
            RuntimeError: a cell failed, or the kernel did not answer within ``patience`` seconds.
        """
        codes = {PRELUDE: f"import {self._package} as nb\nimport time", **self._scenario.cells}
        self._post(
            {
                "type": "create-notebook",
                "executionRequests": [
                    {"type": "execute-cell", "cellId": cell, "code": code}
                    for cell, code in codes.items()
                ],
                "cellIds": list(codes),
                "setUiElementValueRequest": {
                    "type": "update-ui-element",
                    "objectIds": [],
                    "values": [],
                    "token": "create",
                },
                "autoRun": True,
            }
        )
        with self._changed:
            self._changed.wait_for(lambda: self._instantiated, patience)
            if self._errors:
                raise RuntimeError(f"cells failed: {self._errors}")
            if not self._instantiated or self._element is None:
                raise RuntimeError("the kernel did not show the slider")

    def play(self, kernel: str, python: str) -> Result:
        """Send every tick and command at its time, wait for the last, and report."""
        drag = self._scenario.drag
        self._start = time.perf_counter()
        count = round(drag.seconds * drag.rate)
        schedule: list[tuple[float, Timed | None]] = [
            (timed.at, timed) for timed in self._scenario.commands
        ]
        schedule += [(drag.start + index / drag.rate, None) for index in range(count)]
        schedule.sort(key=lambda entry: entry[0])
        for due, timed in schedule:
            time.sleep(max(0.0, self._start + due - time.perf_counter()))
            if timed is None:
                self._tick()
            else:
                self._command(timed)
        if not drag.rate:
            self._closed_loop()
        with self._changed:
            self._changed.wait_for(self._finished, self._scenario.patience)
            return Result(
                scenario=self._scenario.name,
                kernel=kernel,
                python=python,
                ticks=self._ticks,
                answers=self._answers,
                runs=self._runs,
            )

    def _closed_loop(self) -> None:
        drag = self._scenario.drag
        time.sleep(max(0.0, self._start + drag.start - time.perf_counter()))
        while time.perf_counter() < self._start + drag.start + drag.seconds:
            self._tick()
            with self._changed:
                if not self._changed.wait_for(self._caught_up, self._scenario.patience):
                    return

    def _tick(self) -> None:
        with self._changed:
            value = len(self._ticks) + 1
            self._ticks.append(Tick(value, time.perf_counter() - self._start))
        self._post(
            {
                "type": "update-ui-element",
                "objectIds": [self._element],
                "values": [value],
                "token": f"tick-{value}",
            }
        )
        if self._scenario.interleaved is not None:
            self._post({**self._scenario.interleaved, "token": f"between-{value}"})

    def _command(self, timed: Timed) -> None:
        if timed.answers:
            answer = Answer(str(timed.command["type"]), time.perf_counter() - self._start)
            with self._changed:
                self._answers.append(answer)
                self._pending.append((timed.answers, answer))
                self._awaited.append((timed.command, answer))
        self._post(timed.command)

    def _caught_up(self) -> bool:
        return self._waiting == len(self._ticks)

    def _finished(self) -> bool:
        return self._caught_up() and not self._pending


def slow_package(package: SlowPackage, folder: Path) -> dict[str, str]:
    """Write a source distribution that builds slowly; give the environment that lets pip find it.

    The build backend travels in the archive and needs nothing, so that no registry is asked and
    the given seconds are all the time the build takes. pip installs into a folder of its own: the
    interpreter's packages stay as they are and the next run builds again.
    """
    stem = f"{package.name.replace('-', '_')}-1.0"
    metadata = f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    backend = f"""
import time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    for step in range(10):
        print("compiling part", step + 1, "of 10", flush=True)
        time.sleep({package.seconds} / 10)
    name = "{stem}-py3-none-any.whl"
    info = "{stem}.dist-info"
    with zipfile.ZipFile(wheel_directory + "/" + name, "w") as wheel:
        wheel.writestr("{package.name.replace("-", "_")}.py", "")
        wheel.writestr(info + "/METADATA", {metadata!r})
        wheel.writestr(info + "/WHEEL", {tags!r})
        wheel.writestr(info + "/RECORD", "")
    return name

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    import os
    info = "{stem}.dist-info"
    os.mkdir(metadata_directory + "/" + info)
    with open(metadata_directory + "/" + info + "/METADATA", "w") as file:
        file.write({metadata!r})
    return info
"""
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{stem}.tar.gz", "w:gz") as archive:
        for name, text in (
            ("PKG-INFO", metadata),
            ("backend.py", backend),
            ("pyproject.toml", pyproject),
        ):
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_TARGET": str(folder / "installed"),
        "PIP_UPGRADE": "1",
    }


def working(seconds: float, *, spinning: bool) -> str:
    """Cell code that takes a time, asleep or with the processor and the GIL in its hands."""
    if not seconds:
        return ""
    if not spinning:
        return f"time.sleep({seconds})\n"
    return f"_end = time.perf_counter() + {seconds}\nwhile time.perf_counter() < _end:\n    pass\n"


HANGING = 5.0
"""Seconds that what disturbs a drag lasts."""
ALTERNATING = 10.0
"""Seconds of ticks of elements and models in turn."""


def notebook(cost: float, *, spinning: bool) -> dict[str, str]:
    """A slider and a cell that takes ``cost`` seconds to show its value."""
    return {
        "slider": "slider = nb.ui.slider(0, 100000)\nslider",
        "view": working(cost, spinning=spinning) + 'f"tick:{slider.value}"',
    }


def scenarios(*, spinning: bool = False, seconds: float = HANGING) -> list[Scenario]:
    """The standard set; ``seconds`` is how long an undisturbed drag takes."""
    suffix = "-spin" if spinning else ""
    found = [
        Scenario(
            "overhead",
            "each tick waits for the one before; the dependent cell costs nothing",
            notebook(0.0, spinning=False),
            Drag(start=0.5, seconds=seconds, rate=0.0),
        )
    ]
    for cost in (0.005, 0.05):
        cells = notebook(cost, spinning=spinning)
        name = f"-{cost * 1000:g}ms{suffix}"
        idle = Scenario("idle" + name, "60 Hz drag, nothing else", cells, _drag(seconds))
        found += [idle, _install(name, cells), *_faults(name, cells, seconds)]
    cells = notebook(0.05, spinning=spinning)
    found.append(_alternating(f"-50ms{suffix}", cells, min(ALTERNATING, 2 * seconds)))
    cells = notebook(0.005, spinning=spinning)
    return [
        *found,
        _busy(f"-5ms{suffix}", cells, working(HANGING, spinning=spinning)),
    ]


def _drag(seconds: float) -> Drag:
    return Drag(start=0.5, seconds=seconds, rate=60.0)


def _alternating(name: str, cells: Wire, seconds: float) -> Scenario:
    message = {"method": "update", "state": {"value": 1}, "bufferPaths": []}
    return Scenario(
        "alternating" + name,
        "60 Hz drag with a message for a widget model after each tick",
        cells,
        _drag(seconds),
        interleaved={"type": "model", "modelId": "nobody", "message": message, "buffers": []},
    )


def _install(name: str, cells: Wire) -> Scenario:
    done = (
        ("installing-package-alert", "installed"),
        ("environment-operation", "succeeded"),  # marimo after 0.23
    )
    command = {
        "type": "install-packages",
        "manager": "pip",
        "versions": {"slowly-built": ""},
        "source": "kernel",
    }
    answers = [{"op": op, "packages": {"slowly-built": status}} for op, status in done]
    return Scenario(
        "install" + name,
        f"60 Hz drag; one second in, pip builds a package for {HANGING:g} s",
        cells,
        _drag(HANGING + 3),
        commands=[Timed(1.5, command, answers)],
        package=SlowPackage("slowly-built", HANGING),
        disturbed=1.5,
        undisturbed="idle" + name,
    )


def _faults(name: str, cells: Wire, seconds: float) -> list[Scenario]:
    """Drags beside a storage domain that goes wrong, from their start to their end."""
    command = {"type": "storage-list-entries", "requestId": "r", "namespace": "n", "limit": 1}

    def beside(what: str, text: str, fault: str, times: Sequence[float]) -> Scenario:
        return Scenario(
            what + name,
            f"60 Hz drag; {text}",
            cells,
            _drag(seconds),
            commands=[Timed(at, command) for at in times],
            faults={"storage": fault},
            disturbed=0.5,
            undisturbed="idle" + name,
        )

    every = [0.4 + 0.1 * step for step in range(round(10 * seconds))]
    return [
        beside("hung", "a listing of another domain never returns", "hang", every[:1]),
        beside("crashed", "another domain has crashed", "crash", every[:1]),
        beside("crash-looping", "another domain crashes at each command", "crash", every),
        beside(
            "full", "another domain hangs and is sent 200 commands a second", "hang", 20 * every
        ),
    ]


def _busy(name: str, cells: Wire, code: str) -> Scenario:
    run = {"type": "execute-cells", "cellIds": ["busy"], "codes": [code]}
    keys = {"type": "list-secret-keys", "requestId": "keys"}
    return Scenario(
        "busy" + name,
        f"60 Hz drag; one second in, an unrelated cell runs for {HANGING:g} s, "
        "and a second later the secret keys are asked for",
        cells,
        _drag(HANGING + 3),
        commands=[
            Timed(1.5, run, [{"op": "cell-op", "cell_id": "busy", "status": "idle"}]),
            Timed(2.5, keys, [{"op": "secret-keys-result", "request_id": "keys"}]),
        ],
        disturbed=1.5,
    )
