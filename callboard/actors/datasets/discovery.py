"""Which data sources the environment is set up for, read off the names of variables, never their values.

Pure, apart from `take_surroundings`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from callboard.messages.payloads import DetectedDataSource

_log = logging.getLogger(__name__)


def _frozen(environ: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(environ))


@attrs.frozen
class IcebergFile:
    """The Iceberg configuration file that is in effect. ``place`` says for people where it was found."""

    place: str
    text: str = attrs.field(repr=False)


@attrs.frozen
class Surroundings:
    """What detectors look at: one moment of the environment, the same for all of them."""

    environ: Mapping[str, str] = attrs.field(converter=_frozen, repr=False)
    iceberg: IcebergFile | None = None

    def has(self, *names: str) -> bool:
        """Whether all these variables are set; an empty one is not."""
        return all(self.environ.get(name) for name in names)

    def present(self, names: Iterable[str]) -> list[str]:
        """Return those of some variables that are set, in the order given."""
        return [name for name in names if self.has(name)]

    def port_is_usable(self, name: str) -> bool:
        """Whether a variable is unset or holds a TCP port."""
        value = self.environ.get(name)
        return not value or (
            value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 65535
        )


Detector = Callable[[Surroundings], Iterable[DetectedDataSource]]


def detect(surroundings: Surroundings, detectors: Sequence[Detector]) -> list[DetectedDataSource]:
    """Ask each detector in turn; of several sources with one id the first counts.

    A detector that fails is skipped, with all it would have found.
    """
    found: dict[str, DetectedDataSource] = {}
    for detector in detectors:
        try:
            sources = list(detector(surroundings))
        except Exception as error:
            # Only the type: the text may hold what a variable says.
            _log.warning("a detector of data sources failed: %s", type(error).__name__)
            continue
        for source in sources:
            found.setdefault(source.id, source)
    return list(found.values())


_ICEBERG_FILE: Final = ".pyiceberg.yaml"
_MAX_FILE: Final = 1_000_000


def take_surroundings(environ: Mapping[str, str]) -> Surroundings:
    """Take a snapshot of the environment, and of the file that PyIceberg would read first. Reads files."""
    places = (
        (environ.get("PYICEBERG_HOME"), "PYICEBERG_HOME"),
        (os.path.expanduser("~"), "the home directory"),
        (os.curdir, "the working directory"),
    )
    for directory, place in places:
        if not directory:
            continue
        try:
            with open(os.path.join(directory, _ICEBERG_FILE), "rb") as file:
                text = file.read(_MAX_FILE).decode(errors="replace")
        except OSError:
            continue
        return Surroundings(environ, IcebergFile(f"{_ICEBERG_FILE} in {place}", text))
    return Surroundings(environ)


_CATALOG_VARIABLE: Final = re.compile(r"(?i)pyiceberg_catalog__(.+?)__.+")
_KEY: Final = re.compile(r"""( *)(?:"([^"]+)"|'([^']+)'|([^\s#'":\[{][^:#]*?))\s*:(?:\s|$)""")


def iceberg_catalogs(surroundings: Surroundings) -> dict[str, list[str]]:
    """Name the Iceberg catalogs that are configured, each with the environment variables for it, if any.

    PyIceberg reads `PYICEBERG_CATALOG__MY_NAME__URI` as the catalog `my-name`.
    """
    catalogs: dict[str, list[str]] = {}
    for variable in sorted(surroundings.environ):
        match = _CATALOG_VARIABLE.fullmatch(variable)
        if match and surroundings.has(variable):
            name = match.group(1).lower().replace("_", "-")
            catalogs.setdefault(name, []).append(variable)
    if surroundings.iceberg is not None:
        for name in _names_in(surroundings.iceberg.text):
            catalogs.setdefault(name, [])
    return catalogs


def _names_in(text: str) -> list[str]:
    """Return the keys under the top-level key ``catalog``; PyIceberg takes block mappings only."""
    names: list[str] = []
    inside, depth = False, 0
    for line in text.splitlines():
        match = _KEY.match(line)
        if match is None:
            continue
        indent = len(match.group(1))
        key = next(group for group in match.groups()[1:] if group is not None)
        if indent == 0:
            inside, depth = key.lower() == "catalog", 0
        elif inside:
            depth = depth or indent
            if indent == depth:
                names.append(key.lower())
    return names
