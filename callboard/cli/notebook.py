"""Notebook files as the commands that instantiate them, and the process as they expect it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import attrs

from callboard.messages.commands import (
    Command,
    CreateNotebookCommand,
    ExecuteCellCommand,
    UpdateCellConfigCommand,
    UpdateUIElementCommand,
)
from callboard.messages.ids import CellId
from callboard.messages.payloads import CellConfig, CellConfigPatch
from callboard.percent import SourceCell, load


@attrs.frozen
class Notebook:
    """A notebook file that has been read."""

    path: Path
    """As it was given; what messages call it."""
    cells: tuple[SourceCell, ...]

    @classmethod
    def read(cls, path: Path) -> Notebook:
        """Read a file.

        Raises:
            OSError: it cannot be read.
            NotebookFormatError: it is no notebook.
        """
        if path.is_char_device() or path.is_block_device():
            # Some never come to an end.
            raise OSError(errno.EINVAL, "it is a device and no file")
        return cls(path, tuple(load(path)))

    @property
    def filename(self) -> str:
        """What ``__file__`` is in its cells."""
        return str(self.path.resolve())

    def cell(self, cell_id: CellId) -> SourceCell | None:
        """Find a cell."""
        return next((cell for cell in self.cells if cell.id == cell_id), None)

    def commands(self) -> list[Command]:
        """Make the commands that instantiate and run it."""
        create = CreateNotebookCommand(
            execution_requests=[ExecuteCellCommand(cell.id, cell.code) for cell in self.cells],
            cell_ids=[cell.id for cell in self.cells],
            set_ui_element_value_request=UpdateUIElementCommand([], []),
            auto_run=True,
        )
        configs = {
            cell.id: CellConfigPatch(
                column=cell.config.column,
                disabled=cell.config.disabled,
                hide_code=cell.config.hide_code,
            )
            for cell in self.cells
            if cell.config != CellConfig()
        }
        # Before the cells, so that a disabled one does not run.
        return [UpdateCellConfigCommand(configs), create] if configs else [create]


def explain(path: Path, error: Exception) -> str:
    """Say why a file cannot be read as a notebook."""
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return str(error)


def pose_as_script(notebook: Notebook | None) -> None:
    """Let user code find what it would find had it been started as a script: ``sys.argv`` and ``sys.path[0]``."""
    directory = os.getcwd() if notebook is None else str(notebook.path.resolve().parent)
    sys.argv = [""] if notebook is None else [str(notebook.path)]
    sys.path.insert(0, directory)
