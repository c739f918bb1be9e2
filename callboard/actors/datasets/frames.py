"""Which objects are dataframes, known by type alone: nothing is imported, and no code of theirs runs."""

from __future__ import annotations

import enum
import sys
import threading
import weakref
from typing import Final

from callboard.engines.placement import Place, Placement


class Frame(enum.StrEnum):
    """A kind of dataframe, by the library it is from."""

    PANDAS = "pandas"
    POLARS = "polars"
    POLARS_LAZY = "polars-lazy"
    ARROW = "pyarrow"
    IBIS = "ibis"
    DUCKDB = "duckdb"

    @property
    def is_lazy(self) -> bool:
        """Whether even a few of its rows may cost a query."""
        return self in {Frame.POLARS_LAZY, Frame.IBIS, Frame.DUCKDB}


PLACEMENTS: Final = {
    Frame.PANDAS: Placement(
        Place.CELL_THREAD, "pandas: a cell may change the frame while another thread reads it"
    ),
    Frame.POLARS: Placement(Place.ANY_THREAD, "polars: columns are immutable"),
    Frame.POLARS_LAZY: Placement(Place.ANY_THREAD, "polars: a lazy frame is an immutable plan"),
    Frame.ARROW: Placement(Place.ANY_THREAD, "pyarrow: tables are immutable"),
    Frame.IBIS: Placement(
        Place.CELL_THREAD, "ibis: a table is read through its backend's own connection"
    ),
    Frame.DUCKDB: Placement(
        Place.CELL_THREAD, "duckdb: a relation uses the connection that it was made from"
    ),
}
"""Where the rows of a frame may be read."""

_CLASSES: Final = (
    ("pandas.core.frame", "DataFrame", Frame.PANDAS),
    ("polars.dataframe.frame", "DataFrame", Frame.POLARS),
    ("polars.lazyframe.frame", "LazyFrame", Frame.POLARS_LAZY),
    ("pyarrow.lib", "Table", Frame.ARROW),
    ("ibis.expr.types.relations", "Table", Frame.IBIS),
    ("duckdb", "DuckDBPyRelation", Frame.DUCKDB),
)

# Descriptors of type itself: a metaclass cannot put code of its own in their way.
_MRO = type.__dict__["__mro__"]

_known: weakref.WeakKeyDictionary[type, Frame | None] = weakref.WeakKeyDictionary()
_known_lock = threading.Lock()


def mro_of(cls: type) -> tuple[type, ...]:
    """Return the classes that a class derives from, itself first, whatever its metaclass says."""
    mro: tuple[type, ...] = _MRO.__get__(cls)
    return mro


def frame_kind(cls: type) -> Frame | None:
    """Say which kind of dataframe instances of a class are, None for none. Quick; any thread."""
    if type(cls) is not type:
        # To look up a class in a dictionary asks its metaclass for a hash.
        return _frame_kind(cls)
    with _known_lock:
        try:
            return _known[cls]
        except KeyError:
            kind = _known[cls] = _frame_kind(cls)
            return kind


def _frame_kind(cls: type) -> Frame | None:
    # A class can only derive from what is imported, and importing does not change what it derives from.
    mro = mro_of(cls)
    for module, name, kind in _CLASSES:
        loaded = sys.modules.get(module)
        found = None if loaded is None else vars(loaded).get(name)
        if found is not None and any(base is found for base in mro):
            return kind
    return None
