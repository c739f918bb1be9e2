"""What the kernel tells its clients.

On the wire a notification is an object with the field names as they are and its tag as ``op``.
Fields at their default
are written too.
"""

from __future__ import annotations

import time
from typing import Literal, get_args

import attrs
from msgspec import UNSET, UnsetType

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
    CellConfig,
    CellOutput,
    CellStatus,
    ColumnStats,
    CompletionOption,
    ConsumerCapabilities,
    DataSourceConnection,
    DataTable,
    DetectedDataSource,
    DocumentTransaction,
    HumanReadableStatus,
    KernelCapabilities,
    LogStatus,
    ModelEvent,
    PackageSource,
    PackageStatus,
    Schema,
    SecretKeys,
    SQLCatalogCheckResult,
    SQLMetadata,
    SQLParseResult,
    SQLSchemaListMetadata,
    StorageEntry,
    StorageNamespace,
    TableSourceType,
    VariableDeclaration,
    VariableValue,
)


@attrs.frozen
class CellOpNotification:
    """Something about a cell changed. None leaves that aspect as it is.

    ``console``: one item or several are appended, an empty list clears. ``serialization``: UNSET
    leaves it, None clears.
    ``timestamp`` is in Unix seconds.
    """

    op: Literal["cell-op"] = attrs.field(default="cell-op", init=False)
    cell_id: CellId
    output: CellOutput | None = None
    console: CellOutput | list[CellOutput] | None = None
    status: CellStatus | None = None
    stale_inputs: bool | None = None
    run_id: RunId | None = None
    serialization: str | UnsetType | None = UNSET
    timestamp: float = attrs.field(factory=time.time)


@attrs.frozen
class FunctionCallResultNotification:
    """The reply to ``invoke-function``.

    Not ``found``: the lookup failed, so trying again is safe.
    """

    op: Literal["function-call-result"] = attrs.field(default="function-call-result", init=False)
    function_call_id: FunctionCallId
    return_value: object
    status: HumanReadableStatus
    found: bool = True


@attrs.frozen
class SendUIElementMessageNotification:
    """A message from the kernel to a UI element."""

    op: Literal["send-ui-element-message"] = attrs.field(
        default="send-ui-element-message", init=False
    )
    ui_element: UIElementId
    message: dict[str, object]
    buffers: list[bytes] | None = None


@attrs.frozen
class ModelLifecycleNotification:
    """A widget model appeared, changed, spoke or went."""

    op: Literal["model-lifecycle"] = attrs.field(default="model-lifecycle", init=False)
    model_id: ModelId
    message: ModelEvent


@attrs.frozen
class RemoveUIElementsNotification:
    """The UI elements that a cell made are gone."""

    op: Literal["remove-ui-elements"] = attrs.field(default="remove-ui-elements", init=False)
    cell_id: CellId


@attrs.frozen
class InterruptedNotification:
    """An interrupt was carried out."""

    op: Literal["interrupted"] = attrs.field(default="interrupted", init=False)


@attrs.frozen
class CompletedRunNotification:
    """A command that runs cells is done. ``run_id`` is set for the scratchpad only."""

    op: Literal["completed-run"] = attrs.field(default="completed-run", init=False)
    run_id: RunId | None = None


@attrs.frozen
class CompletionResultNotification:
    """The reply to ``code-completion``. ``prefix_length`` counts the characters already typed."""

    op: Literal["completion-result"] = attrs.field(default="completion-result", init=False)
    completion_id: RequestId
    prefix_length: int
    options: list[CompletionOption]


@attrs.frozen
class AlertNotification:
    """Something to show the user. ``description`` may be HTML."""

    op: Literal["alert"] = attrs.field(default="alert", init=False)
    title: str
    description: str
    variant: Literal["danger"] | None = None


@attrs.frozen
class MissingPackageAlertNotification:
    """Packages the notebook needs; an empty list: nothing is missing any more.

    ``isolated``: the environment is the project's own, so installing there disturbs nobody.
    """

    op: Literal["missing-package-alert"] = attrs.field(default="missing-package-alert", init=False)
    packages: list[str]
    isolated: bool
    source: PackageSource = "kernel"


