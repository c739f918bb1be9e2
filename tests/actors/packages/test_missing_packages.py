"""What is missing: from errors, from hints in their texts, and from imports."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.packages.managers import MANAGERS, Manager
from callboard.actors.packages.missing import (
    is_importable,
    missing_from_error,
    missing_imports,
    packages_in_hint,
)
from callboard.actors.packages.reporting import MissingPackages, is_import_error
from callboard.actors.packages.requirements import Requirement
from callboard.actors.packages.state import PackagesState
from callboard.messages.commands import InstallPackagesCommand
from callboard.messages.notifications import MissingPackageAlertNotification, Notification


def nothing(module: str) -> bool:
    """Nothing is importable."""
    return False


def caught(action: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:
        action()
    return raised.value


def run(code: str) -> BaseException:
    return caught(lambda: exec(code, {}))


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("import nowhere_a", {"nowhere_a"}),
        ("import nowhere_a.b.c", {"nowhere_a"}),
        ("from nowhere_a.b import c", {"nowhere_a"}),
        ("raise ModuleNotFoundError(\"No module named 'nowhere_a'\")", {"nowhere_a"}),
        ("raise ImportError('needs it', name='nowhere_a')", {"nowhere_a"}),
        # Outermost first: what was tried before is not what is needed.
        ("try:\n import nowhere_fast\nexcept ImportError:\n import nowhere_slow", {"nowhere_slow"}),
        (
            "try:\n import nowhere_a\nexcept ImportError as e:\n raise ImportError('install a') from e",
            {"nowhere_a"},
        ),
        ("try:\n import nowhere_a\nexcept ImportError:\n raise ImportError('x')", {"nowhere_a"}),
        (
            "try:\n import nowhere_a\nexcept ImportError as e:\n raise RuntimeError from e",
            {"nowhere_a"},
        ),
        # It merely happened meanwhile.
        ("try:\n import nowhere_a\nexcept ImportError:\n raise ValueError", set()),
        ("try:\n import nowhere_a\nexcept ImportError:\n raise ImportError('x') from None", set()),
        # The package is there, only a part of it is not.
        ("import attrs.nothing_of_the_kind", set()),
        ("from os import nothing_of_the_kind", set()),
        ("import os.nothing_of_the_kind", set()),
        ("import callboard.nothing_of_the_kind", set()),
        ("1/0", set()),
        ("raise KeyError('pip install foo')", set()),
        ("raise ImportError('Please `pip install foo[a]` first')", {"foo[a]"}),
        (
            "raise ImportError(\"Unable to find a usable engine; tried using: 'pyarrow', 'fastparquet'.\")",
            {"pyarrow"},
        ),
        ("raise ImportError('pyarrow is required for parquet support')", {"pyarrow"}),
        ("raise ImportError(\"Missing optional dependency 'openpyxl'. Use it.\")", {"openpyxl"}),
        ("raise ImportError('cannot load library')", set()),
        (
            "try:\n import nowhere_a\nexcept ImportError as e:\n raise ExceptionGroup('', [e, ValueError()])",
            {"nowhere_a"},
        ),
    ],
)
def test_an_error_tells_what_is_missing(code: str, missing: set[str]) -> None:
    assert missing_from_error(run(code)) == missing


def test_a_blocked_module_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nowhere_blocked", None)
    assert missing_from_error(run("import nowhere_blocked")) == {"nowhere_blocked"}


def test_a_ring_of_causes_ends() -> None:
    first, second = ImportError("a"), ImportError("b")
    first.__cause__, second.__cause__ = second, first
    assert missing_from_error(first) == frozenset()
    assert is_import_error(first)


def test_an_error_that_cannot_be_shown_is_about_nothing() -> None:
    class Odd(ImportError):
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert missing_from_error(Odd()) == frozenset()
    assert missing_from_error(ImportError(name=3)) == frozenset()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("Please `pip install foo bar` first", ["foo", "bar"]),
        ("run 'pip install foo'", ["foo"]),
        ('try "uv pip install foo[b,a]"', ["foo[a,b]"]),
        ("“pip install foo”", ["foo"]),
        ("`pip install -U 'foo[x]' \"bar>=2\"`", ["foo[x]", "bar"]),
        ("`$ pip3 install --upgrade foo`", ["foo"]),
        ("`python3 -m pip install foo`", ["foo"]),
        ("`sudo pip install foo`", ["foo"]),
        ("`!pip install foo`", ["foo"]),
        ("To fix it:\n    pip install foo bar\nthanks", ["foo", "bar"]),
        ("pip install foo or conda install foo", ["foo"]),
        ("You need it: pip install foo to go on", ["foo"]),
        ("Install with pip install foo, or conda install bar.", ["foo"]),
        ("(pip install foo)", ["foo"]),
        ("pip install foo.", ["foo"]),
        ("pip install --index-url https://example.org foo==1.2", ["foo"]),
        ("pip install -r requirements.txt", []),
        ("pip install git+https://example.org/foo", []),
        ("pip install -e . or `pip install foo`", ["foo"]),
        ("pip install 'foo' to go on", ["foo"]),
        ("Use pip or conda to install openpyxl.", []),
        ("skip install foo", []),
        ("pip install ", []),
    ],
)
def test_a_hint_names_packages_quoted_or_bare(text: str, packages: list[str]) -> None:
    assert packages_in_hint(text) == packages


@given(st.text(alphabet="pip install`'\"-foo[]>=1 \n.", max_size=200))
def test_no_text_breaks_the_reading_of_hints(text: str) -> None:
    for package in packages_in_hint(text + "\npip install " + text):
        assert not package.startswith("-")


def test_a_very_long_text_is_read_quickly() -> None:
    assert missing_from_error(ImportError("pip install ; " * 200_000)) == frozenset()
    assert packages_in_hint("a " * 200_000 + "pip install foo") == ["foo"]


def test_imports_are_looked_up_without_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loud_module.py").write_text("raise SystemExit")
    package = tmp_path / "loud_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    assert is_importable("loud_module")
    assert is_importable("loud_package.anything")
    assert not is_importable("silent_module")
    assert not {"loud_module", "loud_package"} & set(sys.modules)


def test_a_part_of_a_shared_namespace_is_looked_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("one", "two"):
        root = tmp_path / part
        (root / "google" / "cloud" / part).mkdir(parents=True)
        (root / "google" / "cloud" / part / "__init__.py").write_text("raise SystemExit")
        monkeypatch.syspath_prepend(root)
    importlib.invalidate_caches()
    assert missing_imports(["google.cloud.one", "google.cloud.two.x", "google.cloud.three"]) == {
        "google.cloud.three"
    }
    assert missing_imports(["google.auth"]) == {"google.auth"}
    assert not any(name.startswith("google") for name in sys.modules)


def test_modules_that_are_odd_or_half_there_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(types.ModuleType):
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    class Broken:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "nowhere_broken":
                raise RuntimeError(name)

    monkeypatch.setitem(sys.modules, "odd_number", 3)
    monkeypatch.setitem(sys.modules, "odd_no_spec", types.ModuleType("odd_no_spec"))
    monkeypatch.setitem(sys.modules, "google", Lazy("google"))
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    odd = ["odd_number", "odd_no_spec", "nowhere_broken", "odd_number.x"]
    assert missing_imports(odd) == frozenset()
    assert missing_imports(["google.cloud"]) == {"google.cloud"}


def test_the_standard_library_callboard_and_relative_imports_are_never_missing() -> None:
    modules = ["os.path", "winreg", "msvcrt", "callboard.nothing", "", ".x", "__future__"]
    assert missing_imports(modules) == frozenset()


class Page:
    """Collects what is told and what is posted."""

    def __init__(self, manager: Manager = MANAGERS["pip"]) -> None:
        self.told: list[Notification] = []
        self.posted: list[InstallPackagesCommand] = []
        self.looked_up: list[str] = []
        self.there: set[str] = set()
        self.state = PackagesState(manager)
        self.missing = MissingPackages(
            self.state,
            isolated=True,
            notify=self.told.append,
            post=self.posted.append,
            importable=self.importable,
        )

    def importable(self, module: str) -> bool:
        self.looked_up.append(module)
        return module in self.there

    @property
    def packages(self) -> list[list[str]]:
        """The packages of every alert."""
        alerts = [each for each in self.told if isinstance(each, MissingPackageAlertNotification)]
        assert len(alerts) == len(self.told)
        assert all(alert.isolated and alert.source == "kernel" for alert in alerts)
        return [alert.packages for alert in alerts]


IMPORT_ERROR = ModuleNotFoundError("No module named 'yaml'", name="yaml")


def test_a_run_without_an_import_error_reports_nothing_and_looks_nothing_up() -> None:
    page = Page()
    page.missing.after_run([ValueError()], ["nowhere"])
    assert (page.told, page.looked_up) == ([], [])


def test_one_import_error_reports_all_that_is_missing_sorted_by_package() -> None:
    page = Page()
    page.there = {"numpy"}
    page.missing.after_run([ValueError(), IMPORT_ERROR], ["sklearn", "numpy", "foo_bar", "os"])
    assert page.packages == [["PyYAML", "foo-bar", "scikit-learn"]]


def test_a_namespace_gives_way_to_the_part_of_it_that_is_missing() -> None:
    page = Page()
    error = ModuleNotFoundError("No module named 'google'", name="google")
    page.missing.after_run([error], ["google.cloud.storage"])
    assert page.packages == [["google-cloud-storage"]]


def test_what_was_attempted_is_not_reported_again() -> None:
    page = Page()
    page.state.record(Requirement("pyyaml"), "failed")
    page.state.record(Requirement("Foo_Bar"), "installed")
    page.missing.after_run([IMPORT_ERROR], ["foo_bar"])
    assert page.told == []


def test_an_import_error_about_nothing_missing_is_silent() -> None:
    page = Page()
    page.missing.after_run([ImportError("cannot load library")], [])
    assert page.told == []


def test_a_manager_that_asks_nobody_is_told_to_install() -> None:
    page = Page(Manager("pip", auto_installs=True))
    page.missing.after_run([IMPORT_ERROR], [])
    assert page.told == []
    assert page.posted == [InstallPackagesCommand(manager="pip", versions={"PyYAML": ""})]


def test_an_import_that_goes_away_is_reported_with_what_is_left() -> None:
    page = Page()
    page.missing.after_change(["a", "b", "numpy"], ["b", "numpy"])
    page.missing.after_change(["b"], [])
    assert page.packages == [["b", "numpy"], []]


def test_a_change_that_leaves_nothing_less_missing_is_silent() -> None:
    page = Page()
    page.there = {"there"}
    page.state.record(Requirement("failed"), "failed")
    page.missing.after_change(["a"], ["a", "b"])
    assert page.looked_up == []
    page.missing.after_change(["a", "there", "failed"], ["a"])
    # Another module of the same package is still imported.
    page.missing.after_change(["yaml", "_yaml"], ["_yaml"])
    assert page.told == []
