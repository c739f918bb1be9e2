"""Which hosts a client may have the kernel ask: none of the kernel's own machine, nor of its surroundings' insides.

What is refused: loopback, link-local, unspecified, multicast and reserved addresses, and those at which clouds hand
out credentials to their machines. Private networks are not: that is where the servers of a laboratory or a company
stand. A name is looked up, and all its addresses must be allowed. What remains: the name is looked up again when
the library connects, and may answer differently then (DNS rebinding); and a proxy of the environment decides for
itself where it connects to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from callboard.actors.storage.ports import StorageFault

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Iterable[str]]
"""Returns the addresses of a host; raises OSError."""

_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Those that are not link-local."""
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def look_up(host: str) -> list[str]:
    """Return the addresses of a host. Blocks."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def is_internal(text: str) -> bool:
    """Tell whether an IP address is one that no client may have asked; what is no address is."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return True
    return any(_is_internal(form) for form in _forms(address))


def _forms(address: Address) -> Iterator[Address]:
    """Yield an address and those of the older version that it may stand for."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if address in _TRANSLATED or address in _COMPATIBLE:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_internal(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in _METADATA
        or (isinstance(address, ipaddress.IPv4Address) and address.is_reserved)
        or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK)
        or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    )


@attrs.frozen
class AddressPolicy:
    """Says which hosts a client may name."""

    resolve: Resolve = look_up

    def check(self, field: str, host: str | None) -> None:
        """Refuse a host that is, or whose name stands for, an internal address. Blocks for the look-up.

        Raises:
            StorageFault: it is refused, or its name is not known; the text names the field.
        """
        if not host:
            raise StorageFault(f"{field} names no host")
        bare = host.strip("[]").rstrip(".")
        try:
            ipaddress.ip_address(bare.partition("%")[0])
            found: list[str] = [bare]
        except ValueError:
            try:
                found = list(self.resolve(bare))
            except (OSError, UnicodeError) as error:
                raise StorageFault(f"{field}: the host {host!r} is not known") from error
        if not found or any(is_internal(address) for address in found):
            raise StorageFault(
                f"{field}: {host!r} is an address inside the kernel's machine or network, "
                "which only the notebook itself may ask"
            )
