"""From the type and schema names of databases to those that clients know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from callboard.messages.ids import VariableName
from callboard.messages.payloads import (
    Database,
    DataTable,
    DataTableColumn,
    DataType,
    Schema,
    TableSourceType,
)

MAX_COLUMNS: Final = 10_000
"""How many columns of one table are delivered; ``num_columns`` counts them all."""

MAX_LISTED_COLUMNS: Final = 200_000
"""How many columns one listing delivers; tables beyond come without theirs."""

_WRAPPED: Final = re.compile(r"^(?:nullable|lowcardinality|simpleaggregatefunction)\((.*)\)$", re.S)
_NESTED: Final = re.compile(
    r"\[\d*\]$"
    r"|^_"  # PostgreSQL's own names of array types
    r"|^(?:array|large_list|fixed_size_list|list|list_view|struct|map|row|record|union|dense_union"
    r"|sparse_union|tuple|nested|object|variant|super|jsonb?|null|nulltype|none|dynamic|multiset"
    r"|hstore|aggregatefunction)(?![a-z0-9])"
    r"|^extension<arrow\.json"
)
_PATTERNS: Final[tuple[tuple[re.Pattern[str], DataType], ...]] = (
    (re.compile(r"^bool"), "boolean"),
    (re.compile(r"interval|^duration|^timestamp|^datetime|^smalldatetime"), "datetime"),
    (re.compile(r"^date(?!time)"), "date"),
    (re.compile(r"^time"), "time"),
    (
        re.compile(
            r"^(?:unsigned )?(?:u?(?:tiny|small|medium|big|huge)?int(?:eger)?\d*|u?long|short"
            r"|(?:big|small)?serial\d?|byteint|oid|year)(?![a-z])"
        ),
        "integer",
    ),
    (
        re.compile(
            r"^b?float|^double|^halffloat|^real|^dec|^num(?:ber|eric)|^(?:small)?money|^bignum|^big_?decimal"
        ),
        "number",
    ),
    (
        re.compile(
            r"char|text|string|clob|blob|uuid|uniqueidentifier|enum|binary|bytea|^bytes|^fixed|^bit|^varbit"
            r"|utf8|^citext|^name$|^xml|^inet|^cidr|^set\("
        ),
        "string",
    ),
)


def data_type(external: str, *, otherwise: DataType = "string") -> DataType:
    """Map the text of a database's, Arrow's, Iceberg's or Ibis's type; ``otherwise`` for what is unheard of."""
    text = external.strip().lower()
    while wrapped := _WRAPPED.match(text):
        text = wrapped.group(1)
    # Arrow's dictionaries are what they hold, Ibis marks what is never null.
    text = text.removeprefix("dictionary<values=").removeprefix("!")
    if not text:
        return otherwise
    if _NESTED.search(text):
        return "unknown"
    for pattern, kind in _PATTERNS:
        if pattern.search(text):
            return kind
    return otherwise


_HIDDEN: Final[dict[str, frozenset[str]]] = {
    "postgresql": frozenset({"pg_catalog", "pg_toast", "crdb_internal", "pg_extension"}),
    "redshift": frozenset(
        {"pg_catalog", "pg_toast", "pg_internal", "pg_auto_copy", "catalog_history"}
    ),
    "duckdb": frozenset({"pg_catalog"}),
    "mysql": frozenset({"mysql", "performance_schema", "sys"}),
    "mssql": frozenset({"sys", "guest"}),
    "oracle": frozenset({"sys", "system", "outln", "dbsnmp", "xdb", "ctxsys", "mdsys", "wmsys"}),
    "clickhouse": frozenset({"system"}),
    "bigquery": frozenset(),
}
_ALIASES: Final = {
    "postgres": "postgresql",
    "cockroachdb": "postgresql",
    "mariadb": "mysql",
    "clickhousedb": "clickhouse",
}
_PREFIXES: Final = {
    "postgresql": ("pg_temp_", "pg_toast_temp_"),
    "redshift": ("pg_temp_",),
    "mssql": ("db_",),
}


def is_meta_schema(dialect: str, name: str) -> bool:
    """Tell whether a schema is the database's own description of itself, which listings hide."""
    dialect = _ALIASES.get(dialect, dialect)
    folded = name.casefold()
    return (
        folded == "information_schema"
        or folded in _HIDDEN.get(dialect, frozenset())
        or folded.startswith(_PREFIXES.get(dialect, ("\0",)))
    )


def columns_of(
    described: Iterable[tuple[object, object]], *, otherwise: DataType = "string"
) -> list[DataTableColumn]:
    """Make at most `MAX_COLUMNS` columns of names and type texts."""
    return [
        DataTableColumn(str(name), data_type(str(external), otherwise=otherwise), str(external), [])
        for name, external in islice(described, MAX_COLUMNS)
    ]


def database_of(name: str, dialect: str, schemas: Iterable[Schema], engine: str | None) -> Database:
    """Describe a database of an engine."""
    return Database(name, dialect, list(schemas), None if engine is None else VariableName(engine))


def table_of(
    name: str,
    *,
    engine: str | None,
    source: str,
    source_type: TableSourceType = "connection",
    view: bool = False,
    num_columns: int | None = None,
    columns: Sequence[DataTableColumn] = (),
    primary_keys: Sequence[str] | None = None,
    indexes: Sequence[str] | None = None,
) -> DataTable:
    """Describe a table of an engine. Rows are not counted: that would cost a query."""
    return DataTable(
        source_type=source_type,
        source=source,
        name=name,
        num_rows=None,
        num_columns=num_columns,
        variable_name=None,
        columns=list(columns),
        engine=None if engine is None else VariableName(engine),
        type="view" if view else "table",
        primary_keys=None if primary_keys is None else list(primary_keys),
        indexes=None if indexes is None else list(indexes),
    )