@attrs.frozen
class InstallingPackageAlertNotification:
    """How an installation goes.

    Always the status of all packages; ``logs`` None: a status changed, no more.
    """

    op: Literal["installing-package-alert"] = attrs.field(
        default="installing-package-alert", init=False
    )
    packages: dict[str, PackageStatus]
    logs: dict[str, str] | None = None
    log_status: LogStatus | None = None
    source: PackageSource = "kernel"


@attrs.frozen
class VariablesNotification:
    """All variables of the notebook; replaces the last list."""

    op: Literal["variables"] = attrs.field(default="variables", init=False)
    variables: list[VariableDeclaration]


@attrs.frozen
class VariableValuesNotification:
    """New values of some variables."""

    op: Literal["variable-values"] = attrs.field(default="variable-values", init=False)
    variables: list[VariableValue]


@attrs.frozen
class DatasetsNotification:
    """Tables of the notebook. With ``clear_channel``, those of that source are dropped first."""

    op: Literal["datasets"] = attrs.field(default="datasets", init=False)
    tables: list[DataTable]
    clear_channel: TableSourceType | None = None


@attrs.frozen
class DataColumnPreviewNotification:
    """The reply to ``preview-dataset-column``. An error may come together with statistics."""

    op: Literal["data-column-preview"] = attrs.field(default="data-column-preview", init=False)
    table_name: str
    column_name: str
    chart_spec: str | None = None
    chart_code: str | None = None
    error: str | None = None
    missing_packages: list[str] | None = None
    stats: ColumnStats | None = None


@attrs.frozen
class SQLTablePreviewNotification:
    """The reply to ``preview-sql-table``. No table and no error: the engine has none to show."""

    op: Literal["sql-table-preview"] = attrs.field(default="sql-table-preview", init=False)
    request_id: RequestId
    metadata: SQLMetadata
    table: DataTable | None = None
    error: str | None = None


@attrs.frozen
class SQLTableListPreviewNotification:
    """The reply to ``list-sql-tables``."""

    op: Literal["sql-table-list-preview"] = attrs.field(
        default="sql-table-list-preview", init=False
    )
    request_id: RequestId
    metadata: SQLMetadata
    tables: list[DataTable] = attrs.field(factory=list)
    error: str | None = None


@attrs.frozen
class SQLSchemaListPreviewNotification:
    """The reply to ``list-sql-schemas``."""

    op: Literal["sql-schema-list-preview"] = attrs.field(
        default="sql-schema-list-preview", init=False
    )
    request_id: RequestId
    metadata: SQLSchemaListMetadata
    schemas: list[Schema] = attrs.field(factory=list)
    error: str | None = None


@attrs.frozen
class DataSourceConnectionsNotification:
    """Engines that are new or have changed, by name."""

    op: Literal["data-source-connections"] = attrs.field(
        default="data-source-connections", init=False
    )
    connections: list[DataSourceConnection]


@attrs.frozen
class ValidateSQLResultNotification:
    """The reply to ``validate-sql``. A result of None: that check was not made."""

    op: Literal["validate-sql-result"] = attrs.field(default="validate-sql-result", init=False)
    request_id: RequestId
    parse_result: SQLParseResult | None = None
    validate_result: SQLCatalogCheckResult | None = None
    error: str | None = None


@attrs.frozen
class StorageNamespacesNotification:
    """Storages that are new or have changed, by name."""

    op: Literal["storage-namespaces"] = attrs.field(default="storage-namespaces", init=False)
    namespaces: list[StorageNamespace]


@attrs.frozen
class StorageEntriesNotification:
    """The reply to ``storage-list-entries``. ``next_page_token`` None: this is the last page."""

    op: Literal["storage-entries"] = attrs.field(default="storage-entries", init=False)
    request_id: RequestId
    entries: list[StorageEntry]
    namespace: VariableName
    prefix: str | None = None
    query: str | None = None
    error: str | None = None
    next_page_token: str | None = None


@attrs.frozen
class StorageDownloadReadyNotification:
    """The reply to ``storage-download``. Without an error, ``url`` and ``filename`` are set."""

    op: Literal["storage-download-ready"] = attrs.field(
        default="storage-download-ready", init=False
    )
    request_id: RequestId
    url: str | None = None
    filename: str | None = None
    error: str | None = None


