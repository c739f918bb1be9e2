"""Workloads drawn from a seed: a notebook, and what clients do with it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs

from callboard.messages.commands import (
    ClearCacheCommand,
    CodeCompletionCommand,
    Command,
    CreateNotebookCommand,
    DebugCellCommand,
    DeleteCellCommand,
    DiscoverDataSourcesCommand,
    ExecuteCellCommand,
    ExecuteCellsCommand,
    ExecuteScratchpadCommand,
    ExecuteStaleCellsCommand,
    GetCacheInfoCommand,
    InstallPackagesCommand,
    InvokeFunctionCommand,
    ListDataSourceConnectionCommand,
    ListSecretKeysCommand,
    ListSQLSchemasCommand,
    ListSQLTablesCommand,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    PreviewDatasetColumnCommand,
    PreviewSQLTableCommand,
    RefreshSecretsCommand,
    RenameNotebookCommand,
    SetBreakpointsCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
    SyncGraphCommand,
    UpdateCellConfigCommand,
    UpdateUIElementCommand,
    UpdateUserConfigCommand,
    ValidateSQLCommand,
)
from callboard.messages.ids import (
    CellId,
    FunctionCallId,
    ModelId,
    RequestId,
    UIElementId,
    VariableName,
)
from callboard.testing.faults import Fault, FaultPlan, Point
from callboard.testing.faults.plan import TAIL
from callboard.testing.simulation.installer import PREFIX
from callboard.testing.simulation.steps import (
    Act,
    Follow,
    Interrupt,
    JumpClock,
    Leave,
    Publish,
    Send,
    Step,
    Withdraw,
)

SLIDERS = 3
CELLS = 8
"""Cells are called ``c0`` and so on; so many names there are."""
STOP = 1000
"""Sliders go from 0 to here."""
_SETUP = CellId("imports")
_ELEMENTS = CellId("elements")
_CLIENTS = ("ann", "bob", "cy")
_PAUSES = (0.0, 0.0, 0.005, 0.02, 0.02, 0.05, 0.3)
_PACKAGES = ("a", "b")
_KINDS = ("storage", "storage", "database")

_IMPORTS = """\
import asyncio
import callboard as cb
from callboard.ui.functions import Function
from callboard.ui.element import UIElement
from callboard.testing.simulation.data import database_of, storage_of
"""
_MAKE_ELEMENTS = """\
heard = []
async def _later(value):
    await asyncio.sleep(0.01)
    heard.append(value)
async def _slowly(seconds=0.05):
    await asyncio.sleep(seconds)
    return seconds
s0 = cb.ui.slider(0, {stop}, on_change=heard.append)
s1 = cb.ui.slider(0, {stop}, on_change=_later)
s2 = cb.ui.slider(0, {stop})
caller = UIElement(0, functions=[Function("quick", lambda: 42), Function("slow", _slowly),
                                 Function("bad", lambda: 1 / 0)])
