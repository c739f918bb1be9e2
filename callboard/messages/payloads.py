"""Value types that commands and notifications carry.

A field declared ``init=False`` is a constant that tells the members of a union apart on the wire.
Classes in ``CAMEL_CASE`` have camelCase keys on the wire, all others write their field names as
they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, TypedDict

import attrs

from callboard.messages.ids import CellId, VariableName

ERROR_MIMETYPE = "application/vnd.marimo+error"
TRACEBACK_MIMETYPE = "application/vnd.marimo+traceback"

BufferPath = list[str | int]
"""Where a binary value belongs in a widget's state: keys and indexes from the top."""


@attrs.frozen
class RequestURL:
    """The parts of a URL. ``query`` has no leading question mark."""

    path: str
    port: int | None = None
    scheme: str = ""
    netloc: str = ""
    query: str = attrs.field(default="", repr=False)
    hostname: str | None = None


_INTERNAL_HEADERS = ("marimo", "x-marimo", "callboard", "x-callboard")


def _public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in headers.items() if not k.lower().startswith(_INTERNAL_HEADERS)}


def _mapping_or_empty(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


@attrs.frozen
class HTTPRequest:
    """The request that brought a command in, as far as user code may see it.

    Headers of the kernel's own are dropped; ``meta`` and ``user`` are empty where the server knows
    nothing. The repr leaves out where tokens and sessions are.
    """

    url: RequestURL
    base_url: RequestURL = RequestURL("")
    headers: dict[str, str] = attrs.field(factory=dict, converter=_public_headers, repr=False)
    query_params: dict[str, list[str]] = attrs.field(factory=dict, repr=False)
    path_params: dict[str, object] = attrs.field(factory=dict)
    cookies: dict[str, str] = attrs.field(factory=dict, repr=False)
    meta: dict[str, object] = attrs.field(factory=dict, converter=_mapping_or_empty, repr=False)
    user: dict[str, object] = attrs.field(factory=dict, converter=_mapping_or_empty, repr=False)


@attrs.frozen
class CellConfig:
    """How one cell is shown and whether it runs.

    ``column`` counts from 0; None is the only column.
    """

    column: int | None = None
    disabled: bool = False
    hide_code: bool = False


class CellConfigPatch(TypedDict, total=False):
    """The keys of a cell's config that change; absent ones stay as they are."""

    column: int | None
    disabled: bool
    hide_code: bool


@attrs.frozen
class DocumentCell:
    """A cell as the notebook document has it."""

    id: CellId
    code: str
    name: str
    config: CellConfig
    version: int = 0


@attrs.frozen
class SyntaxCellError:
    """The cell does not compile. ``lineno`` is 1-based."""

    type: Literal["syntax"] = attrs.field(default="syntax", init=False)
    msg: str
    lineno: int | None = None


@attrs.frozen
class ImportStarError:
    """The cell has a star import. ``lineno`` is 1-based."""

    type: Literal["import-star"] = attrs.field(default="import-star", init=False)
    msg: str
    lineno: int | None = None


@attrs.frozen
class UnknownError:
    """Any other failure while compiling or running."""

    type: Literal["unknown"] = attrs.field(default="unknown", init=False)
    msg: str
    error_type: str | None = None


@attrs.frozen
class MultipleDefinitionError:
    """Other cells define ``name`` too."""

    type: Literal["multiple-defs"] = attrs.field(default="multiple-defs", init=False)
    name: str
    cells: list[CellId]


Edge = tuple[CellId, list[str], CellId]
"""From, the names that link the two, to."""


@attrs.frozen
class CycleError:
    """The cell is part of a cycle."""

    type: Literal["cycle"] = attrs.field(default="cycle", init=False)
    edges_with_vars: list[Edge]


@attrs.frozen
class SetupRefsError:
    """The setup cell depends on another cell."""

    type: Literal["setup-refs"] = attrs.field(default="setup-refs", init=False)
    edges_with_vars: list[Edge]


@attrs.frozen
class ExceptionError:
    """The cell raised (``raising_cell`` is None), or another cell is to blame (it names that cell).

    ``traceback`` is HTML, in run mode with tracebacks shown only.
    """

    type: Literal["exception"] = attrs.field(default="exception", init=False)
    msg: str
    exception_type: str
    raising_cell: CellId | None = None
    traceback: str | None = None


@attrs.frozen
class AncestorStoppedError:
    """Not run because a cell upstream stopped."""

    type: Literal["ancestor-stopped"] = attrs.field(default="ancestor-stopped", init=False)
    msg: str
    raising_cell: CellId


@attrs.frozen
class AncestorPreventedError:
    """Not run because a cell upstream failed a strict check."""

    type: Literal["ancestor-prevented"] = attrs.field(default="ancestor-prevented", init=False)
    msg: str
    raising_cell: CellId
    blamed_cell: CellId | None = None


@attrs.frozen
class StrictExceptionError:
    """Not run because ``ref`` cannot be resolved in strict mode."""

    type: Literal["strict-exception"] = attrs.field(default="strict-exception", init=False)
    msg: str
    ref: str
    blamed_cell: CellId | None = None


@attrs.frozen
class InterruptionError:
    """Interrupted, or rejected because it was requested before the last interrupt."""

    type: Literal["interruption"] = attrs.field(default="interruption", init=False)


@attrs.frozen
class SQLError:
    """A database or SQL parser refused.

    ``sql_line`` and ``sql_col`` are 0-based and within the statement.
    """

    type: Literal["sql-error"] = attrs.field(default="sql-error", init=False)
    msg: str
    sql_statement: str
    hint: str | None = None
    sql_line: int | None = None
    sql_col: int | None = None
    node_lineno: int = 0
    node_col_offset: int = 0


@attrs.frozen
class InternalError:
    """What run mode shows instead of a sensitive error.

    The log has the original under ``error_id``.
    """

    type: Literal["internal"] = attrs.field(default="internal", init=False)
    error_id: str
    msg: str = ""


CellError = (
    SyntaxCellError
    | ImportStarError
    | UnknownError
    | MultipleDefinitionError
    | CycleError
    | SetupRefsError
    | ExceptionError
    | AncestorStoppedError
    | AncestorPreventedError
    | StrictExceptionError
    | InterruptionError
    | SQLError
    | InternalError
)

Channel = Literal["stdout", "stderr", "stdin", "pdb", "output", "marimo-error", "media"]

OutputData = str | list[CellError] | dict[str, object]


@attrs.frozen
class CellOutput:
    """One piece of output or console text of a cell. ``timestamp`` is in Unix seconds."""

    channel: Channel
    mimetype: str
    data: OutputData
    timestamp: float = attrs.field(factory=time.time)

    @classmethod
    def empty(cls) -> CellOutput:
        """Make the output that clears what a cell shows."""
        return cls("output", "text/plain", "")

    @classmethod
    def errors(cls, errors: list[CellError]) -> CellOutput:
        """Make the output of a cell in error."""
        return cls("marimo-error", ERROR_MIMETYPE, errors)

    @classmethod
    def stdout(cls, text: str) -> CellOutput:
        """Make console text."""
        return cls("stdout", "text/plain", text)

    @classmethod
    def stderr(cls, text: str) -> CellOutput:
        """Make console text on stderr."""
        return cls("stderr", "text/plain", text)

    @classmethod
    def traceback(cls, html: str) -> CellOutput:
        """Make a highlighted traceback for the console."""
        return cls("stderr", TRACEBACK_MIMETYPE, html)

    @classmethod
    def prompt(cls, text: str, *, password: bool = False) -> CellOutput:
        """Make a question to the user; the client hides what is typed for a password."""
        return cls("stdin", "text/password" if password else "text/plain", text)


@attrs.frozen
class CellOutputs:
    """What the cells of a notebook show, as of one moment."""

    output: dict[CellId, CellOutput]
    console_outputs: dict[CellId, list[CellOutput]]


CellStatus = Literal["idle", "queued", "running", "disabled-transitively"]


@attrs.frozen
class HumanReadableStatus:
    """Whether a call went well, and what to show if not."""

    code: Literal["ok", "error"]
    title: str | None = None
    message: str | None = None


@attrs.frozen
class ModelOpened:
    """A widget model exists, with its whole state.

    ``esm_spec`` has the ``url`` and ``hash`` of the widget's code.
    """

    method: Literal["open"] = attrs.field(default="open", init=False)
    state: dict[str, object]
    buffer_paths: list[BufferPath]
    buffers: list[bytes]
    esm_spec: dict[str, str] | None = None


@attrs.frozen
class ModelUpdated:
    """Some state of a widget model changed in the kernel.

    ``esm_spec`` None: its code is unchanged.
    """

    method: Literal["update"] = attrs.field(default="update", init=False)
    state: dict[str, object]
    buffer_paths: list[BufferPath]
    buffers: list[bytes]
    esm_spec: dict[str, str] | None = None


@attrs.frozen
class ModelSaid:
    """A message of the widget's own protocol."""

    method: Literal["custom"] = attrs.field(default="custom", init=False)
    content: object
    buffers: list[bytes]


@attrs.frozen
class ModelClosed:
    """A widget model is gone."""

    method: Literal["close"] = attrs.field(default="close", init=False)


ModelEvent = ModelOpened | ModelUpdated | ModelSaid | ModelClosed


def _without_closing_quote(name: str) -> str:
    return name.rstrip("\"'")


@attrs.frozen
class CompletionOption:
    """One candidate. Names of string keys come with a closing quote, which is dropped."""

    name: str = attrs.field(converter=_without_closing_quote)
    type: str
    completion_info: str | None = None


PackageSource = Literal["kernel", "server"]
PackageStatus = Literal["queued", "installing", "installed", "failed"]
LogStatus = Literal["start", "append", "done"]


@attrs.frozen
class VariableDeclaration:
    """Which cells bind a name and which read it."""

    name: VariableName
    declared_by: list[CellId]
    used_by: list[CellId]


@attrs.frozen
class VariableValue:
    """The text of a variable's value.

    ``value`` None: no text could be made; ``datatype`` None: the value is None.
    """

    name: VariableName
    value: str | None
    datatype: str | None


DataType = Literal["string", "boolean", "integer", "number", "date", "datetime", "time", "unknown"]
TableSourceType = Literal["local", "duckdb", "connection", "catalog"]


@attrs.frozen
class DataTableColumn:
    """A column; libraries that name columns by other things than strings get their text."""

    name: str = attrs.field(converter=str)
    type: DataType
    external_type: str
    sample_values: list[object]


@attrs.frozen
class DataTable:
    """A dataframe or a database table. ``num_rows`` is None where counting would cost a query."""

    source_type: TableSourceType
    source: str
    name: str
    num_rows: int | None
    num_columns: int | None
    variable_name: VariableName | None
    columns: list[DataTableColumn]
    engine: VariableName | None = None
    type: Literal["table", "view"] = "table"
    primary_keys: list[str] | None = None
    indexes: list[str] | None = None


@attrs.frozen
class Schema:
    """A schema and its tables."""

    name: str
    tables: list[DataTable]


@attrs.frozen
class Database:
    """A database and its schemas."""

    name: str
    dialect: str
    schemas: list[Schema]
    engine: VariableName | None = None


@attrs.frozen
class DataSourceConnection:
    """What is known of one engine; ``name`` is the notebook variable that holds it."""

    source: str
    dialect: str
    name: str
    display_name: str
    databases: list[Database]
    default_database: str | None = None
    default_schema: str | None = None


@attrs.frozen
class SQLMetadata:
    """Where a table or a list of tables comes from."""

    type: Literal["sql-metadata"] = attrs.field(default="sql-metadata", init=False)
    connection: str
    database: str
    schema: str
    schema_path: list[str] = attrs.field(factory=list)


@attrs.frozen
class SQLSchemaListMetadata:
    """Where a list of schemas comes from."""

    connection: str
    database: str
    schema_path: list[str] = attrs.field(factory=list)


@attrs.frozen
class ColumnStats:
    """Statistics of a column.

    None for what was not computed. Minima and the like may be numbers, dates or text.
    """

    total: int | None = None
    nulls: int | None = None
    unique: int | None = None
    min: object = None
    max: object = None
    mean: object = None
    median: object = None
    std: object = None
    true: int | None = None
    false: int | None = None
    p5: object = None
    p25: object = None
    p75: object = None
    p95: object = None


@attrs.frozen
class SQLParseError:
    """Where a query does not parse.

    ``line`` is 1-based, ``column`` the 0-based offset in that line.
    """

    message: str
    line: int
    column: int
    severity: Literal["error", "warning"]


@attrs.frozen
class SQLParseResult:
    """Whether a query parses."""

    success: bool
    errors: list[SQLParseError]


@attrs.frozen
class SQLCatalogCheckResult:
    """Whether the engine accepts a query."""

    success: bool
    error_message: str | None = None


@attrs.frozen
class StorageEntry:
    """A file, folder or object. ``size`` is in bytes, ``last_modified`` in Unix seconds."""

    path: str
    kind: Literal["file", "directory", "object"]
    size: int
    last_modified: float | None = None
    metadata: dict[str, object] = attrs.field(factory=dict)
    mime_type: str | None = None


@attrs.frozen
class StorageNamespace:
    """A storage that a notebook variable holds.

    ``storage_entries`` is always empty: listing is on request.
    """

    name: VariableName
    display_name: str
    protocol: str
    root_path: str
    backend_type: Literal["obstore", "fsspec", "huggingface"]
    storage_entries: list[StorageEntry] = attrs.field(factory=list)


@attrs.frozen
class SecretKeys:
    """The names of the secrets of one provider, never their values."""

    provider: Literal["env", "dotenv"]
    name: str
    keys: list[str]


@attrs.frozen
class EnvironmentVariableReference:
    """The name of an environment variable to read, never its value."""

    kind: Literal["environment-variable"] = attrs.field(default="environment-variable", init=False)
    name: str


@attrs.frozen
class SafeLiteral:
    """A setting that is no secret."""

    kind: Literal["safe-literal"] = attrs.field(default="safe-literal", init=False)
    value: str


@attrs.frozen
class DetectedSetting:
    """One field of a detected source's configuration."""

    field: str
    value: EnvironmentVariableReference | SafeLiteral


@attrs.frozen
class DetectionOrigin:
    """What gave a source away."""

    type: Literal["environment", "configuration"]
    label: str


@attrs.frozen
class HiddenByDialect:
    """Do not suggest where a connected engine's dialect contains one of these."""

    kind: Literal["dialect"] = attrs.field(default="dialect", init=False)
    substrings: list[str]


@attrs.frozen
class HiddenByStorage:
    """Do not suggest where a connected storage has one of these protocols or backends."""

    kind: Literal["storage"] = attrs.field(default="storage", init=False)
    protocols: list[str]
    backend_types: list[str]


@attrs.frozen
class DetectedDataSource:
    """A data source that the environment seems to be set up for. ``code`` connects to it."""

    id: str
    integration: str
    category: Literal["database", "catalog", "object-storage"]
    display_name: str
    confidence: Literal["high", "medium"]
    origins: list[DetectionOrigin]
    configuration: list[DetectedSetting]
    code: str
    hides_when: HiddenByDialect | HiddenByStorage


@attrs.frozen
class CreateCellChange:
    """A cell is new, placed before or after another."""

    type: Literal["create-cell"] = attrs.field(default="create-cell", init=False)
    cell_id: CellId
    code: str
    name: str
    config: CellConfig
    before: CellId | None = None
    after: CellId | None = None


@attrs.frozen
class DeleteCellChange:
    """A cell is gone."""

    type: Literal["delete-cell"] = attrs.field(default="delete-cell", init=False)
    cell_id: CellId


@attrs.frozen
class MoveCellChange:
    """A cell has moved before or after another."""

    type: Literal["move-cell"] = attrs.field(default="move-cell", init=False)
    cell_id: CellId
    before: CellId | None = None
    after: CellId | None = None


@attrs.frozen
class ReorderCellsChange:
    """The cells have this order."""

    type: Literal["reorder-cells"] = attrs.field(default="reorder-cells", init=False)
    cell_ids: list[CellId]


@attrs.frozen
class SetCodeChange:
    """A cell has this code."""

    type: Literal["set-code"] = attrs.field(default="set-code", init=False)
    cell_id: CellId
    code: str


@attrs.frozen
class SetNameChange:
    """A cell has this name."""

    type: Literal["set-name"] = attrs.field(default="set-name", init=False)
    cell_id: CellId
    name: str


@attrs.frozen
class SetConfigChange:
    """A cell has this config, as a whole."""

    type: Literal["set-config"] = attrs.field(default="set-config", init=False)
    cell_id: CellId
    column: int | None = None
    disabled: bool = False
    hide_code: bool = False


DocumentChange = (
    CreateCellChange
    | DeleteCellChange
    | MoveCellChange
    | ReorderCellsChange
    | SetCodeChange
    | SetNameChange
    | SetConfigChange
)


@attrs.frozen
class DocumentTransaction:
    """Changes to the notebook document that belong together.

    ``version`` is None until the document has them.
    """

    changes: list[DocumentChange]
    source: Literal["frontend", "kernel", "code-mode", "file-watch", "cell-manager"]
    version: int | None = None


@attrs.frozen
class KernelCapabilities:
    """Which tools the server can offer."""

    terminal: bool = False
    pylsp: bool = False
    ty: bool = False
    basedpyright: bool = False
    pyrefly: bool = False


@attrs.frozen
class ConsumerCapabilities:
    """What one client may do."""

    edit: bool
    interact: bool


CAMEL_CASE: frozenset[type] = frozenset(
    {
        StorageEntry,
        StorageNamespace,
        EnvironmentVariableReference,
        SafeLiteral,
        DetectedSetting,
        DetectionOrigin,
        HiddenByDialect,
        HiddenByStorage,
        DetectedDataSource,
        CreateCellChange,
        DeleteCellChange,
        MoveCellChange,
        ReorderCellsChange,
        SetCodeChange,
        SetNameChange,
        SetConfigChange,
        DocumentTransaction,
    }
)
"""Payloads with camelCase keys, though the notifications around them have none."""
