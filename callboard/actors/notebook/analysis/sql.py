"""What the SQL in a cell makes and needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import attrs

from callboard.actors.notebook.analysis.mangling import is_private
from callboard.actors.notebook.analysis.names import Names
from callboard.actors.notebook.analysis.sqlnames import MadeObject, SQLName
from callboard.sqlparse import SQLUse, changes_catalog, use_of

_MODULES = {
    "callboard": frozenset({"sql"}),
    "marimo": frozenset({"sql"}),
    "duckdb": frozenset({"sql", "execute"}),
}
"""Which functions of which modules take a query."""
_USUAL_NAMES = {
    "cb": "callboard",
    "callboard": "callboard",
    "mo": "marimo",
    "marimo": "marimo",
    "duckdb": "duckdb",
}
"""What the modules are called where another cell imports them."""
_LONGEST = 100_000
"""Characters of a query that is looked into; parsing takes about a second for a million."""
_FILLER = "callboard_placeholder"
"""What stands for the placeholders of an f-string: valid wherever a table, a column or a value is."""


@attrs.define(eq=False)
class CellSQL:
    """What the SQL of one cell comes to."""

    makes: list[MadeObject] = attrs.field(factory=list)
    needs: set[SQLName] = attrs.field(factory=set)
    """All that has to be there: tables with the schemas and catalogs that they are in."""
    variables: set[str] = attrs.field(factory=set)
    """Tables that may be variables of the notebook, such as dataframes."""
    changes_catalog: bool = False
    """Whether it may create, alter, attach or detach something in the built-in DuckDB."""


def may_hold_sql(source: str) -> bool:
    """Tell from the text of a cell whether it is worth looking for SQL in it. Quick, and never wrongly no."""
    return "sql" in source or "duckdb" in source


def read_sql(tree: ast.Module, names: Names) -> CellSQL | None:
    """Find the SQL in a cell and what it makes and needs; None if there is none.

    Counted are calls of ``cb.sql`` and the like with one positional argument, a literal or an f-string. SQL that is not
    understood, or that there is no parser for, makes and needs nothing. Never raises.
    """
    found: CellSQL | None = None
    for function, call in _calls(tree, names):
        query = _query(call)
        if query is None:
            continue
        found = found or CellSQL()
        known, engine = _engine(call) if function != "duckdb" else (True, None)
        if not known:
            continue
        if engine is None and changes_catalog(query):
            found.changes_catalog = True
        _take(found, _use_of(query, engine), engine, names)
    return found


def _use_of(query: str, engine: str | None) -> SQLUse:
    if len(query) > _LONGEST:
        return SQLUse()
    try:
        return use_of(query, "duckdb" if engine is None else None)
    except Exception:  # the parser is missing, or does not understand it: that rejects no cell
        return SQLUse()


def _take(found: CellSQL, use: SQLUse, engine: str | None, names: Names) -> None:
    own = {made.name for made in found.makes}
    for needed in use.needs:
        if _is_filled(needed.parts) or SQLName.of(engine, needed) in own:
            continue
        found.needs.update(SQLName.satisfying(engine, needed))
        if engine is None and not needed.kind.contains and len(needed.parts) == 1:
            (bare,) = needed.parts
            if bare.isidentifier() and not is_private(bare) and bare not in names.kinds:
                found.variables.add(bare)
    for made in use.makes:
        name = SQLName.of(engine, made)
        if name is not None and not _is_filled(made.parts):
            found.makes.append(MadeObject(name, engine, made))


def _is_filled(parts: tuple[str, ...]) -> bool:
    return any(_FILLER in part for part in parts)


def _calls(tree: ast.Module, names: Names) -> Iterator[tuple[str, ast.Call]]:
    """The calls that take a query, in the order of the text, each with the module whose function it is."""
    modules = {alias: module for alias, module in _USUAL_NAMES.items() if alias not in names.kinds}
    functions: dict[str, str] = {}
    for imported in names.imports:
        module = imported.module.partition(".")[0]
        if imported.level or module not in _MODULES:
            continue
        if imported.symbol is None:
            modules[imported.name] = module
        elif imported.symbol in _MODULES[module]:
            functions[imported.name] = module
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    for call in calls:
        match call.func:
            case ast.Attribute(value=ast.Name(id=alias), attr=attribute) if alias in modules:
                if attribute in _MODULES[modules[alias]]:
                    yield modules[alias], call
            case ast.Name(id=name) if name in functions:
                yield functions[name], call


def _query(call: ast.Call) -> str | None:
    if len(call.args) != 1:
        return None
    match call.args[0]:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                str(piece.value) if isinstance(piece, ast.Constant) else f"{_FILLER}_{number}"
                for number, piece in enumerate(values)
            )
    return None


def _engine(call: ast.Call) -> tuple[bool, str | None]:
    """Whether it is known which engine a call names, and the variable that holds it; None for the built-in one."""
    for keyword in call.keywords:
        if keyword.arg is None:
            return False, None
        if keyword.arg == "engine":
            match keyword.value:
                case ast.Constant(value=None):
                    return True, None
                case ast.Name(id=name):
                    return True, name
                case _:
                    return False, None
    return True, None
