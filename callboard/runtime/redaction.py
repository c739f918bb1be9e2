"""Takes credentials out of texts that others will see, whoever wrote them."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[redacted]"
"""Stands where a credential was."""
CUT_MARK: Final = "…"
"""Stands where the rest of a text was."""

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
# As in a connection string or in the text of a mapping: password=x, 'api_key': 'x'.
_ASSIGNED: Final = re.compile(
    r"(?i)(\b\w{0,40}(?:password|passwd|pwd|secret|token|api_?key)\w{0,40}"
    r"(?:['\"]\s?:|\s?=(?!=))\s?)(?:'[^']*(?:'|$)|\"[^\"]*(?:\"|$)|[^\s'\"&;,)}\]]+)"
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
