"""How the image reaches the network.

    [network]
    dns = ["192.0.2.53", "2001:db8::53"]     # left out: what DHCP says

    [[network.interface]]                    # none: DHCP and router advertisements on every wired interface
    mac = "52:54:00:12:34:56"                # or name = "enp1s0"
    addresses = ["192.0.2.10/32", "2001:db8::10/64"]
    gateways = ["192.0.2.1", "fe80::1"]      # at most one for each of IPv4 and IPv6
    on_link = true                           # the gateways lie outside the addresses' networks
    dhcp = false                             # true: instead of IPv4 addresses, or beside IPv6 ones

With an interface listed, the others stay down.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shredder.settings import Table

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface, known by `mac` or `name` (the other one is "").

    `addresses` are e.g. "192.0.2.10/24", `on_link` says that the gateways need not lie in their networks.
    """

    name: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    on_link: bool
    dhcp: bool


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The interfaces, or none for DHCP on all wired ones; the name servers, or none for those of DHCP."""

    interfaces: tuple[Interface, ...]
    dns: tuple[str, ...]


AUTOMATIC = NetworkSettings((), ())
"""DHCP and router advertisements on every wired interface."""


def read_network(table: Table) -> NetworkSettings:
    """Read the table [network]; an empty one is AUTOMATIC.

    Raises:
        UsageError: a key is unknown, or a value is no address, MAC or name.
    """
    dns = tuple(_read(table, "dns", text, ipaddress.ip_address) for text in table.texts("dns") or ())
    interfaces = tuple(_read_interface(one) for one in table.tables("interface"))
    table.refuse_unknown()
    return NetworkSettings(interfaces, dns)


def _read_interface(table: Table) -> Interface:
    name, mac = _read_which(table)
    interface = Interface(
        name=name,
        mac=mac,
        addresses=tuple(_read(table, "addresses", text, _address) for text in table.texts("addresses") or ()),
        gateways=tuple(
            _read(table, "gateways", text, ipaddress.ip_address) for text in table.texts("gateways") or ()
        ),
        on_link=table.flag("on_link") or False,
        dhcp=table.flag("dhcp") or False,
    )
    table.refuse_unknown()
    versions = [ipaddress.ip_address(gateway).version for gateway in interface.gateways]
    if len(set(versions)) != len(versions):
        raise table.error("gateways", "holds two of the same kind")
    if not interface.addresses and not interface.dhcp:
        raise table.error("addresses", "is missing", hint="or say dhcp = true")
    if interface.dhcp and any(ipaddress.ip_interface(text).version == 4 for text in interface.addresses):
        raise table.error("dhcp", "stands beside an IPv4 address")
    return interface


def _read_which(table: Table) -> tuple[str, str]:
    name, mac = table.text("name"), table.text("mac")
    if (name is None) == (mac is None):
        raise table.error("mac", 'or "name" must be given, one of them')
    if mac is not None and not _MAC.fullmatch(mac.lower()):
        raise table.error("mac", "is not written as 52:54:00:12:34:56")
    if name is not None and not _NAME.fullmatch(name):
        raise table.error("name", "is no name of an interface")
    return name or "", (mac or "").lower()


def _address(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if "/" not in text:
        raise ValueError("no prefix length")
    return ipaddress.ip_interface(text)


def _read(table: Table, key: str, text: str, parse: Callable[[str], _Value]) -> str:
    try:
        return str(parse(text))
    except ValueError:
        what = "an address with its prefix length" if key == "addresses" else "an IP address"
        raise table.error(key, f'holds "{text}", which is not {what}') from None
