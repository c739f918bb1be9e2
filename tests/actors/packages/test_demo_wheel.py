"""The wheel that is made on the spot."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.utils import parse_wheel_filename

from callboard.actors.packages.demo_wheel import DEMO_MODULE, DEMO_PACKAGE, build_demo_wheel
from callboard.actors.packages.modules import modules_for_package, package_for_module


def test_its_name_is_a_valid_one_for_any_python() -> None:
    assert package_for_module(DEMO_MODULE) == DEMO_PACKAGE
    assert DEMO_MODULE in modules_for_package(DEMO_PACKAGE)


def test_it_is_a_valid_wheel(tmp_path: Path) -> None:
    path = build_demo_wheel(tmp_path / "new", version="1.5", requires=("attrs",), extras=("x",))
    name, version, _, tags = parse_wheel_filename(path.name)
    assert (name, str(version), {str(tag) for tag in tags}) == (
        DEMO_PACKAGE,
        "1.5",
        {"py3-none-any"},
    )
    with zipfile.ZipFile(path) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    info = f"{DEMO_MODULE}-1.5.dist-info"
    metadata = Parser().parsestr(files[f"{info}/METADATA"].decode())
    assert metadata["Name"] == DEMO_PACKAGE
    assert metadata["Requires-Dist"] == "attrs"
    rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    assert {row[0] for row in rows} == set(files)
    for recorded, digest, size in rows:
        if digest:
            sha = base64.urlsafe_b64encode(hashlib.sha256(files[recorded]).digest())
            assert digest == f"sha256={sha.rstrip(b'=').decode()}"
            assert int(size) == len(files[recorded])


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first = build_demo_wheel(tmp_path / "a")
    second = build_demo_wheel(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_its_module_does_what_it_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_demo_wheel(tmp_path)) as wheel:
        namespace: dict[str, object] = {}
        exec(wheel.read(f"{DEMO_MODULE}/__init__.py"), namespace)
    greet = namespace["greet"]
    assert callable(greet)
    assert greet("you") == "Hello, you!"
    assert namespace["__version__"] == "1.0"
