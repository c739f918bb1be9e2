"""Finding out what a notebook misses: from an error, or from the modules it imports."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import sys
from typing import TYPE_CHECKING, Final

from callboard.actors.packages.modules import distributed_name
from callboard.actors.packages.requirements import RefusedRequirement, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_OWN: Final = "callboard"
_LONGEST_CHAIN: Final = 100

_HINT: Final = re.compile(r"\bpip3?[ \t]+install[ \t]+")
_LAUNCHER: Final = re.compile(
    r"[!%$]?[ \t]*(?:sudo[ \t]+)?(?:uv[ \t]+|python[\d.]*[ \t]+-m[ \t]+)?$"
)
_QUOTES: Final = {"`": "`", "'": "'", '"': '"', "‘": "’", "“": "”"}
_VALUE_OPTIONS: Final = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-t", "--target"}
    | {"-i", "--index-url", "--extra-index-url", "--index", "-f", "--find-links"}
    | {"--python", "--prefix", "--root", "--platform"}
)
_SENTENCE_WORDS: Final = frozenset(
    {"and", "before", "first", "for", "from", "if", "in", "into", "or", "then", "to", "via", "with"}
)
_LONGEST_TEXT: Final = 20_000
_LONGEST_LAUNCHER: Final = 60
_LONGEST_HINT: Final = 500

_NO_MODULE: Final = re.compile(r"^No module named ['\"]?([\w.]+)")
_OPTIONAL_DEPENDENCY: Final = re.compile(r"(?i)\bmissing optional dependency ['\"`]([\w.-]+)['\"`]")
_PARQUET_ENGINE: Final = re.compile(r"(?is)\busable engine\b.*\bpyarrow\b|\bpyarrow\b.*\bparquet\b")


def is_importable(module: str) -> bool:
    """Tell whether a module can be found, without importing any part of it.

    The top-level package decides, except below a namespace that distributions share, where it is
    the part that ships apart. A name that `sys.modules` blocks with None cannot be found. In doubt,
    because a finder raises, it can. Reads directories.
    """
    path: Sequence[str] | None = None
    name = ""
    for part in distributed_name(module).split("."):
        name = f"{name}.{part}" if name else part
        if name in sys.modules:
            loaded: object = sys.modules[name]
            if loaded is None:
                return False
            path = _path_of(loaded)
            continue
        try:
            found, path = _locate(name, path)
        except Exception:
            return True
        if not found:
            return False
    return True


def missing_imports(
    modules: Iterable[str], *, importable: Callable[[str], bool] = is_importable
) -> frozenset[str]:
    """Select the modules that cannot be found, each cut down to what is distributed as a whole.

    Relative imports, the standard library (also where it lacks a module on this system) and
    callboard itself are never missing. Reads directories; raises nothing.
    """
    names = {distributed_name(module) for module in modules if _may_be_missing(module)}
    return frozenset(name for name in names if not importable(name))


def missing_from_error(
    error: BaseException, *, importable: Callable[[str], bool] = is_importable
) -> frozenset[str]:
    """Name what an error says is missing: modules, else packages (with extras, where told so).

    Looked at are the import errors that the error is, holds (a group) or was caused by. The
    outermost one that names a module which cannot be found counts; where none does, the packages in
    a "pip install" hint of a message; where there is none, texts that are known. Empty: the error
    is about no missing package.
    """
    if isinstance(error, BaseExceptionGroup):
        parts = (missing_from_error(part, importable=importable) for part in error.exceptions)
        return frozenset().union(*parts)
    chain = [link for link in _chain(error) if isinstance(link, ImportError)]
    for link in chain:
        module = _module_named_by(link)
        if module and _may_be_missing(module) and not importable(module):
            return frozenset({distributed_name(module)})
    for link in chain:
        packages = packages_in_hint(_text(link))
        if packages:
            return frozenset(packages)
    for link in chain:
        text = _text(link)
        if _PARQUET_ENGINE.search(text):
            return frozenset({"pyarrow"})
        optional = _OPTIONAL_DEPENDENCY.search(text)
        if optional is not None:
            return frozenset({optional[1]})
    return frozenset()


def packages_in_hint(text: str) -> list[str]:
    """Read the packages out of a "pip install" hint, in its order; options are skipped.

    A quoted hint, or one that begins a line, may name several packages; inside a sentence only the
    first word can be told from what follows. Versions are left out, extras are kept.
    """
    for hint in _HINT.finditer(text):
        start, end = hint.span()
        line = text[max(0, start - _LONGEST_LAUNCHER) : start].rpartition("\n")[2]
        before = _LAUNCHER.sub("", line)
        rest = text[end : end + _LONGEST_HINT].partition("\n")[0]
        closing = _QUOTES.get(before[-1:])
        if closing is not None and closing in rest:
            packages = _packages(rest.partition(closing)[0], several=True)
        else:
            packages = _packages(rest, several=not before.strip(" \t>#*-"))
        if packages:
            return packages
    return []


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to its causes.

    A cause that was not declared counts only for an import error: other errors merely happened
    while something was missing.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(id(link))
        yield link
        if link.__cause__ is not None:
            link = link.__cause__
        elif isinstance(link, ImportError) and not link.__suppress_context__:
            link = link.__context__
        else:
            link = None


def _module_named_by(error: ImportError) -> str | None:
    name: object = error.name
    if isinstance(name, str) and name:
        return name
    told = _NO_MODULE.match(_text(error)) if isinstance(error, ModuleNotFoundError) else None
    return told[1] if told is not None else None


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_LONGEST_TEXT]
    except Exception:
        # The class is the user's, and so is its way to turn into text.
        return ""


def _may_be_missing(module: str) -> bool:
    top = module.partition(".")[0]
    return bool(top) and top != _OWN and top not in sys.stdlib_module_names


def _path_of(loaded: object) -> Sequence[str] | None:
    try:
        path = getattr(loaded, "__path__", None)
        return list(path) if path is not None else None
    except Exception:
        # Not a module at all, or a lazy one that fails to load.
        return None


def _locate(name: str, path: Sequence[str] | None) -> tuple[bool, Sequence[str] | None]:
    """Look one module up; return whether it is there and where its submodules are.

    A submodule is looked for in the directories of its parent alone: `importlib.util.find_spec`
    would import the parent.
    """
    if "." not in name:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return False, None
        locations = spec.submodule_search_locations
        return True, list(locations) if locations is not None else None
    portions: list[str] = []
    for directory in path or ():
        finder = pkgutil.get_importer(directory)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is None:
            continue
        if spec.loader is not None:
            return True, spec.submodule_search_locations
        portions += spec.submodule_search_locations or ()
    return bool(portions), portions


def _packages(words: str, *, several: bool) -> list[str]:
    found: list[str] = []
    skip = False
    for word in words.split():
        if skip:
            skip = False
            continue
        bare = word.strip("`'\"‘’“”")
        if bare.startswith("-"):
            skip = bare in _VALUE_OPTIONS
            continue
        ends = bare.endswith((".", ",", ";", ":", "!", "?", ")"))
        bare = bare.rstrip(".,;:!?)").strip("`'\"‘’“”")
        if bare.lower() in _SENTENCE_WORDS:
            break
        try:
            found.append(parse_requirement(bare).label)
        except RefusedRequirement:
            break
        if ends or not several:
            break
    return found
