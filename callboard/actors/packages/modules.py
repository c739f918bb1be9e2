"""From the name one imports to the name one installs, and back."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from callboard.actors.packages.irregular_names import IRREGULAR_NAMES, SHARED_NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Mapping


def package_for_module(module: str) -> str:
    """Name the distribution that most likely provides a module.

    The longest dotted part that is known decides (``google.cloud.storage.blob`` is found by
    ``google.cloud.storage``); else it is the top-level name with ``_`` turned into ``-``. Extras
    (``pandas[parquet]``) are kept.
    """
    name, bracket, extras = module.partition("[")
    parts = name.strip().split(".")
    return _package_for(tuple(parts)) + bracket + extras


def distributed_name(module: str) -> str:
    """Cut a dotted module name down to the part that is distributed as a whole.

    That is the top-level name, except below a namespace that distributions share:
    ``google.cloud.storage.blob`` becomes ``google.cloud.storage``, ``os.path`` becomes ``os``.
    """
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        name = ".".join(parts[:length])
        if name in IRREGULAR_NAMES or ".".join(parts[: length - 1]) in SHARED_NAMESPACES:
            return name
    return parts[0]


def module_of_import(module: str, symbol: str | None = None) -> str:
    """Name the module that an import statement needs: ``from module import symbol``.

    Below a namespace that distributions share the symbol is the module (``from google.cloud import
    storage``); elsewhere it may be anything, and the module it comes from is meant.
    """
    if symbol is not None and symbol != "*" and module in SHARED_NAMESPACES:
        return f"{module}.{symbol}"
    return module


def modules_for_package(package: str) -> frozenset[str]:
    """Name the modules that a distribution may provide: the inverse of `package_for_module`.

    Known irregular names come first of all; the regular spelling is always among them, because a
    distribution may have both (``attrs`` has ``attr`` and ``attrs``).
    """
    name = package.partition("[")[0].strip()
    regular = name.replace("-", "_")
    canonical = canonicalize_name(name)
    found = {regular, regular.lower(), canonical.replace("-", "_")}
    found |= _modules_by_package().get(canonical, frozenset())
    prefixes = [
        (canonicalize_name(prefix) + "-", namespace)
        for namespace, prefix in SHARED_NAMESPACES.items()
    ]
    for prefix, namespace in sorted(prefixes, key=lambda pair: len(pair[0]), reverse=True):
        if canonical.startswith(prefix):
            found.add(f"{namespace}.{canonical.removeprefix(prefix).replace('-', '_')}")
            break
    return frozenset(found)


def _package_for(parts: tuple[str, ...]) -> str:
    for length in range(len(parts), 0, -1):
        package = IRREGULAR_NAMES.get(".".join(parts[:length]))
        if package is not None:
            return package
        prefix = SHARED_NAMESPACES.get(".".join(parts[: length - 1]))
        if prefix is not None:
            return f"{prefix}-{parts[length - 1]}".replace("_", "-")
    return parts[0].replace("_", "-")


@cache
def _modules_by_package() -> Mapping[str, frozenset[str]]:
    inverse: dict[str, set[str]] = {}
    for module, package in IRREGULAR_NAMES.items():
        inverse.setdefault(canonicalize_name(package), set()).add(module)
    return MappingProxyType({package: frozenset(names) for package, names in inverse.items()})