@attrs.frozen
class SecretKeysResultNotification:
    """The reply to ``list-secret-keys``: names, never values."""

    op: Literal["secret-keys-result"] = attrs.field(default="secret-keys-result", init=False)
    request_id: RequestId
    secrets: list[SecretKeys]


@attrs.frozen
class CacheClearedNotification:
    """The reply to ``clear-cache``."""

    op: Literal["cache-cleared"] = attrs.field(default="cache-cleared", init=False)
    bytes_freed: int


@attrs.frozen
class CacheInfoNotification:
    """The reply to ``get-cache-info``.

    ``time`` is the seconds saved; sizes are in bytes, -1 if not measured.
    """

    op: Literal["cache-info"] = attrs.field(default="cache-info", init=False)
    hits: int
    misses: int
    time: float
    disk_to_free: int = -1
    disk_total: int = -1


@attrs.frozen
class QueryParamsSetNotification:
    """A query parameter has a new value."""

    op: Literal["query-params-set"] = attrs.field(default="query-params-set", init=False)
    key: str
    value: str | list[str]


@attrs.frozen
class QueryParamsAppendNotification:
    """A query parameter has one more value."""

    op: Literal["query-params-append"] = attrs.field(default="query-params-append", init=False)
    key: str
    value: str


@attrs.frozen
class QueryParamsDeleteNotification:
    """A query parameter lost a value, or with None all of them."""

    op: Literal["query-params-delete"] = attrs.field(default="query-params-delete", init=False)
    key: str
    value: str | None = None


@attrs.frozen
class QueryParamsClearNotification:
    """There are no query parameters any more."""

    op: Literal["query-params-clear"] = attrs.field(default="query-params-clear", init=False)


@attrs.frozen
class NotebookDocumentTransactionNotification:
    """The notebook document changed."""

    op: Literal["notebook-document-transaction"] = attrs.field(
        default="notebook-document-transaction", init=False
    )
    transaction: DocumentTransaction


@attrs.frozen
class KernelReadyNotification:
    """The session stands.

    The optional maps are None unless it was resumed; times are Unix seconds.
    """

    op: Literal["kernel-ready"] = attrs.field(default="kernel-ready", init=False)
    cell_ids: list[CellId]
    codes: list[str]
    names: list[str]
    configs: list[CellConfig]
    resumed: bool
    app_config: dict[str, object]
    kiosk: bool
    capabilities: KernelCapabilities
    layout: dict[str, object] | None = None
    ui_values: dict[str, object] | None = None
    last_executed_code: dict[CellId, str] | None = None
    last_execution_time: dict[CellId, float] | None = None
    auto_instantiated: bool = False
    consumer_capabilities: ConsumerCapabilities | None = None


@attrs.frozen
class ReloadNotification:
    """The client has to load the page again."""

    op: Literal["reload"] = attrs.field(default="reload", init=False)


@attrs.frozen
class ReconnectedNotification:
    """A client that was away is back."""

    op: Literal["reconnected"] = attrs.field(default="reconnected", init=False)


@attrs.frozen
class BannerNotification:
    """Something to keep in the user's view. ``description`` may be HTML."""

    op: Literal["banner"] = attrs.field(default="banner", init=False)
    title: str
    description: str
    variant: Literal["danger"] | None = None
    action: Literal["restart"] | None = None


@attrs.frozen
class StartupLogsNotification:
    """What is printed while the kernel starts."""

    op: Literal["startup-logs"] = attrs.field(default="startup-logs", init=False)
    content: str
    status: LogStatus


@attrs.frozen
class KernelStartupErrorNotification:
    """The kernel did not start."""

    op: Literal["kernel-startup-error"] = attrs.field(default="kernel-startup-error", init=False)
    error: str


@attrs.frozen
class FocusCellNotification:
    """The client should show a cell."""

    op: Literal["focus-cell"] = attrs.field(default="focus-cell", init=False)
    cell_id: CellId


@attrs.frozen
class ActiveLineNotification:
    """The 1-based line that a cell executes now; None: no highlight."""

    op: Literal["active-line"] = attrs.field(default="active-line", init=False)
    cell_id: CellId
    line: int | None = None


