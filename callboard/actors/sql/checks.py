"""What checking a query comes to, apart from asking anybody."""

from __future__ import annotations

import re
from collections.abc import Collection

import attrs

from callboard.messages.payloads import SQLParseResult
from callboard.sqlparse import (
    ObjectKind,
    ParserMissing,
    known_dialect,
    parse_errors,
    placeholders,
    table_words,
    use_of,
    words,
)

_EXPLAIN = re.compile(r"(?i)\bexplain\b(?:\s+query\s+plan\b)?[ \t]?")
_SHOWN = re.compile(r"(?im)^(LINE \d+: )(explain[ \t])(.*)\n([ \t]*)(\^.*)$")
_SQLALCHEMY = re.compile(r"(?s)\s*\[SQL: .*|\s*\(Background on this error at: .*")

MOST_NAMES = 1000
"""Variables that a query may name; of a longer one the rest are taken for what is not there."""


@attrs.frozen
class Parsed:
    """What the parser says of a query; no result if it knows no dialect for it."""

    dialect: str | None
    result: SQLParseResult | None


def parse(query: str, *dialects: str | None) -> Parsed:
    """Parse a query in the first of some dialects that is known. Blocks: it may import sqlglot.

    Raises:
        ParserMissing: sqlglot is not installed.
    """
    for name in dialects:
        dialect = None if name is None else known_dialect(name)
        if dialect is not None:
            errors = parse_errors(query, dialect)
            return Parsed(dialect, SQLParseResult(not errors, errors))
    return Parsed(None, None)


def names_in(query: str) -> tuple[str, ...]:
    """Name all that may be variables of the notebook: placeholders, and tables, for which any word may stand."""
    names = dict.fromkeys(each.name for each in placeholders(query) if each.name is not None)
    names.update(dict.fromkeys(words(query)))
    return tuple(names)[:MOST_NAMES]


def tables_in(query: str, among: Collection[str]) -> tuple[str, ...]:
    """Name the tables that a query of DuckDB reads and that may be variables. Blocks: it may import sqlglot."""
    try:
        needed = use_of(query).needs
    except ParserMissing:
        found = table_words(query)
    except Exception:  # the parser's: whether the query is right is for others to say
        found = table_words(query)
    else:
        found = tuple(
            each.parts[0]
            for each in needed
            if each.kind is ObjectKind.TABLE and len(each.parts) == 1
        )
    return tuple(name for name in dict.fromkeys(found) if name in among)


def without_explain(text: str, query: str) -> str:
    """Take the word EXPLAIN out of a database's error, and the caret back by its length.

    It stays where the query itself begins with it.

    >>> print(without_explain("wrong\\nLINE 1: EXPLAIN selec 1\\n                ^", "selec 1"))
    wrong
    LINE 1: selec 1
            ^
    """
    text = _SQLALCHEMY.sub("", text)
    if _EXPLAIN.match(query.lstrip()):
        return text
    text = _SHOWN.sub(
        lambda shown: f"{shown[1]}{shown[3]}\n{shown[4][len(shown[2]) :]}{shown[5]}", text
    )
    return _EXPLAIN.sub("", text)
