"""What is told of a dataframe without being asked. For the thread that the frame may be read on."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from callboard.actors.datasets.frames import Frame
from callboard.actors.datasets.primitives import Primitive, cut, label, primitive
from callboard.actors.datasets.queries import data_type, narwhals
from callboard.messages.ids import VariableName
from callboard.messages.payloads import DataTable, DataTableColumn, DataType

MAX_COLUMNS: Final = 10_000
"""Columns that are described; ``num_columns`` counts all."""
MAX_SAMPLED: Final = 1000
"""Columns with sample values."""
SAMPLES: Final = 3
MAX_SAMPLE: Final = 200
"""Characters of a sample value."""


def describe(name: str, frame: Any, kind: Frame) -> DataTable:
    """Describe the dataframe in the variable ``name``: columns and types, and what is cheap to know of its rows.

    Lazy frames have neither sample values nor a number of rows: both would cost a query. Without narwhals the types
    are unknown.

    Raises:
        Exception: what the frame's library raises.
    """
    described, num_columns = _narrowed(frame, kind)
    external = external_types(described, kind)[:MAX_COLUMNS]
    types = _types(described)
    samples = [] if kind.is_lazy else _samples(described, kind)
    columns = [
        DataTableColumn(
            label(column),
            types[place] if place < len(types) else "unknown",
            cut(text),
            list(samples[place]) if place < len(samples) else [],
        )
        for place, (column, text) in enumerate(external)
    ]
    return DataTable(
        source_type="local",
        source="memory",
        name=name,
        num_rows=None if kind.is_lazy else len(frame),
        num_columns=num_columns,
        variable_name=VariableName(name),
        columns=columns,
    )


def _narrowed(frame: Any, kind: Frame) -> tuple[Any, int]:
    """Return a frame of the columns that are described, and how many there are in all."""
    match kind:
        case Frame.PANDAS:
            return frame.iloc[:, :MAX_COLUMNS], frame.shape[1]
        case Frame.POLARS:
            return (frame if frame.width <= MAX_COLUMNS else frame[:, :MAX_COLUMNS]), frame.width
        case Frame.ARROW:
            width = frame.num_columns
            return (frame if width <= MAX_COLUMNS else frame.select(range(MAX_COLUMNS))), width
        case _:
            return frame, len(external_types(frame, kind))


def external_types(frame: Any, kind: Frame) -> list[tuple[object, str]]:
    """Return each column's name, and its type as its library calls it."""
    match kind:
        case Frame.PANDAS:
            return [(name, str(dtype)) for name, dtype in frame.dtypes.items()]
        case Frame.POLARS:
            return [(name, str(dtype)) for name, dtype in frame.schema.items()]
        case Frame.POLARS_LAZY:
            return [(name, str(dtype)) for name, dtype in frame.collect_schema().items()]
        case Frame.ARROW:
            return [(field.name, str(field.type)) for field in frame.schema]
        case Frame.IBIS:
            return [(name, str(dtype)) for name, dtype in frame.schema().items()]
        case Frame.DUCKDB:
            return list(zip(frame.columns, map(str, frame.types), strict=True))


def _types(frame: Any) -> list[DataType]:
    try:
        schema = narwhals().from_native(frame).collect_schema()
    except Exception:
        # narwhals is missing, or refuses the frame, such as one with two columns of one name.
        return []
    return [data_type(dtype) for dtype in islice(schema.values(), MAX_COLUMNS)]


def _samples(frame: Any, kind: Frame) -> list[list[Primitive]]:
    """Return the first values of each column, in its order."""
    match kind:
        case Frame.PANDAS:
            # A column at a time: a frame that mixes types would be copied into one of objects.
            head = frame.iloc[:SAMPLES, :MAX_SAMPLED]
            columns = (head.iloc[:, place].tolist() for place in range(head.shape[1]))
        case Frame.POLARS:
            columns = (
                column.head(SAMPLES).to_list() for column in frame.get_columns()[:MAX_SAMPLED]
            )
        case _:
            columns = (
                column.slice(0, SAMPLES).to_pylist() for column in frame.columns[:MAX_SAMPLED]
            )
    return [[_sample(value) for value in column] for column in columns]


def _sample(value: object) -> Primitive:
    plain = primitive(value)
    return cut(plain, MAX_SAMPLE) if isinstance(plain, str) else plain
