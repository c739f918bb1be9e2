"""The command line: ``callboard run``, ``callboard kernel`` and ``callboard demo``."""

from __future__ import annotations

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
