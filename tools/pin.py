"""Rewrite constraints.txt: exact versions of all the project installs, on every Python it supports.

    python tools/pin.py python3.11 python3.12 python3.13

Each interpreter's own pip resolves the runtime, ``cli``, ``dev`` and build requirements of
pyproject.toml without installing them. Versions already pinned stay as they are; ``--upgrade``
forgets them and takes the newest of everything. ``--list build`` (or ``dev``) prints those
requirements instead: the pip that comes with Python 3.11 reads no dependency groups.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
HEADER = """\
# Exact versions for development and CI, written by tools/pin.py: the runtime, cli, dev and build
# requirements with all they pull in, for Python {pythons}.
# Applications that use callboard are bound only by the ranges in pyproject.toml.
"""


def requirements(pyproject: Mapping[str, object]) -> dict[str, list[str]]:
    """The requirement strings of pyproject.toml by where they stand: build, extra, group, ..."""
    tables = json.loads(json.dumps(pyproject))  # a plain tree: the file holds no dates
    return {
        # The backend asks for editables itself, but only at build time, where pins do not reach.
        "build": [*tables["build-system"]["requires"], "editables"],
        "runtime": tables["project"]["dependencies"],
        **tables["project"]["optional-dependencies"],
        **tables["dependency-groups"],
    }


def resolve(
    python: str, wanted: Sequence[str], constraints: Path | None
) -> tuple[str, dict[str, str]]:
    """An interpreter's ``major.minor`` and the versions its pip chooses, by normalised name."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.json")
        # A venv of its own: what happens to be installed beside the interpreter must not count.
        subprocess.run([python, "-m", "venv", scratch + "/venv"], check=True)  # noqa: S603
        command = [scratch + "/venv/bin/python", "-m", "pip", "install", "-qq", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), *wanted]
        if constraints is not None:
            command += ["--constraint", str(constraints)]
        subprocess.run(command, check=True)  # noqa: S603
        chosen = json.loads(report.read_text())
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in chosen["install"]}
    return chosen["environment"]["python_version"], {
        name.lower().replace("_", "-").replace(".", "-"): version
        for name, version in versions.items()
    }


def merge(resolved: Mapping[str, Mapping[str, str]]) -> list[str]:
    """One line per package, or one per version with a marker where the Pythons disagree.

    ``resolved`` maps ``major.minor`` to {name: version}, oldest Python first. The newest Python's
    pin also holds for Pythons that are newer still.
    """
    newest = list(resolved)[-1]
    lines = []
    for name in sorted({name for versions in resolved.values() for name in versions}):
        pythons: dict[str, list[str]] = {}
        for python, versions in resolved.items():
            if name in versions:
                pythons.setdefault(versions[name], []).append(python)
        if len(pythons) == 1:
            lines.append(f"{name}=={next(iter(pythons))}")
            continue
        for version, users in pythons.items():
            marker = " or ".join(
                f'python_version {">=" if user == newest else "=="} "{user}"' for user in users
            )
            lines.append(f"{name}=={version} ; {marker}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Resolve with each interpreter named on the command line and rewrite constraints.txt."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pythons", nargs="*", help="interpreters, one per supported Python")
    parser.add_argument("--upgrade", action="store_true", help="forget the present pins")
    parser.add_argument("--list", metavar="SET", help="print one set of requirements and stop")
    options = parser.parse_args(arguments)
    sets = requirements(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    if options.list is not None:
        sys.stdout.write("\n".join(sets[options.list]) + "\n")
        return
    if not options.pythons:
        parser.error("name the interpreters to resolve for")
    wanted = [requirement for several in sets.values() for requirement in several]
    keep = CONSTRAINTS if CONSTRAINTS.exists() and not options.upgrade else None
    found = dict(resolve(python, wanted, keep) for python in options.pythons)
    resolved = {python: found[python] for python in sorted(found, key=lambda name: int(name[2:]))}
    lines = merge(resolved)
    CONSTRAINTS.write_text(HEADER.format(pythons=", ".join(resolved)) + "\n".join(lines) + "\n")
    sys.stdout.write(f"{CONSTRAINTS.name}: {len(lines)} pins\n")


if __name__ == "__main__":
    main()
