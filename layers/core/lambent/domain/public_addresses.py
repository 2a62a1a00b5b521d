"""Which network addresses are the public internet's, and nobody's inside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT, which clouds use inside
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local: instance metadata, task roles, Lambda's own runtime
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation, as the next three
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# All that is public of IPv6 is here; mapped and translated IPv4, unique-local, link-local and multicast are not.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID and other protocol assignments
            "2001:db8::/32",  # documentation, as 3fff::/20
            "2002::/16",  # 6to4 carries an IPv4 address
            "3fff::/20",
        ),
    )
)


def is_public(address: str) -> bool:
    """Return whether an address, as a resolver gives it, is one of the public internet.

    Python's own opinion is asked beside the tables, since it changes between releases; both must agree. Sources: the
    IANA IPv4 and IPv6 Special-Purpose Address Registries.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_V4)
    # The mapped form is in ::/96, outside of global unicast; a scope belongs to a link.
    is_unicast = found in _GLOBAL_UNICAST_V6 and found.scope_id is None
    return is_unicast and not any(found in network for network in _NOT_PUBLIC_V6)
