"""Where a query does not parse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from callboard.messages.payloads import SQLParseError
from callboard.sqlparse.dialects import parser_library, without_warnings
from callboard.sqlparse.placeholders import is_blank, mask

_QUERIES = frozenset({"select", "with", "from", "values", "("})
"""How statements begin that are really parsed: of others, dialects have more than the parser knows."""
_MISSING = re.compile(r"(?s)Missing (.+) from (\d+):(\d+)")
_FIRST_WORD = re.compile(r"\s*(\(|\w+)")
_TOKEN_REPR = re.compile(r"(?s)<Token .*>")
_CLASS_REPR = re.compile(r"<class '[\w.]*?(\w+)'>")


def parse_errors(query: str, dialect: str) -> list[SQLParseError]:
    """Parse a query and say what is wrong with it, one error for each statement; lines from 1, columns from 0.

    ``dialect`` is sqlglot's name of it. Placeholders may stand wherever a name or a value may. Positions are those in
    the query as given. A statement that is no query counts as valid. It may take seconds for a query of megabytes.

    Raises:
        ParserMissing: sqlglot is not installed.
    """
    sqlglot = parser_library()
    if is_blank(query):
        return []
    rules = sqlglot.Dialect.get_or_raise(dialect)
    # The same length and the same lines: positions in what is parsed are positions in the query.
    text = mask(query, *_name_quotes(rules))
    with without_warnings():
        try:
            tokens = rules.tokenize(text)
        except sqlglot.errors.TokenError as error:
            return [_untokenized(query, error)] if _is_query_text(text) else []
        return list(_statement_errors(sqlglot, rules, query, text, tokens))


def _name_quotes(rules: Any) -> tuple[str, str]:
    opening, closing = rules.IDENTIFIER_START, rules.IDENTIFIER_END
    one_each = isinstance(opening, str) and len(opening) == 1 and len(closing) == 1
    return (opening, closing) if one_each else ('"', '"')


def _statement_errors(
    sqlglot: Any, rules: Any, query: str, text: str, tokens: Sequence[Any]
) -> Iterator[SQLParseError]:
    for statement in _statements(sqlglot, tokens):
        if str(statement[0].text).lower() in _QUERIES:
            error = _statement_error(sqlglot, rules, query, text, statement)
            if error is not None:
                yield error


def _statement_error(
    sqlglot: Any, rules: Any, query: str, text: str, statement: list[Any]
) -> SQLParseError | None:
    level = sqlglot.errors.ErrorLevel.IMMEDIATE
    try:
        rules.parser(error_level=level).parse(statement, text)
    except sqlglot.errors.ParseError as error:
        details = error.errors[0] if error.errors else {}
        return _error(query, _offset(statement, details), str(details.get("description") or error))
    except RecursionError:
        return _error(query, statement[0].start, "The query is nested too deeply to be parsed")
    except Exception:  # the parser itself fails at odd texts, which says nothing about the text
        return None
    return None


def _statements(sqlglot: Any, tokens: Iterable[Any]) -> Iterator[list[Any]]:
    semicolon = sqlglot.TokenType.SEMICOLON
    statement: list[Any] = []
    for token in tokens:
        if token.token_type != semicolon:
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


def _offset(statement: Sequence[Any], details: dict[str, Any]) -> int:
    place = details.get("line"), details.get("col")
    for token in statement:
        if (token.line, token.col) == place:
            return int(token.start)
    return int(statement[-1].start)


def _untokenized(query: str, error: BaseException) -> SQLParseError:
    found = _MISSING.search(str(error)) or _MISSING.search(str(error.__cause__))
    if found is None:
        return _error(query, len(query.rstrip()), "The query holds text that is no SQL")
    delimiter, lines = found[1], query.split("\n")
    line = min(max(int(found[2]), 1), len(lines))
    # The column counted is that of the delimiter or of the character before it.
    column = lines[line - 1].rfind(delimiter[0], 0, int(found[3]) + 1)
    return SQLParseError(f"Missing {delimiter}", line, max(column, 0), "error")


def _is_query_text(text: str) -> bool:
    word = _FIRST_WORD.match(text)
    return word is not None and word[1].lower() in _QUERIES


def _error(query: str, offset: int, description: str) -> SQLParseError:
    message = _TOKEN_REPR.sub("the end", description)
    message = _CLASS_REPR.sub(lambda found: found[1], message)
    line = query.count("\n", 0, offset) + 1
    column = offset - (query.rfind("\n", 0, offset) + 1)
    return SQLParseError(message, line, column, "error")
