"""From the names in a configuration to devices; a name that does not mean exactly one medium is an error."""

from collections.abc import Iterable

from shredder.errors import UsageError
from shredder.model import Device, Machine
from shredder.plan.safety import same_medium

_SERIAL, _WWN = "serial:", "wwn:"


def find_named(machine: Machine, names: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of the devices that the names mean, in their order.

    Args:
        machine: everything that was discovered.
        names: as `configuration.NAME_STARTS` says.

    Raises:
        UsageError: a name means no device, or several media.
    """
    return tuple(_find(machine, name).path for name in names)


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
