"""SQL text, as far as it has to be understood to send no more than one harmless statement."""

from __future__ import annotations

import re
from typing import Final

# What a semicolon inside of ends nothing. Where servers differ, what is too short for one is a syntax error
# there, while what is too long is refused by those servers' drivers, which send one statement at a time.
_TOKEN: Final = re.compile(
    r"""
      --[^\n]*
    | /\*
    | \b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
    | '(?:[^']|'')*(?:'|\Z)
    | "(?:[^"]|"")*(?:"|\Z)
    | `(?:[^`]|``)*(?:`|\Z)
    | (?<![\w$])\$(?P<tag>[^\W\d]\w*)?\$.*?(?:\$(?(tag)(?P=tag))\$|\Z)
    | ;
    """,
    re.X | re.S,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_BLANK: Final = r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
_EXPLAIN: Final = re.compile(
    rf"(?is)\A(?P<before>{_BLANK})"
    r"EXPLAIN\b(?:\s+(?:ANALY[SZ]E|VERBOSE)\b|\s*\((?!\s*(?:SELECT|WITH|VALUES|TABLE)\b)[^()]*\))*\s*"
)

_READS: Final = re.compile(
    rf"(?is)\A{_BLANK}(?:SELECT|VALUES|TABLE|FROM|SHOW|DESCRIBE|DESC|EXPLAIN|PRAGMA|WITH)\b"
)
_CHANGES: Final = re.compile(r"(?i)\b(?:INSERT|UPDATE|DELETE|MERGE)\b")


def only_reads(query: str) -> bool:
    """Tell whether a query surely changes nothing, going by its words."""
    return _READS.match(query) is not None and _CHANGES.search(query) is None


def first_statement(query: str) -> str:
    """Return the first statement of a query that is not empty, without its semicolon; comments stay."""
    start = position = 0
    blank = True
    while found := _TOKEN.search(query, position):
        text = found.group()
        blank = blank and not query[position : found.start()].strip()
        position = found.end()
        if text == ";":
            if not blank:
                return query[start : found.start()]
            start = position
        elif text == "/*":
            position = _comment_end(query, position)
        elif not text.startswith("--"):
            blank = False
    return query[start:]


def explained(query: str) -> str:
    """Make the statement that checks a query's first statement and runs nothing.

    A query that is an EXPLAIN already is not explained twice, and not run by its ANALYZE.
    """
    statement = first_statement(query)
    doubled = _EXPLAIN.match(statement)
    if doubled is not None:
        statement = doubled.group("before") + statement[doubled.end() :]
    return f"EXPLAIN {statement}"


def quoted(*names: str) -> str:
    """Quote a dotted name in the way of the SQL standard."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _comment_end(query: str, position: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(query, position)):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position if not depth else len(query)
