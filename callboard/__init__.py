"""A concurrency core for notebook kernels: nothing a user touches ever waits for a slow domain.

In a notebook: `import callboard as cb`. Names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from callboard import ui
    from callboard.authoring import output
    from callboard.authoring.context import OutsideCell
    from callboard.authoring.control import StopCell, stop
    from callboard.authoring.markdown import md
    from callboard.authoring.requests import request
    from callboard.authoring.sql import sql
    from callboard.authoring.threads import Thread, current_thread
    from callboard.kernel import open_kernel

__all__ = [
    "OutsideCell",
    "StopCell",
    "Thread",
    "current_thread",
    "md",
    "open_kernel",
    "output",
    "request",
    "sql",
    "stop",
    "ui",
]

_HOMES = {
    "OutsideCell": "callboard.authoring.context",
    "StopCell": "callboard.authoring.control",
    "Thread": "callboard.authoring.threads",
    "current_thread": "callboard.authoring.threads",
    "md": "callboard.authoring.markdown",
    "open_kernel": "callboard.kernel",
    "output": "callboard.authoring",
    "request": "callboard.authoring.requests",
    "sql": "callboard.authoring.sql",
    "stop": "callboard.authoring.control",
}


def __getattr__(name: str) -> object:
    import importlib

    if name in {"ui", "output"}:
        home = "callboard.ui" if name == "ui" else "callboard.authoring.output"
        value: object = importlib.import_module(home)
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
