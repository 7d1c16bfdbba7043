"""Whether a summary still holds a whole IP address: one that nobody has taken the last part from."""

import mmap
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_IPV4 = re.compile(rb"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(
    rb"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])"
)
_SHORTENED_IPV4 = 0xFF  # the last byte is zero
_SHORTENED_IPV6 = (1 << 64) - 1  # the interface's half is zero


def holds_full_address(path: Path) -> bool:
    """Return whether a file holds an IPv4 address with a last byte, or an IPv6 one with an interface part.

    Addresses of no one (loopback, unspecified, broadcast, multicast) do not count. What looks like one and is
    a version number cannot be told apart, and counts.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size == 0:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(_is_full(text) for text in _find(data))


def _find(data: mmap.mmap) -> Iterator[str]:
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(data):
            yield found[0].decode("ascii")


def _is_full(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return bool(int(address) & _SHORTENED_IPV4) and int(address) != 0xFFFFFFFF
    return bool(int(address) & _SHORTENED_IPV6)
