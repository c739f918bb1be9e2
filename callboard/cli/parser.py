"""What can be said on the command line. Loads nothing of the kernel, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import json
from math import isnan
from pathlib import Path

_RUN = """\
Run a notebook from top to bottom and print what its cells show.

What cells print goes to stdout and stderr as it comes. What they show goes to stdout in the order of the
file, Markdown rendered where rich is installed, HTML as its text. Errors go to stderr. input() reads
stdin. Ctrl-C interrupts the cell that runs, and with it the run.
"""
_RUN_STATUS = """\
exit status:
  0    every cell ran, or was kept from it by cb.stop()
  1    a cell failed, or could not run because another one failed
  2    bad usage: no such file, no notebook, a --set that no element took
  70   a cell did not end although it was interrupted
  130  Ctrl-C (143: SIGTERM, 129: SIGHUP)
"""
_KERNEL = """\
Serve a kernel to the program that started it, a JSON object a line.

stdin takes commands; besides them {"type": "stdin", "text": ...} answers input(), {"type": "interrupt"}
interrupts the run in hand, and {"type": "cancel", "id": ...} cancels a command by its token or request
id. stdout gives notifications, each with its sequence number as "seq": command-settled tells how a
command ended, command-rejected what was wrong with a line. Nothing else is ever written there: what
notebooks print, by whatever means, becomes notifications. The kernel's own log goes to stderr.

SIGINT interrupts the run in hand. The end of stdin, a stop-kernel command, SIGTERM and a client that
has closed stdout end the kernel: it works off what it has accepted, for as long as --drain says.
A second SIGTERM ends it at once.
"""
_KERNEL_STATUS = """\
exit status:
  0    the kernel was told to end, and did
  2    bad usage: no such file, no notebook
  70   user code did not end although it was interrupted
"""
_DEMO = """\
Drag a slider at 60 Hz while a package installs, and measure what the hand on the slider would feel.

The notebook examples/drag.py runs in a kernel of this process. Halfway through, a small package is
installed into a throw-away environment; from a package index, or where none answers a wheel built on
the spot. A latency is the time from sending a value to the output with that value, or a later one.

With --fault something goes wrong before the installation: the view says what, when, and what it did to
the actors, and the promises are judged as ever. --fault list says what there is.
"""
_DEMO_STATUS = """\
exit status:
  0    every promise was kept
  1    a promise was broken; the table says which
  2    bad usage, or rich is not installed
  130  Ctrl-C
"""


_SIMULATE = """\
Run a whole kernel on virtual time, once for each seed, and look whether every promise is kept.

A seed decides on a notebook, on what clients do with it, on the faults that happen meanwhile and on the
order in which tasks run. All of that is repeated exactly by --replay, which prints it with a timeline.
"""
_SIMULATE_STATUS = """\
exit status:
  0    every promise was kept
  1    one was broken; what led to it is printed
  2    bad usage
  130  Ctrl-C
"""


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="callboard",
        description="A reactive notebook kernel in which nothing the user touches waits for a slow domain.",
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run(_command(commands, "run", "run a notebook and print what it shows", _RUN, _RUN_STATUS))
    _kernel(
        _command(
            commands,
            "kernel",
            "serve a kernel to the program that started it",
            _KERNEL,
            _KERNEL_STATUS,
        )
    )
    _demo(_command(commands, "demo", "drag a slider while a package installs", _DEMO, _DEMO_STATUS))
    _simulate(
        _command(commands, "simulate", "look for broken promises", _SIMULATE, _SIMULATE_STATUS)
    )
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    description: str,
    status: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK.py")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="set the UI element bound to NAME; VALUE is JSON, or else taken as a string; repeatable",
    )


def _kernel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "notebook",
        type=Path,
        nargs="?",
        metavar="NOTEBOOK.py",
        help="run this notebook first; without it, the kernel waits for create-notebook",
    )
    parser.add_argument(
        "--stdio", action="store_true", required=True, help="serve on stdin and stdout"
    )
    parser.add_argument(
        "--drain",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to work off what was accepted, at the end (default: 5; inf: to the last)",
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="of dragging (default: 10); longer if the installation takes longer",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the final view into FILE")
    parser.add_argument(
        "--fault", metavar="NAME", help="put in a fault while dragging; list says which there are"
    )


def _simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seeds", type=_count, default=100, metavar="N", help="how many seeds (default: 100)"
    )
    parser.add_argument(
        "--first", type=int, default=0, metavar="SEED", help="the seed to begin with (default: 0)"
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="run them in so many processes, each seed as it runs alone (default: 1)",
    )
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one seed in full")
    parser.add_argument(
        "--bug",
        metavar="NAME",
        help="plant a defect into the kernel first, to see what a failure looks like; list names them",
    )
    parser.add_argument(
        "--last",
        type=_count,
        default=80,
        metavar="N",
        help="how many lines of a timeline to show (default: 80)",
    )
    parser.add_argument(
        "--shrink",
        action="store_true",
        help="with --replay: leave out whatever a failure does not need (takes a minute)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME",
        help="the faults to put in, instead of those the seed decides on; repeatable",
    )
    parser.add_argument(
        "--failures",
        type=_count,
        default=3,
        metavar="N",
        help="give up after so many failed seeds (default: 3)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _assignment(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if seconds < 0 or isnan(seconds):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


class _Version(argparse.Action):
    """``--version``, which looks the version up only when asked."""

    def __init__(self, option_strings: list[str], dest: str, **options: str) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)  # type: ignore[arg-type]

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("callboard")
        except PackageNotFoundError:
            number = "(not installed: run from its sources)"
        print(f"callboard {number}")
        parser.exit()
