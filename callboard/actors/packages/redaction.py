"""Takes credentials out of what installers print, before anybody sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from callboard import redaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MIN_LONE_TOKEN: Final = 16

_SECRET_VARIABLE: Final = re.compile(
    r"(?i)^(?:PIP|UV|POETRY|RYE|PIXI|TWINE|CONDA|HATCH|NETRC).*(?:PASSWORD|TOKEN|SECRET|API_KEY)"
    r"|^POETRY_HTTP_BASIC_.*_PASSWORD$"
)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


class Redactor(redaction.Redactor):
    """Replaces credentials in text: those written into URLs, and those the environment holds.

    The environment's are the passwords inside any URL of a variable and the values of the
    installers' own password and token variables; they are hidden wherever they turn up. Text in,
    text out; never raises.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(_secrets_of(environ or {}))


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if _SECRET_VARIABLE.search(name):
            yield value.strip()
        for url in _URL.findall(value):
            try:
                parts = urlsplit(url)
                user, password = parts.username, parts.password
            except ValueError:
                continue
            # A token may stand alone, where a user's name would be; names are shorter.
            secret = password or (user if user and len(user) >= _MIN_LONE_TOKEN else None)
            if secret:
                yield secret
                yield unquote(secret)
