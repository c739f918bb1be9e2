"""PyIceberg catalogs, kept in SQLite."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from callboard.engines import Discovery, NoQueries, Place
from callboard.engines.calls import Interrupted
from tests.engines.support import columns, engine, is_shared, shape

pytestmark = pytest.mark.slow  # pyiceberg takes seconds to import


@pytest.fixture(scope="module")
def iceberg() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pyiceberg.catalog.sql")


@pytest.fixture
def catalog(iceberg: Any, tmp_path: Path) -> Iterator[Any]:
    types: Any = importlib.import_module("pyiceberg.types")
    schemas: Any = importlib.import_module("pyiceberg.schema")
    field = types.NestedField
    schema = schemas.Schema(
        field(1, "a", types.LongType(), required=True),
        field(2, "b.c", types.TimestamptzType()),
        field(3, "d", types.ListType(4, types.StringType())),
        field(5, "e", types.DecimalType(9, 2)),
        identifier_field_ids=[1],
    )
    made = iceberg.SqlCatalog(
        "catalog", uri=f"sqlite:///{tmp_path}/x.db", warehouse=f"file://{tmp_path}"
    )
    made.create_namespace(("top",))
    made.create_namespace(("top", "inner"))
    made.create_namespace(("top", "inner", "deep"))
    made.create_namespace(("empty",))
    made.create_table(("top", "t"), schema)
    made.create_table(("top", "inner", "u"), schema)
    made.create_table(("top", "inner", "deep", "w"), schema)
    yield made
    made.close()


def test_namespaces_are_databases_with_schemas_within(catalog: Any) -> None:
    db = engine(catalog)
    found = db.connection()
    assert (found.source, found.dialect, found.display_name) == (
        "iceberg",
        "iceberg",
        "iceberg (db)",
    )
    assert shape(found) == {"empty": {"": []}, "top": {"": ["t"], "inner": ["u"]}}
    table = found.databases[1].schemas[0].tables[0]
    assert (table.source_type, table.columns) == ("catalog", [])
    assert shape(db.connection(Discovery(tables=False)))["top"] == {"": [], "inner": []}
    assert shape(db.connection(Discovery(schemas=False))) == {"empty": {}, "top": {}}
    full = db.connection(Discovery(columns=True)).databases[1].schemas[0].tables[0]
    assert len(full.columns) == 4


def test_nested_namespaces_are_reached_by_their_path(catalog: Any) -> None:
    db = engine(catalog)
    assert [schema.name for schema in db.schemas("top")] == ["inner"]
    assert [schema.name for schema in db.schemas("top", ["inner"])] == ["deep"]
    assert db.schemas("top", ["inner", "deep"]) == []
    assert [table.name for table in db.tables("top", "")] == ["t"]
    assert [table.name for table in db.tables("top", "inner")] == ["u"]
    assert [table.name for table in db.tables("top", "deep", ["inner"])] == ["w"]
    table = db.table("top", "deep", "w", ["inner"])
    assert table is not None
    assert columns(table) == [
        ("a", "integer", "long"),
        ("b.c", "datetime", "timestamptz"),
        ("d", "unknown", "list<string>"),
        ("e", "number", "decimal(9, 2)"),
    ]
    assert (table.primary_keys, table.num_columns) == (["a"], 4)
    assert db.table("top", "", "nothing") is None
    assert db.table("nowhere", "", "t") is None
    with pytest.raises(Exception, match="nowhere"):
        db.tables("nowhere", "")


def test_a_catalog_runs_no_queries(catalog: Any) -> None:
    db = engine(catalog)
    assert not db.has_queries
    for ask in (lambda: db.explain("SELECT 1"), lambda: db.execute("SELECT 1")):
        with pytest.raises(NoQueries, match=r"db .iceberg. is a catalog"):
            ask()


def test_other_threads_look_into_a_catalog_that_a_cell_uses(
    catalog: Any, cell: ThreadPoolExecutor, worker: ThreadPoolExecutor
) -> None:
    db = engine(catalog)
    assert db.placement.place is Place.ANY_THREAD
    assert not is_shared(db, catalog)
    table = cell.submit(catalog.load_table, ("top", "t")).result()
    with table.transaction() as transaction:
        transaction.set_properties(x="y")
        assert worker.submit(lambda: shape(db.connection())["top"][""]).result() == ["t"]
    assert cell.submit(catalog.load_table, ("top", "t")).result().properties["x"] == "y"


def test_a_catalog_in_memory_is_used_on_the_cells_thread(iceberg: Any, tmp_path: Path) -> None:
    made = iceberg.SqlCatalog("catalog", uri="sqlite:///:memory:", warehouse=f"file://{tmp_path}")
    db = engine(made)
    assert db.placement.place is Place.CELL_THREAD
    assert "in-memory" in db.placement.reason
    assert is_shared(db, made)
    made.close()


def test_a_namespace_that_cannot_be_looked_into_hides_no_other(
    catalog: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(namespace: Any) -> Any:
        if len(namespace) == 1:
            raise PermissionError("not with postgres://me:hunter22@db")
        return [(*namespace, "u")]

    monkeypatch.setattr(catalog, "list_tables", forbidden)
    found = engine(catalog).connection()
    assert shape(found) == {"empty": {"": []}, "top": {"": [], "inner": ["u"]}}
    assert "cannot look into a part of db: not with" in caplog.text
    assert "hunter22" not in caplog.text


def test_a_listing_is_interrupted_between_two_questions(
    catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = engine(catalog)
    ask = catalog.list_tables

    def interrupted(namespace: Any) -> Any:
        db.interrupt()
        return ask(namespace)

    monkeypatch.setattr(catalog, "list_tables", interrupted)
    with pytest.raises(Interrupted):
        db.connection()
    monkeypatch.undo()
    assert len(db.connection().databases) == 2
