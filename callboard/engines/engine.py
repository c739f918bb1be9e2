"""What every engine can do."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import attrs

from callboard.engines.calls import Call, Calls, Interrupted, Progress, nobody
from callboard.engines.discovery import CHEAP_DIALECTS, Discovery, Wanted
from callboard.messages.payloads import Database, DataSourceConnection, DataTable, Schema
from callboard.redaction import without_credentials

if TYPE_CHECKING:
    from callboard.engines.placement import Placement
    from callboard.engines.results import QueryResult

_log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_ENGINE_NAME: Final = "__callboard_duckdb"
DEFAULT_ENGINE_NAMES: Final = frozenset({DEFAULT_ENGINE_NAME, "__marimo_duckdb"})
"""What the built-in DuckDB is called; no notebook variable."""


class EngineError(Exception):
    """An engine cannot do what it was asked for. The text is for people and holds no secret."""


class NoCatalog(EngineError):
    """The engine only runs queries."""


class NoQueries(EngineError):
    """The engine only has a catalog."""


@attrs.frozen
class Content:
    """What an engine contains, and where unqualified names are looked up."""

    databases: list[Database]
    default_database: str | None = None
    default_schema: str | None = None


class Engine(ABC):
    """A database, as the value of a notebook variable.

    Making one runs no code of the notebook, imports nothing and asks nothing. The methods block, on the
    thread that `placement` names, one call at a time for the same `exclusive`; only `interrupt` is for any
    thread and returns at once. Errors are those of the driver: show their text through `error_text`.
    """

    source: ClassVar[str]
    has_catalog: ClassVar[bool] = True
    has_queries: ClassVar[bool] = True
    discovers: ClassVar[Discovery]
    """What is looked up unasked if the user says nothing."""

    def __init__(self, name: str, value: Any, dialect: str, placement: Placement) -> None:
        self.name = name
        self.value = value
        self.dialect = dialect
        """The SQL dialect, as far as it is known without asking; `connection` may learn a better one."""
        self.placement = placement
        self._calls = Calls()

    @property
    def exclusive(self) -> object:
        """What calls that must not overlap have in common: the same object."""
        return self.value

    @property
    def variable(self) -> str | None:
        """The notebook variable; None for the built-in engine."""
        return None if self.name in DEFAULT_ENGINE_NAMES else self.name

    @property
    def display_name(self) -> str:
        """What people call this engine."""
        if not self.has_catalog:
            return self.name
        return f"{self.dialect} ({self.variable or 'In-Memory'})"

    def interrupt(self) -> None:
        """Break off the call under way by the engine's own means, if it has any. From any thread, at once.

        What the notebook does with the same connection is left alone.
        """
        self._calls.interrupt()

    def connection(
        self, depth: Discovery | None = None, progress: Progress = nobody
    ) -> DataSourceConnection:
        """Describe the engine as deep as asked. Blocks. ``progress`` is told how many schemas have been looked into.

        What cannot be looked up is left out, down to nothing at all for a closed connection; the log says why.

        Raises:
            Interrupted: by `interrupt`.
        """
        content = Content([])
        if self.has_catalog:
            with self._calls.running(progress) as call:
                try:
                    self._learn(call)
                    content = self._content(call, self._wanted(depth or Discovery()))
                except Exception as error:
                    if call.interrupted:
                        raise Interrupted("interrupted") from error
                    _log.warning("cannot look into %s: %s", self.name, error_text(error))
        return DataSourceConnection(
            source=self.source,
            dialect=self.dialect,
            name=self.name,
            display_name=self.display_name,
            databases=content.databases,
            default_database=content.default_database,
            default_schema=content.default_schema,
        )

    def schemas(self, database: str, path: Sequence[str] = ()) -> list[Schema]:
        """List the schemas of a database, without tables; with a path, those within the schema there. Blocks."""
        self._require_catalog()
        with self._calls.running() as call:
            return self._schemas(call, database, tuple(path))

    def tables(self, database: str, schema: str, path: Sequence[str] = ()) -> list[DataTable]:
        """List the tables and views of a schema, without columns. Blocks."""
        self._require_catalog()
        with self._calls.running() as call:
            return self._tables(call, database, schema, tuple(path))

    def table(
        self, database: str, schema: str, name: str, path: Sequence[str] = ()
    ) -> DataTable | None:
        """Describe one table with columns, primary keys and indexes; None if there is none. Blocks."""
        self._require_catalog()
        with self._calls.running() as call:
            return self._table(call, database, schema, name, tuple(path))

    def explain(self, query: str, variables: Mapping[str, object] | None = None) -> None:
        """Have the database check a query, with all that it would need to run it. Blocks; runs and changes nothing.

        Of several statements the first is checked. ``variables`` are dataframes that the query may name,
        for the engines that can read them.

        Raises:
            NoQueries: it has only a catalog.
            Exception: what the driver raises if the database refuses the query.
        """
        self._require_queries()
        with self._calls.running() as call:
            self._explain(call, query, variables or {})

    def execute(self, query: str, variables: Mapping[str, object] | None = None) -> QueryResult:
        """Run a query for its author, on the author's connection. Blocks; for the cell thread.

        A statement outside a transaction is committed; one inside becomes part of it. ``variables`` are
        dataframes that the query may name, for the engines that can read them.

        Raises:
            NoQueries: it has only a catalog.
            Exception: what the driver raises.
        """
        self._require_queries()
        with self._calls.running() as call:
            return self._execute(call, query, variables or {})

    def _attempt(self, call: Call, look: Callable[..., T], *arguments: object) -> T | None:
        """Look a part up; one that cannot be, such as for want of a permission, is None, and logged."""
        try:
            return look(*arguments)
        except Exception as error:
            if call.interrupted:
                raise
            _log.warning("cannot look into a part of %s: %s", self.name, error_text(error))
            return None

    def _wanted(self, depth: Discovery) -> Wanted:
        return depth.over(self.discovers).resolve(auto=self._auto())

    def _auto(self) -> bool:
        return self.dialect in CHEAP_DIALECTS

    def _require_catalog(self) -> None:
        if not self.has_catalog:
            raise NoCatalog(
                f"The engine {self.name} ({self.source}) does not support catalog operations; "
                "it only runs queries"
            )

    def _require_queries(self) -> None:
        if not self.has_queries:
            raise NoQueries(
                f"The engine {self.name} ({self.source}) is a catalog and runs no queries"
            )

    def _learn(self, call: Call) -> None:
        """Ask for what can be known only by asking, such as the dialect."""
        call.check()

    @abstractmethod
    def _content(self, call: Call, wanted: Wanted) -> Content: ...

    @abstractmethod
    def _schemas(self, call: Call, database: str, path: tuple[str, ...]) -> list[Schema]: ...

    @abstractmethod
    def _tables(
        self, call: Call, database: str, schema: str, path: tuple[str, ...]
    ) -> list[DataTable]: ...

    @abstractmethod
    def _table(
        self, call: Call, database: str, schema: str, name: str, path: tuple[str, ...]
    ) -> DataTable | None: ...

    @abstractmethod
    def _explain(self, call: Call, query: str, variables: Mapping[str, object]) -> None: ...

    @abstractmethod
    def _execute(self, call: Call, query: str, variables: Mapping[str, object]) -> QueryResult: ...


@contextmanager
def closing(resource: Any) -> Iterator[Any]:
    """Close a cursor or the like behind the block; that it cannot be closed is no error."""
    try:
        yield resource
    finally:
        try:
            resource.close()
        except Exception:
            _log.debug("a %s could not be closed", type(resource).__name__)


def error_text(error: BaseException) -> str:
    """Say what went wrong, in the driver's words, without credentials. Never raises."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return without_credentials(text) or type(error).__name__
