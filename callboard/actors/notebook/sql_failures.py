"""Errors of databases and SQL parsers, as the page shows them."""

from __future__ import annotations

import ast
import linecache
import re
from types import TracebackType
from typing import Any

import attrs

from callboard.authoring.queries import STATEMENT
from callboard.messages.payloads import SQLError
from callboard.redaction import excerpt

_SQL_ERRORS = frozenset(
    {
        ("duckdb", "Error"),
        ("_duckdb", "Error"),
        ("duckdb.duckdb", "Error"),
        ("sqlglot.errors", "SqlglotError"),
        ("sqlalchemy.exc", "SQLAlchemyError"),
    }
)
"""Classes whose errors are about SQL wherever they are raised."""
_NO_DATABASE = frozenset({"builtins", "callboard", "polars", "pandas", "importlib"})
"""Packages whose errors are not about SQL even where a query raised them."""

_LINE = re.compile(r"\n+LINE (\d+): (.*)\n([ \t]*)\^+[^\n]*")
"""How DuckDB and PostgreSQL's library show a place."""
_HINT = re.compile(
    r"(?m)^(?:HINT:[ \t]*(.*)|((?:Did you mean|Candidate (?:bindings|functions|extensions)).*))"
)
_BACKGROUND = re.compile(r"(?s)\s*\(Background on this error at: .*")
_CUT = "..."
_LONGEST = 10_000
"""Characters of a text that is shown."""

_name_of_class = type.__dict__["__name__"].__get__
_module_of_class = type.__dict__["__module__"].__get__
_bases_of_class = type.__dict__["__mro__"].__get__


@attrs.frozen
class _Place:
    """A call in the source of a cell: line from 1, column from 0, and the literal text of its first argument."""

    line: int = 0
    column: int = 0
    text: str = ""


def is_sql_error(error: BaseException) -> bool:
    """Tell whether an exception is shown as an SQL error. Runs no code of it."""
    bases = [
        (_module_of_class(base), _name_of_class(base)) for base in _bases_of_class(type(error))
    ]
    if not _SQL_ERRORS.isdisjoint(bases):
        return True
    if not _statement(error) or issubclass(type(error), ImportError):
        return False
    module = bases[0][0]
    return type(module) is str and module.partition(".")[0] not in _NO_DATABASE


def sql_error(error: BaseException, filename: str) -> SQLError:
    """Make what the page shows of an SQL error; ``filename`` is that of the cell that raised it.

    It asks the error for its text, which may be code of the user's.
    """
    driver = _orig(error)
    place = _call_in(error.__traceback__, filename)
    statement = _statement(error) or _text(error, "statement") or _text(error, "sql") or place.text
    details = _parser_details(driver)
    message = str(details.get("description") or driver) or type(driver).__name__
    message = _BACKGROUND.sub("", message)
    line, column = _position(driver, message, statement)
    message = _LINE.sub("", message)
    hints = dict.fromkeys(one or other for one, other in _HINT.findall(message))
    message = _HINT.sub("", message).strip()
    hint = "\n".join(hints) or _text(getattr(driver, "diag", None), "message_hint")
    return SQLError(
        msg=excerpt(message, _LONGEST),
        sql_statement=excerpt(statement, _LONGEST),
        hint=excerpt(hint, _LONGEST) or None,
        sql_line=line,
        sql_col=column,
        node_lineno=place.line,
        node_col_offset=place.column,
    )


def _orig(error: BaseException) -> BaseException:
    """The driver's error behind SQLAlchemy's."""
    orig = getattr(error, "orig", None)
    return orig if isinstance(orig, BaseException) else error


def _statement(error: BaseException) -> str:
    try:
        found = object.__getattribute__(error, "__dict__").get(STATEMENT)
    except AttributeError:
        return ""
    return found if type(found) is str else ""


def _text(value: object, attribute: str) -> str:
    found = getattr(value, attribute, None)
    return found if isinstance(found, str) else ""


def _parser_details(error: BaseException) -> dict[str, Any]:
    """What sqlglot says of the first thing that it found wrong."""
    errors = getattr(error, "errors", None)
    found = errors[0] if isinstance(errors, list) and errors else None
    return found if isinstance(found, dict) else {}


def _position(error: Any, message: str, statement: str) -> tuple[int | None, int | None]:
    """The line and column in the statement, from 0, where the library says so."""
    shown = _LINE.search(message)
    if shown is not None:
        return _shown_place(int(shown[1]) - 1, shown[2], shown[3], shown[1], statement)
    details = _parser_details(error)
    line, column = details.get("line"), details.get("col")
    if isinstance(line, int) and isinstance(column, int):
        # sqlglot counts from 1, and to the last character of what is wrong.
        return line - 1, max(column - len(str(details.get("highlight") or " ")), 0)
    offset = getattr(getattr(error, "diag", None), "statement_position", None)
    if isinstance(offset, str) and offset.isdecimal():
        before = statement[: int(offset) - 1]
        return before.count("\n"), len(before) - (before.rfind("\n") + 1)
    return None, None


def _shown_place(
    line: int, snippet: str, spaces: str, number: str, statement: str
) -> tuple[int, int]:
    column = len(spaces) - len(f"LINE {number}: ")
    if snippet.startswith(_CUT):
        # Of a long line a part is shown; find it there.
        part = snippet.removeprefix(_CUT).removesuffix(_CUT)
        lines = statement.split("\n")
        start = lines[line].find(part) if line < len(lines) else -1
        column += max(start, 0) - len(_CUT)
    return line, max(column, 0)


def _call_in(traceback: TracebackType | None, filename: str) -> _Place:
    """Find the innermost call that the cell itself made on the way to the error."""
    found: TracebackType | None = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            found = traceback
        traceback = traceback.tb_next
    if found is None:
        return _Place()
    positions = list(found.tb_frame.f_code.co_positions())
    line, _, column, _ = positions[found.tb_lasti // 2]
    line, column = line or found.tb_lineno, column or 0
    return _Place(line, column, _first_argument(filename, line, column))


def _first_argument(filename: str, line: int, column: int) -> str:
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.lineno, node.col_offset) == (line, column):
            match node.args:
                case [ast.Constant(value=str(text)), *_]:
                    return text
                case [ast.JoinedStr(values=pieces), *_]:
                    return "".join(map(_piece, pieces))
    return ""


def _piece(piece: ast.expr) -> str:
    match piece:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
    return ""
