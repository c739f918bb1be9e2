"""A slider dragged at 60 Hz while other things happen, on callboard and on real marimo kernels.

    python -m benchmarks.drag [--kernel callboard] [--kernel marimo==0.23.7] [--scenario idle-5ms]

Every scenario (see `benchmarks.scenario`) is played on all kernels in turn before the next one,
each time in a fresh process of the kernel's own environment, so that a machine that slows down
midway slows down all of them. The table's figures are milliseconds, except counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environments import ROOT, InstallFailed, environment
from benchmarks.scenario import Result, Scenario, scenarios, table

# Both kernels list the tables of a SQLAlchemy engine; the marimo driver shares attrs classes.
EXTRAS = ("sqlalchemy==2.0.51", "attrs==26.1.0")
KERNELS = ("callboard", "marimo==0.23.7", "marimo")


def interpreter(kernel: str, *, renew: bool) -> Path:
    """The Python of a kernel's environment; callboard itself comes from this checkout."""
    if kernel != "callboard":
        return environment([kernel, *EXTRAS], renew=renew)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = ROOT / "constraints.txt"
    return environment([*project["dependencies"], *EXTRAS], constraints=pins, renew=renew)


def play(kernel: str, python: Path, scenario: Scenario) -> Result:
    """Play one scenario in a process of its own, away from this checkout's settings.

    Raises:
        RuntimeError: the driver failed; with what it wrote last.
    """
    driver = "benchmarks." + ("callboard_kernel" if kernel == "callboard" else "marimo_kernel")
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [str(python), "-m", driver],
            check=False,
            input=scenario.to_json(),
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    if ran.returncode:
        raise RuntimeError(f"{kernel} failed on {scenario.name}:\n{ran.stderr[-4000:]}")
    return Result.from_json(ran.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Play, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", action="append", help=f"default: {', '.join(KERNELS)}")
    parser.add_argument("--scenario", action="append", help="default: all")
    parser.add_argument("--seconds", type=float, default=3.0, help="of an undisturbed drag")
    parser.add_argument("--spin", action="store_true", help="cells hold the processor, not sleep")
    parser.add_argument("--quick", action="store_true", help="one second, callboard alone")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--ticks", action="store_true", help="with every tick in the JSON")
    parser.add_argument("--renew", action="store_true", help="fetch the newest marimo again")
    options = parser.parse_args(arguments)
    seconds = 1.0 if options.quick else options.seconds
    kernels = options.kernel or (KERNELS[:1] if options.quick else KERNELS)
    chosen = [
        scenario
        for scenario in scenarios(spinning=options.spin, seconds=seconds)
        if not options.scenario or scenario.name in options.scenario
    ]
    if not chosen:
        parser.error("no such scenario")
    try:
        pythons = {kernel: interpreter(kernel, renew=options.renew) for kernel in kernels}
    except InstallFailed as failure:
        sys.exit(f"an environment could not be made: {failure}")
    results = []
    for scenario in chosen:
        for kernel, python in pythons.items():
            print(f"{scenario.name} on {kernel}", file=sys.stderr)
            results.append(play(kernel, python, scenario))
    print(table(results))
    if options.json is not None:
        report = {
            "machine": {"processors": os.cpu_count(), "platform": platform.platform()},
            "scenarios": {scenario.name: scenario.text for scenario in chosen},
            "results": [
                json.loads(result.to_json()) if options.ticks else result.brief()
                for result in results
            ],
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
