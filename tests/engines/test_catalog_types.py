"""Types and names of databases, as clients know them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.engines.catalog_types import (
    MAX_COLUMNS,
    columns_of,
    data_type,
    is_meta_schema,
)

TYPES = {
    "integer": "INTEGER int4 int UBIGINT HUGEINT UTINYINT int64 uint8 long serial bigserial Int256 "
    "Nullable(Int64) LowCardinality(UInt8) smallint MEDIUMINT(9) int4range?",
    "number": "DOUBLE FLOAT4 DECIMAL(9,2) NUMERIC real Float64 decimal128(38,10) NUMBER(10) money halffloat bfloat16",
    "boolean": "BOOLEAN bool",
    "date": "DATE date32[day] Date32",
    "time": "TIME time64[us] TIMETZ",
    "datetime": "TIMESTAMP TIMESTAMPTZ DATETIME DateTime64(3) INTERVAL timestamp[us,tz=UTC] duration[ns] TIMESTAMP_NS "
    "interval month_day_nano_interval timestamp('UTC',6)",
    "string": "VARCHAR TEXT CHAR(3) BLOB UUID ENUM('int','date') bytea String FixedString(16) large_string binary "
    "string_view bpchar CITEXT inet BIT Enum8('a'=1) dictionary<values=string,indices=int32> !string",
    "unknown": "INTEGER[] STRUCT(a INTEGER) MAP(VARCHAR,INTEGER) JSON jsonb list<item:int64> Array(Int8) Tuple(Int8) "
    "NULL struct<a:int32> _int4 UNION(a INTEGER) INTEGER[3] array<int64> SUPER VARIANT NullType extension<arrow.json>",
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (text, kind)
        for kind, texts in TYPES.items()
        for text in texts.replace("(a INTEGER)", "(a)").split()
        if not text.endswith("?")
    ],
)
def test_types_are_mapped_by_their_text(text: str, kind: str) -> None:
    assert data_type(text) == kind
    assert data_type(f"  {text.swapcase()} ") == kind


def test_types_nobody_has_heard_of_are_text_or_unknown_as_the_engine_says() -> None:
    for text in ("GEOMETRY", "point", "", "tsvector"):
        assert data_type(text) == "string"
        assert data_type(text, otherwise="unknown") == "unknown"


@given(st.text(max_size=40))
def test_no_text_is_too_strange(text: str) -> None:
    assert data_type(text)
    assert is_meta_schema(text, text) in (True, False)


@pytest.mark.parametrize(
    ("dialect", "name", "hidden"),
    [
        ("postgresql", "information_schema", True),
        ("postgresql", "pg_catalog", True),
        ("postgres", "pg_catalog", True),
        ("postgresql", "pg_temp_3", True),
        ("sqlite", "INFORMATION_SCHEMA", True),
        ("mysql", "performance_schema", True),
        ("mariadb", "sys", True),
        ("mssql", "db_owner", True),
        ("clickhouse", "system", True),
        ("postgresql", "public", False),
        ("postgresql", "system", False),
        ("duckdb", "main", False),
        ("", "pg_catalog", False),
    ],
)
def test_what_a_database_says_of_itself_is_hidden(dialect: str, name: str, hidden: bool) -> None:
    assert is_meta_schema(dialect, name) is hidden


def test_a_million_columns_are_cut_without_being_made() -> None:
    made = columns_of((number, "INT") for number in range(1_000_000))
    assert len(made) == MAX_COLUMNS
    assert made[7].name == "7"
