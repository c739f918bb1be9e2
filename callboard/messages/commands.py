"""What a client can ask of the kernel.

On the wire a command is an object with camelCase keys and its tag as ``type``; both follow from the
names here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sized
from typing import Literal, get_args
from uuid import uuid4

import attrs

from callboard.messages.ids import (
    CellId,
    FunctionCallId,
    ModelId,
    RequestId,
    RunId,
    UIElementId,
    VariableName,
)
from callboard.messages.payloads import (
    BufferPath,
    CellConfigPatch,
    CellOutputs,
    DocumentCell,
    HTTPRequest,
    PackageSource,
    TableSourceType,
)


@attrs.define(eq=False)
class LengthMismatch(ValueError):
    """Two lists that belong together item by item differ in length."""

    first: str
    first_length: int
    second: str
    second_length: int

    def __str__(self) -> str:
        return self.describe(self.first, self.second)

    def describe(self, first: str, second: str) -> str:
        """Say what is wrong, under the names that the reader knows the fields by."""
        return (
            f"{first} and {second} must have the same length, "
            f"not {self.first_length} and {self.second_length}"
        )


def _require_same_length(first: str, a: Sized, second: str, b: Sized) -> None:
    if len(a) != len(b):
        raise LengthMismatch(first, len(a), second, len(b))


def _new_token() -> str:
    return str(uuid4())


@attrs.frozen
class ExecuteCellCommand:
    """Run one cell. Only ever nested in another command. ``timestamp`` is in Unix seconds."""

    cell_id: CellId
    code: str
    request: HTTPRequest | None = None
    timestamp: float = attrs.field(factory=time.time)


@attrs.frozen
class UpdateUIElementCommand:
    """Set UI elements to new values.

    ``values`` belong to ``object_ids`` item by item. A command with a token that was seen already
    is a duplicate.

    Raises:
        LengthMismatch: the lists differ in length; the caller's fault.
    """

    object_ids: list[UIElementId]
    values: list[object]
    request: HTTPRequest | None = None
    token: str = attrs.field(factory=_new_token)

    def __attrs_post_init__(self) -> None:
        _require_same_length("object_ids", self.object_ids, "values", self.values)


@attrs.frozen
class CreateNotebookCommand:
    """Instantiate the notebook.

    With ``auto_run``, run it, elements starting from the values given.
    """

    execution_requests: list[ExecuteCellCommand]
    cell_ids: list[CellId]
    set_ui_element_value_request: UpdateUIElementCommand
    auto_run: bool
    request: HTTPRequest | None = None


@attrs.frozen
class RenameNotebookCommand:
    """The notebook file has a new name."""

    filename: str


@attrs.frozen
class CodeCompletionCommand:
    """Complete code. ``document`` is the cell's source up to the cursor."""

    id: RequestId
    document: str
    cell_id: CellId


@attrs.frozen
class ExecuteCellsCommand:
    """Run cells, ``codes`` belonging to ``cell_ids`` item by item. ``timestamp`` is in Unix
    seconds.

    Raises:
        LengthMismatch: the lists differ in length; the caller's fault.
    """

    cell_ids: list[CellId]
    codes: list[str]
    request: HTTPRequest | None = None
    timestamp: float = attrs.field(factory=time.time)

    def __attrs_post_init__(self) -> None:
        _require_same_length("cell_ids", self.cell_ids, "codes", self.codes)


@attrs.frozen
class ExecuteScratchpadCommand:
    """Run code beside the notebook, on a copy of its namespace.

    The code can look at the snapshots given.
    """

    code: str
    request: HTTPRequest | None = None
    notebook_cells: list[DocumentCell] | None = None
    cell_outputs: CellOutputs | None = None
    run_id: RunId | None = None


@attrs.frozen
class ExecuteStaleCellsCommand:
    """Run whatever is stale."""

    request: HTTPRequest | None = None


@attrs.frozen
class DebugCellCommand:
    """Open a post-mortem prompt on what a cell raised."""

    cell_id: CellId
    request: HTTPRequest | None = None


@attrs.frozen
class DeleteCellCommand:
    """Remove a cell and all it defined."""

    cell_id: CellId


@attrs.frozen
class SyncGraphCommand:
    """Make the graph match the file.

    ``cells`` is all it has, ``run_ids`` of them run. ``timestamp``: Unix seconds.
    """

    cells: dict[CellId, str]
    run_ids: list[CellId]
    delete_ids: list[CellId]
    timestamp: float = attrs.field(factory=time.time)


@attrs.frozen
class UpdateCellConfigCommand:
    """Change keys of the configs of cells."""

    configs: dict[CellId, CellConfigPatch]


@attrs.frozen
class InstallPackagesCommand:
    """Install packages, and whatever the notebook misses. An empty version means the latest."""

    manager: str
    versions: dict[str, str]
    source: PackageSource = "kernel"


@attrs.frozen
class ModelUpdateMessage:
    """Part of a widget's state, its binary values apart."""

    method: Literal["update"] = attrs.field(default="update", init=False)
    state: dict[str, object]
    buffer_paths: list[BufferPath]


@attrs.frozen
class ModelCustomMessage:
    """A message of the widget's own protocol."""

    method: Literal["custom"] = attrs.field(default="custom", init=False)
    content: object


ModelMessage = ModelUpdateMessage | ModelCustomMessage


