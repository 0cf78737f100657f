"""Which network addresses a webhook may reach: public ones, and those the operator opened."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Not for the public internet, though the standard library may call them global.
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks separated by commas.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks holds the address; one of the other version never does."""
    return any(address in network for network in networks)


def may_be_reached(address: Address, *, allowed: Sequence[Network] = ()) -> bool:
    """Whether the address is global unicast or one of the exceptions.

    Forms of IPv6 that carry an IPv4 address (mapped, NAT64, 6to4) are judged by the one they carry.
    """
    if is_in(address, allowed):
        return True
    if isinstance(address, IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return may_be_reached(carried, allowed=allowed)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not is_in(address, _SPECIAL)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
