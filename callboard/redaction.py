"""Takes credentials out of text that people, or other programs, are about to see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN: Final = "[redacted]"
"""Stands where a credential was."""

CUT_MARK: Final = "…"
"""Stands at the end of a text that was cut."""

_MIN_SECRET: Final = 4
"""Shorter values are not searched for in running text: they would hit half of it."""

# What stands between "://" and the last "@" of the host part. A password may hold "@" unquoted,
# and, behind a colon that no port number follows, even "/".
_USERINFO: Final = re.compile(
    r"(?i)(?<=://)(?:[^\s/?#'\"<>]*@|[^\s/?#@:]+:(?!\d{1,5}/)[^\s'\"<>]*@)"
)
_CUT_HOST: Final = re.compile(rf"(?<=://)[^\s/?#]+(?={re.escape(CUT_MARK)}$)")
_QUERY_SECRET: Final = re.compile(
    r"(?i)(?<=[?&;])([\w.-]*(?:token|secret|password|passwd|signature|sig|apikey|api_key|api-key"
    r"|accesskey|access_key|access-key|credential|auth)[\w.-]*=)[^\s&;#'\"<>]+"
)
_AUTHORIZATION: Final = re.compile(
    r"(?i)(\bauthorization\b['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)[^\s'\",;]+"
)

# As in a connection string or in the text of a mapping: password=x, 'api_key': 'x'.
_ASSIGNED: Final = re.compile(
    r"(?i)(\b\w{0,40}(?:password|passwd|pwd|secret|token|api_?key)\w{0,40}"
    r"(?:['\"]\s?:|\s?=(?!=))\s?)"
    r"(?:'(?:[^'\\]|''|\\.)*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|[^\s'\"&;,)}\]]+)"
)


def without_credentials(text: str) -> str:
    """Return a text without the credentials in its URLs, headers and assignments; never raises.

    Quick for what a person writes; the time may grow with the square of a long text.
    """
    if "://" in text:
        text = _USERINFO.sub(f"{HIDDEN}@", text)
        text = _CUT_HOST.sub(HIDDEN, text)
        text = _QUERY_SECRET.sub(rf"\1{HIDDEN}", text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


def excerpt(text: str, limit: int) -> str:
    """Return the first characters of a text, at most ``limit`` and a mark, without credentials.

    Nothing is left of one that the cut goes through.
    """
    if len(text) > limit:
        text = text[:limit] + CUT_MARK
    return without_credentials(text)


class Redactor:
    """Replaces credentials in text: those written into URLs and headers, and those it is told of.

    The ones it is told of are hidden wherever they turn up, unless they are shorter than four
    characters. Text in, text out; never raises.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _MIN_SECRET}
        # Longest first: one secret may be the beginning of another.
        ordered = sorted(known, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text without credentials."""
        text = without_credentials(text)
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return text