@attrs.frozen
class ModelCommand:
    """A message from a widget to its model. The buffers of an update belong to its paths item by
    item.

    Raises:
        LengthMismatch: an update has not one buffer for each path; the caller's fault.
    """

    model_id: ModelId
    message: ModelMessage
    buffers: list[bytes]
    token: str = attrs.field(factory=_new_token)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.message, ModelUpdateMessage):
            _require_same_length(
                "message.buffer_paths", self.message.buffer_paths, "buffers", self.buffers
            )


@attrs.frozen
class InvokeFunctionCommand:
    """Call a function that a UI element has registered; ``namespace`` is the element's id."""

    function_call_id: FunctionCallId
    namespace: str
    function_name: str
    args: dict[str, object]


@attrs.frozen
class UpdateUserConfigCommand:
    """The user's settings, as a whole."""

    config: dict[str, object] = attrs.field(repr=False)  # it has the keys of services


@attrs.frozen
class PreviewDatasetColumnCommand:
    """Summarise a column of a dataframe or table."""

    source_type: TableSourceType
    source: str
    table_name: str
    column_name: str
    fully_qualified_table_name: str | None = None


@attrs.frozen
class PreviewSQLTableCommand:
    """Describe a table. ``engine`` names a notebook variable."""

    request_id: RequestId
    engine: VariableName
    database: str
    schema: str
    table_name: str
    schema_path: list[str] = attrs.field(factory=list)


@attrs.frozen
class ListSQLTablesCommand:
    """List the tables of a schema. ``engine`` names a notebook variable."""

    request_id: RequestId
    engine: VariableName
    database: str
    schema: str
    schema_path: list[str] = attrs.field(factory=list)


@attrs.frozen
class ListSQLSchemasCommand:
    """List the schemas of a database, or of the parent at ``schema_path``.

    ``engine`` names a notebook variable.
    """

    request_id: RequestId
    engine: VariableName
    database: str
    schema_path: list[str] = attrs.field(factory=list)


@attrs.frozen
class ListDataSourceConnectionCommand:
    """Describe an engine. ``engine`` names a notebook variable."""

    engine: VariableName


@attrs.frozen
class ValidateSQLCommand:
    """Check a query: whether it parses, and with an engine, whether the engine accepts it."""

    request_id: RequestId
    query: str
    only_parse: bool
    engine: VariableName | None = None
    dialect: str | None = None


@attrs.frozen
class StorageListEntriesCommand:
    """List one level of a storage.

    ``namespace`` names a notebook variable; ``limit`` counts entries.
    """

    request_id: RequestId
    namespace: VariableName
    limit: int
    prefix: str | None = None
    page_token: str | None = None


@attrs.frozen
class StorageDownloadCommand:
    """Make a file of a storage available to the client, or its beginning for a preview."""

    request_id: RequestId
    namespace: VariableName
    path: str
    preview: bool = False


@attrs.frozen
class ListSecretKeysCommand:
    """Name the secrets there are."""

    request_id: RequestId


@attrs.frozen
class RefreshSecretsCommand:
    """Read the secrets files again."""


@attrs.frozen
class ClearCacheCommand:
    """Empty all caches."""


@attrs.frozen
class GetCacheInfoCommand:
    """Sum up what the caches did."""


@attrs.frozen
class StopKernelCommand:
    """End the kernel; commands still queued are not carried out."""


@attrs.frozen
class SetBreakpointsCommand:
    """Stop at these 1-based lines of cells. Always the full set."""

    breakpoints: dict[CellId, list[int]]
    request: HTTPRequest | None = None


@attrs.frozen
class DiscoverDataSourcesCommand:
    """Look for data sources that the environment is set up for."""

    request_id: RequestId


Command = (
    CreateNotebookCommand
    | RenameNotebookCommand
    | CodeCompletionCommand
    | ExecuteCellsCommand
    | ExecuteScratchpadCommand
    | ExecuteStaleCellsCommand
    | DebugCellCommand
    | DeleteCellCommand
    | SyncGraphCommand
    | UpdateCellConfigCommand
    | InstallPackagesCommand
    | UpdateUIElementCommand
    | ModelCommand
    | InvokeFunctionCommand
    | UpdateUserConfigCommand
    | PreviewDatasetColumnCommand
    | PreviewSQLTableCommand
    | ListSQLTablesCommand
    | ListSQLSchemasCommand
    | ListDataSourceConnectionCommand
    | ValidateSQLCommand
    | StorageListEntriesCommand
    | StorageDownloadCommand
    | ListSecretKeysCommand
    | RefreshSecretsCommand
    | ClearCacheCommand
    | GetCacheInfoCommand
    | StopKernelCommand
    | SetBreakpointsCommand
    | DiscoverDataSourcesCommand
)

COMMANDS: tuple[type[Command], ...] = get_args(Command)
"""Every command there is. Routing tables, codecs and tests derive from it."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def kebab_case(name: str) -> str:
    """Turn a PascalCase name into a tag; a run of capitals stays one word."""
    return _WORD_START.sub("-", name).lower()


COMMAND_TAGS: dict[type, str] = {
    cls: kebab_case(cls.__name__.removesuffix("Command")) for cls in (*COMMANDS, ExecuteCellCommand)
}


def command_tag(command: object) -> str:
    """Return the tag of a command or command class.

    Raises:
        TypeError: it is neither; the caller's fault.
    """
    cls = command if isinstance(command, type) else type(command)
    try:
        return COMMAND_TAGS[cls]
    except KeyError:
        raise TypeError(f"{cls.__name__} is not a command") from None


COMMAND_TYPES: dict[str, type[Command]] = {COMMAND_TAGS[cls]: cls for cls in COMMANDS}
"""Tag to class, for everything a client may send."""
