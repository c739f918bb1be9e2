"""SQLAlchemy engines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from callboard.engines.calls import Call
from callboard.engines.catalog_types import (
    MAX_LISTED_COLUMNS,
    columns_of,
    database_of,
    is_meta_schema,
    table_of,
)
from callboard.engines.discovery import Discovery, Wanted
from callboard.engines.drivers import canceller, in_transaction, static
from callboard.engines.engine import Content, Engine
from callboard.engines.placement import Place
from callboard.engines.results import NO_ROWS, QueryResult, rows_result
from callboard.engines.sqlalchemy_pools import Undisturbed, placement_of, shared_connection
from callboard.engines.statements import explained
from callboard.messages.payloads import DataTable, DataTableColumn, Schema

_CURRENT_DATABASE: Final = {
    "postgresql": "SELECT current_database()",
    "redshift": "SELECT current_database()",
    "mysql": "SELECT DATABASE()",
    "mariadb": "SELECT DATABASE()",
    "mssql": "SELECT DB_NAME()",
    "snowflake": "SELECT CURRENT_DATABASE()",
    "clickhouse": "SELECT currentDatabase()",
    "clickhousedb": "SELECT currentDatabase()",
}


class SQLAlchemyEngine(Engine):
    """A SQLAlchemy ``Engine``: the one database that its URL names. Other databases' names are not looked at."""

    source = "sqlalchemy"
    discovers = Discovery("auto", "auto", False)

    def __init__(self, name: str, value: Any) -> None:
        dialect = static(static(value, "dialect"), "name")
        super().__init__(
            name, value, dialect if type(dialect) is str else "sql", placement_of(value)
        )
        self._exclusive = object()

    @property
    def exclusive(self) -> object:
        pooled = self.placement.place is Place.ANY_THREAD
        return self._exclusive if pooled else self.value

    def _content(self, call: Call, wanted: Wanted) -> Content:
        with self._connected(call) as connection:
            inspector = _inspect(connection)
            database = self._database(connection)
            default_schema = inspector.default_schema_name
            schemas = []
            if wanted.schemas:
                room = MAX_LISTED_COLUMNS
                names = self._schema_names(inspector)
                for number, name in enumerate(names):
                    call.reached(number, len(names))
                    look = self._looked_into
                    tables = (
                        self._attempt(call, look, connection, inspector, name, wanted, room) or []
                    )
                    room -= sum(len(table.columns) for table in tables)
                    schemas.append(Schema(name, tables))
        return Content(
            [database_of(database, self.dialect, schemas, self.name)], database, default_schema
        )

    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]:
        if path:
            return []
        with self._connected(call) as connection:
            return [Schema(name, []) for name in self._schema_names(_inspect(connection))]

    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]:
        if path:
            return []
        with self._connected(call) as connection:
            return self._listed(_inspect(connection), schema)

    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None:
        if path:
            return None
        with self._connected(call) as connection:
            inspector = _inspect(connection)
            where = schema or None
            if not inspector.has_table(name, schema=where):
                return None
            columns = inspector.get_columns(name, schema=where)
            keys = inspector.get_pk_constraint(name, schema=where)
            indexes = inspector.get_indexes(name, schema=where)
            return table_of(
                name,
                engine=self.name,
                source=self.dialect,
                view=name in _views(inspector, where),
                num_columns=len(columns),
                columns=self._columns(columns),
                primary_keys=[str(key) for key in (keys or {}).get("constrained_columns") or ()],
                indexes=[str(index["name"]) for index in indexes if index.get("name")],
            )

    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None:
        with self._connected(call) as connection:
            result = _run(connection, explained(query))
            if result.returns_rows:
                result.fetchall()

    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult:
        with self._connected(call, commit=True) as connection:
            result = _run(connection, query)
            if not result.returns_rows:
                return NO_ROWS
            return rows_result(result.keys(), result.fetchall())

    @contextmanager
    def _connected(self, call: Call, *, commit: bool = False) -> Iterator[Any]:
        shared = shared_connection(self.value)
        if shared is None:
            with self.value.connect() as connection:
                with call.cancelled_by(canceller(connection.connection.dbapi_connection)):
                    yield connection
                if commit:
                    connection.commit()
            return
        # The notebook may be in the middle of a transaction on this very connection.
        inside = in_transaction(shared)
        create: Any = sys.modules["sqlalchemy"]
        pools: Any = sys.modules["sqlalchemy.pool"]
        private = create.create_engine(
            self.value.url,
            creator=lambda: Undisturbed(shared),
            poolclass=pools.NullPool,
            pool_reset_on_return=None,
        )
        try:
            with private.connect() as connection, call.cancelled_by(canceller(shared)):
                yield connection
        except BaseException:
            if inside is False:
                shared.rollback()
            raise
        if commit and not inside:
            shared.commit()

    def _database(self, connection: Any) -> str:
        url = self.value.url
        if self.dialect in ("sqlite", "duckdb"):
            return str(url.database or ":memory:")
        if url.database:
            name = str(url.database)
            return name.partition("/")[0] if self.dialect in ("trino", "snowflake") else name
        query = _CURRENT_DATABASE.get(self.dialect)
        return str(_run(connection, query).fetchall()[0][0] or "") if query else ""

    def _schema_names(self, inspector: Any) -> list[str]:
        names = [str(name) for name in inspector.get_schema_names()]
        return [name for name in names if not is_meta_schema(self.dialect, name)]

    def _looked_into(
        self, connection: Any, inspector: Any, schema: str, wanted: Wanted, room: int
    ) -> list[DataTable]:
        if not wanted.tables:
            return []
        try:
            tables = self._listed(inspector, schema)
            if wanted.columns and room > 0:
                tables = self._with_columns(inspector, schema, tables, room)
        except BaseException:
            connection.rollback()  # or the next schema finds a transaction that has failed
            raise
        return tables

    def _listed(self, inspector: Any, schema: str) -> list[DataTable]:
        where = schema or None
        views = _views(inspector, where)
        tables = [str(name) for name in inspector.get_table_names(schema=where)]
        tables += _names(inspector, "get_foreign_table_names", where)
        return [
            table_of(name, engine=self.name, source=self.dialect, view=view)
            for names, view in ((tables, False), (views, True))
            for name in sorted(set(names))
        ]

    def _with_columns(
        self, inspector: Any, schema: str, tables: Sequence[DataTable], room: int
    ) -> list[DataTable]:
        reflection: Any = sys.modules["sqlalchemy.engine.reflection"]
        found = {
            str(key[1]): columns
            for key, columns in inspector.get_multi_columns(
                schema=schema or None, kind=reflection.ObjectKind.ANY
            ).items()
        }
        described = []
        for table in tables:
            columns = found.get(table.name, []) if room > 0 else []
            made = self._columns(columns[: max(room, 0)])
            room -= len(made)
            described.append(
                table_of(
                    table.name,
                    engine=self.name,
                    source=self.dialect,
                    view=table.type == "view",
                    num_columns=len(found[table.name]) if table.name in found else None,
                    columns=made,
                )
            )
        return described

    def _columns(self, described: Sequence[Any]) -> list[DataTableColumn]:
        return columns_of(
            (column["name"], _type_text(column["type"], self.value.dialect)) for column in described
        )


def _inspect(connection: Any) -> Any:
    sqlalchemy: Any = sys.modules["sqlalchemy"]
    return sqlalchemy.inspect(connection)


def _run(connection: Any, query: str) -> Any:
    # Without parameters at all, drivers leave percent signs and colons alone.
    return connection.exec_driver_sql(query, execution_options={"no_parameters": True})


def _names(inspector: Any, method: str, schema: str | None) -> list[str]:
    try:
        return [str(name) for name in getattr(inspector, method)(schema=schema)]
    except (AttributeError, NotImplementedError):
        return []  # a kind of relation that the dialect does not have


def _views(inspector: Any, schema: str | None) -> list[str]:
    return _names(inspector, "get_view_names", schema) + _names(
        inspector, "get_materialized_view_names", schema
    )


def _type_text(kind: Any, dialect: Any) -> str:
    try:
        return str(kind.compile(dialect=dialect))
    except Exception:
        # Types that no dialect can spell, such as the one for "no idea".
        return type(kind).__name__
