"""Which objects are storages, told from their types without running any of the notebook's code."""

from __future__ import annotations

import enum
import weakref
from typing import Any, Final


class Kind(enum.Enum):
    """A library whose objects are storages."""

    OBSTORE = "obstore"
    HUGGINGFACE = "huggingface"
    FSSPEC = "fsspec"


_BASES: Final = (
    (
        Kind.OBSTORE,
        frozenset(
            ("obstore._store", name)
            for name in (
                "AzureStore",
                "GCSStore",
                "HTTPStore",
                "LocalStore",
                "MemoryStore",
                "S3Store",
            )
        ),
    ),
    (Kind.HUGGINGFACE, frozenset({("huggingface_hub.hf_api", "HfApi")})),
    (Kind.FSSPEC, frozenset({("fsspec.spec", "AbstractFileSystem")})),
)
"""In the order in which they are tried."""

_MAX_KNOWN: Final = 10_000

# What `type` itself answers, whatever a metaclass of the notebook would.
_MRO: Final = type.__dict__["__mro__"].__get__
_NAMESPACE: Final = type.__dict__["__dict__"].__get__
_QUALNAME: Final = type.__dict__["__qualname__"].__get__

# By identity: a metaclass may have made its classes unhashable, or hash them with code of its own.
_known: dict[int, tuple[weakref.ref[type], Kind | None]] = {}


def kind_of(cls: type) -> Kind | None:
    """Tell which kind of storage the instances of a class are, None: no storage. Quick; any thread; never raises."""
    found = _known.get(id(cls))
    if found is not None and found[0]() is cls:
        return found[1]
    names = {name_of(base) for base in _MRO(cls)}
    kind = next((kind for kind, bases in _BASES if not names.isdisjoint(bases)), None)
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[id(cls)] = (weakref.ref(cls), kind)
    return kind


def interesting(cls: type) -> bool:
    """Tell whether instances of a class are storages. Quick; any thread; never raises; imports nothing."""
    return kind_of(cls) is not None


def name_of(cls: type) -> tuple[str, str]:
    """Return the module and the qualified name of a class, without asking its metaclass."""
    module: Any = _NAMESPACE(cls).get("__module__")
    return (module if type(module) is str else "", str(_QUALNAME(cls)))


def belongs_to(cls: type, packages: frozenset[str]) -> bool:
    """Tell whether a class was defined in one of some packages, rather than derived from theirs elsewhere."""
    return name_of(cls)[0].partition(".")[0] in packages
