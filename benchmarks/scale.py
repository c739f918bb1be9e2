"""How analysis, graph and planning grow with the notebook.

    python -m benchmarks.scale [--rounds N] [--quick] [--json PATH]

A notebook of N cells: one that imports, then groups of ten, each an element, eight cells that
compute from it and from each other, and one that shows the result. Nothing is executed. Every
round builds all sizes; ticks and bursts then take turns among them, so that whatever else the
machine does meets all alike. A round counts with its median, growth is taken within a round, and
the table shows medians of both over the rounds. Times are microseconds; as in `timeit`, the garbage
collector, whose pauses depend on the whole process, is off while time is taken.

analyse   Reading and compiling, a cell.
register  Putting all cells, already read, in the graph and planning their first run, a cell.
edit      Changing one cell in the middle and planning what runs; copies the notebook's tables.
tick      A new value of one element: which cells run, their preparation, and their results.
burst     The same while the run for another value is under way: fitting the new one in.
chain     The first cell of N in a row: ordering the run of all, a cell.

Required: tick and burst grow at most by half, however large the rest of the notebook is. What a cell
costs in analyse, register and chain grows at most tenfold from the smallest size to the largest: a
quadratic step would make that a hundredfold, while leaving the processor's caches costs a few times.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

import attrs

from benchmarks.harness import Spread, arguments, machine, preamble, table, write_json
from callboard.actors.notebook.analysis import Analyser, CellAnalysis
from callboard.actors.notebook.plan import (
    NotebookState,
    RunResult,
    begin_run,
    finish_run,
    mutate,
    replan,
    ui_roots,
)
from callboard.messages.ids import CellId

SIZES = (100, 1000, 10_000)
GROUP = 10
PER_CELL = ("analyse", "register", "chain")
FLAT = ("tick", "burst")
MEASURES = (*PER_CELL[:2], "edit", *FLAT, "chain")
GROWTH = 10.0
FLAT_GROWTH = 1.5

ELEMENT = "slider_{g} = math.floor({g})"
COMPUTE = """\
# A step of group {g}
def step_{g}_{i}(values, scale=1.0):
    total = 0.0
    for value in values:
        total += math.sqrt(abs(value)) * scale
    return [total + offset for offset in range(3)]

