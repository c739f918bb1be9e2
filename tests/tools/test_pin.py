"""The pins: one line a package, markers only where Pythons differ, nothing left unpinned."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.pin import CONSTRAINTS, ROOT, merge, requirements


def test_pythons_that_agree_share_a_line_without_a_marker() -> None:
    assert merge({"3.11": {"a": "1"}, "3.12": {"a": "1"}}) == ["a==1"]


def test_a_package_only_some_pythons_need_has_no_marker() -> None:
    assert merge({"3.11": {"backport": "1"}, "3.12": {}}) == ["backport==1"]


def test_each_python_finds_the_one_version_resolved_for_it() -> None:
    lines = merge({"3.11": {"a": "1"}, "3.12": {"a": "2"}, "3.13": {"a": "2"}})
    pins = [Requirement(line) for line in lines]
    for python, version in {"3.11": "1", "3.12": "2", "3.13": "2", "3.14": "2"}.items():
        holding = [
            str(pin.specifier)
            for pin in pins
            if pin.marker is None or pin.marker.evaluate({"python_version": python})
        ]
        assert holding == [f"=={version}"]


def test_every_requirement_of_the_project_is_pinned_within_its_range() -> None:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for wanted in map(
        Requirement, (r for several in requirements(pyproject).values() for r in several)
    ):
        (pin,) = pins[canonicalize_name(wanted.name)].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version)
