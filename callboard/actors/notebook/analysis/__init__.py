"""What one cell binds, needs and compiles to, found by reading its source once."""

from callboard.actors.notebook.analysis.cell import (
    CellAnalysis,
    CellSourceError,
    DefKind,
    ImportedName,
)
from callboard.actors.notebook.analysis.mangling import demangle, is_private, mangle
from callboard.actors.notebook.analysis.source import (
    Analyser,
    analyse,
    cell_filename,
    cell_of_filename,
    forget_source,
)
from callboard.actors.notebook.analysis.sqlnames import MadeObject, SQLName, shown_name

__all__ = [
    "Analyser",
    "CellAnalysis",
    "CellSourceError",
    "DefKind",
    "ImportedName",
    "MadeObject",
    "SQLName",
    "analyse",
    "cell_filename",
    "cell_of_filename",
    "demangle",
    "forget_source",
    "is_private",
    "mangle",
    "shown_name",
]
