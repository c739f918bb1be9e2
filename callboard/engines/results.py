"""What a query gave, and how to turn it into what its author wants."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, get_args

import attrs

Format = Literal["auto", "native", "polars", "lazy-polars", "pandas"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class MissingLibraries(ImportError):
    """A result cannot be made for want of libraries; ``libraries`` are all that are missing."""

    def __init__(self, format: Format, libraries: Sequence[str]) -> None:
        self.libraries = tuple(libraries)
        super().__init__(
            f"a result of format {format!r} needs {' and '.join(libraries)}: "
            f"`pip install {' '.join(libraries)}`"
        )


@attrs.frozen
class Conversion:
    """How to make one kind of dataframe, and the libraries that takes."""

    needs: tuple[str, ...]
    make: Callable[[], Any]

    def missing(self) -> list[str]:
        return [name for name in self.needs if not is_importable(name)]


@attrs.frozen(eq=False)
class QueryResult:
    """The rows of a query. ``columns`` is empty for a statement that has none."""

    columns: tuple[str, ...]
    _native: Callable[[], Any] | None = None
    _polars: Conversion | None = None
    _pandas: Conversion | None = None

    def to(self, format: Format = "auto") -> Any:
        """Convert the rows; None for a statement without rows, whatever the format.

        ``auto`` is polars, or pandas where polars is missing; ``native`` is what the library itself has:
        a relation, a table of Arrow or Ibis, or a list of rows. Imports what the format needs, for the
        author asked for it. Blocks; for the cell thread.

        Raises:
            MissingLibraries: the format needs libraries that are not installed.
            ValueError: there is no such format.
        """
        if format not in FORMATS:
            raise ValueError(f"the format must be one of {', '.join(FORMATS)}, not {format!r}")
        if self._native is None or self._polars is None or self._pandas is None:
            return None
        if format == "native":
            return self._native()
        chosen = self._pandas if format == "pandas" else self._polars
        missing = chosen.missing()
        if missing and format == "auto" and not self._pandas.missing():
            chosen, missing = self._pandas, []
        if missing:
            raise MissingLibraries(format, missing)
        frame = chosen.make()
        return frame.lazy() if format == "lazy-polars" else frame


NO_ROWS: Final = QueryResult(())


def rows_result(
    columns: Iterable[object], rows: Sequence[Any], native: object | None = None
) -> QueryResult:
    """Make a result of rows, each a sequence as long as ``columns``; without columns there are none."""
    names = tuple(str(column) for column in columns)
    if not names:
        return NO_ROWS
    distinct = _distinct(names)

    def polars() -> Any:
        pl: Any = importlib.import_module("polars")
        series = [
            _series(pl, name, [row[index] for row in rows]) for index, name in enumerate(distinct)
        ]
        return pl.DataFrame(series)

    def pandas() -> Any:
        pd: Any = importlib.import_module("pandas")
        return pd.DataFrame([tuple(row) for row in rows], columns=distinct)

    return QueryResult(
        names,
        lambda: rows if native is None else native,
        Conversion(("polars",), polars),
        Conversion(("pandas",), pandas),
    )


def arrow_result(table: Any) -> QueryResult:
    """Make a result of an Arrow table; one without columns has no rows."""
    names = tuple(str(name) for name in table.column_names)
    if not names:
        return NO_ROWS
    distinct = _distinct(names)

    def polars() -> Any:
        return importlib.import_module("polars").from_arrow(table.rename_columns(distinct))

    return QueryResult(
        names,
        lambda: table,
        Conversion(("polars",), polars),
        Conversion(("pandas",), lambda: table.rename_columns(distinct).to_pandas()),
    )


def is_importable(name: str) -> bool:
    """Tell whether a top-level module can be imported, without importing it."""
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _distinct(names: Sequence[str]) -> list[str]:
    """Number repeated names, which SQL has and dataframes have not."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        number = 0
        candidate = name
        while candidate in seen or (number and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        result.append(candidate)
    return result


def _series(polars: Any, name: str, values: list[Any]) -> Any:
    try:
        made = polars.Series(name, values, strict=True)
        if made.dtype != polars.Object:
            return made
    except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        pass  # SQLite's columns hold values of any type, and drivers return objects of their own
    kinds = {type(value) for value in values if value is not None}
    convert = float if kinds <= {bool, int, float} and kinds != {int} else str
    return polars.Series(name, [None if value is None else convert(value) for value in values])
