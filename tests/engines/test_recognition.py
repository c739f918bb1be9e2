"""Which values are engines, found out without running any of their code."""

from __future__ import annotations

import gc
import io
import sqlite3
import subprocess
import sys
import types
from typing import Any
from unittest import mock

import pytest

from callboard.engines import engine_of, is_engine_type, recognition


class Touched(BaseException):
    """Code of the notebook ran."""


class Inventive:
    def __getattr__(self, name: str) -> Any:
        return Inventive()

    def __call__(self, *args: object) -> Any:
        return self


class Query:
    def cursor(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class Arrow(Query):
    def adbc_get_objects(self) -> None: ...
    def adbc_get_table_schema(self) -> None: ...
    def adbc_get_info(self) -> None: ...


class Properties(Query):
    @property
    def commit(self) -> Any:
        raise Touched("commit")


class Awaited(Query):
    async def commit(self) -> None: ...  # type: ignore[override]


class Removed(Query):
    close = None  # type: ignore[assignment]


def named(module: object, name: str, *bases: type) -> Any:
    return type(name, bases, {"__module__": module, "__qualname__": name})()


FAKES = [
    (Query(), "dbapi"),
    (Arrow(), "adbc"),
    (named("sqlalchemy.engine.base", "Engine"), "sqlalchemy"),
    (named("duckdb.duckdb", "DuckDBPyConnection", Query), "duckdb"),
    (named("chdb.state.sqlitelike", "Connection", Query), "clickhouse"),
    (named("clickhouse_connect.driver.client", "Client"), "clickhouse"),
    (named("redshift_connector.core", "Connection", Arrow), "redshift"),
    (named("pyiceberg.catalog", "Catalog"), "iceberg"),
    (named("ibis.backends.sql", "SQLBackend", Query), "ibis"),
]


@pytest.mark.parametrize(
    ("value", "source"),
    FAKES,
)
def test_engines_are_known_by_the_names_and_methods_of_their_types(
    value: object, source: str
) -> None:
    found = engine_of("x", value)
    assert found is not None
    assert (found.source, found.name, found.value) == (source, "x", value)
    assert is_engine_type(type(value))
    derived: Any = type("Derived", (type(value),), {})()
    assert getattr(engine_of("y", derived), "source", None) == source


@pytest.mark.parametrize(("value", "source"), FAKES)
def test_an_engine_that_answers_nonsense_is_empty_and_asked_again_all_the_same(
    value: object, source: str
) -> None:
    db = engine_of("x", value)
    assert db is not None
    assert db.placement.reason
    for _ in range(2):
        found = db.connection()
        assert (found.source, found.name) == (source, "x")
        assert not [
            table
            for database in found.databases
            for schema in database.schemas
            for table in schema.tables
        ]
        with pytest.raises(Exception, match=r"\w"):
            db.explain("SELECT 1")
        db.interrupt()


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "sqlite://",
        Query,
        sqlite3,
        sqlite3.Connection,
        types.ModuleType("cursor"),
        mock.Mock(),
        mock.MagicMock(),
        mock.Mock(spec=sqlite3.Connection),
        mock.create_autospec(Arrow, instance=True),
        Inventive(),
        Properties(),
        Awaited(),
        Removed(),
        io.StringIO(),
        named("duckdb", "Other"),
        named(property(lambda self: "duckdb"), "DuckDBPyConnection"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_only_looks_like_an_engine_is_none(value: object) -> None:
    assert engine_of("x", value) is None
    assert not is_engine_type(type(value))


def test_no_code_of_a_value_or_of_its_types_runs() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise Touched(name)

        def __hash__(cls) -> int:
            raise Touched("hash")

        def __eq__(cls, other: object) -> bool:
            raise Touched("eq")

        def __instancecheck__(cls, instance: object) -> bool:
            raise Touched("instancecheck")

    class Hostile(metaclass=Meta):
        def __getattribute__(self, name: str) -> Any:
            raise Touched(name)

    value = object.__new__(Hostile)
    assert engine_of("x", value) is None
    assert engine_of("x", Hostile) is None
    assert not is_engine_type(Hostile)


def test_a_class_that_pretends_by_its_instances_class_is_not_believed() -> None:
    class Pretending:
        __class__ = sqlite3.Connection  # type: ignore[assignment]

    assert engine_of("x", Pretending()) is None


def test_types_are_forgotten_with_the_notebooks_interest_in_them() -> None:
    before = len(recognition._known)
    for _ in range(50):
        is_engine_type(type("Shortlived", (Query,), {}))
    gc.collect()
    assert len(recognition._known) <= before + 1


RECOGNISING = """
import sys, sqlite3
from callboard.engines import engine_of
before = set(sys.modules)
assert engine_of("x", sqlite3.connect(":memory:")) is not None
assert engine_of("x", object()) is None
libraries = {"duckdb", "sqlalchemy", "ibis", "chdb", "pyarrow", "polars", "pandas", "pyiceberg", "trio"}
print(sorted(set(sys.modules) - before), sorted(libraries & set(sys.modules)))
"""


def test_recognising_imports_nothing() -> None:
    command = [sys.executable, "-c", RECOGNISING]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "[] []\n"
