"""Takes credentials out of text that others write, such as installers and database drivers, before anybody sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HIDDEN: Final = "[redacted]"
"""Stands where a credential was."""

CUT_MARK: Final = "…"
"""Stands at the end of a line that was cut."""

_MIN_SECRET: Final = 4
"""Shorter values are not searched for in running text: they would hit half of it."""

_MIN_LONE_TOKEN: Final = 16

# What stands between "://" and the last "@" of the host part. A password may hold "@" unquoted,
# and, behind a colon that no port number follows, even "/".
_USERINFO: Final = re.compile(
    r"(?i)(?<=://)(?:[^\s/?#'\"<>]*@|[^\s/?#@:]+:(?!\d{1,5}/)[^\s'\"<>]*@)"
)
_CUT_HOST: Final = re.compile(rf"(?<=://)[^\s/?#]+(?={re.escape(CUT_MARK)}$)")
_QUERY_SECRET: Final = re.compile(
    r"(?i)(?<=[?&;])([\w.-]*(?:token|secret|password|passwd|signature|sig|apikey|api_key|api-key"
    r"|credential|auth)[\w.-]*=)[^\s&;#'\"<>]+"
)
_AUTHORIZATION: Final = re.compile(
    r"(?i)(\bauthorization\b['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)[^\s'\",;]+"
)
_SECRET_VARIABLE: Final = re.compile(
    r"(?i)^(?:PIP|UV|POETRY|RYE|PIXI|TWINE|CONDA|HATCH|NETRC).*(?:PASSWORD|TOKEN|SECRET|API_KEY)"
    r"|^POETRY_HTTP_BASIC_.*_PASSWORD$"
)
_SETTING: Final = re.compile(
    r"(?i)((?<![a-z0-9])[\w-]*(?:password|passwd|pwd|secret|token|api_?key|credential)[\w-]*"
    r"(?:['\"]?\s*=>?\s*|['\"]\s*:\s*))"
    r"(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;&)}\]'\"]+)"
)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


class Redactor:
    """Replaces credentials in text: those written into URLs, and those the environment holds.

    The environment's are the passwords inside any URL of a variable and the values of the
    installers' own password and token variables; they are hidden wherever they turn up. Text in,
    text out; never raises.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        secrets = {secret for secret in _secrets_of(environ or {}) if len(secret) >= _MIN_SECRET}
        # Longest first: one secret may be the beginning of another.
        ordered = sorted(secrets, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text without credentials."""
        if "://" in text:
            text = _USERINFO.sub(f"{HIDDEN}@", text)
            text = _CUT_HOST.sub(HIDDEN, text)
            text = _QUERY_SECRET.sub(rf"\1{HIDDEN}", text)
        text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return text


def redacted(text: str) -> str:
    """Return the text of somebody else's error without credentials: those of URLs and of connection strings.

    ``password=x``, ``'secret': 'x'`` and the like lose their value, whatever its form. Never raises.
    """
    return _SETTING.sub(rf"\1{HIDDEN}", _plain(text))


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


_plain: Final = Redactor()
