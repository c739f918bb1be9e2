"""Checks queries: whether they parse, and whether an engine takes them."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import attrs

from callboard.actors.requests import Refused, Request
from callboard.actors.sql.checks import Parsed, names_in, parse, tables_in, without_explain
from callboard.engines import (
    DEFAULT_ENGINE_NAMES,
    Engine,
    Place,
    default_engine,
    engine_of,
    error_text,
)
from callboard.messages.commands import ValidateSQLCommand
from callboard.messages.notifications import ValidateSQLResultNotification
from callboard.messages.payloads import SQLCatalogCheckResult
from callboard.sqlparse import (
    ParserMissing,
    Placeholder,
    fill,
    is_blank,
    placeholders,
)

COMMANDS: Final = (ValidateSQLCommand,)


@attrs.frozen
class Prepare:
    """A notebook has an engine now, so queries may have to be parsed soon. The kernel's own, no command."""

    names: frozenset[str]


INTERNAL: Final = (Prepare,)

_PLAIN: Final = frozenset(
    {str, int, float, bool, type(None), decimal.Decimal}
    | {datetime.date, datetime.datetime, datetime.time, datetime.timedelta}
)
"""Exact types whose text is made without running code of the notebook."""
_TABLES: Final = frozenset({"polars", "pandas", "pyarrow", "numpy", "duckdb"})
"""Libraries whose tables DuckDB reads without running code of the notebook."""
_TELLING: Final = 4
"""Characters from which on a value may be a secret; shorter ones stand in half of all texts."""
_LONGEST_TEXT: Final = 1_000_000
"""Characters of a variable's text; a longer one is not put into a query."""

_module_of: Final = type.__dict__["__module__"].__get__
_bases_of: Final = type.__dict__["__mro__"].__get__