"""


@attrs.define
class Workload:
    """A notebook to begin with, and what clients do with it."""

    notebook: CreateNotebookCommand
    steps: list[Step]

    def __str__(self) -> str:
        cells = [
            f"{request.cell_id}: {' | '.join(request.code.splitlines()[-3:])}"
            for request in self.notebook.execution_requests
        ]
        return "\n".join([*cells, *map(str, self.steps)])


@attrs.define(eq=False)
class Author:
    """Writes workloads; knows the cells as they are when every command so far has been carried out."""

    rng: Random
    prefix: str = ""
    """Begins all identifiers, so that those of two phases differ."""
    codes: dict[CellId, str] = attrs.field(factory=dict)
    packages: bool = False
    """Whether cells import packages and clients install them."""
    lazy: bool = False
    """Whether it may make the kernel lazy."""
    _numbered: int = attrs.field(default=0, init=False)

    def notebook(self) -> CreateNotebookCommand:
        """Write the notebook to begin with."""
        self.codes = {_SETUP: _IMPORTS, _ELEMENTS: _MAKE_ELEMENTS.format(stop=STOP)}
        for number in range(self.rng.randint(2, 7)):
            self.codes[CellId(f"c{number}")] = self._code(number)
        return self.anew()

    def anew(self) -> CreateNotebookCommand:
        """Instantiate the cells as they are now."""
        return CreateNotebookCommand(
            [ExecuteCellCommand(cell, code, timestamp=0) for cell, code in self.codes.items()],
            list(self.codes),
            UpdateUIElementCommand([], [], token=""),
            auto_run=True,
        )

    def everything(self) -> ExecuteCellsCommand:
        """Run all cells as they are now."""
        return ExecuteCellsCommand(list(self.codes), list(self.codes.values()), timestamp=0)

    def steps(self, count: int, seconds: float, *, disturbed: bool) -> list[Step]:
        """Write what clients do; ``disturbed``: they also interrupt, cancel and set deadlines."""
        rng, steps = self.rng, []
        times = sorted(rng.uniform(0, seconds) for _ in range(count))
        at = 0.0
        for drawn in times:
            # Bursts are where things get interesting.
            at = drawn if rng.random() < 0.6 else at
            if rng.random() < 0.1:
                steps += self._drag(at)
            steps.append(Step(at, rng.choice(_CLIENTS), self._act(disturbed)))
        if disturbed and rng.random() < 0.4:
            steps += self._drag(seconds + 1, withdrawn=True)
        return steps

    def disturbances(self, plan: FaultPlan, seconds: float) -> list[Step]:
        """Write the steps that the faults of clients, of readers and of notebook code consist of."""
        steps: list[Step] = []
        for fault in plan.at(Point.CLIENT, Point.SUBSCRIBER, Point.CELL, Point.CLOCK):
            at = min(seconds, fault.nth * seconds / 13)
            for after, act in _DISTURBANCES[fault.name](self, fault):
                steps.append(Step(at + after, "mallory", act, fault.name))
        if plan.at(Point.INSTALLER):
            install = InstallPackagesCommand("pip", {self.new("callboard-sim-x"): ""})
            steps += [
                Step(0.1 + number * 0.2, "mallory", Send(install, timeout=60))
                for number in range(max(fault.nth for fault in plan.at(Point.INSTALLER)))
            ]
        if any(fault.after for fault in plan.faults):
            steps += self._drag(TAIL + 0.5)
        for fault in plan.at(Point.HANDLER, Point.START, Point.STOP, Point.THREAD):
            # The domain has to be passed often enough for the fault to have its opportunity.
            steps += [
                Step(number * seconds / 20, "mallory", Send(self.command_for(fault.domain)))
                for number in range(fault.nth + fault.times)
            ]
        return steps

    def backlog(self, at: float) -> list[Step]:
        """Write a command that takes longer than a stop waits, and others behind it that never get their turn."""
        rng = self.rng
        endless = Step(at, "mallory", Send(self.run("await asyncio.sleep(600)")))
        behind = [self.command_for(rng.choice(("ui", "functions", "notebook"))) for _ in range(3)]
        return [endless, *(Step(at, rng.choice(_CLIENTS), Send(command)) for command in behind)]

    def new(self, kind: str) -> str:
        """Make a new identifier."""
        self._numbered += 1
        return f"{kind}-{self.prefix}{self._numbered}"

    def command_for(self, domain: str) -> Command:
        """Write a harmless command for a domain."""
        if domain == "ui":
            return self.tick(1)
        if domain == "functions":
            return self.call("quick")
        if domain == "packages":
            return InstallPackagesCommand("pip", {self.new("callboard-sim-y"): ""})
        if domain == "kernel":
            raise ValueError("the kernel domain has one command, and that ends it")
        if domain in _ASKED:
            return _ASKED[domain](self)
        return ExecuteScratchpadCommand("1 + 1")

    def tick(self, elements: int) -> UpdateUIElementCommand:
        """Set some elements."""
        rng = self.rng
        chosen = rng.sample(range(SLIDERS), elements)
        return UpdateUIElementCommand(
            [UIElementId(f"{_ELEMENTS}-{number}") for number in chosen],
            [rng.randint(0, STOP) for _ in chosen],
            token=self.new("tick"),
        )

    def call(self, function: str) -> InvokeFunctionCommand:
        """Call a function of an element."""
        return InvokeFunctionCommand(
            FunctionCallId(self.new("call")), f"{_ELEMENTS}-{SLIDERS}", function, {}
        )

    def run(self, code: str) -> ExecuteCellsCommand:
        """Run a cell beside those of the notebook."""
        return ExecuteCellsCommand([CellId(self.new("extra"))], [code], timestamp=0)

    def _drag(self, at: float, *, withdrawn: bool = False) -> list[Step]:
        """Write what a hand on sliders sends, at 60 Hz; ``withdrawn``: the last value soon expires."""
        client = self.rng.choice(_CLIENTS)
        ticks = range(self.rng.randint(3, 15))
        elements = self.rng.choice((1, 1, SLIDERS))
        steps = [Step(at + number / 60, client, Send(self.tick(elements))) for number in ticks]
        if withdrawn:
            last = Send(self.tick(elements), timeout=self.rng.choice((0.001, 0.01)))
            steps.append(Step(at + len(ticks) / 60, client, last))
        return steps

    def _act(self, disturbed: bool) -> Act:
        rng = self.rng
        if disturbed:
            drawn = rng.random()
            if drawn < 0.03:
                return Interrupt()
            if drawn < 0.06:
                return Withdraw(rng.randint(0, 3))
            if drawn < 0.08:
                return Send(self.tick(1), timeout=rng.choice((0.001, 0.02, 0.2)))
        if rng.random() < 0.06:
            name = f"reader{rng.randint(0, 2)}"
            if rng.random() < 0.4:
                return Leave(name)
            return Follow(
                name,
                rng.choice((0.0, 0.001, 0.05)),
                rng.choice((3, 50, 1000)),
                rng.random() < 0.5,
            )
        write = rng.choices(_WRITERS, _WEIGHTS)[0]
        return Send(write(self))

    def _code(self, number: int) -> str:
        """Write cell ``c<number>``: it reads sliders and cells with lower numbers."""
        rng = self.rng
        known = [cell for cell in self.codes if cell[0] == "c" and int(cell[1:]) < number]
        sliders = rng.sample(range(SLIDERS), rng.randint(0, 2))
        cells = rng.sample(known, min(len(known), rng.randint(0, 2)))
        terms = [str(rng.randint(1, 99))]
        terms += [f"{rng.randint(2, 30)} * s{slider}.value" for slider in sliders]
        terms += [f"{rng.randint(2, 30)} * {cell}" for cell in cells]
        lines = []
        pause = rng.choice(_PAUSES)
        if pause:
            lines.append(f"await asyncio.sleep({pause})")
        if self.packages and rng.random() < 0.2:
            package = PREFIX + rng.choice(_PACKAGES)
            lines.append(f"import {package} as _package")
            terms.append("_package.VALUE")
        if sliders and rng.random() < 0.3:
            lines.append(f"if s{sliders[0]}.value % 7 == 3: raise ValueError('three')")
        if rng.random() < 0.3:
            lines.append(f"print('cell {number}')")
        lines += [f"c{number} = ({' + '.join(terms)}) % 10007", f"c{number}"]
        if pause and rng.random() < 0.5:
            lines.insert(-1, "await asyncio.sleep(0.001)")
        if rng.random() < 0.5:
            kind = rng.choice(_KINDS)
            lines.insert(-1, f"{kind}{number} = {kind}_of(c{number})")
        return "\n".join(lines)

    def _edit(self) -> Command:
        numbers = self.rng.sample(range(CELLS), self.rng.choice((1, 1, 2)))
        for number in numbers:
            self.codes[CellId(f"c{number}")] = self._code(number)
        cells = [CellId(f"c{number}") for number in numbers]
        return ExecuteCellsCommand(cells, [self.codes[cell] for cell in cells], timestamp=0)

    def _delete(self) -> Command:
        cell = CellId(f"c{self.rng.randrange(CELLS)}")
        self.codes.pop(cell, None)
        return DeleteCellCommand(cell)

    def _sync(self) -> Command:
        number = self.rng.randrange(CELLS)
        changed = CellId(f"c{number}")
        self.codes[changed] = self._code(number)
        gone = [cell for cell in self.codes if cell[0] == "c" and self.rng.random() < 0.1]
        for cell in gone:
            del self.codes[cell]
        runs = [changed] if changed in self.codes else []
        return SyncGraphCommand(dict(self.codes), runs, gone, timestamp=0)

    def _configure(self) -> Command:
        cell = CellId(f"c{self.rng.randrange(CELLS)}")
        return UpdateCellConfigCommand({cell: {"disabled": self.rng.random() < 0.4}})

    def _settings(self) -> Command:
        lazy = self.lazy and self.rng.random() < 0.5
        return UpdateUserConfigCommand(
            {"runtime": {"on_cell_change": "lazy" if lazy else "autorun"}}
        )

    def _model(self) -> Command:
        model, token = ModelId(f"m{self.rng.randrange(2)}"), self.new("model")
        if self.rng.random() < 0.4:
            return ModelCommand(model, ModelCustomMessage({"n": 1}), [], token)
        return ModelCommand(
            model, ModelUpdateMessage({"k": self.rng.randrange(9)}, [["b"]]), [b"\0"], token
        )

    def _install(self) -> Command:
        if not self.packages:
            return self.tick(1)
        package = (PREFIX + self.rng.choice(_PACKAGES)).replace("_", "-")
        manager = "pip" if self.rng.random() < 0.95 else "nonesuch"
        return InstallPackagesCommand(manager, {package: ""})

    def _scratch(self) -> Command:
        return ExecuteScratchpadCommand(
            self.rng.choice(("s0.value", "1 / 0", "await asyncio.sleep(0.02)", "c0 = 5; c0"))
        )

    def variable(self, kind: str) -> VariableName:
        """Choose a variable of a kind, one that is there if possible, now and then another."""
        there = [f"{kind}{cell[1:]}" for cell, code in self.codes.items() if f"{kind}_of(c" in code]
        if not there or self.rng.random() < 0.1:
            return VariableName(f"{kind}{self.rng.randrange(CELLS)}")
        return VariableName(self.rng.choice(there))

    def entries(self) -> StorageListEntriesCommand:
        """List a storage."""
        return StorageListEntriesCommand(
            RequestId(self.new("request")), self.variable("storage"), 10
        )

    def validation(self) -> ValidateSQLCommand:
        """Check a query, which the database refuses in words that tell which one it is."""
        request, name = RequestId(self.new("request")), self.variable("database")
        return ValidateSQLCommand(request, "select * from t1", False, name)

    def connection(self) -> ListDataSourceConnectionCommand:
        """Describe a database."""
        return ListDataSourceConnectionCommand(self.variable("database"))

    def _read(self) -> Command:
        request = RequestId(self.new("request"))
        return self.rng.choice(
            (
                self.entries(),
                self.entries(),
                self.entries(),
                self.validation(),
                self.validation(),
                self.connection(),
                ListSQLTablesCommand(request, self.variable("database"), "d", "s"),
            )
        )

    def _without_cells(self) -> Command:
        """Ask what needs neither a variable nor the cell thread."""
        request = RequestId(self.new("request"))
        return self.rng.choice(
            (
                ListSecretKeysCommand(request),
                DiscoverDataSourcesCommand(request),
                GetCacheInfoCommand(),
            )
        )

    def _absent(self) -> Command:
        request, name = RequestId(self.new("request")), VariableName("db")
        return self.rng.choice(
            (
                CodeCompletionCommand(request, "cb.", _ELEMENTS),
                DebugCellCommand(_ELEMENTS),
                SetBreakpointsCommand({_ELEMENTS: [1]}),
                PreviewDatasetColumnCommand("local", "memory", "t", "c"),
                PreviewSQLTableCommand(request, name, "d", "s", "t"),
                ListSQLTablesCommand(request, name, "d", "s"),
                ListSQLSchemasCommand(request, name, "d"),
                ListDataSourceConnectionCommand(name),
                DiscoverDataSourcesCommand(request),
                ValidateSQLCommand(request, "select 1", True, dialect="sqlite"),
                StorageListEntriesCommand(request, name, 10),
                StorageDownloadCommand(request, name, "x"),
                ListSecretKeysCommand(request),
                RefreshSecretsCommand(),
                ClearCacheCommand(),
                GetCacheInfoCommand(),
            )
        )


_WRITERS: tuple[Callable[[Author], Command], ...] = (
    lambda author: author.tick(1),
    lambda author: author.tick(author.rng.randint(2, SLIDERS)),
    Author._model,
    Author._edit,
    Author._delete,
    Author._sync,
    Author._configure,
    Author._settings,
    Author._scratch,
    Author._install,
    lambda author: author.call(author.rng.choice(("quick", "quick", "slow", "bad", "none"))),
    Author._absent,
    Author._without_cells,
    Author._read,
    lambda author: ExecuteStaleCellsCommand(),
    lambda author: author.everything(),
    lambda author: author.anew(),
    lambda author: RenameNotebookCommand(author.new("notebook") + ".py"),
)
_WEIGHTS = (40, 8, 8, 8, 2, 2, 2, 1, 4, 3, 6, 4, 6, 16, 2, 1, 1, 1)

_ASKED: dict[str, Callable[[Author], Command]] = {
    "storage": Author.entries,
    "datasets": Author.connection,
    "sql": Author.validation,
    "secrets": lambda author: ListSecretKeysCommand(RequestId(author.new("request"))),
    "cache": lambda author: GetCacheInfoCommand(),
}
"""A harmless command for each data domain."""

_Disturbance = Callable[[Author, Fault], list[tuple[float, Act]]]

_SWALLOW = """\
import asyncio as _asyncio
for _ in range(3):
    try:
        await _asyncio.sleep(0.4)
    except KeyboardInterrupt:
        pass
