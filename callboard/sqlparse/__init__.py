"""What a text of SQL says, found out without any database: its errors, its placeholders, what it makes and reads.

sqlglot does the parsing, for every dialect it knows. It is imported when it is first needed, and is optional.
"""

from callboard.sqlparse.dialects import ParserMissing, known_dialect
from callboard.sqlparse.errors import parse_errors
from callboard.sqlparse.limits import limited
from callboard.sqlparse.objects import ObjectKind, SQLObject, SQLUse, changes_catalog, use_of
from callboard.sqlparse.placeholders import (
    Placeholder,
    fill,
    is_blank,
    mask,
    placeholders,
    table_words,
    words,
)

__all__ = [
    "ObjectKind",
    "ParserMissing",
    "Placeholder",
    "SQLObject",
    "SQLUse",
    "changes_catalog",
    "fill",
    "is_blank",
    "known_dialect",
    "limited",
    "mask",
    "parse_errors",
    "placeholders",
    "table_words",
    "use_of",
    "words",
]