@attrs.define(eq=False)
class SQLAnswers:
    """Answers ``validate-sql``."""

    _prepared: bool = attrs.field(default=False, init=False)
    """Whether the parser has been loaded."""

    def reads(self, command: ValidateSQLCommand | Prepare) -> Iterable[str]:
        """Name the engine, and what the query may name: DuckDB reads the notebook's variables."""
        if isinstance(command, Prepare) or command.only_parse or command.engine is None:
            return ()
        names = names_in(command.query)
        return names if command.engine in DEFAULT_ENGINE_NAMES else (command.engine, *names)

    async def answer(
        self, request: Request[ValidateSQLCommand | Prepare]
    ) -> ValidateSQLResultNotification | None:
        """Check a query; whatever goes wrong is in the reply."""
        if isinstance(request.command, Prepare):
            # The first query that a person types would wait for it; now, whoever drags a slider would.
            if not self._prepared:
                request.call_later(self._prepare)
            return None
        return await self._answer(request)

    def _prepare(self) -> None:
        parse("SELECT 1", "sqlite")
        self._prepared = True

    async def _answer(self, request: Request[Any]) -> ValidateSQLResultNotification:
        reply = partial(ValidateSQLResultNotification, request.command.request_id)
        try:
            if request.command.only_parse:
                return await self._only_parse(request)
            return await self._check(request)
        except Exception as error:
            return reply(error=error_text(error))

    async def _only_parse(
        self, request: Request[ValidateSQLCommand]
    ) -> ValidateSQLResultNotification:
        command = request.command
        reply = partial(ValidateSQLResultNotification, command.request_id)
        dialect = command.dialect
        if not dialect:
            return reply(error="To parse a query its dialect must be given")
        parsed = await request.call(partial(parse, command.query, dialect))
        if parsed.result is None:
            return reply(error=f"The dialect {dialect!r} is not supported: no parser knows it")
        return reply(parse_result=parsed.result)

    async def _check(self, request: Request[ValidateSQLCommand]) -> ValidateSQLResultNotification:
        command = request.command
        reply = partial(ValidateSQLResultNotification, command.request_id)
        if command.engine is None:
            return reply(error="To check a query an engine must be given")
        try:
            engine = await self._engine(request, command.engine)
        except Refused as refused:
            return reply(error=f"The engine {command.engine!r} was not found: {refused}")
        parsed = await self._parse(request, engine)
        if not engine.has_queries:
            error = f"The engine {command.engine!r} is a catalog and runs no queries"
            return reply(parse_result=parsed.result, error=error)
        checked = await self._explain(request, engine)
        return reply(parse_result=parsed.result, validate_result=checked)

    async def _engine(self, request: Request[ValidateSQLCommand], name: str) -> Engine:
        if name in DEFAULT_ENGINE_NAMES:
            return await request.call(default_engine)
        value = await request.variable(name)
        engine = engine_of(name, value)
        if engine is None:
            raise Refused(f"a {type(value).__name__} is no database")
        return engine

    async def _parse(self, request: Request[ValidateSQLCommand], engine: Engine) -> Parsed:
        command = request.command
        # What a connection cannot tell of itself its driver can.
        dialects = (engine.dialect, _package_of(type(engine.value)), command.dialect)
        try:
            return await request.call(partial(parse, command.query, *dialects))
        except ParserMissing:
            return Parsed(None, None)

    async def _explain(
        self, request: Request[ValidateSQLCommand], engine: Engine
    ) -> SQLCatalogCheckResult:
        query = request.command.query
        if is_blank(query):
            return SQLCatalogCheckResult(True)
        variables: Mapping[str, object] = {}
        texts: dict[str, str] = {}
        if engine.dialect == "duckdb":
            texts = await self._texts(request)
            query = fill(query, lambda each: texts.get(each.expression, _quoted(each)))
            variables = await self._variables(request, query)
        else:
            query = fill(query, _quoted)
        try:
            await request.call(
                partial(engine.explain, query, variables),
                engine.placement.place,
                exclusive=engine.exclusive,
                interrupt=engine.interrupt,
            )
        except Exception as error:
            told = without_explain(_told(error), query)
            return SQLCatalogCheckResult(False, _without_values(told, texts))
        return SQLCatalogCheckResult(True)

    async def _texts(self, request: Request[ValidateSQLCommand]) -> dict[str, str]:
        """What an f-string would put in for the placeholders that are variables, by their expressions."""
        found: dict[str, str] = {}
        for placeholder in placeholders(request.command.query):
            name = placeholder.name
            if name is not None and name not in found:
                text = await self._text(request, name)
                if text is not None:
                    found[name] = text
        return found

    async def _text(self, request: Request[ValidateSQLCommand], name: str) -> str | None:
        """The text of a variable; None if it is not there, or has none that is any use in a query."""
        try:
            value = await request.variable(name)
            make = partial(format, value)
            # Others make their text by code that is the notebook's, or may be.
            plain = type(value) in _PLAIN
            text = make() if plain else await request.call(make, Place.CELL_THREAD)
        except Exception:  # Refused, or whatever the notebook's code raises
            return None
        return text if len(text) <= _LONGEST_TEXT else None

    async def _variables(
        self, request: Request[ValidateSQLCommand], query: str
    ) -> dict[str, object]:
        """The dataframes that a query of DuckDB reads as tables."""
        among = frozenset(names_in(request.command.query))
        found: dict[str, object] = {}
        for name in await request.call(partial(tables_in, query, among)):
            try:
                value = await request.variable(name)
            except Refused:  # a table of the database, or nothing
                continue
            if _is_table(value):
                found[name] = value
        return found


def _quoted(placeholder: Placeholder) -> str:
    return "'{" + placeholder.expression.replace("'", "''") + "}'"


def _without_values(text: str, values: Mapping[str, str]) -> str:
    """Put placeholders back into what a database says, for their values may be secrets; the long ones first."""
    for name, value in sorted(values.items(), key=lambda each: -len(each[1])):
        if len(value) >= _TELLING:
            text = text.replace(value, "{" + name + "}")
    return text


def _is_table(value: object) -> bool:
    return any(_package_of(base) in _TABLES for base in _bases_of(type(value)))


def _package_of(cls: type) -> str:
    module = _module_of(cls)
    return module.partition(".")[0] if type(module) is str else ""


def _told(error: Any) -> str:
    """The database's own words; SQLAlchemy wraps them."""
    orig = getattr(error, "orig", None)
    return error_text(orig if isinstance(orig, Exception) else error)