"""
_EXITS = ("raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit")
_LEFTOVER = """\
import asyncio as _asyncio
async def _for_ever(_asyncio=_asyncio):
    while True:
        await _asyncio.sleep(10)
_asyncio.create_task(_for_ever())
"""
_HOLD = "import callboard.testing.faults as _faults\n_faults.pass_time(0.5)"


def _flood(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    return [(number / 1000, Send(author.tick(1))) for number in range(500)]


def _full(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    many = author.rng.choice((author.call("quick"), ExecuteScratchpadCommand("1")))
    return [(0.0, Send(many, times=300))]


def _twice(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    commands = (author.tick(1), author.call("quick"), author.tick(2))
    return [(0.0, Send(command, times=2)) for command in commands]


def _expiry(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    slow = author.run("import asyncio as _asyncio\nawait _asyncio.sleep(1)")
    return [
        (0.0, Send(slow, timeout=0.3)),
        (0.0, Send(author.call("slow"), timeout=0.1)),
        (0.1, Send(author.tick(1), timeout=0.0)),
        (0.2, Send(author.tick(1), timeout=0.05)),
    ]


def _late(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    return [(0.0, Send(author.tick(1))), *((after, Interrupt()) for after in (0.0, 0.05, 0.3, 1.0))]


def _storm(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    rng = author.rng
    acts: list[tuple[float, Act]] = []
    for number in range(40):
        come, name = rng.uniform(0, 1), f"storm{number}"
        acts.append((come, Follow(name, rng.choice((0.0, 0.01)), rng.choice((2, 20, 1000)))))
        acts.append((come + rng.uniform(0, 0.5), Leave(name)))
    return acts


def _gone(author: Author, fault: Fault) -> list[tuple[float, Act]]:
    return [
        (0.0, Follow("gone")),
        (0.0, Send(author.call("slow"))),
        (0.01, Leave("gone")),
    ]


_DISTURBANCES: dict[str, _Disturbance] = {
    "mailbox-full": _full,
    "tick-flood": _flood,
    "duplicate-id": _twice,
    "expiry": _expiry,
    "late-interrupt": _late,
    "double-interrupt": lambda author, fault: [
        (0.0, Send(author.run("import asyncio as _asyncio\nawait _asyncio.sleep(1)"))),
        (0.3, Interrupt(2)),
    ],
    "interrupt-swallowed": lambda author, fault: [
        (0.0, Send(author.run(_SWALLOW))),
        (0.1, Interrupt()),
        (0.5, Interrupt()),
    ],
    "user-exit": lambda author, fault: [(0.0, Send(author.run(code))) for code in _EXITS],
    "gil-held": lambda author, fault: [(0.0, Send(author.run(_HOLD)))],
    "leftover-task": lambda author, fault: [(0.0, Send(author.run(_LEFTOVER)))],
    "reader-gone": _gone,
    "slow-reader": lambda author, fault: [(0.0, Follow("slow", 0.5, 5)), (0.0, Follow("lazy", 2))],
    "subscriber-storm": _storm,
    "unencodable": lambda author, fault: [(0.0, Publish())],
    "clock-jump": lambda author, fault: [(0.0, JumpClock(3600)), (0.5, JumpClock(-7200))],
}
