"""The result of analysing one cell."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import CodeType

import attrs

from callboard.actors.notebook.analysis.sqlnames import MadeObject
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

    `sql_makes` are the tables and the like that its SQL makes, `sql_needs` the `SQLName`s that this
    takes to be there; tables that may be variables are among `refs` too. `changes_catalog` says that
    the SQL may create, alter, attach or detach something in the built-in DuckDB. `gives` and
    `takes` are what links cells: names of both languages, which never equal each other.
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
    sql_makes: tuple[MadeObject, ...] = ()
    sql_needs: frozenset[str] = frozenset()
    changes_catalog: bool = False
    gives: frozenset[str] = attrs.field(init=False, repr=False)
    takes: frozenset[str] = attrs.field(init=False, repr=False)

    @gives.default
    def _all_it_gives(self) -> frozenset[str]:
        return (
            self.defs.union(made.name for made in self.sql_makes) if self.sql_makes else self.defs
        )

    @takes.default
    def _all_it_takes(self) -> frozenset[str]:
        return self.refs | self.sql_needs if self.sql_needs else self.refs


@attrs.define
class CellSourceError(Exception):
    """The source of a cell cannot become a cell; its author's fault. `error` is what to show."""

    cell_id: CellId
    error: CellError

    def __str__(self) -> str:
        return f"cell {self.cell_id!r} does not compile: {self.error}"
