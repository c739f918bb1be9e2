"""Addresses that a client gives to a filesystem of the web."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.fsspec_calls import run
from callboard.actors.storage.paths import check_web_path, scheme_of
from callboard.actors.storage.ports import Stop, StorageFault
from callboard.actors.storage.redaction import secrets_in

_MAX_HOPS: Final = 10
_LOGINS: Final = ("auth", "cookies", "cookie_jar", "proxy_auth")
_HARMLESS: Final = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})
"""Headers that hold no credentials."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def vetted(fs: Any, field: str, url: str, policy: AddressPolicy, stop: Stop) -> tuple[Any, str]:
    """Follow a client's address through its redirects, as far as all of them are allowed. Blocks.

    Return the filesystem in a form that follows no redirect by itself, and the address at the end. Credentials that
    the notebook gave the filesystem are for hosts of which it did not say the names, so no client may name one.

    Raises:
        StorageFault: the address, or one that it leads to, is refused; the text names the field.
    """
    if _holds_credentials(fs):
        raise StorageFault(
            f"{field}: the filesystem holds credentials, which would go to whatever host is named; put it into a "
            "DirFileSystem with the address that they are for"
        )
    careful = _without_redirects(fs, stop)
    address = url
    for _ in range(_MAX_HOPS):
        if scheme_of(address) not in ("http", "https"):
            raise StorageFault(f"{field} must be an address that begins with http:// or https://")
        check_web_path(field, address)
        # As the library itself will read it.
        parsed = fs.encode_url(address)
        policy.check(field, parsed.host)
        onward = run(careful, partial(_redirect, careful, parsed), stop)
        if onward is None:
            return careful, address
        address = str(parsed.join(type(parsed)(onward)))
    raise StorageFault(f"{field}: {url!r} leads on and on")


async def _redirect(fs: Any, url: Any) -> str | None:
    session = await fs.set_session()
    async with session.get(url, **fs.kwargs) as reply:
        location = reply.headers.get("Location")
        return location if reply.status in _REDIRECTS and isinstance(location, str) else None


def _without_redirects(fs: Any, stop: Stop) -> Any:
    """Return the filesystem with the same connections, but one that does as the first answer says."""
    session = run(fs, fs.set_session, stop)
    careful = object.__new__(type(fs))
    careful.__dict__.update(fs.__dict__)
    careful.kwargs = {**fs.kwargs, "allow_redirects": False}
    careful._session = session
    return careful


def _holds_credentials(fs: Any) -> bool:
    for options in (fs.kwargs, fs.client_kwargs):
        if any(True for _ in secrets_in(options)) or any(options.get(name) for name in _LOGINS):
            return True
        if any(str(name).lower() not in _HARMLESS for name in options.get("headers") or ()):
            return True
    return False
