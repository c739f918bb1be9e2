"""Source text to analysis: parse, read the names, compile."""

from __future__ import annotations

import ast
import inspect
import io
import linecache
import re
import traceback
from collections.abc import Iterable
from types import CodeType

import attrs

from callboard.actors.notebook.analysis.cell import CellAnalysis, CellSourceError
from callboard.actors.notebook.analysis.mangling import mangle
from callboard.actors.notebook.analysis.names import Names, StarImport, read_names
from callboard.actors.notebook.analysis.sql import CellSQL, may_hold_sql, read_sql
from callboard.messages.ids import CellId
from callboard.messages.payloads import (
    CellError,
    ImportStarError,
    SyntaxCellError,
    UnknownError,
)

_PARSE = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_COMPILE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# The callables named `md` of these modules show their literal argument.
_MARKDOWN_MODULES = frozenset({"cb", "callboard", "mo"})
_NO_SQL = CellSQL()
_PIP = re.compile(r"!\s*(\S*python[\d.]*\s+-m\s+)?pip\d?\b")


def cell_filename(cell_id: CellId, kernel_key: str = "") -> str:
    """The file name that a cell's code objects carry and tracebacks show.

    `kernel_key` keeps apart the cells of several kernels in one process.
    """
    return f"{_prefix(kernel_key)}{cell_id}>"


def cell_of_filename(filename: str, kernel_key: str = "") -> CellId | None:
    """The cell whose code carries this file name; None if it is no cell of that kernel."""
    prefix = _prefix(kernel_key)
    if filename.startswith(prefix) and filename.endswith(">"):
        return CellId(filename[len(prefix) : -1])
    return None


def _prefix(kernel_key: str) -> str:
    return f"<kernel {kernel_key} cell " if kernel_key else "<cell "


def forget_source(cell_id: CellId, kernel_key: str = "") -> None:
    """Drop the source lines that tracebacks of a cell are shown with."""
    linecache.cache.pop(cell_filename(cell_id, kernel_key), None)


def analyse(code: str, cell_id: CellId, *, kernel_key: str = "") -> CellAnalysis:
    """Read and compile the source of one cell, and let tracebacks show its lines.

    Any thread; a pure function of its arguments except for the entry in `linecache`.

    Raises:
        CellSourceError: the source cannot become a cell. Nothing else is raised, whatever the
            text: what Python cannot digest for reasons other than its syntax (nesting too deep,
            lone surrogates) is an error of kind `unknown`.
    """
    filename = cell_filename(cell_id, kernel_key)
    source = code.replace("\N{NO-BREAK SPACE}", " ")
    lines = io.StringIO(source, newline=None).readlines()
    try:
        analysis = _analyse(code, source, lines, cell_id, filename)
    except StarImport as star:
        msg = (
            f"line {star.lineno}\n    {_line(lines, star.lineno).strip()}\n"
            "A star import hides which names the cell binds, so the cells that need them cannot "
            "be found. Import the names, or the module."
        )
        raise CellSourceError(cell_id, ImportStarError(msg, star.lineno)) from None
    except SyntaxError as error:
        raise CellSourceError(cell_id, _syntax_error(error, lines, filename)) from None
    except Exception as error:
        # RecursionError, MemoryError, ValueError, UnicodeEncodeError: the list of what the parser
        # and the compiler raise is not documented and has changed between releases.
        msg = str(error) or f"This cell cannot be compiled: {type(error).__name__}"
        raise CellSourceError(cell_id, UnknownError(msg, type(error).__name__)) from None
    linecache.cache[filename] = (len(source), None, lines, filename)
    return analysis


def _analyse(
    code: str, source: str, lines: list[str], cell_id: CellId, filename: str
) -> CellAnalysis:
    parsed = compile(source, filename, "exec", _PARSE, dont_inherit=True)
    assert isinstance(parsed, ast.Module)
    statements = parsed.body
    if not statements:
        return CellAnalysis(cell_id, code, frozenset(), frozenset(), empty=True)
    names = read_names(parsed)
    # Read before private names are rewritten.
    markdown = _markdown(statements)
    sole_definition = _sole_definition(statements)
    tests_only = all(_is_test(statement) for statement in statements)
    sql = (read_sql(parsed, names) if may_hold_sql(source) else None) or _NO_SQL
    names.rename_private(lambda name: mangle(name, cell_id))
    last = statements[-1]
    suppressed = isinstance(last, ast.Expr) and _ends_in_semicolon(source, lines, last)
    output: CodeType | None = None
    body: CodeType | None = None
    shown: ast.expr | None = None
    if isinstance(last, ast.Expr) and not suppressed:
        shown = last.value
        parsed.body = statements[:-1]
    if parsed.body:
        body = compile(parsed, filename, "exec", _COMPILE, dont_inherit=True)
    if shown is not None:
        # Future statements of the body change nothing here: they are about annotations.
        output = compile(ast.Expression(shown), filename, "eval", _COMPILE, dont_inherit=True)
    private, temporaries = _private(names, cell_id)
    return CellAnalysis(
        cell_id,
        code,
        defs=frozenset(names.kinds),
        refs=frozenset(names.refs | sql.variables),
        deleted=frozenset(names.deleted),
        kinds=names.kinds,
        private=private,
        temporaries=temporaries,
        imports=tuple(names.imports),
        modules=frozenset(names.modules),
        import_block=all(isinstance(s, ast.Import | ast.ImportFrom) for s in statements),
        markdown=None if suppressed else markdown,
        sole_definition=sole_definition,
        tests_only=tests_only,
        suppress_output=suppressed,
        is_async=_awaits(body) or _awaits(output),
        body=body,
        output=output,
        sql_makes=tuple(sql.makes),
        sql_needs=frozenset(sql.needs),
        changes_catalog=sql.changes_catalog,
    )


