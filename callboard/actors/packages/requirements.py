"""What a client may ask to install: packages by name, with extras, version and marker; no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as ParsedRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_LENGTH: Final = 4096
"""Characters that one request string may have."""

_REACH: Final = 32
"""Words that one requirement may have, its marker included."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:\S")
_PATH: Final = re.compile(r"[.~]|[A-Za-z]:|.*[/\\]")
_ARCHIVE: Final = re.compile(
    r".*\.(?:whl|zip|egg|tgz|tbz|txz|tlz|tar|gz|bz2|xz|lz|lzma)", re.IGNORECASE
)


class RefusedRequirement(ValueError):
    """A string that names no package; nothing is installed. The fault of whoever sent it."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text!r} {why}")
        self.text = text
        self.why = why


@attrs.frozen
class Requirement:
    """One package to install.

    ``name`` is spelled as asked for, ``key`` is the name that two spellings share. ``extras`` are
    normalised and sorted. ``specifier`` and ``marker`` are in the packaging standard's own syntax,
    empty where absent.
    """

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    marker: str = ""

    @property
    def key(self) -> str:
        """The normalised name: ``Foo.Bar`` and ``foo-bar`` are one package."""
        return canonicalize_name(self.name)

    @property
    def label(self) -> str:
        """Name and extras: how the package is called in notifications."""
        return f"{self.name}[{','.join(self.extras)}]" if self.extras else self.name

    def __str__(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.label}{self.specifier}{marker}"


def parse_requirement(text: str) -> Requirement:
    """Read a single requirement.

    Raises:
        RefusedRequirement: it is no name with extras, version and marker (the sender's fault).
    """
    requirement = _parse(text.strip(), text)
    if requirement is None:
        raise RefusedRequirement(text, _why_refused(text.strip()))
    return requirement


def split_requirements(text: str) -> list[Requirement]:
    """Read the requirements that one string holds, parted by white space, line ends or commas.

    Version ranges and markers stay with their package: ``a>=1, <2; python_version < '4' b[x,y]``
    is two. The longest stretch that reads as one requirement is taken each time.

    Raises:
        RefusedRequirement: some part is no requirement, or there is none (the sender's fault).
    """
    if len(text) > MAX_LENGTH:
        raise RefusedRequirement(f"{text[:60]}…", f"is longer than {MAX_LENGTH} characters")
    words = _part_by_commas(text).split()
    if not words:
        raise RefusedRequirement(text, "names no package")
    found: list[Requirement] = []
    start = 0
    while start < len(words):
        for end in range(_reach(words, start), start, -1):
            requirement = _parse(" ".join(words[start:end]), text)
            if requirement is not None:
                found.append(requirement)
                start = end
                break
        else:
            why = _why_refused(words[start])
            raise RefusedRequirement(
                text, why if len(words) == 1 else f"holds {words[start]!r}, which {why}"
            )
    return found


def requested(versions: Mapping[str, str | None]) -> list[Requirement]:
    """Read the packages of a command: one per name, in order of name.

    A key may hold several packages; its version then goes to each. ``""``, ``latest`` and None
    leave a package unpinned. Keys that name one package in different spellings are put together:
    extras and version bounds of all of them hold.

    Raises:
        RefusedRequirement: a key or a version is not acceptable (the sender's fault).
    """
    found: list[Requirement] = []
    for text, version in versions.items():
        pin = _pin(text, version)
        for requirement in split_requirements(text):
            found.append(attrs.evolve(requirement, specifier=_both(requirement.specifier, pin)))
    return merge(found)


def merge(requirements: Iterable[Requirement]) -> list[Requirement]:
    """Put requirements for the same package together, the first spelling kept; sorted by label.

    Raises:
        RefusedRequirement: one package is asked for under different markers.
    """
    by_key: dict[str, Requirement] = {}
    for requirement in requirements:
        known = by_key.get(requirement.key)
        if known is None:
            by_key[requirement.key] = requirement
            continue
        if known.marker != requirement.marker:
            raise RefusedRequirement(
                str(requirement),
                f"asks for {known.name} under another condition than {str(known)!r}",
            )
        by_key[requirement.key] = attrs.evolve(
            known,
            extras=tuple(sorted({*known.extras, *requirement.extras})),
            specifier=_both(known.specifier, requirement.specifier),
        )
    return sorted(by_key.values(), key=lambda requirement: requirement.label)


def _pin(text: str, version: str | None) -> str:
    cleaned = (version or "").strip()
    if cleaned in ("", "latest"):
        return ""
    try:
        # "2.*" is no version, but the part before the star has to be one.
        Version(cleaned.removesuffix(".*"))
    except InvalidVersion:
        raise RefusedRequirement(text, f"has a version that is none: {cleaned!r}") from None
    return f"=={cleaned}"


def _both(first: str, second: str) -> str:
    if not first or not second:
        return first or second
    return str(SpecifierSet(first) & SpecifierSet(second))


def _part_by_commas(text: str) -> str:
    """Turn the commas between packages into spaces; those inside a package stay."""
    parts: list[str] = []
    depth = 0
    quote = ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in "])":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            rest = text[position + 1 :].lstrip()
            # What goes on with an operator is one more bound of the same package.
            if not rest.startswith(("<", ">", "=", "!", "~")):
                character = " "
        parts.append(character)
    return "".join(parts)


def _parse(text: str, sent: str) -> Requirement | None:
    try:
        parsed = ParsedRequirement(text)
    except InvalidRequirement:
        return None
    if parsed.url is not None:
        raise RefusedRequirement(sent, "points to a URL; only names of packages are accepted")
    if _ARCHIVE.fullmatch(parsed.name):
        # Installers take such a name for a file where one of that name exists.
        raise RefusedRequirement(sent, "is a file name; only names of packages are accepted")
    return Requirement(
        name=parsed.name,
        extras=tuple(sorted({canonicalize_name(extra) for extra in parsed.extras})),
        specifier=str(parsed.specifier),
        marker=str(parsed.marker) if parsed.marker is not None else "",
    )


def _reach(words: list[str], start: int) -> int:
    """Tell where the requirement that begins at ``start`` ends at the latest."""
    # Two names in a row part at once: long lists of names are read in linear time.
    if all(_NAME.fullmatch(word) for word in words[start : start + 2]):
        return start + 1
    return min(len(words), start + _REACH)


def _why_refused(text: str) -> str:
    if text.startswith("-"):
        kind = "is an option of the installer"
    elif _URL.match(text):
        kind = "is a URL"
    elif _PATH.match(text):
        kind = "is a path"
    else:
        return "is not the name of a package, with or without extras, version and marker"
    return f"{kind}; only names of packages are accepted"
