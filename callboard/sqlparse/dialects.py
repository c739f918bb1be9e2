"""sqlglot and the dialects that it knows."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_OTHER_NAMES = {
    "aurora": "mysql",
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "postgresql": "postgres",
    "pyspark": "spark",
    "sqlserver": "tsql",
    "awsathena": "athena",
    "chdb": "clickhouse",
    "clickhousedb": "clickhouse",
    "clickhouse_connect": "clickhouse",
    "sqlite3": "sqlite",
    "psycopg": "postgres",
    "psycopg2": "postgres",
    "pg8000": "postgres",
    "pymysql": "mysql",
    "oracledb": "oracle",
    "redshift_connector": "redshift",
}
"""Dialects and drivers that are called something else."""

_quiet: ContextVar[bool] = ContextVar("callboard_sqlparse_quiet", default=False)
_filtered = False


class ParserMissing(ModuleNotFoundError):
    """SQL cannot be parsed, because sqlglot is not installed."""

    def __init__(self) -> None:
        super().__init__("parsing SQL needs the package sqlglot", name="sqlglot")


def parser_library() -> Any:
    """Return the module sqlglot. It takes a tenth of a second to import, once.

    Raises:
        ParserMissing: it is not installed.
    """
    try:
        return importlib.import_module("sqlglot")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlglot":
            raise
        raise ParserMissing from None


def known_dialect(name: str) -> str | None:
    """Return sqlglot's name of a dialect as engines and clients call it; None if it knows no such dialect.

    Case does not matter, nor do a driver behind a plus sign and words behind the name: ``DuckDB (In-Memory)`` is
    ``duckdb``. The package of a driver will do as well: ``psycopg`` is ``postgres``.

    Raises:
        ParserMissing: sqlglot is not installed.
    """
    library = parser_library()
    lowered = name.strip().lower()
    if "duckdb" in lowered:
        return "duckdb"
    words = lowered.replace("+", " ").split()
    if not words:
        return None
    first = _OTHER_NAMES.get(words[0], words[0])
    # By the names of their modules: to ask for the classes loads them all, which takes as long as sqlglot itself.
    known = getattr(library.dialects, "DIALECT_MODULE_NAMES", None) or library.Dialect.classes
    return first if first in known else None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep sqlglot from logging what it does not understand: that is no news to whoever runs the kernel."""
    global _filtered
    if not _filtered:
        logging.getLogger("sqlglot").addFilter(lambda record: not _quiet.get())
        _filtered = True
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