@attrs.frozen
class DataSourceDiscoveryResultNotification:
    """The reply to ``discover-data-sources``."""

    op: Literal["data-source-discovery-result"] = attrs.field(
        default="data-source-discovery-result", init=False
    )
    request_id: RequestId
    sources: list[DetectedDataSource]


@attrs.frozen
class ConsumerCapabilitiesNotification:
    """What this client may do, from now on."""

    op: Literal["consumer-capabilities"] = attrs.field(default="consumer-capabilities", init=False)
    consumer_capabilities: ConsumerCapabilities


@attrs.frozen
class CommandSettledNotification:
    """A command has come to its one outcome.

    ``id`` is whatever identifies it (see ``command_id``). Times are in milliseconds: waiting in the
    mailbox and being
    handled.
    """

    op: Literal["command-settled"] = attrs.field(default="command-settled", init=False)
    type: str
    id: str | None
    outcome: str
    domain: str
    reason: str | None
    queued_ms: float
    ran_ms: float


@attrs.frozen
class CommandProgressNotification:
    """How far a command is that takes long, told twice a second at most.

    ``done`` of ``total`` have been done, in the unit that ``unit`` names: ``bytes``, ``schemas``,
    ``files`` or ``percent``. ``total`` is None where nobody knows it. ``type`` and ``id`` are those
    of the command, as in `CommandSettledNotification`.
    """

    op: Literal["command-progress"] = attrs.field(default="command-progress", init=False)
    type: str
    id: str | None
    done: int
    total: int | None
    unit: str


@attrs.frozen
class CommandRejectedNotification:
    """Something that came in is no command.

    ``path`` says where in it, such as ``executionRequests[2].code``.
    """

    op: Literal["command-rejected"] = attrs.field(default="command-rejected", init=False)
    reason: str
    path: str | None = None
    type: str | None = None
    id: str | None = None


@attrs.frozen
class ResyncNotification:
    """What the client missed is no longer kept.

    What it has is void, and the next it gets follows ``seq``.
    """

    op: Literal["resync"] = attrs.field(default="resync", init=False)
    reason: str
    seq: int


Notification = (
    CellOpNotification
    | FunctionCallResultNotification
    | SendUIElementMessageNotification
    | ModelLifecycleNotification
    | RemoveUIElementsNotification
    | InterruptedNotification
    | CompletedRunNotification
    | CompletionResultNotification
    | AlertNotification
    | MissingPackageAlertNotification
    | InstallingPackageAlertNotification
    | VariablesNotification
    | VariableValuesNotification
    | DatasetsNotification
    | DataColumnPreviewNotification
    | SQLTablePreviewNotification
    | SQLTableListPreviewNotification
    | SQLSchemaListPreviewNotification
    | DataSourceConnectionsNotification
    | ValidateSQLResultNotification
    | StorageNamespacesNotification
    | StorageEntriesNotification
    | StorageDownloadReadyNotification
    | SecretKeysResultNotification
    | CacheClearedNotification
    | CacheInfoNotification
    | QueryParamsSetNotification
    | QueryParamsAppendNotification
    | QueryParamsDeleteNotification
    | QueryParamsClearNotification
    | NotebookDocumentTransactionNotification
    | KernelReadyNotification
    | ReloadNotification
    | ReconnectedNotification
    | BannerNotification
    | StartupLogsNotification
    | KernelStartupErrorNotification
    | FocusCellNotification
    | ActiveLineNotification
    | DataSourceDiscoveryResultNotification
    | ConsumerCapabilitiesNotification
    | CommandSettledNotification
    | CommandProgressNotification
    | CommandRejectedNotification
    | ResyncNotification
)

NOTIFICATIONS: tuple[type[Notification], ...] = get_args(Notification)
"""Every notification there is. Codecs and tests derive from it."""


def notification_op(notification: type[Notification]) -> str:
    """Return the tag of a notification class; an instance has it as ``op``."""
    op = attrs.fields_dict(notification)["op"].default
    assert isinstance(op, str)
    return op


NOTIFICATION_TYPES: dict[str, type[Notification]] = {
    notification_op(cls): cls for cls in NOTIFICATIONS
}
"""Tag to class."""
