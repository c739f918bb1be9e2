"""Every difference from marimo's messages that is meant to be, with its reason."""

from __future__ import annotations

from benchmarks.compat.differences import Known

BASE = frozenset({"0.23.7"})
NEWEST = frozenset({"newest"})
BOTH = BASE | NEWEST

KNOWN: tuple[Known, ...] = (
    Known(
        BOTH,
        "callboard's own: settlement, rejection and replay are not part of marimo's protocol",
        (
            "notification command-settled: only in callboard",
            "notification command-progress: only in callboard",
            "notification command-rejected: only in callboard",
            "notification resync: only in callboard",
        ),
    ),
    Known(
        BASE,
        "later than 0.23.7, which has no such message",
        (
            "command discover-data-sources: only in callboard",
            "command set-breakpoints: only in callboard",
            "notification active-line: only in callboard",
            "notification consumer-capabilities: only in callboard",
            "notification data-source-discovery-result: only in callboard",
        ),
    ),
    Known(
        BASE,
        "a field later than 0.23.7, which ignores it; callboard takes its default when absent",
        (
            "command preview-sql-table schemaPath: dropped by marimo",
            "command list-sql-tables schemaPath: dropped by marimo",
            "command list-sql-schemas schemaPath: dropped by marimo",
            "command storage-list-entries pageToken: dropped by marimo",
            "notification function-call-result found: dropped by marimo",
            "notification model-lifecycle message.esm_spec: dropped by marimo",
            "notification sql-table-preview metadata.schema_path: dropped by marimo",
            "notification sql-table-list-preview metadata.schema_path: dropped by marimo",
            "notification sql-schema-list-preview metadata.schema_path: dropped by marimo",
            "notification storage-entries next_page_token: dropped by marimo",
            "notification kernel-ready consumer_capabilities: dropped by marimo",
            "command preview-sql-table schemaPath: added by callboard",
            "command list-sql-tables schemaPath: added by callboard",
            "command list-sql-schemas schemaPath: added by callboard",
            "command storage-list-entries pageToken: added by callboard",
            "notification function-call-result found: added by callboard",
            "notification model-lifecycle message.esm_spec: added by callboard",
            "notification sql-table-preview metadata.schema_path: added by callboard",
            "notification sql-table-list-preview metadata.schema_path: added by callboard",
            "notification sql-schema-list-preview metadata.schema_path: added by callboard",
            "notification storage-entries next_page_token: added by callboard",
            "notification kernel-ready consumer_capabilities: added by callboard",
        ),
    ),
    Known(
        BASE,
        "later than 0.23.7: absent means unchanged and null clears; 0.23.7 writes null for "
        "unchanged",
        ("notification cell-op serialization: added by marimo",),
    ),
    Known(
        BASE,
        "a storage backend later than 0.23.7",
        ("notification storage-namespaces namespaces[0].backendType: refused by marimo",),
    ),
    Known(
        BOTH,
        "marimo derives the text of an internal error from its id and drops any other",
        (
            "command execute-scratchpad cellOutputs.output.key.data[].msg: changed by marimo",
            "command execute-scratchpad cellOutputs.console_outputs.key[].data[].msg: "
            "changed by marimo",
            "notification cell-op output.data[].msg: changed by marimo",
            "notification cell-op console.data[].msg: changed by marimo",
            "notification cell-op console[].data[].msg: changed by marimo",
        ),
    ),
    Known(
        BOTH,
        "callboard takes any object as the user's settings; marimo wants all of its own",
        ("command update-user-config config: refused by marimo",),
    ),
    Known(
        BOTH,
        "callboard passes the app's settings on as they are; marimo drops what it does not know "
        "and adds its defaults",
        (
            "notification kernel-ready app_config.key: dropped by marimo",
            "notification kernel-ready app_config.auto_download: added by marimo",
        ),
    ),
    Known(
        BOTH,
        "marimo works the capabilities out where it decodes them, whatever was sent",
        (
            "notification kernel-ready capabilities.terminal: changed by marimo",
            "notification kernel-ready capabilities.pylsp: changed by marimo",
            "notification kernel-ready capabilities.ty: changed by marimo",
            "notification kernel-ready capabilities.basedpyright: changed by marimo",
            "notification kernel-ready capabilities.pyrefly: changed by marimo",
        ),
    ),
    Known(
        BOTH,
        "who sent a request is an object of facts; callboard makes anything else an empty one",
        (
            "command create-notebook executionRequests[].request.user: changed by callboard",
            "command create-notebook setUiElementValueRequest.request.user: changed by callboard",
            "command create-notebook request.user: changed by callboard",
            "command execute-cells request.user: changed by callboard",
            "command execute-scratchpad request.user: changed by callboard",
            "command execute-stale-cells request.user: changed by callboard",
            "command debug-cell request.user: changed by callboard",
            "command update-ui-element request.user: changed by callboard",
        ),
    ),
    Known(
        NEWEST,
        "who sent a request is an object of facts; callboard makes anything else an empty one",
        ("command set-breakpoints request.user: changed by callboard",),
    ),
    Known(
        BOTH,
        "callboard warns of unknown cell config keys and drops them while decoding, marimo later",
        ("command update-cell-config configs.key.key: dropped by callboard",),
    ),
    Known(
        BOTH,
        "buffers without a path belong nowhere in a widget's state: callboard refuses them, "
        "marimo drops the surplus when it merges updates",
        ("command model buffers: refused by callboard",),
    ),
    Known(
        NEWEST,
        "later releases report installations as environment operations",
        (
            "notification installing-package-alert: only in callboard",
            "notification environment-operation: only in marimo",
            "notification environment-state: only in marimo",
        ),
    ),
    Known(
        NEWEST,
        "messages of later releases; callboard has none like them",
        (
            "command edit-cells: only in marimo",
            "notification execution: only in marimo",
            "notification startup-progress: only in marimo",
        ),
    ),
    Known(
        NEWEST,
        "an optional field of later releases that callboard does not know",
        (
            "command execute-scratchpad notebookCells[].config.expand_output: added by marimo",
            "command execute-scratchpad allowStdin: added by marimo",
            "command install-packages indexUrls: added by marimo",
            "notification cell-op execution_id: added by marimo",
            "notification interrupted run_id: added by marimo",
            "notification completed-run outcome: added by marimo",
            "notification completed-run error: added by marimo",
            "notification sql-schema-list-preview schemas[].tables_resolved: added by marimo",
            "notification sql-schema-list-preview schemas[].child_schemas: added by marimo",
            "notification sql-schema-list-preview schemas[].child_schemas_resolved: "
            "added by marimo",
            "notification data-source-connections "
            "connections[].databases[].schemas[].tables_resolved: added by marimo",
            "notification data-source-connections "
            "connections[].databases[].schemas[].child_schemas: added by marimo",
            "notification data-source-connections "
            "connections[].databases[].schemas[].child_schemas_resolved: added by marimo",
            "notification data-source-connections connections[].databases[].schemas_resolved: "
            "added by marimo",
            "notification notebook-document-transaction "
            "transaction.changes[].config.expand_output: added by marimo",
            "notification kernel-ready configs[].expand_output: added by marimo",
            "notification kernel-ready stable_session_id: added by marimo",
            "command execute-scratchpad notebookCells[].config.expand_output: dropped by callboard",
            "command execute-scratchpad allowStdin: dropped by callboard",
            "command install-packages indexUrls: dropped by callboard",
            "notification cell-op execution_id: dropped by callboard",
            "notification interrupted run_id: dropped by callboard",
            "notification completed-run outcome: dropped by callboard",
            "notification completed-run error: dropped by callboard",
            "notification sql-schema-list-preview schemas[].tables_resolved: dropped by callboard",
            "notification sql-schema-list-preview schemas[].child_schemas: dropped by callboard",
            "notification sql-schema-list-preview schemas[].child_schemas_resolved: "
            "dropped by callboard",
            "notification data-source-connections "
            "connections[].databases[].schemas[].tables_resolved: dropped by callboard",
            "notification data-source-connections "
            "connections[].databases[].schemas[].child_schemas: dropped by callboard",
            "notification data-source-connections "
            "connections[].databases[].schemas[].child_schemas_resolved: dropped by callboard",
            "notification data-source-connections connections[].databases[].schemas_resolved: "
            "dropped by callboard",
            "notification notebook-document-transaction "
            "transaction.changes[].config.expand_output: dropped by callboard",
            "notification notebook-document-transaction transaction.changes[].expandOutput: "
            "dropped by callboard",
            "notification kernel-ready configs[].expand_output: dropped by callboard",
            "notification kernel-ready stable_session_id: dropped by callboard",
        ),
    ),
    Known(
        NEWEST,
        "later releases require expandOutput when a cell's config is replaced; a callboard kernel "
        "never sends that change, it only reorders cells",
        ("notification notebook-document-transaction transaction.changes[0]: refused by marimo",),
    ),
    Known(
        NEWEST,
        "later releases require the consumer's capabilities; only a server around the kernel "
        "sends kernel-ready",
        ("notification kernel-ready consumer_capabilities: refused by marimo",),
    ),
    Known(
        NEWEST,
        "later releases have the column type geometry, which a callboard kernel never reports",
        (
            "notification datasets tables[0].columns[0].type: refused by callboard",
            "notification sql-table-preview table.columns[0].type: refused by callboard",
            "notification sql-table-list-preview tables[0].columns[0].type: refused by callboard",
            "notification sql-schema-list-preview schemas[0].tables[0].columns[0].type: "
            "refused by callboard",
            "notification data-source-connections "
            "connections[0].databases[0].schemas[0].tables[0].columns[0].type: "
            "refused by callboard",
        ),
    ),
    Known(
        NEWEST,
        "later releases name a host as the source of a document change",
        ("notification notebook-document-transaction transaction.source: refused by callboard",),
    ),
)
