"""A limit for queries that have none of their own."""

from __future__ import annotations

import re

from callboard.sqlparse.dialects import (
    ParserMissing,
    known_dialect,
    parser_library,
    without_warnings,
)
from callboard.sqlparse.placeholders import code_end

_LIMIT = re.compile(r"(?i)\b(limit|fetch\s+(first|next)|top)\b")
_QUERY = re.compile(r"(?i)\s*\(*\s*(select|with|from)\b")
_WITHOUT_LIMIT = frozenset({"tsql", "fabric", "oracle", "teradata"})
"""Dialects that have no LIMIT, or none at the end."""

_BEHIND_LIMIT = ("into", "locks", "format", "settings")
"""Clauses that a limit must not be put behind."""


def limited(query: str, dialect: str, rows: int) -> str:
    """Have the last statement give no more than ``rows`` rows, if it is a query without a limit of its own.

    Limits of its parts do not count. Without sqlglot, or where that does not understand the query, any limit in the
    text counts. A query of a dialect that has no LIMIT stays as it is.
    """
    if not _lacks_limit(query, dialect):
        return query
    return f"{query[: code_end(query)]}\nLIMIT {rows}"


def _lacks_limit(query: str, dialect: str) -> bool:
    try:
        sqlglot = parser_library()
        name = known_dialect(dialect)
        if name in _WITHOUT_LIMIT:
            return False
        with without_warnings():
            parsed = sqlglot.parse(query, dialect=name)
    except ParserMissing:
        return _lacks_limit_word(query)
    except Exception:  # the parser's: the query is none the worse for it
        return _lacks_limit_word(query)
    # A comment between semicolons is a statement of its own to the parser.
    statements = [
        each for each in parsed if each is not None and not isinstance(each, sqlglot.exp.Semicolon)
    ]
    if not statements:
        return False
    last = statements[-1]
    if not isinstance(last, sqlglot.exp.Select | sqlglot.exp.SetOperation | sqlglot.exp.Subquery):
        return False
    if any(last.args.get(clause) for clause in _BEHIND_LIMIT):
        return False
    while not _has_limit(last):
        if not isinstance(last, sqlglot.exp.Subquery):
            return True
        last = last.this
    return False


def _has_limit(node: object) -> bool:
    args = getattr(node, "args", {})
    return bool(args.get("limit") or args.get("fetch"))


def _lacks_limit_word(query: str) -> bool:
    return _QUERY.match(query) is not None and _LIMIT.search(query) is None
