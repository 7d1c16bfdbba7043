"""The network: `ip` for static addresses, `udhcpc` for DHCP, the kernel for router advertisements."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_interface
from pathlib import Path

from shredder.decommission.autopilot.dhcp import start_dhcp, write_script
from shredder.decommission.autopilot.network_settings import Interface, NetworkSettings
from shredder.decommission.autopilot.tools import ToolError, run_tool

_ETHERNET = "1"  # ARPHRD_ETHER
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 45.0
_LINK_PATIENCE_S = 6.0


@dataclass(frozen=True, slots=True)
class NetworkPlaces:
    """Files: the kernel's list of interfaces, the name servers, and our folder, from which programs run."""

    interfaces: Path = Path("/sys/class/net")
    resolv_conf: Path = Path("/etc/resolv.conf")
    folder: Path = Path("/etc/shredder/network")


class Network:
    """The machine's network. What goes wrong is said, never raised: the delivery decides whether it matters.

    Args:
        places: where the files are.
        say: tells the people at the machine one line.
    """

    def __init__(self, places: NetworkPlaces, say: Callable[[str], None]) -> None:
        self._places = places
        self._say = say
        self._clients: list[subprocess.Popen[bytes]] = []
        self._used: list[str] = []
        self._active: NetworkSettings | None = None

    def bring_up(self, settings: NetworkSettings) -> None:
        """Set up what the settings say, and wait up to 45 s for an address; twice the same is once.

        Args:
            settings: from `read_network`.
        """
        if settings == self._active:
            return
        self.take_down()
        self._active = settings
        self._try(partial(self._bring_up, settings))

    def _bring_up(self, settings: NetworkSettings) -> None:
        self._places.folder.mkdir(parents=True, exist_ok=True)
        self._try(partial(run_tool, ["ip", "link", "set", "dev", "lo", "up"]))
        if settings.dns:
            servers = "".join(f"nameserver {server}\n" for server in settings.dns)
            self._places.resolv_conf.write_text(servers)
        chosen = self._choose(settings)
        for name, interface in chosen:
            self._try(partial(self._set_up, name, interface, settings))
        self._await_addresses([name for name, _ in chosen])

    def take_down(self) -> None:
        """Undo what `bring_up` did: other settings may follow. The lease runs out by itself."""
        for client in self._clients:
            client.kill()
            client.wait()
        for name in self._used:
            self._try(partial(run_tool, ["ip", "address", "flush", "dev", name, "scope", "global"]))
        self._clients, self._used, self._active = [], [], None

    def _choose(self, settings: NetworkSettings) -> list[tuple[str, Interface]]:
        if not settings.interfaces:
            wired = find_wired(self._places.interfaces)
            if not wired:
                self._say("network: there is no wired interface")
            return [(name, Interface(name, "", (), (), on_link=False, dhcp=True)) for name in wired]
        chosen = []
        for interface in settings.interfaces:
            name = find_interface(self._places.interfaces, interface)
            if name is None:
                self._say(f"network: there is no interface {interface.name or interface.mac}")
            else:
                chosen.append((name, interface))
        return chosen

    def _set_up(self, name: str, interface: Interface, settings: NetworkSettings) -> None:
        self._used.append(name)
        for command in commands(name, interface):
            run_tool(["ip", *command])
        if interface.dhcp:
            script = write_script(self._places.folder)
            servers = None if settings.dns else self._places.resolv_conf
            self._clients.append(start_dhcp(name, script, self._places.folder, servers))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (ToolError, OSError) as error:
            self._say(f"network: {error}")

    def _await_addresses(self, names: list[str]) -> None:
        began_s = time.monotonic()
        while names and (waited_s := time.monotonic() - began_s) < _PATIENCE_S:
            linked = [name for name in names if _has_carrier(self._places.interfaces / name)]
            settled = bool(linked) and all(global_addresses(name) for name in linked)
            time.sleep(_LOOK_EVERY_S)  # also once they are there: DHCP sets the routes after them
            if settled and (linked == names or waited_s > _LINK_PATIENCE_S):
                break
        for name in names:
            self._say(f"network: {name}: {', '.join(global_addresses(name)) or self._why_none(name)}")

    def _why_none(self, name: str) -> str:
        return "no address" if _has_carrier(self._places.interfaces / name) else "no cable, no address"


def find_wired(interfaces: Path) -> list[str]:
    """Return the names of the wired network cards, sorted.

    Args:
        interfaces: /sys/class/net.
    """
    return sorted(
        place.name
        for place in interfaces.iterdir()
        if (place / "device").exists()
        and not (place / "wireless").exists()
        and not (place / "phy80211").exists()
        and (place / "type").read_text().strip() == _ETHERNET
    )


def find_interface(interfaces: Path, wanted: Interface) -> str | None:
    """Return the name of the interface that is meant, or None.

    Args:
        interfaces: /sys/class/net.
        wanted: known by name or MAC.
    """
    if wanted.name:
        return wanted.name if (interfaces / wanted.name).exists() else None
    return next(
        (
            place.name
            for place in sorted(interfaces.iterdir())
            # a VLAN or bond on a card has the card's address too
            if (place / "device").exists() and (place / "address").read_text().strip().lower() == wanted.mac
        ),
        None,
    )


def commands(name: str, interface: Interface) -> list[list[str]]:
    """Return the arguments of `ip` that set an interface up. Pure.

    Args:
        name: what the kernel calls it.
        interface: its addresses and gateways.
    """
    found = [["link", "set", "dev", name, "up"]]
    for address in interface.addresses:
        # an IPv6 address that is still being checked for twins cannot be sent from
        checked = ["nodad"] if ip_interface(address).version == 6 else []
        found.append(["address", "replace", address, "dev", name, *checked])
    for gateway in interface.gateways:
        family = "-6" if ip_address(gateway).version == 6 else "-4"
        on_link = ["onlink"] if interface.on_link else []
        found.append([family, "route", "replace", "default", "via", gateway, "dev", name, *on_link])
    return found


def global_addresses(name: str | None = None) -> list[str]:
    """Return the addresses by which others reach this machine, e.g. "192.0.2.10/24".

    Args:
        name: of one interface; None for all.
    """
    try:
        listed = json.loads(run_tool(["ip", "-json", "address", "show", *(["dev", name] if name else [])]))
    except (ToolError, ValueError):
        return []
    return [
        f"{item['local']}/{item['prefixlen']}"
        for interface in listed
        for item in interface.get("addr_info", [])
        if item.get("scope") == "global" and not item.get("tentative")
    ]


def _has_carrier(place: Path) -> bool:
    try:
        return (place / "carrier").read_text().strip() == "1"
    except OSError:  # it is down
        return False
