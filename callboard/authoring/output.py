"""What a cell shows, set while it runs.

Each call is sent at once, so a long cell can show how far it is. A last expression is added below
what was appended. In a plain script, where no kernel runs the code, values are printed instead.
"""

from __future__ import annotations

import sys

from callboard.authoring.context import current_context


def append(value: object) -> None:
    """Show a value below what the cell shows already."""
    context = current_context.get()
    if context is None:
        sys.stdout.write(f"{value}\n")
    else:
        context.append_output(value)


def replace(value: object) -> None:
    """Show a value instead of what the cell shows already."""
    context = current_context.get()
    if context is None:
        sys.stdout.write(f"{value}\n")
    else:
        context.replace_output(value)


def clear() -> None:
    """Show nothing. What was printed to the console stays."""
    context = current_context.get()
    if context is not None:
        context.clear_output()
