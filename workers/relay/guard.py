"""Where a trader's webhook may lead: to public addresses only, checked on the very addresses that are connected to.

A name is resolved once for each connection, every address it has is checked, and the connection goes to one of
those (so a name that answers differently a moment later changes nothing). An address in the URL itself is checked
alike. Redirects are not followed: they would be a second, unchecked address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses as text. Raises OSError when the name has none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
PORTS = (443, 8443)


class Refused(Exception):
    """The address must not be reached from here; the message is for the trader."""


async def system_resolve(host: str, port: int) -> list[str]:
    """As the operating system resolves names."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Guard:
    """`allowed`: networks of the operator's that may be reached though they are not public, over http too."""

    def __init__(
        self, allowed: Sequence[IPv4Network | IPv6Network] = (), resolve: Resolve = system_resolve
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    def url(self, text: str) -> URL:
        """The address as it will be used. Raises Refused."""
        try:
            url = URL(text)
        except ValueError:
            raise Refused("The webhook's address cannot be read.") from None
        if not url.host or url.user is not None or url.password is not None:
            raise Refused("The webhook's address needs a host, and must not hold a login.")
        if url.scheme != "https" and not (url.scheme == "http" and self._allowed):
            raise Refused("A webhook's address begins with https://.")
        if url.port not in PORTS and not self._allowed:
            raise Refused(f"A webhook is reached on port {' or '.join(map(str, PORTS))}, not {url.port}.")
        try:
            literal = ipaddress.ip_address(url.host)
        except ValueError:
            return url
        self.check(str(literal))
        return url

    def check(self, address: str) -> None:
        """Raises Refused unless the address is public, or of a network that the operator has allowed."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        for one in (parsed, *_inside(parsed)):
            if any(one.version == network.version and one in network for network in self._allowed):
                continue
            if not one.is_global or one.is_multicast or one.is_reserved or one.is_unspecified:
                raise Refused("The webhook's address is not a public one: messages are not sent there.")

    def resolver(self) -> AbstractResolver:
        """For aiohttp: resolves once a connection, and hands out checked addresses only."""
        return _Checked(self, self._resolve)


class _Checked(AbstractResolver):
    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard, self._look_up = guard, resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = list(dict.fromkeys(await self._look_up(host, port)))
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            self._guard.check(address)
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing is kept."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 one leads to (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
