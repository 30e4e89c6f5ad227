"""Decide which addresses an untrusted host name may lead to.

A manifest may name any host, and any name may resolve to any address: one of this machine, of its
network, or of the metadata server where clouds keep the machine's credentials. So every address is
checked when a connection is made, and the connection is made to the address that was checked.
"""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from imagebeam.storage.errors import BlockedAddress, TimedOut
from imagebeam.storage.http.connections import seconds_left

Address: TypeAlias = IPv4Address | IPv6Address

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""An address in the form that `socket.connect` takes."""

HostAddress: TypeAlias = tuple[socket.AddressFamily, SocketAddress]

LookUp: TypeAlias = Callable[[str, int], list[HostAddress]]
"""A resolver: it returns the addresses of a host, for a port."""

Check: TypeAlias = Callable[[str, bool], None]
"""Refuses an address, or a private one unless these are allowed; see `check`."""

Resolve: TypeAlias = Callable[[str, int], list[HostAddress]]
"""Returns the addresses of a host to connect to, for a port, all of them checked."""

_METADATA = {
    ip_address(address)
    for address in (
        "169.254.169.254",
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
    )
}

# The tables follow the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890,
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, as of
# 2025-10), and the multicast and reserved ranges of RFC 5771, RFC 1112 and RFC 4291. They do not
# use `ipaddress.is_global`, which patch releases of Python define differently.

_PRIVATE = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by customers of a carrier
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "64:ff9b:1::/48",  # translation to IPv4 within a network
        "fc00::/7",
    )
)

_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "169.254.0.0/16",  # link-local
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)

_UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that are allocated for hosts; the others are special or unused."""

# Networks whose addresses hold an IPv4 address that a gateway connects to.
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_6TO4 = IPv6Network("2002::/16")


def check(address: str, allow_private: bool) -> None:
    """Refuse an address that is not public.

    Args:
        address: IPv4 or IPv6, with or without a zone.
        allow_private: whether loopback and private networks are fine; metadata servers, link-local,
            multicast and reserved addresses never are.

    Raises:
        BlockedAddress: it is one of those.
    """
    whole = ip_address(address.partition("%")[0])
    for judged in _reached(whole):
        if judged not in _METADATA and any(judged in network for network in _PRIVATE):
            if not allow_private:
                raise BlockedAddress(f"{address} is private, and private hosts are not allowed")
        elif not _is_public(judged):
            raise BlockedAddress(f"{address} is not a public address")


def look_up(host: str, port: int) -> list[HostAddress]:
    """Ask the system's resolver."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in answers]  # type: ignore[misc]


def resolve(host: str, port: int, ask: LookUp = look_up) -> list[HostAddress]:
    """Return the addresses of a host, in the order to try them.

    Raises:
        OSError: it has none, or the resolver fails.
        TimedOut: the resolver does not answer in time.
    """
    resolved: Future[list[HostAddress]] = Future()

    def run() -> None:
        try:
            resolved.set_result(ask(host, port))
        except (OSError, UnicodeError) as error:
            resolved.set_exception(error)

    # The system's resolver takes no timeout, and a stuck one must not hold the process.
    threading.Thread(target=run, name="resolve", daemon=True).start()
    try:
        return resolved.result(seconds_left())
    except NotYet:
        raise TimedOut("the host's name was not resolved in time") from None


def resolver(allow_private: bool, ask: LookUp, judge: Check) -> Resolve:
    """Return a function that resolves a host, and refuses it if one of its addresses is refused."""

    def resolve_and_check(host: str, port: int) -> list[HostAddress]:
        found = resolve(host, port, ask)
        for _, address in found:
            judge(address[0], allow_private)
        return found

    return resolve_and_check


def _reached(address: Address) -> list[Address]:
    """Return the address and those that gateways on the way translate it to."""
    if not isinstance(address, IPv6Address):
        return [address]
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if address in _MAPPED or address in _NAT64:
        return [last]
    if address in _LOCAL_NAT64:
        # RFC 6052 skips the 8 bits in the middle.
        embedded = IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
        return [address, embedded if number & 0xFF_FFFF_FFFF == 0 else last]
    if address in _6TO4:
        return [address, IPv4Address(number >> 80 & 0xFFFFFFFF)]
    return [address]


def _is_public(address: Address) -> bool:
    if address in _METADATA or any(address in network for network in _SPECIAL):
        return False
    return isinstance(address, IPv4Address) or address in _UNICAST
