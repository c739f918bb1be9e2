"""What every benchmark needs: its arguments, the machine in words, spreads, tables and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from statistics import median

import attrs

ROOT = Path(__file__).resolve().parent.parent


@attrs.frozen
class Spread:
    """Smallest, middle and largest of some figures, and how many there were."""

    min: float
    median: float
    max: float
    count: int

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """The spread of at least one figure."""
        ordered = sorted(figures)
        return cls(ordered[0], median(ordered), ordered[-1], len(ordered))

    def text(self, digits: int = 2) -> str:
        """For a table: ``min / median / max``."""
        return " / ".join(f"{figure:.{digits}f}" for figure in (self.min, self.median, self.max))


def percentile(figures: Iterable[float], fraction: float) -> float:
    """The smallest figure that at least this fraction (0 to 1) of the figures do not exceed."""
    ordered = sorted(figures)
    return ordered[max(0, ceil(fraction * len(ordered)) - 1)]


def arguments(description: str, *, rounds: int, quick_rounds: int) -> argparse.ArgumentParser:
    """A parser with the options all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there as well")
    parser.add_argument(
        "--quick", action="store_true", help=f"{quick_rounds} rounds and less work in each"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"how often each is measured; {rounds} by default"
    )
    return parser


def machine(*packages: str) -> dict[str, str | int | float]:
    """The machine, the interpreter and the packages that the figures were taken with."""
    facts: dict[str, str | int | float] = {
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in packages:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    commit = _commit()
    if commit:
        facts["commit"] = commit
    return facts


def command() -> str:
    """How this benchmark was started, as it can be typed."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["-m", spec.name] if spec is not None else [sys.argv[0]]
    return shlex.join(["python", *program, *sys.argv[1:]])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text: the first flush left, the others flush right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def aligned(line: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    return "\n".join(
        [aligned(lines[0]), "  ".join("-" * width for width in widths)]
        + [aligned(line) for line in lines[1:]]
    )


def preamble(facts: Mapping[str, object]) -> str:
    """The machine and the command, to stand above a table."""
    return ", ".join(f"{name} {value}" for name, value in facts.items()) + f"\n$ {command()}"


def write_json(path: Path, facts: Mapping[str, object], results: object) -> None:
    """Write what was measured, with the machine, the command and the time (UTC)."""
    document = {
        "command": command(),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(facts),
        "results": results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # Not Linux.
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of this checkout, marked if files differ from it; empty outside of one."""
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout.strip()
