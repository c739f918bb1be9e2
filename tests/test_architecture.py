"""Who may import whom: the layering of the package, read from the sources and held here.

A rule is checked on every import statement, those inside functions and under ``TYPE_CHECKING``
included unless the rule says "when loaded": those two do not run when the module is loaded.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "callboard"

# Ports every domain may use; everything else directly under actors/ is a domain.
SHARED_PORTS = frozenset(
    {"announcing", "answering", "domain", "host", "outbox", "progress", "quiet", "requests"}
)

# Testable without trio, and so free of it together with all they load from this package.
PURE = (
    "callboard.messages",
    "callboard.authoring",
    "callboard.caching",
    "callboard.ui",
    "callboard.percent",
    "callboard.redaction",
    "callboard.engines",
    "callboard.sqlparse",
    "callboard.actors.notebook.analysis",
    "callboard.actors.notebook.graph",
    "callboard.actors.notebook.plan",
    "callboard.actors.notebook.formatting",
    "callboard.actors.notebook.variables",
    "callboard.actors.packages.requirements",
    "callboard.actors.packages.managers",
    "callboard.actors.packages.modules",
    "callboard.actors.packages.missing",
    "callboard.actors.secrets.sources",
    "callboard.actors.secrets.dotenv_file",
    "callboard.actors.secrets.locations",
)


@attrs.frozen
class Import:
    """One imported dotted name, and where and when it is imported."""

    importer: str
    imported: str
    file: str
    line: int
    when_loaded: bool


@attrs.frozen
class Rule:
    """A sentence about imports, and the imports that break it."""

    text: str
    broken_by: Callable[[Import], bool]

    def violations(self, imports: Iterable[Import]) -> list[str]:
        return [
            f"{found.file}:{found.line}: {found.importer} imports {found.imported}: {self.text}"
            for found in imports
            if self.broken_by(found)
        ]


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def domain_of(module: str) -> str | None:
    """The domain a dotted name belongs to: the module or package directly under actors/."""
    parts = module.split(".")
    if parts[:2] != [PACKAGE, "actors"] or len(parts) < 3 or parts[2] in SHARED_PORTS:
        return None
    return parts[2]


def keeps_to(package: str, *allowed: str) -> Rule:
    name = package.removeprefix(PACKAGE + ".")
    rest = " and ".join([name, *(other.removeprefix(PACKAGE + ".") for other in allowed)])
    return Rule(
        f"of {PACKAGE}, {name} imports only {rest}",
        lambda found: (
            within(found.importer, package)
            and within(found.imported, PACKAGE)
            and not within(found.imported, package, *allowed)
        ),
    )


def avoids(package: str, *others: str, when_loaded: bool = False) -> Rule:
    name = package.removeprefix(PACKAGE + ".")
    return Rule(
        f"{name} does not import {', '.join(other.removeprefix(PACKAGE + '.') for other in others)}"
        + (" when loaded" if when_loaded else ""),
        lambda found: (
            within(found.importer, package)
            and within(found.imported, *others)
            and (found.when_loaded or not when_loaded)
        ),
    )


RULES = (
    keeps_to("callboard.messages"),
    avoids("callboard.messages", "trio"),
    keeps_to("callboard.runtime", "callboard.redaction"),
    keeps_to("callboard.engines", "callboard.messages", "callboard.redaction"),
    avoids("callboard.engines", "trio"),
    keeps_to("callboard.redaction"),
    avoids("callboard.actors", "dotenv", when_loaded=True),
    avoids("callboard.authoring", "trio", "callboard.runtime", "callboard.actors"),
    avoids("callboard.authoring", "callboard.messages", when_loaded=True),
    avoids("callboard.caching", "trio", "callboard.runtime", "callboard.actors"),
    avoids("callboard.caching", "callboard.messages", when_loaded=True),
    avoids("callboard.ui", "trio", "callboard.runtime", "callboard.actors"),
    keeps_to("callboard.sqlparse", "callboard.messages"),
    avoids("callboard.ui", "callboard.messages", when_loaded=True),
    Rule(
        "a domain imports no other domain",
        lambda found: (
            (mine := domain_of(found.importer)) is not None
            and (other := domain_of(found.imported)) is not None
            and other != mine
        ),
    ),
    Rule(
        "the shared ports of actors import no domain",
        lambda found: (
            within(found.importer, "callboard.actors")
            and domain_of(found.importer) is None
            and domain_of(found.imported) is not None
        ),
    ),
    Rule(
        "only the kernel package names the domains; process.py may name the notebook, whose cells it runs, "
        "testing what it stands in for, and the demonstration packages, for which it makes an environment",
        lambda found: (
            not within(found.importer, "callboard.kernel")
            and not within(found.importer, "callboard.actors", "callboard.testing")
            and (domain := domain_of(found.imported)) is not None
            and (found.importer, domain) != ("callboard.process", "notebook")
            and not (within(found.importer, "callboard.cli.demo") and domain == "packages")
        ),
    ),
    Rule(
        "actors do not import the kernel that composes them, nor what is built on it",
        lambda found: (
            within(found.importer, "callboard.actors", "callboard.runtime", "callboard.messages")
            and within(
                found.imported,
                "callboard.kernel",
                "callboard.server",
                "callboard.cli",
                "callboard.embed",
                "callboard.testing",
            )
        ),
    ),
)


def imports_of(source: str, module: str, file: str, *, is_package: bool = False) -> list[Import]:
    """Every import of one module: statements, relative ones resolved, and literal dynamic ones.

    ``from a import b`` counts as ``a.b``, which a rule about ``a`` covers as well.
    """
    package = module if is_package else module.rpartition(".")[0]
    found: list[Import] = []

    def add(imported: str, node: ast.stmt | ast.expr, when_loaded: bool) -> None:
        found.append(Import(module, imported, file, node.lineno, when_loaded))

    def visit(node: ast.AST, when_loaded: bool) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    add(alias.name, node, when_loaded)
            case ast.ImportFrom(module=source_module, names=names, level=level):
                base = source_module or ""
                if level:
                    parts = package.split(".")
                    anchor = ".".join(parts[: len(parts) - level + 1])
                    base = f"{anchor}.{base}" if base else anchor
                for alias in names:
                    add(base if alias.name == "*" else f"{base}.{alias.name}", node, when_loaded)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                add(name, node, when_loaded)
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for child in node.body:
                    visit(child, False)
                for child in node.orelse:
                    visit(child, when_loaded)
                return
        inside = when_loaded and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        for branch in ast.iter_child_nodes(node):
            visit(branch, inside)

    visit(ast.parse(source, file), True)
    return found


def read_imports(root: Path) -> Iterator[Import]:
    for path in sorted((root / PACKAGE).rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        yield from imports_of(
            path.read_text(encoding="utf-8"), module, str(relative), is_package=is_package
        )


def loads(module: str, imports: Iterable[Import]) -> Mapping[str, tuple[Import, ...]]:
    """Every name loaded with a module, directly or not, with the chain of imports to it.

    Parent packages are not followed: their ``__init__`` is a convenience for users.
    """
    by_importer: dict[str, list[Import]] = {}
    for found in imports:
        if found.when_loaded:
            by_importer.setdefault(found.importer, []).append(found)
    chains: dict[str, tuple[Import, ...]] = {}
    pending: list[tuple[str, tuple[Import, ...]]] = [
        (importer, ()) for importer in by_importer if within(importer, module)
    ]
    while pending:
        name, chain = pending.pop()
        for found in by_importer.get(name, ()):
            # ``from a import b`` may name the module a.b or something inside the module a.
            for target in (found.imported, found.imported.rpartition(".")[0]):
                if target and target not in chains and not within(target, module):
                    chains[target] = (*chain, found)
                    if target in by_importer:
                        pending.append((target, chains[target]))
                        break
    return chains


@pytest.fixture(scope="module")
def tree() -> list[Import]:
    return list(read_imports(ROOT))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_the_sources_keep_the_rule(rule: Rule, tree: list[Import]) -> None:
    violations = rule.violations(tree)
    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_no_trio(module: str, tree: list[Import]) -> None:
    chain = loads(module, tree).get("trio", ())
    path = "\n".join(
        f"{step.file}:{step.line}: {step.importer} imports {step.imported}" for step in chain
    )
    assert not chain, f"\n{path}\n{module} is pure and loads no trio"


def test_every_module_called_pure_is_there(tree: list[Import]) -> None:
    modules = {found.importer for found in tree}
    assert [name for name in PURE if not any(within(module, name) for module in modules)] == []


def test_importing_the_package_loads_neither_trio_nor_a_codec() -> None:
    script = (
        "import sys, callboard; "
        "print(*sorted({'trio', 'msgspec', 'cattrs'} & set(sys.modules)), end='')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout == "", f"import callboard loads {ran.stdout}"


PLANTED = {
    "messages import trio": ("callboard.messages.codec", "import attrs\nimport trio.abc", 2),
    "messages import the runtime": (
        "callboard.messages.codec",
        "from ..runtime import envelope",
        1,
    ),
    "the runtime imports messages": (
        "callboard.runtime.router",
        "def f():\n    from callboard.messages import commands",
        2,
    ),
    "the runtime imports actors": (
        "callboard.runtime.router",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import callboard.actors.host",
        3,
    ),
    "engines import the runtime": ("callboard.engines.calls", "from callboard import runtime", 1),
    "engines import trio": ("callboard.engines.calls", "def f():\n    import trio", 2),
    "engines import a domain": (
        "callboard.engines.engine",
        "from callboard.actors.datasets import listing",
        1,
    ),
    "the ui imports the runtime": ("callboard.ui.element", "from .. import runtime", 1),
    "the ui imports trio": (
        "callboard.ui.element",
        "import importlib\n\nimportlib.import_module('trio')",
        3,
    ),
    "the ui loads messages": ("callboard.ui.element", "import callboard.messages.ids", 1),
    "authoring loads messages": (
        "callboard.authoring.context",
        "from callboard.messages.payloads import HTTPRequest",
        1,
    ),
    "a domain imports another": (
        "callboard.actors.sql",
        "from callboard.actors.datasets import listing",
        1,
    ),
    "a domain package imports another through a name": (
        "callboard.actors.notebook.engine",
        "from .. import packages",
        1,
    ),
    "a shared port imports a domain": (
        "callboard.actors.host",
        "from .notebook.engine import Engine",
        1,
    ),
    "the server names a domain": ("callboard.server.app", "import callboard.actors.sql", 1),
    "the process names another domain than the notebook": (
        "callboard.process",
        "from callboard.actors.sql import listing",
        1,
    ),
    "a domain imports the kernel": ("callboard.actors.sql", "from callboard import kernel", 1),
}


@pytest.mark.parametrize(("module", "source", "line"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_named_with_file_line_and_rule(
    module: str, source: str, line: int
) -> None:
    found = imports_of(source, module, "planted.py")
    reports = [(rule, report) for rule in RULES for report in rule.violations(found)]
    assert reports
    for rule, report in reports:
        assert report.startswith(f"planted.py:{line}: {module} imports ")
        assert report.endswith(rule.text)


ALLOWED = {
    "engines import payloads and redaction": (
        "callboard.engines.engine",
        "from callboard.messages.payloads import Schema\nfrom callboard.redaction import without_credentials",
    ),
    "a domain imports the ports": (
        "callboard.actors.notebook.engine",
        "from ..host import NotebookHost\nfrom callboard.actors import domain",
    ),
    "a domain imports itself": ("callboard.actors.notebook.engine", "from . import graph"),
    "a domain of a longer name is itself": (
        "callboard.actors.sql",
        "import callboard.actors.sql\nfrom callboard.messages import payloads\nimport trio",
    ),
    "the kernel imports every domain": (
        "callboard.kernel",
        "from callboard.actors import notebook, sql\nfrom callboard.runtime.router import Router",
    ),
    "the ui imports messages for annotations": (
        "callboard.ui.element",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import callboard.messages.ids",
    ),
    "the process imports the notebook": (
        "callboard.process",
        "from callboard.actors.notebook.console import ConsoleStream",
    ),
    "the demonstration imports packages": (
        "callboard.cli.demo.installation",
        "from callboard.actors.packages.environment import create_environment",
    ),
    "authoring imports messages lazily": (
        "callboard.authoring.context",
        "def f():\n    from callboard.messages.payloads import HTTPRequest",
    ),
    "a name that begins alike": ("callboard.messages.codec", "import trio_typing"),
}


@pytest.mark.parametrize(("module", "source"), ALLOWED.values(), ids=ALLOWED.keys())
def test_an_allowed_import_breaks_no_rule(module: str, source: str) -> None:
    found = imports_of(source, module, "allowed.py")
    assert found
    assert not [report for rule in RULES for report in rule.violations(found)]


def test_a_planted_load_of_trio_is_found_through_other_modules() -> None:
    found = [
        *imports_of("from . import b", "callboard.a", "a.py"),
        *imports_of("from callboard.c import name", "callboard.b", "b.py"),
        *imports_of("import os\nfrom trio import sleep", "callboard.c", "c.py"),
    ]
    chain = loads("callboard.a", found)["trio"]
    assert [(step.file, step.line) for step in chain] == [("a.py", 1), ("b.py", 1), ("c.py", 2)]


def test_a_lazy_import_of_trio_is_no_load() -> None:
    found = imports_of("def f():\n    import trio", "callboard.a", "a.py")
    assert "trio" not in loads("callboard.a", found)
