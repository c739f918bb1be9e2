"""Reads dotenv files, whatever is in their place, and in bounded time and memory."""

from __future__ import annotations

import io
import os
import re
import stat
from collections import ChainMap
from collections.abc import Iterable, Mapping
from itertools import islice

import attrs

from callboard.actors.secrets.sources import names

MAX_BYTES = 1_000_000
"""Bytes of one file."""
MAX_STATEMENTS = 20_000
"""Variables, comments and blank passages of one file."""
MAX_KEYS = 5_000
"""Variables of one file. The C library looks through all of them for each that is set."""
MAX_VALUE = 128 * 1024 - 1
"""Bytes of ``NAME=value``: with a longer one in its environment, Linux starts no process."""

_MAX_STEPS = 4_000_000
"""Steps that a pattern of python-dotenv may take: it goes through a run of blanks, or behind a ``${``, over and over,
and while it does no other thread of the process gets on."""

_NAME = re.compile(r"[^\W\d][\w.-]{0,254}")
_BLANKS = re.compile(r"[^\S\r\n]+")
_PADDED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{16,}")


@attrs.frozen
class DotenvFile:
    """What was found in the place of a dotenv file. The repr shows names alone."""

    path: str
    values: Mapping[str, str] = attrs.field(factory=dict, repr=names)
    """As they are written there, references to other variables not replaced; empty if there is no file."""
    problem: str | None = None
    """What could not be read; it holds nothing of what is written there."""
    usable: bool = True
    """Whether any of it could be read. That there is no such file is no problem."""

    @property
    def name(self) -> str:
        """What the file is listed as."""
        return os.path.basename(self.path) or self.path


def read(path: str) -> DotenvFile:
    """Read a file. Blocks for as long as the file system does; never raises.

    Only regular files are opened, so that neither a pipe nor a device is waited for.
    """
    try:
        content = _content(path)
    except (FileNotFoundError, NotADirectoryError):
        return DotenvFile(path)
    except OSError as error:
        return DotenvFile(path, problem=error.strerror or type(error).__name__, usable=False)
    except _Unfit as error:
        return DotenvFile(path, problem=str(error), usable=False)
    except UnicodeDecodeError:
        return DotenvFile(path, problem="it is not UTF-8 text", usable=False)
    except ValueError:
        return DotenvFile(path, problem="there can be no file of this name", usable=False)
    try:
        return _parse(path, content)
    except _Unfit as error:
        return DotenvFile(path, problem=str(error), usable=False)


class _Unfit(Exception):
    """It is not what a dotenv file is."""


def _content(path: str) -> str:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise _Unfit("it is not a regular file")
    # It may have become another since: opening a pipe waits for its writer unless told not to.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _Unfit("it is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unfit(f"it has more than {MAX_BYTES} bytes")
    if b"\0" in data:
        raise _Unfit("it is not a text file")
    return data.decode("utf-8-sig")


def _parse(path: str, content: str) -> DotenvFile:
    from dotenv.parser import parse_stream

    if sum(len(blanks) ** 2 for blanks in _BLANKS.findall(content)) > _MAX_STEPS:
        raise _Unfit("it has too many blanks in a row")
    values: dict[str, str] = {}
    bad: list[int] = []
    statements = list(islice(parse_stream(io.StringIO(content)), MAX_STATEMENTS + 1))
    if len(statements) > MAX_STATEMENTS:
        raise _Unfit(f"it has more than {MAX_STATEMENTS} statements")
    for statement in statements:
        key, value = statement.key, statement.value
        if key is None and not statement.error:
            continue
        if key is None or not _NAME.fullmatch(key) or value is None or _is_remainder(key, value):
            bad.append(statement.original.line)
        else:
            values[key] = value
    if len(values) > MAX_KEYS:
        raise _Unfit(f"it has more than {MAX_KEYS} variables")
    if sum(value.count("${") * len(value) for value in values.values()) > _MAX_STEPS:
        raise _Unfit("it has too many references in one value")
    if not bad:
        return DotenvFile(path, values)
    many = f"{len(bad)} statements" if len(bad) > 1 else "one statement"
    return DotenvFile(path, values, f"{many} could not be read, at line {bad[0]} the first")


def _is_remainder(key: str, value: str) -> bool:
    """Tell whether this is how a key or certificate ends that was pasted without quotes: it looks like a name then.

    The last line of Base64 text has ``=`` for padding. What stands before is no name but a piece of the secret.
    """
    return value in ("", "=") and _PADDED.fullmatch(key) is not None


def resolve(
    files: Iterable[Mapping[str, str]], environ: Mapping[str, str]
) -> tuple[list[dict[str, str]], list[str]]:
    """Replace the references to other variables in what several files say.

    ``${NAME}`` and ``${NAME:-default}`` stand for what NAME is once all is loaded: the environment's own if it has
    one, else that of an earlier file or further up. Returns the values of each file, and the names of the variables
    that are left out because they, or with them the file, become too long. Pure.
    """
    known: dict[str, str] = dict(environ)
    resolved: list[dict[str, str]] = []
    left_out: list[str] = []
    for values in files:
        mine: dict[str, str] = {}
        room = MAX_BYTES
        for key, value in values.items():
            text = _replaced(value, ChainMap(known, mine))
            size = 0 if text is None else len(f"{key}={text}".encode())
            if text is None or size > min(MAX_VALUE, room):
                left_out.append(key)
            else:
                mine[key] = text
                room -= size
        resolved.append(mine)
        known = {**mine, **known}
    return resolved, left_out


def _replaced(value: str, known: Mapping[str, str]) -> str | None:
    if "${" not in value:
        return value
    from dotenv.variables import parse_variables

    pieces: list[str] = []
    length = 0
    for piece in parse_variables(value):
        pieces.append(piece.resolve(known))
        length += len(pieces[-1])
        if length > MAX_VALUE:
            return None
    return "".join(pieces)
