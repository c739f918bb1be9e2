"""``{name}`` in a query: what the notebook puts in when the query is the text of an f-string."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import attrs

# Quoted text and comments first: a brace in there is a brace. What is not closed goes on to the end.
_PIECE = re.compile(
    r"""
      '(?:[^']|'')*(?:'|\Z)
    | "(?:[^"]|"")*(?:"|\Z)
    | `[^`]*(?:`|\Z)
    | --[^\n]*
    | /\*.*?(?:\*/|\Z)
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    | \{(?P<expression>[^{}]*)\}
    """,
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(r'"([^\W\d]\w*)"|([^\W\d]\w*)')
_TABLE_WORD = re.compile(r'(?i)\b(?:from|join)\s+"?([^\W\d]\w*)')
_LONGEST_EXPRESSION = 1000
"""Characters of a placeholder; more in braces is something else."""
_CONVERSION = re.compile(r"![rsa]\s*\Z")


@attrs.frozen
class Placeholder:
    """One placeholder: where it stands, as character offsets into the query, and the expression in its braces."""

    start: int
    end: int
    expression: str

    @property
    def name(self) -> str | None:
        """The variable that it stands for; None if it is more than a name."""
        return self.expression if self.expression.isidentifier() else None


def placeholders(query: str) -> tuple[Placeholder, ...]:
    """Find the placeholders of a query, in order. Braces in quoted text and in comments are none, nor are structs.

    >>> [p.expression for p in placeholders("select {a}, '{b}', {'c': 1} from {d.e}")]
    ['a', 'd.e']
    """
    return tuple(_find(query))


def _find(query: str) -> Iterator[Placeholder]:
    if "{" not in query:
        return
    for piece in _PIECE.finditer(query):
        text = piece["expression"]
        if text is None:
            continue
        expression = _CONVERSION.sub("", text).strip()
        if _is_expression(expression):
            yield Placeholder(piece.start(), piece.end(), expression)


def _is_expression(text: str) -> bool:
    if text.isidentifier():
        return True
    if len(text) > _LONGEST_EXPRESSION:
        return False
    try:
        ast.parse(text, mode="eval")
    except Exception:  # SyntaxError, and what else the parser raises of odd texts
        return False
    return True


def fill(query: str, text_of: Callable[[Placeholder], str]) -> str:
    """Replace every placeholder by a text."""
    parts: list[str] = []
    position = 0
    for placeholder in _find(query):
        parts += [query[position : placeholder.start], text_of(placeholder)]
        position = placeholder.end
    return "".join([*parts, query[position:]])


def mask(query: str, opening: str = '"', closing: str = '"') -> str:
    """Replace every placeholder by a quoted name of the same length, so that every position stays what it is.

    Line breaks stay too. A name can stand for a value, a table and most of what else a placeholder may bring.

    >>> mask("select {a} from t")
    'select "a" from t'
    """

    def masked(placeholder: Placeholder) -> str:
        inside = query[placeholder.start + 1 : placeholder.end - 1]
        harmless = "".join(
            each if each in "\r\n" or (each.isalnum() and each.isascii()) else "_"
            for each in inside
        )
        return f"{opening}{harmless}{closing}"

    return fill(query, masked)


def is_blank(query: str) -> bool:
    """Tell whether a query holds nothing but white space, comments and semicolons."""
    return code_end(query) == 0


def code_end(query: str) -> int:
    """Find where the last statement ends, as an offset: behind it are white space, comments and semicolons alone."""
    without = _PIECE.sub(
        lambda piece: " " * len(piece[0]) if piece[0].startswith(("--", "/*")) else piece[0], query
    )
    return len(without.rstrip(" \t\r\n\f\v;\ufeff\xa0"))


def words(query: str) -> tuple[str, ...]:
    """Every word of a query that may be a name, keywords too, each once; not what is in texts and comments.

    >>> words('select a, "b" from c where d = \'e\' -- f')
    ('select', 'a', 'b', 'from', 'c', 'where', 'd')
    """
    return tuple(dict.fromkeys(found[1] or found[2] for found in _WORD.finditer(_bare(query))))


def table_words(query: str) -> tuple[str, ...]:
    """Every word that stands where a table does, as far as that can be told without a parser."""
    return tuple(dict.fromkeys(found[1] for found in _TABLE_WORD.finditer(_bare(query))))


def _bare(query: str) -> str:
    return _PIECE.sub(lambda piece: piece[0] if piece[0][0] in '"{' else " ", query)