_given = [{before}, slider_{g}]
result_{g}_{i} = step_{g}_{i}(_given, scale={i})
result_{g}_{i}
"""
SHOW = "print(result_{g}_8, len(result_{g}_7))"


def notebook(size: int) -> dict[CellId, str]:
    """The codes of a notebook with that many cells."""
    codes = {CellId("imports"): "import math"}
    for at in range(size - 1):
        g, i = divmod(at, GROUP)
        if i == 0:
            code = ELEMENT.format(g=g)
        elif i < GROUP - 1:
            before = f"result_{g}_{i - 1}[0]" if i > 1 else "0"
            code = COMPUTE.format(g=g, i=i, before=before)
        else:
            code = SHOW.format(g=g)
        codes[CellId(f"cell-{g}-{i}")] = code
    return codes


def timed(work: Callable[[], object]) -> float:
    """Microseconds that the work takes."""
    (figures,) = taking_turns([work], 1)
    return figures


def taking_turns(works: Sequence[Callable[[], object]], repeat: int) -> list[float]:
    """Microseconds that each takes, the median of its turns."""
    figures: list[list[float]] = [[] for _ in works]
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeat):
            for work, own in zip(works, figures, strict=True):
                start = time.perf_counter_ns()
                work()
                own.append((time.perf_counter_ns() - start) / 1000)
    finally:
        gc.enable()
    return [Spread.of(own).median for own in figures]


@attrs.define(eq=False)
class Trial:
    """One notebook of one size, from its source on."""

    size: int
    analyser: Analyser = attrs.field(factory=Analyser)
    state: NotebookState = attrs.field(factory=NotebookState)

    @property
    def middle(self) -> int:
        """A group with as many others before as after it."""
        return self.size // GROUP // 2

    def build(self) -> dict[str, float]:
        """Microseconds of everything but ticks and bursts; those in `PER_CELL` a cell."""
        codes = notebook(self.size)
        analyse = timed(lambda: [self.analyser(code, cell) for cell, code in codes.items()])
        register = timed(lambda: self.register(codes))
        edits = Spread.of(self.edit(CellId(f"cell-{self.middle}-4"), n) for n in range(10))
        figures = {
            "analyse": analyse / self.size,
            "register": register / self.size,
            "edit": edits.median,
            "chain": self.chain(),
        }
        for cell in codes:
            self.analyser.forget(cell)
        return figures

    def register(self, codes: dict[CellId, str]) -> None:
        change = mutate(self.state, codes, autorun=True, analyse=self.analyser)
        plan = begin_run(change.state, change.to_run, autorun=True)
        self.state = finish_run(plan.state, dict.fromkeys(plan.order, RunResult.SUCCESS)).state
        assert len(plan.order) == self.size

    def edit(self, cell: CellId, number: int) -> float:
        code = self.state.graph.cells[cell].code + f"# {number}\n"
        self.analyser(code, cell)

        def work() -> None:
            change = mutate(self.state, {cell: code}, autorun=True, analyse=self.analyser)
            self.state = begin_run(change.state, change.to_run, autorun=True).state

        return timed(work)

    def tick(self) -> None:
        name = f"slider_{self.middle}"
        plan = begin_run(self.state, ui_roots(self.state, [name]), autorun=True)
        self.state = finish_run(plan.state, dict.fromkeys(plan.order, RunResult.SUCCESS)).state
        assert len(plan.order) == GROUP - 1

    def burst(self) -> Callable[[], None]:
        name = f"slider_{self.middle}"
        plan = begin_run(self.state, ui_roots(self.state, [name]), autorun=True)
        left = plan.order[2:]

        def work() -> None:
            replan(self.state, left, ui_roots(self.state, [name]))

        return work

    def chain(self) -> float:
        cells = [link(at) for at in range(self.size)]
        # Backwards, so that registration order is of no help.
        graph = self.state.graph.change(cells[::-1])
        state = attrs.evolve(self.state, graph=graph)
        first = cells[0].cell_id
        return timed(lambda: begin_run(state, [first], autorun=True)) / self.size


def link(at: int) -> CellAnalysis:
    """A cell that needs the one before it."""
    refs = frozenset({f"x{at - 1}", "print"})
    return CellAnalysis(CellId(f"link-{at}"), "", frozenset({f"x{at}"}), refs)


def measure(sizes: Sequence[int], repeat: int) -> dict[int, dict[str, float]]:
    """One round: every size, every measure."""
    trials = [Trial(size) for size in sizes]
    found = {trial.size: trial.build() for trial in trials}
    for name, works in (
        ("tick", [trial.tick for trial in trials]),
        ("burst", [trial.burst() for trial in trials]),
    ):
        for size, figure in zip(sizes, taking_turns(works, repeat), strict=True):
            found[size][name] = figure
    return found


def report(rounds: Sequence[dict[int, dict[str, float]]]) -> str:
    """The table and whether what is required holds."""
    sizes = sorted(rounds[0])
    rows = []
    verdicts = []
    for name in MEASURES:
        growth = Spread.of(found[sizes[-1]][name] / found[sizes[0]][name] for found in rounds)
        medians = [Spread.of(found[size][name] for found in rounds).median for size in sizes]
        label = name + (" / cell" if name in PER_CELL else "")
        rows.append([label, *(f"{median:.1f}" for median in medians), f"{growth.median:.2f}"])
        limit = GROWTH if name in PER_CELL else FLAT_GROWTH if name in FLAT else None
        if limit is not None:
            verdict = "pass" if growth.median <= limit else "FAIL"
            by_round = f"{growth.median:.2f} x (by round {growth.text()})"
            verdicts.append(f"{verdict}  {name}: grows at most {limit} x: {by_round}")
    header = ["us", *(f"{size} cells" for size in sizes), "growth"]
    return "\n".join([table(header, rows), "", *verdicts])


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    options = arguments(str(__doc__), rounds=5, quick_rounds=2).parse_args(argv)
    sizes = SIZES[:2] if options.quick else SIZES
    repeat = 100 if options.quick else 500
    measure(sizes[:1], 10)
    count = options.rounds or (2 if options.quick else 5)
    rounds = [measure(sizes, repeat) for _ in range(count)]
    facts = machine("callboard")
    print(preamble(facts))
    print(report(rounds))
    if options.json is not None:
        write_json(options.json, facts, {"unit": "microseconds", "by round": rounds})


if __name__ == "__main__":
    main()
