"""``callboard demo``: a slider dragged at 60 Hz while a package installs, and what the hand felt."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from callboard.cli import fail

NOTEBOOK = "drag.py"


def main(options: Namespace) -> int:
    """Play the demonstration; returns the exit status."""
    if options.fault is not None:
        from callboard.cli.demo.sabotage import DEMONSTRATED, demonstrated

        if options.fault == "list":
            width = max(map(len, DEMONSTRATED))
            for kind in demonstrated():
                print(f"{kind.name:{width}}  {kind.meaning}")
            return 0
        if options.fault not in DEMONSTRATED:
            names = ", ".join(kind.name for kind in demonstrated())
            return fail(f"there is no fault {options.fault!r} to show; there are {names}")
    shown_on = 2 if options.json else 1
    live = os.isatty(shown_on) and os.environ.get("TERM") not in (None, "", "dumb")
    if (live or options.svg is not None) and find_spec("rich") is None:
        return fail(
            "the demonstration is drawn with rich, which is not installed: "
            "pip install 'callboard[cli]', or pass its output through a pipe to see it as text"
        )
    if options.svg is not None and not options.svg.absolute().parent.is_dir():
        return fail(f"{options.svg}: there is no such directory")
    path = example(NOTEBOOK)

    from callboard.cli.demo.play import play
    from callboard.cli.notebook import Notebook, pose_as_script
    from callboard.cli.signals import received_signals
    from callboard.process import run_kernel_process

    notebook = Notebook.read(path)
    pose_as_script(notebook)
    with (
        tempfile.TemporaryDirectory(prefix="callboard-demo-") as directory,
        received_signals() as signals,
    ):
        return run_kernel_process(
            partial(play, options, notebook, Path(directory), signals, live=live)
        )


def example(name: str) -> Path:
    """Find a notebook of ``examples``: in the package where it is installed, else beside it."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "examples" / name
    return inside if inside.exists() else package.parent / "examples" / name
