"""Facts without what differs from one minute to the next, so that the same request gives the same digest."""

import re
from dataclasses import replace

from shredder.model import Device, Machine, Use, UseKind

# What `by` of a use may hold: the mount point or process comes first, " through LAYER" may follow.
_OPENED = re.compile(r"\Aprocess \d+ \((.*?)\)(?=\Z| through )", re.DOTALL)
_SEEN = re.compile(r" as process \d+ \((.*?)\) sees it(?=\Z| through )", re.DOTALL)


def settle_machine(machine: Machine) -> Machine:
    """Return the machine with every device settled."""
    return replace(machine, devices=tuple(settle(device) for device in machine.devices))


def settle(device: Device) -> Device:
    """Return the device with its uses and disagreements sorted, and processes by name, not by number."""
    uses = {replace(use, by=_without_pid(use)) for use in device.uses}
    ordered = sorted(uses, key=lambda use: (use.kind, use.device, use.by))
    return replace(device, uses=tuple(ordered), disagreements=tuple(sorted(device.disagreements)))


def _without_pid(use: Use) -> str:
    if use.kind is UseKind.OPEN:
        return _OPENED.sub(r"\1", use.by)
    return _SEEN.sub(r" as \1 sees it", use.by) if use.kind is UseKind.MOUNT else use.by
