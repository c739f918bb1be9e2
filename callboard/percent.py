"""Notebooks as plain Python files: cells apart by ``# %%`` lines.

The line that opens a cell may hold a title, ``[markdown]``, and options::

    # %% Load the data [markdown] disabled=true hide_code=true column=1

A file of this form is also an ordinary script. What stands before the first marker is a cell too,
unless it is all comments: then it is the header of the file.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path

import attrs

from callboard.messages.ids import SETUP_CELL, CellId
from callboard.messages.payloads import CellConfig


class NotebookFormatError(ValueError):
    """A file is no notebook: the fault of the file.

    ``line`` counts from 1; ``cell`` too, and is 0 for what stands before the first marker.
    """

    def __init__(self, reason: str, *, path: str, line: int, cell: int) -> None:
        where = f"cell {cell}" if cell else "before the first cell"
        super().__init__(f"{path}, line {line} ({where}): {reason}")
        self.reason = reason
        self.path = path
        self.line = line
        self.cell = cell


@attrs.frozen
class SourceCell:
    """A cell as its file has it."""

    id: CellId
    """From the title, else from the position; so the same for as long as that stays."""
    code: str
    name: str = ""
    """The title; empty if there is none."""
    config: CellConfig = attrs.field(factory=CellConfig)
    line: int = attrs.field(default=1, eq=False)
    """Where the code starts in the file, counted from 1."""
    markdown: str | None = None
    """The text of a Markdown cell, whose ``code`` shows it."""
    options: Mapping[str, str] = attrs.field(factory=dict)
    """Options that mean nothing here, as written."""
    implied: bool = False
    """Not in the file: added so that its Markdown cells can run."""


def load(path: str | PathLike[str]) -> list[SourceCell]:
    """The cells of a notebook file.

    Raises:
        OSError: the file cannot be read.
        NotebookFormatError: it is no notebook.
    """
    content = Path(path).read_bytes()
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("latin-1")
        raise NotebookFormatError(
            f"not UTF-8 ({error.reason})",
            path=str(path),
            line=before.count("\n") + 1,
            cell=len(_MARKER.findall(before)),
        ) from None
    return parse(source, str(path))


def parse(source: str, path: str = "notebook") -> list[SourceCell]:
    """The cells of a notebook, in order; `path` is for messages only.

    A marker inside of a string literal is none. A cell that is no valid Python is a cell all the
    same: only it will fail. If there are Markdown cells and no cell imports callboard as ``cb``,
    one that does comes first.

    Raises:
        NotebookFormatError: an option has an impossible value, or there is a null character.
    """
    source = _normal(source)
    null = source.find("\0")
    if null >= 0:
        before = source[:null]
        raise NotebookFormatError(
            "holds a null character",
            path=path,
            line=before.count("\n") + 1,
            cell=len(_MARKER.findall(before)),
        )
    raw = []
    line = 1
    for number, text in _cells(source):
        if number or _has_code(text):
            raw.append(_read(text, number, line, path))
        line += text.count("\n")
    ids = _ids([cell.name for cell in raw])
    cells = [attrs.evolve(cell, id=cell_id) for cell, cell_id in zip(raw, ids, strict=True)]
    if any(cell.markdown is not None for cell in cells) and not any(map(_imports_cb, cells)):
        cell_id = _free("callboard", set(ids))
        cells.insert(0, SourceCell(cell_id, "import callboard as cb", implied=True))
    return cells


def header(source: str) -> str:
    """The comments before the first cell, such as the script metadata of the file."""
    source = _normal(source)
    start = source[: next(_cuts(source), len(source))]
    return "" if _has_code(start) or not start.strip() else start.strip("\n")


def dumps(cells: Iterable[SourceCell], header: str = "") -> str:
    """The notebook as text, which ``parse`` reads as the same cells.

    Blank lines around the code of a cell are not kept.

    Raises ValueError if that is impossible: the code of a cell holds a marker, or a string opened
    in one and never closed would be closed by another.
    """
    written = [cell for cell in cells if not cell.implied]
    chunks = [header.strip("\n")] if header.strip() else []
    for cell in written:
        body = _trimmed(cell.code)[0]
        if cell.markdown is not None:
            body = _markdown_body(cell.markdown)
        chunks.append(_marker_of(cell) + (f"\n{body}" if body else ""))
    text = "\n\n".join(chunks) + "\n" if chunks else ""
    again = [cell for cell in parse(text) if not cell.implied]
    for cell, read in zip(written, again, strict=False):
        if read.code != _trimmed(cell.code)[0]:
            raise ValueError(f"the code of cell {cell.id} cannot be written between markers")
    if len(again) != len(written):
        raise ValueError("a cell cannot be written between markers")
    return text


_MARKER = re.compile(r"^#[ \t]?%%+(?![^\s\[])(?P<rest>.*)", re.MULTILINE)
_LEXEME = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<triple>\"{3}|'{3})
      | "(?:\\.|[^"\\\n])*"?
      | '(?:\\.|[^'\\\n])*'?""",
    re.VERBOSE | re.DOTALL,
)
_CLOSES = {
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*'''", re.DOTALL),
}


def _normal(source: str) -> str:
    return source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _cells(source: str) -> Iterator[tuple[int, str]]:
    """The number and text of each cell, its marker included; number 0 has none."""
    cuts = [0, *_cuts(source), len(source)]
    for number, (start, end) in enumerate(pairwise(cuts)):
        yield number, source[start:end]


def _has_code(source: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in source.split("\n"))


def _cuts(source: str) -> Iterator[int]:
    """Where the markers are that open cells.

    A string that is opened and never closed swallows no marker, or one mistake would cost all the
    cells after it. It is more often closed than not, though: by the quotes that open a string of a
    later cell. Then what one lexes as a string is the gap between two, and the piece from the last
    marker in it on is in order by itself; from a true string that piece is cut off, and is not.
    """
    start = 0
    if _MARKER.match(source):
        yield 0
    while True:
        end, swallowed = _lex(source, start)
        if swallowed and not _compiles(source[start:end]):
            piece = source[swallowed[-1] : end]
            if _lex_is_closed(piece):
                end = swallowed[0]
        if end >= len(source):
            return
        yield end
        start = end


def _lex(source: str, start: int) -> tuple[int, list[int]]:
    """The end of the cell that starts here, and the markers inside of its strings."""
    position = start
    swallowed: list[int] = []
    while (lexeme := _LEXEME.search(source, position)) is not None:
        position = lexeme.end()
        if lexeme["comment"] is not None:
            begins = lexeme.start()
            if begins > start and _MARKER.match(source, begins):
                return begins, swallowed
        elif lexeme["triple"] is not None:
            closing = _CLOSES[lexeme["triple"]].match(source, position)
            if closing is not None:
                swallowed += [m.start() for m in _MARKER.finditer(source, position, closing.end())]
                position = closing.end()
    return len(source), swallowed


def _lex_is_closed(piece: str) -> bool:
    """Whether every triple-quoted string of the piece is closed."""
    position = 0
    while (lexeme := _LEXEME.search(piece, position)) is not None:
        position = lexeme.end()
        if lexeme["triple"] is not None:
            closing = _CLOSES[lexeme["triple"]].match(piece, position)
            if closing is None:
                return False
            position = closing.end()
    return True


_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def _tree(code: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = compile(code, "<cell>", "exec", _FLAGS, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    assert isinstance(tree, ast.Module)
    return tree


def _compiles(code: str) -> bool:
    return _tree(code) is not None


_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{[^}]*\}|[^\s"'\[\{]\S*)"""
_OPTION = re.compile(rf"([A-Za-z_][\w.-]*)=({_VALUE})")
_REST = re.compile(
    rf"(?P<title>.*?)(?:\s+\[(?P<kind>\w+)\])?(?P<options>(?:\s+[A-Za-z_][\w.-]*={_VALUE})*)"
)
_MARKDOWN = frozenset({"markdown", "md"})


def _read(text: str, number: int, first_line: int, path: str) -> SourceCell:
    """One cell, its id still to be found."""
    name, kind, body = "", None, text
    options: dict[str, str] = {}
    if number:
        marker, _, body = text.partition("\n")
        found = _MARKER.match(marker)
        assert found is not None
        name, kind, options = _opening(found["rest"])
    try:
        config = _config(options)
    except ValueError as error:
        raise NotebookFormatError(str(error), path=path, line=first_line, cell=number) from None
    code, blank = _trimmed(body)
    line = first_line + blank + (1 if number else 0)
    markdown = None
    if kind in _MARKDOWN:
        markdown = _markdown_text(code)
        code = markdown_code(markdown)
    return SourceCell(CellId(""), code, name, config, line, markdown, options)


def _opening(rest: str) -> tuple[str, str | None, dict[str, str]]:
    """The title, the kind and the options of the line that opens a cell."""
    found = _REST.fullmatch(f" {rest.strip()}")
    assert found is not None  # the title takes anything
    options = dict(_OPTION.findall(found["options"]))
    name, kind = found["title"].strip(), found["kind"]
    if kind is not None and kind not in _MARKDOWN:
        name, kind = f"{name} [{kind}]".strip(), None
    if "name" in options:
        name = _unquoted(options.pop("name"))
    return name, kind, options


def _unquoted(value: str) -> str:
    if value[:1] in {'"', "'"}:
        try:
            return str(ast.literal_eval(value))
        except (SyntaxError, ValueError):
            return value[1:-1]
    return value


def _config(options: dict[str, str]) -> CellConfig:
    """The config of a cell; takes what it understands out of the options."""
    column = options.pop("column", None)
    if column is not None and not column.isdecimal():
        raise ValueError(f"column must be a number from 0 on, not {column!r}")
    return CellConfig(
        column=None if column is None else int(column),
        disabled=_flag(options, "disabled"),
        hide_code=_flag(options, "hide_code"),
    )


def _flag(options: dict[str, str], name: str) -> bool:
    value = options.pop(name, "false")
    if value.lower() not in {"true", "false"}:
        raise ValueError(f"{name} must be true or false, not {value!r}")
    return value.lower() == "true"


def _trimmed(code: str) -> tuple[str, int]:
    """Code without the blank lines around it, and how many were before it."""
    lines = code.split("\n")
    first = 0
    while first < len(lines) and not lines[first].strip():
        first += 1
    last = len(lines)
    while last > first and not lines[last - 1].strip():
        last -= 1
    return "\n".join(lines[first:last]), first if last > first else 0


def _markdown_text(body: str) -> str:
    """The text of a Markdown cell: its comments without the ``#``, or its one string literal."""
    lines = body.split("\n")
    if not all(line.startswith("#") for line in lines if line.strip()):
        tree = _tree(body)
        match tree and tree.body:
            case [ast.Expr(value=ast.Constant(value=str() as text))]:
                return _normal(text).strip("\n")
    return "\n".join(_uncommented(line) for line in lines).strip("\n")


def _uncommented(line: str) -> str:
    if line.startswith("# "):
        return line[2:]
    return line[1:] if line.startswith("#") else line


def markdown_code(text: str) -> str:
    """The code of a cell that shows this Markdown text."""
    for quotes in ('"""', "'''"):
        if quotes in text or "\0" in text:
            continue
        if "\n" not in text and not text.endswith((quotes[0], "\\")):
            return f"cb.md(r{quotes}{text}{quotes})"
        return f"cb.md(r{quotes}\n{text}\n{quotes})"
    return f"cb.md({text!r})"


def _markdown_body(text: str) -> str:
    lines = [f"# {line}" if line else "#" for line in text.split("\n")]
    # a line of the text may look like a marker; in a literal it is none
    return repr(text) if any(map(_MARKER.match, lines)) else "\n".join(lines)


def _imports_cb(cell: SourceCell) -> bool:
    tree = None if cell.markdown is not None else _tree(cell.code)
    todo: list[ast.AST] = [] if tree is None else [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            if any(name.name == "callboard" and name.asname == "cb" for name in node.names):
                return True
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            todo.extend(ast.iter_child_nodes(node))
    return False


def _ids(names: Sequence[str]) -> list[CellId]:
    """An id for each cell: the words of its title, else its position."""
    taken: set[CellId] = set()
    ids: dict[int, CellId] = {}
    for i, name in enumerate(names):
        words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if words == SETUP_CELL and name != SETUP_CELL:
            words = "setup_cell"  # only who writes exactly that asks for what is special about it
        if words:
            ids[i] = _free(words, taken)
    # titled cells first: whether another cell has a title must not change what theirs gives
    return [ids[i] if i in ids else _free(f"cell_{i + 1}", taken) for i in range(len(names))]


def _free(wish: str, taken: set[CellId]) -> CellId:
    cell_id, n = CellId(wish), 2
    while cell_id in taken:
        cell_id = CellId(f"{wish}_{n}")
        n += 1
    taken.add(cell_id)
    return cell_id


def _marker_of(cell: SourceCell) -> str:
    """The line that opens a cell."""
    parts = ["# %%"]
    title = cell.name
    options = dict(cell.options)
    if title:
        if _opening(title) == (title, None, {}) and "\n" not in title:
            parts.append(title)
        else:
            options = {"name": json.dumps(title, ensure_ascii=False), **options}
    if cell.markdown is not None:
        parts.append("[markdown]")
    config = cell.config
    if config.disabled:
        options["disabled"] = "true"
    if config.hide_code:
        options["hide_code"] = "true"
    if config.column is not None:
        options["column"] = str(config.column)
    return " ".join([*parts, *(f"{key}={value}" for key, value in options.items())])
