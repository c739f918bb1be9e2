"""What must not be told of a storage: the credentials it was opened with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from callboard.actors.storage.entries import encodable
from callboard.redaction import HIDDEN, Redactor

_SECRET_NAME: Final = re.compile(
    r"(?i)key|secret|token|passw|pwd|credential|sas\b|connection_?string|auth|cookie"
)
_NO_SECRETS: Final = frozenset(
    {"anon", "browser", "cache", "cloud", "default", "false", "google_default", "none", "true"}
)
_PAIR: Final = re.compile(
    r"(?i)(?<![\w-])((?:account|access|secret|shared|api)[-_ ]?(?:access[-_ ]?)?key(?:[-_ ]?id)?"
    r"|aws_?access_?key_?id|password|passwd|pwd|sharedaccesssignature|[\w-]*token)"
    r"(['\"]?\s*(?:=|:)\s*['\"]?)[^\s'\";,<>&]+"
)
_ELEMENT: Final = re.compile(
    r"(?is)(<(awsaccesskeyid|signatureprovided|stringtosign|stringtosignbytes|canonicalrequest"
    r"|canonicalrequestbytes)>).*?(</\2>|$)"
)
_DETAILS: Final = "\n\nDebug source:"
_MAX_TEXT: Final = 2000
_MAX_READ: Final = 8_000
_MAX_DEPTH: Final = 4


def secrets_in(options: object, *, depth: int = 0) -> Iterator[str]:
    """Find the secrets among the options that a storage was made with: by their names, and inside addresses."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(options, Mapping):
        for name, value in options.items():
            if isinstance(name, str) and _SECRET_NAME.search(name):
                yield from _texts_in(value, depth)
            yield from secrets_in(value, depth=depth + 1)
    elif isinstance(options, list | tuple):
        for value in options:
            yield from secrets_in(value, depth=depth + 1)
    elif isinstance(options, str) and "://" in options:
        try:
            password = urlsplit(options).password
        except ValueError:
            return
        if password:
            yield password
            yield unquote(password)


def _texts_in(value: object, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value.lower() not in _NO_SECRETS:
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts_in(part, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts_in(part, depth + 1)


class StorageRedactor:
    """Makes texts about one storage fit to be shown. Text in, text out; never raises."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._redact = Redactor(secrets)

    def __call__(self, text: str) -> str:
        """Return the text without credentials and without the library's internals, and not endless."""
        text = text.partition(_DETAILS)[0]
        if len(text) > _MAX_READ:
            # The last word may be half of an address, in which the credentials can then not be told.
            text = text[:_MAX_READ].rpartition(" ")[0]
        text = _ELEMENT.sub(rf"\1{HIDDEN}\3", text)
        text = _PAIR.sub(rf"\1\2{HIDDEN}", self._redact(text))
        return encodable(text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…")
