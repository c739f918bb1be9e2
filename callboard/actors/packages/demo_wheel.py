"""A wheel made on the spot: something to install where no package index can be reached."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

DEMO_PACKAGE: Final = "callboard-demo-package"
"""What the wheel installs."""

DEMO_MODULE: Final = "callboard_demo_package"
"""What one then imports."""

_MODULE: Final = '''\
"""A package that does next to nothing, made to be installed."""

__version__ = "{version}"


def greet(name: str = "world") -> str:
    """Return a greeting."""
    return f"Hello, {{name}}!"
'''


def build_demo_wheel(
    directory: Path,
    *,
    name: str = DEMO_PACKAGE,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
) -> Path:
    """Write a small, valid, pure-Python wheel into a directory and return its path.

    Its one module is called like the package, with ``_`` for ``-``; it has ``greet()`` and
    ``__version__``. ``requires`` are dependencies, ``extras`` names of empty extras. The same
    arguments give the same bytes. The directory is made if need be.
    """
    module = canonicalize_name(name).replace("-", "_")
    stem = f"{module}-{version}"
    info = f"{stem}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        "Summary: A package made to be installed.",
        "Requires-Python: >=3.8",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *(f"Provides-Extra: {extra}" for extra in extras),
    ]
    files = {
        f"{module}/__init__.py": _MODULE.format(version=version),
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: callboard\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/top_level.txt": f"{module}\n",
    }
    record = [f"{path},{_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, text in files.items():
            # A fixed time: two wheels alike are alike byte by byte.
            wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return target


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
