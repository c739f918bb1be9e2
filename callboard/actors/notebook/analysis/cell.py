"""The result of analysing one cell."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import CodeType

import attrs

from callboard.messages.ids import CellId
from callboard.messages.payloads import CellError


class DefKind(enum.StrEnum):
    """What sort of statement bound a name first."""

    VARIABLE = "variable"
    FUNCTION = "function"
    CLASS = "class"
    IMPORT = "import"


@attrs.frozen
class ImportedName:
    """One name bound by an import statement at the top level of a cell.

    Two of them are equal exactly if one import can stand in for the other: `import random` and
    `from random import random` bind the same name and differ.
    """

    name: str
    module: str
    symbol: str | None = None
    level: int = 0


@attrs.frozen(eq=False)
class CellAnalysis:
    """Everything the graph, the planner and the executor know of a cell before it runs.

    `defs`, `refs` and `deleted` hold public names only. `private` holds the names under which the
    cell's private variables stand in the namespace; `temporaries` those of them that nothing in
    the cell can need once it has run. `body` and `output` are None where there is nothing to
    execute. Compared by identity: two analyses of the same text are two registrations.
    """

    cell_id: CellId
    code: str
    defs: frozenset[str]
    refs: frozenset[str]
    deleted: frozenset[str] = frozenset()
    kinds: Mapping[str, DefKind] = attrs.field(factory=dict)
    private: frozenset[str] = frozenset()
    temporaries: frozenset[str] = frozenset()
    imports: tuple[ImportedName, ...] = ()
    modules: frozenset[str] = frozenset()
    import_block: bool = False
    markdown: str | None = None
    sole_definition: str | None = None
    tests_only: bool = False
    suppress_output: bool = False
    empty: bool = False
    is_async: bool = False
    body: CodeType | None = attrs.field(default=None, repr=False)
    output: CodeType | None = attrs.field(default=None, repr=False)


@attrs.define
class CellSourceError(Exception):
    """The source of a cell cannot become a cell; its author's fault. `error` is what to show."""

    cell_id: CellId
    error: CellError

    def __str__(self) -> str:
        return f"cell {self.cell_id!r} does not compile: {self.error}"