def _private(names: Names, cell_id: CellId) -> tuple[frozenset[str], frozenset[str]]:
    own = names.private - names.raw
    private = {mangle(name, cell_id) for name in own} | (names.private & names.raw)
    # A name that an import binds raw may be another cell's too, so it outlives the run.
    temporaries = {mangle(name, cell_id) for name in own - names.captured}
    return frozenset(private), frozenset(temporaries)


def _awaits(code: CodeType | None) -> bool:
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


def _markdown(statements: list[ast.stmt]) -> str | None:
    if len(statements) != 1 or not isinstance(statements[0], ast.Expr):
        return None
    call = statements[0].value
    if (
        not isinstance(call, ast.Call)
        or call.keywords
        or len(call.args) != 1
        or not isinstance(call.func, ast.Attribute)
        or call.func.attr != "md"
        or not isinstance(call.func.value, ast.Name)
        or call.func.value.id not in _MARKDOWN_MODULES
    ):
        return None
    argument = call.args[0]
    pieces = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    text = []
    for piece in pieces:
        if not isinstance(piece, ast.Constant) or not isinstance(piece.value, str):
            return None
        text.append(piece.value)
    return "".join(text)


def _sole_definition(statements: list[ast.stmt]) -> str | None:
    only = statements[0]
    if len(statements) == 1 and isinstance(
        only, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    ):
        return only.name
    return None


def _is_test(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ClassDef):
        return statement.name.startswith("Test")
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.name.startswith("test_")
    return False


def _ends_in_semicolon(source: str, lines: list[str], last: ast.Expr) -> bool:
    """Whether `;` follows the last statement, which only white space and comments can surround."""
    if ";" not in source or last.end_lineno is None or last.end_col_offset is None:
        return False
    line = lines[last.end_lineno - 1].encode()
    rest = line[last.end_col_offset :].decode() + "".join(lines[last.end_lineno :])
    return rest.lstrip(" \t\f\\\n").startswith(";")


def _line(lines: list[str], lineno: int | None) -> str:
    return lines[lineno - 1] if lineno is not None and 0 < lineno <= len(lines) else ""


def _syntax_error(error: SyntaxError, lines: list[str], filename: str) -> CellError:
    if error.text is None:
        # Errors found after parsing come without their line.
        error.text = _line(lines, error.lineno) or None
    shown = "".join(traceback.format_exception_only(error)).rstrip()
    shown = shown.removeprefix(f'  File "{filename}", ')
    hint = _hint([_line(lines, error.lineno), *lines])
    if hint:
        shown = f"{shown}\n\n{hint}"
    return SyntaxCellError(shown, error.lineno)


def _hint(lines: Iterable[str]) -> str | None:
    """Advice about the first line that is meant for a shell or for IPython."""
    for line in lines:
        text = line.strip()
        if _PIP.match(text):
            return (
                "Hint: `!pip` does not work in a Python cell. Install packages with the kernel's "
                "install command, which also shows progress and re-runs the cells that failed."
            )
        if text.startswith("!"):
            return (
                "Hint: `!` does not run a shell here. "
                "Use `subprocess.run([...], check=True)` instead."
            )
        if text.startswith("%"):
            return "Hint: magic commands (`%`) are not Python. Use the library behind it instead."
    return None


@attrs.define(eq=False)
class Analyser:
    """Analyses the cells of one kernel and remembers the last result for each.

    Planning asks for the same cell more than once (to find the ancestors of a cell not yet
    registered, then to register it); compiling is by far the dearest part of that.
    """

    kernel_key: str = ""
    _last: dict[CellId, CellAnalysis | CellSourceError] = attrs.field(factory=dict, init=False)
    _codes: dict[CellId, str] = attrs.field(factory=dict, init=False)

    def __call__(self, code: str, cell_id: CellId) -> CellAnalysis:
        """As `analyse`. Raises: CellSourceError."""
        last = self._last.get(cell_id)
        if last is None or self._codes[cell_id] != code:
            try:
                last = analyse(code, cell_id, kernel_key=self.kernel_key)
            except CellSourceError as error:
                last = error
            self._last[cell_id] = last
            self._codes[cell_id] = code
        if isinstance(last, CellSourceError):
            raise CellSourceError(last.cell_id, last.error)
        return last

    def filename(self, cell_id: CellId) -> str:
        """The file name of the cell's code objects."""
        return cell_filename(cell_id, self.kernel_key)

    def forget(self, cell_id: CellId) -> None:
        """Drop what is remembered of a deleted cell, its source lines included."""
        self._last.pop(cell_id, None)
        self._codes.pop(cell_id, None)
        forget_source(cell_id, self.kernel_key)

    def forget_all(self) -> None:
        """Drop what is remembered of every cell, as the kernel has ended: `linecache` outlives it."""
        for cell_id in tuple(self._last):
            self.forget(cell_id)
