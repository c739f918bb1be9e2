"""Whether a query says itself how many rows it wants."""

from __future__ import annotations

import re

from callboard.sqlparse.dialects import (
    ParserMissing,
    known_dialect,
    parser_library,
    without_warnings,
)
from callboard.sqlparse.placeholders import is_blank

_LIMIT = re.compile(r"(?is)\b(limit|fetch\s+(first|next)|top)\b")
_SELECT = re.compile(r"(?is)\s*\(*\s*(select|with|from|values)\b")


def lacks_limit(query: str, dialect: str | None) -> bool:
    """Tell whether the last statement is a query without a limit of its own at its top level.

    Without sqlglot, or where it does not understand the query, any limit in the text counts.
    """
    try:
        sqlglot = parser_library()
        name = known_dialect(dialect or "")
        with without_warnings():
            statements = [each for each in sqlglot.parse(query, dialect=name) if each is not None]
    except ParserMissing:
        return _lacks_limit_word(query)
    except Exception:  # ParseError, TokenError, RecursionError: a query is none the worse for it
        return _lacks_limit_word(query)
    if not statements:
        return False
    last = statements[-1]
    if not isinstance(last, sqlglot.exp.Query):
        return False
    while isinstance(last, sqlglot.exp.Subquery) and not (
        last.args.get("limit") or last.args.get("fetch")
    ):
        last = last.this
    return not (last.args.get("limit") or last.args.get("fetch"))


def _lacks_limit_word(query: str) -> bool:
    if is_blank(query) or _SELECT.match(query) is None:
        return False
    return _LIMIT.search(query) is None
