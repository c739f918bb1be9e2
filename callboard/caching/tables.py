"""Digests of arrays and tables, from their buffers. Imports no library that the notebook has not loaded."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from callboard.caching.bulk import PIECE, bulk_digest, digest_in_pieces

if TYPE_CHECKING:
    from callboard.caching.content import Handler, Hasher


def special(library: str, name: str) -> tuple[Handler, bool] | None:
    """Return the handler of a class of one of the libraries, and whether it is for exactly that class."""
    return _SPECIAL.get((library, name))


def _array(hasher: Hasher, array: Any) -> bytes:
    dtype = array.dtype
    kind = dtype.str if dtype.names is None and dtype.subdtype is None else repr(dtype)
    if dtype.hasobject or dtype.kind == "T":
        return hasher.combine("ndarray", kind, array.shape, hasher.digest(array.tolist()))
    if not array.size or not dtype.itemsize:
        return hasher.combine("ndarray", kind, array.shape)
    return hasher.combine("ndarray", kind, array.shape, _digest_of(array))


def _digest_of(array: Any) -> bytes:
    if array.dtype.kind in "biufc" and array.flags.c_contiguous and array.nbytes <= 4 * PIECE:
        return hashlib.sha256(array).digest()
    row = array.nbytes // array.shape[0] if array.shape else array.nbytes
    if array.flags.c_contiguous or row * 4 > PIECE:
        return bulk_digest(_bytes_of(array))

    def piece(start: int, stop: int) -> memoryview:
        """Bring a few rows into order at a time, while they are in the processor's cache."""
        first = start // row
        data = _bytes_of(array[first : -(-stop // row)])
        return data[start - first * row : stop - first * row]

    return digest_in_pieces(array.nbytes, piece)


def _bytes_of(array: Any) -> memoryview:
    """The bytes of an array in C order; a copy only if it lies otherwise."""
    numpy: Any = sys.modules["numpy"]
    flat = numpy.ascontiguousarray(array).reshape(-1)
    view: memoryview = flat.view(numpy.ndarray).view("u1").data
    return view


def _numpy_scalar(hasher: Hasher, value: Any) -> bytes:
    if value.dtype.hasobject:
        return hasher.combine("scalar", value.dtype.str, hasher.digest(value.item()))
    return hasher.combine("scalar", value.dtype.str, value.tobytes())


def _dtype(hasher: Hasher, dtype: Any) -> bytes:
    return hasher.combine("dtype", repr(dtype))


def _frame(hasher: Hasher, frame: Any) -> bytes:
    return hasher.combine(
        "pandas.DataFrame",
        hasher.digest(frame.index),
        hasher.digest(frame.columns),
        [hasher.digest(column) for column in _columns(frame)],
        hasher.digest(frame.attrs),
    )


def _columns(frame: Any) -> Any:
    # A private method, but in every pandas since 1.1; the public way takes ten times as long a column.
    quick = getattr(frame, "_iter_column_arrays", None)
    if quick is not None:
        return quick()
    return (frame.iloc[:, number].array for number in range(frame.shape[1]))


def _series(hasher: Hasher, series: Any) -> bytes:
    return hasher.combine(
        "pandas.Series",
        hasher.digest(series.name),
        hasher.digest(series.index),
        hasher.digest(series.array),
        hasher.digest(series.attrs),
    )


def _index(hasher: Hasher, index: Any) -> bytes:
    kind = type(index).__name__
    if kind == "RangeIndex":
        content = hasher.digest((index.start, index.stop, index.step))
    elif kind == "MultiIndex":
        content = hasher.combine(hasher.all(index.codes), hasher.all(index.levels))
    else:
        frequency = getattr(index, "freq", None)
        content = hasher.combine(hasher.digest(index.array), str(frequency))
    return hasher.combine("pandas.Index", kind, hasher.digest(list(index.names)), content)


def _extension_array(hasher: Hasher, array: Any) -> bytes:
    """An array of pandas's own, by what it keeps its values in."""
    kind = str(array.dtype)
    arrow = getattr(array, "_pa_array", None)
    if arrow is not None:
        return hasher.combine("extension", kind, hasher.digest(arrow))
    if type(array).__name__ == "Categorical":
        codes, categories = array.codes, array.categories
        return hasher.combine(
            "categorical", bool(array.ordered), hasher.digest(codes), hasher.digest(categories)
        )
    data: Any = getattr(array, "_data", None)
    mask: Any = getattr(array, "_mask", None)
    numpy: Any = sys.modules["numpy"]
    if type(data) is numpy.ndarray and type(mask) is numpy.ndarray:
        # What lies under the mask is anything.
        shown = numpy.where(mask, numpy.zeros(1, data.dtype), data) if mask.any() else data
        return hasher.combine("masked", kind, hasher.digest(shown), hasher.digest(mask))
    held = getattr(array, "_ndarray", None)
    if type(held) is numpy.ndarray:
        return hasher.combine("extension", kind, hasher.digest(held))
    return hasher.combine("extension", kind, hasher.all(array))


def _polars_frame(hasher: Hasher, frame: Any) -> bytes:
    columns = [_polars_column(hasher, column) for column in frame.get_columns()]
    return hasher.combine("polars.DataFrame", frame.height, columns)


def _polars_series(hasher: Hasher, series: Any) -> bytes:
    return hasher.combine("polars.Series", _polars_column(hasher, series))


def _polars_column(hasher: Hasher, series: Any) -> bytes:
    return hasher.combine(
        series.name, repr(series.dtype), len(series), _polars_values(hasher, series)
    )


def _polars_values(hasher: Hasher, series: Any) -> list[bytes]:
    """The values, in a form that is the same for the same values; nothing of what lies where a value is missing."""
    polars: Any = sys.modules["polars"]
    dtype = series.dtype
    found: list[bytes] = []
    if dtype == polars.Object:
        return [hasher.digest(series.to_list())]
    if series.null_count():
        found += _polars_values(hasher, series.is_null())
        series = series.drop_nulls()
    if dtype == polars.Null:
        return found
    if dtype == polars.Struct:
        fields = series.struct.unnest().get_columns()
        return [*found, *(_polars_column(hasher, field) for field in fields)]
    if dtype == polars.List or dtype == polars.Array:
        lists = series.arr.to_list() if dtype == polars.Array else series
        lengths = lists.list.len()
        inner = lists.filter(lengths > 0).explode()
        return [*found, *_polars_values(hasher, lengths), *_polars_values(hasher, inner)]
    if dtype == polars.Boolean:
        series = series.cast(polars.UInt8)
    elif dtype.is_temporal():
        series = series.to_physical()
    elif not dtype.is_numeric() or dtype.is_decimal():
        # As text: the numbers behind categories depend on what else the process has seen.
        text = series.bin.encode("hex") if dtype == polars.Binary else series.cast(polars.String)
        found += _polars_values(hasher, text.str.len_bytes())
        return [*found, bulk_digest(memoryview((text.str.join("").item() or "").encode()))]
    return [
        *found,
        hasher.digest(series.rechunk().to_numpy() if _has_numpy() else series.to_list()),
    ]


@cache
def _has_numpy() -> bool:
    """Whether numpy is installed, which polars then loads to hand its buffers out; loaded or not must not matter."""
    return find_spec("numpy") is not None


def _arrow_table(hasher: Hasher, table: Any) -> bytes:
    schema = table.schema
    names: list[str] = schema.names
    types = [str(field.type) for field in schema]
    columns = [_arrow_column(hasher, column) for column in table.columns]
    metadata = hasher.digest(dict(schema.metadata or {}))
    return hasher.combine("arrow", names, types, columns, table.num_rows, metadata)


def _arrow_values(hasher: Hasher, values: Any) -> bytes:
    return hasher.combine("arrow", str(values.type), _arrow_column(hasher, values))


def _arrow_column(hasher: Hasher, column: Any) -> bytes:
    """A column, however it is divided into chunks and wherever it starts in its buffers."""
    if hasattr(column, "num_chunks"):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if hasattr(column, "num_chunks"):  # what is too large for one array stays in several
            return hasher.combine("chunks", [_arrow_column(hasher, one) for one in column.chunks])
    pyarrow: Any = sys.modules["pyarrow"]
    kind, start, size = column.type, column.offset, len(column)
    missing = b""
    if column.null_count and (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        # What lies where nothing is is anything.
        missing = _arrow_column(hasher, column.is_null())
        column = column.fill_null(0)
        start = column.offset
    if not column.null_count and size:
        buffers = column.buffers()
        if pyarrow.types.is_primitive(kind) and kind.bit_width % 8 == 0:
            width = kind.bit_width // 8
            data = memoryview(buffers[1])[start * width : (start + size) * width]
            return hasher.combine("values", size, bulk_digest(data), missing)
        wide = pyarrow.types.is_large_string(kind) or pyarrow.types.is_large_binary(kind)
        if wide or pyarrow.types.is_string(kind) or pyarrow.types.is_binary(kind):
            ends = memoryview(buffers[1])[start * (8 if wide else 4) :].cast("q" if wide else "i")
            ends = ends[: size + 1]
            if ends[0] == 0:
                text = memoryview(buffers[2])[: ends[size]] if buffers[2] else memoryview(b"")
                return hasher.combine("texts", size, bulk_digest(ends.cast("B")), bulk_digest(text))
    sink = pyarrow.BufferOutputStream()
    batch = pyarrow.record_batch([column], names=["x"])
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return hasher.combine("stream", size, bulk_digest(memoryview(sink.getvalue())))


_SPECIAL: dict[tuple[str, str], tuple[Handler, bool]] = {
    ("numpy", "ndarray"): (_array, True),
    ("numpy", "memmap"): (_array, True),
    ("numpy", "generic"): (_numpy_scalar, False),
    ("numpy", "dtype"): (_dtype, False),
    ("pandas", "DataFrame"): (_frame, True),
    ("pandas", "Series"): (_series, True),
    ("pandas", "Index"): (_index, False),
    ("pandas", "ExtensionArray"): (_extension_array, False),
    ("polars", "DataFrame"): (_polars_frame, True),
    ("polars", "Series"): (_polars_series, True),
    ("pyarrow", "Table"): (_arrow_table, True),
    ("pyarrow", "RecordBatch"): (_arrow_table, True),
    ("pyarrow", "Array"): (_arrow_values, False),
    ("pyarrow", "ChunkedArray"): (_arrow_values, True),
}
