"""Virtual environments for benchmarks, made once by pip and kept under .bench/.

    python -m benchmarks.environments 'marimo==0.23.7' attrs

prints the environment's interpreter. The same requirements give the same environment and ask no
registry a second time; a requirement without a version keeps the one that was newest when the
environment was made, until ``--renew``.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"


class InstallFailed(Exception):
    """pip could not make the environment: no registry, or no such package."""


def environment(
    requirements: Sequence[str], *, constraints: Path | None = None, renew: bool = False
) -> Path:
    """The interpreter of an environment that holds the requirements; makes it if need be.

    Safe to call from several processes at once: one makes it, the others wait.

    Raises:
        InstallFailed: with what pip said; nothing is kept then.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = constraints.read_text() if constraints else ""
    digest = hashlib.sha256("\n".join([version, *requirements, pins]).encode()).hexdigest()[:8]
    label = re.sub(r"[^A-Za-z0-9.]+", "-", requirements[0]).strip("-")
    home = FOLDER / f"{label}-{digest}"
    python = home / "bin" / "python"
    finished = home / "finished"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if finished.exists() and not renew:
            return python
        print(f"making {home.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        if constraints is not None:
            command += ["--constraint", str(constraints)]
        installed = subprocess.run(
            [*command, *requirements], check=False, stderr=subprocess.PIPE, text=True
        )
        if installed.returncode:
            raise InstallFailed(installed.stderr.strip())
        finished.touch()
    return python


def main() -> None:
    """Make or find the environment named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("requirements", nargs="+")
    parser.add_argument("--renew", action="store_true", help="make it anew")
    options = parser.parse_args()
    print(environment(options.requirements, renew=options.renew))


if __name__ == "__main__":
    main()
