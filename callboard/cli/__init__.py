"""The command line: ``callboard run``, ``callboard kernel`` and ``callboard demo``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from callboard.cli.parser import make_parser

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit status. To be called on the main thread.

    What a subcommand needs is loaded when it is that subcommand which runs.
    """
    _open_streams()
    options = make_parser().parse_args(arguments)
    try:
        command = import_module(f"callboard.cli.{options.command}")
        status: int = command.main(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def fail(message: str, status: int = 2) -> int:
    """Say on stderr why the command cannot be carried out; returns the exit status."""
    print(f"callboard: {message}", file=sys.stderr)
    return status


def _open_streams() -> None:
    """Open what of stdin, stdout and stderr the process was started without.

    Or the next file to be opened would be in its place.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            assert opened == descriptor  # the lowest one that is free
            setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
