"""From the names in a configuration to devices; a name that does not mean exactly one medium is an error.

"all" means those that are there once no more come.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from shredder.errors import UsageError
from shredder.model import Device, Machine
from shredder.plan.safety import same_medium

_SERIAL, _WWN = "serial:", "wwn:"
_LOOK_EVERY_S = 0.5
_LONGEST_WAIT_S = 120.0


def find_named(machine: Machine, names: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of the devices that the names mean, in their order.

    Args:
        machine: everything that was discovered.
        names: as `configuration.NAME_STARTS` says.

    Raises:
        UsageError: a name means no device, or several media.
    """
    return tuple(_find(machine, name).path for name in names)


def list_blocks(block_class: Path) -> frozenset[tuple[str, str]]:
    """Return the names and sizes of all block nodes now.

    Args:
        block_class: /sys/class/block, or a folder like it.
    """
    found = set()
    for node in block_class.iterdir():
        try:
            found.add((node.name, (node / "size").read_text().strip()))
        except OSError:  # it was pulled meanwhile
            continue
    return frozenset(found)


def wait_until_quiet(
    look: Callable[[], frozenset[tuple[str, str]]],
    quiet_s: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Wait until no disk has come or gone for a while; disks behind slow controllers come late.

    Args:
        look: returns what is there now.
        quiet_s: how long nothing may change.
        monotonic: counts seconds.
        sleep: waits that many seconds.

    Returns:
        False when something still changes after two minutes.
    """
    began_s = changed_s = monotonic()
    seen = look()
    while monotonic() - changed_s < quiet_s:
        if monotonic() - began_s >= _LONGEST_WAIT_S:
            return False
        sleep(_LOOK_EVERY_S)
        found = look()
        if found != seen:
            seen, changed_s = found, monotonic()
    return True


def _find(machine: Machine, name: str) -> Device:
    meant = [device for device in machine.devices if _is_meant(device, name)]
    if not meant:
        raise UsageError(f"no device here is {name}", hint="nothing was wiped, also not the other targets")
    first = meant[0]
    if any(not same_medium(first, other) for other in meant[1:]):
        paths = ", ".join(device.path for device in meant)
        raise UsageError(f"{name} may mean any of {paths}", hint="name it by what only one of them has")
    return first


def _is_meant(device: Device, name: str) -> bool:
    if name.startswith(_SERIAL):
        # a partition has its disk's serial and WWN
        return device.parent is None and device.identity.serial == name.removeprefix(_SERIAL)
    if name.startswith(_WWN):
        return device.parent is None and device.identity.wwn == name.removeprefix(_WWN)
    return name in device.links
