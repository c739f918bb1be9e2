"""PyIceberg catalogs: namespaces and tables, and no queries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from callboard.engines.calls import Call
from callboard.engines.catalog_types import MAX_LISTED_COLUMNS, columns_of, database_of, table_of
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import static
from callboard.engines.engine import Content, Engine, NoQueries
from callboard.engines.placement import Place, Placement
from callboard.engines.recognition import Kind, kind_of
from callboard.engines.results import QueryResult
from callboard.engines.sqlalchemy_pools import placement_of as placement_of_sqlalchemy
from callboard.messages.payloads import DataTable, Schema

Namespace = tuple[str, ...]


class IcebergEngine(Engine):
    """A PyIceberg catalog.

    A namespace at the top is a database here; its own tables are in the schema without a name, and the
    namespaces within it are schemas, which may nest further.
    """

    source = "iceberg"
    has_queries = False
    discovers = Discovery(True, "auto", False)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, value, "iceberg", placement_of(value))
        self._exclusive = object()

    @property
    def exclusive(self) -> object:
        shared = self.placement.place is Place.CELL_THREAD
        return self.value if shared else self._exclusive

    def _auto(self) -> bool:
        return True

    def _content(self, call: Call, wanted: Wanted) -> Content:
        room = MAX_LISTED_COLUMNS
        databases = []
        done = count()
        for top in sorted(self._namespaces(())):
            call.check()
            schemas = []
            if wanted.schemas:
                inner = self._attempt(call, self._namespaces, top) or []
                for namespace in (top, *inner):
                    call.reached(next(done), None)
                    tables = []
                    if wanted.tables:
                        tables = self._attempt(call, self._listed, namespace) or []
                    for index, table in enumerate(tables if wanted.columns else ()):
                        call.check()
                        if room > 0:
                            name = table.name
                            found = self._attempt(call, self._described, namespace, name, room)
                            tables[index] = found or table
                            room -= len(tables[index].columns)
                    schemas.append(Schema(namespace[-1] if namespace != top else "", tables))
            databases.append(database_of(top[-1], self.dialect, schemas, self.name))
        return Content(databases)

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        return [Schema(found[-1], []) for found in self._namespaces((database, *path))]

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        return self._listed(_namespace(database, schema, path))

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        return self._described(_namespace(database, schema, path), name, MAX_LISTED_COLUMNS)

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        raise NoQueries(self.name)

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        raise NoQueries(self.name)

    def _namespaces(self, parent: Namespace) -> list[Namespace]:
        return sorted(
            (*parent, str(found[-1])) for found in self.value.list_namespaces(parent) if found
        )

    def _listed(self, namespace: Namespace) -> list[DataTable]:
        names = {str(found[-1]): False for found in self.value.list_tables(namespace)}
        try:
            views = self.value.list_views(namespace)
        except Exception:
            views = []  # most catalogs have none, and say so by raising
        names.update((str(found[-1]), True) for found in views)
        return [self._made(name, view=view) for name, view in sorted(names.items())]

    def _described(self, namespace: Namespace, name: str, room: int) -> DataTable | None:
        try:
            schema = self.value.load_table((*namespace, name)).schema()
        except Exception as error:
            if type(error).__name__ in ("NoSuchTableError", "NoSuchNamespaceError"):
                return None
            raise
        fields = schema.fields
        return self._made(
            name,
            num_columns=len(fields),
            columns=columns_of(
                (field.name, str(field.field_type)) for field in fields[: max(room, 0)]
            ),
            primary_keys=sorted(str(key) for key in schema.identifier_field_names()),
        )

    def _made(self, name: str, **details: Any) -> DataTable:
        return table_of(
            name, engine=self.name, source=self.dialect, source_type="catalog", **details
        )


def placement_of(catalog: Any) -> Placement:
    """Any thread, but for a catalog that is itself kept in a SQL database: there that one's engine decides."""
    engine = static(catalog, "engine")
    if engine is not None and kind_of(type(engine)) is Kind.SQLALCHEMY:
        return placement_of_sqlalchemy(engine)
    return Placement(
        Place.ANY_THREAD, "PyIceberg: a catalog keeps no connection that threads could share"
    )


def _namespace(database: str, schema: str, path: tuple[str, ...]) -> Namespace:
    return (database, *path, *((schema,) if schema else ()))
