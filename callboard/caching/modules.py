"""Digests of modules and classes: by name where they are installed, by their code where they are the author's own."""

from __future__ import annotations

import os
import sys
import sysconfig
import types
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callboard.caching.content import Hasher

_MACHINERY = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__annotations__",
        "__annotate_func__",
        "__annotations_cache__",
        "__firstlineno__",
        "__slotnames__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__parameters__",
        "__orig_bases__",
    }
)


def is_installed(name: str) -> bool:
    """Whether a module is part of Python or of an installed package, and so is told from others by its name."""
    if name == "__main__":
        return False
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        top = name.partition(".")[0]
        return top in sys.builtin_module_names or top in sys.stdlib_module_names
    return _under_installed(file)


@lru_cache(maxsize=4096)
def _under_installed(file: str) -> bool:
    file = os.path.abspath(file)
    if file.startswith(_OWN):
        return True
    parts = file.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    return file.startswith(tuple(_LIBRARIES))


_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = {
    os.path.abspath(folder) + os.sep
    for key, folder in sysconfig.get_paths().items()
    if key in {"stdlib", "platstdlib"} and folder
}


def version_of(name: str) -> str:
    """Return the version of the package a module belongs to; empty if it tells none."""
    top = name.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(version, str):
        return version
    if top in sys.stdlib_module_names:
        return sys.version.partition(" ")[0]
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as distribution_version

    try:
        return distribution_version(top)
    except (PackageNotFoundError, ValueError):
        return ""


def module_digest(hasher: Hasher, module: types.ModuleType) -> bytes:
    """Return the digest of a module: its name, with its version if modules are pinned.

    That of a module which is not installed also holds the code of the functions and classes it defines.
    """
    name = module.__name__
    version = version_of(name) if hasher.pin_modules else ""
    if is_installed(name):
        return hasher.combine("module", name, version)
    own = [
        (key, hasher.digest(value))
        for key, value in sorted(vars(module).items())
        if isinstance(value, types.FunctionType | type) and value.__module__ == name
    ]
    return hasher.combine("module", name, version, own)


def class_digest(hasher: Hasher, kind: type) -> bytes:
    """Return the digest of a class: its name, and what it defines unless it is installed."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if is_installed(kind.__module__):
        version = version_of(kind.__module__) if hasher.pin_modules else ""
        return hasher.combine("class", name, version)
    members = [
        (hasher.rename(key), _member_digest(hasher, key, value))
        for key, value in sorted(vars(kind).items())
        if key not in _MACHINERY
    ]
    return hasher.combine("class", kind.__qualname__, hasher.all(kind.__bases__), members)


def _member_digest(hasher: Hasher, key: str, value: Any) -> bytes:
    from callboard.caching.content import Unkeyable

    try:
        return hasher.digest(value)
    except Unkeyable:
        # Such as a lock or a registry that the class keeps: part of how it works, not of what it means.
        return hasher.combine("member", key, type(value).__qualname__)
