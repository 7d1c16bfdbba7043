"""The devices that a plan does not touch, and why; also those that it does not know."""

from dataclasses import replace

from shredder.model import Device, DeviceKind, LeftOut, LeftOutWhy, Machine, Plan
from shredder.plan.safety import carries_system, other_paths

_NO_DISK = {
    DeviceKind.LOOP: "a loop device",
    DeviceKind.ZRAM: "compressed memory (zram)",
    DeviceKind.DM: "a device-mapper volume: it lies on other devices",
    DeviceKind.MD: "a RAID array: it lies on other devices",
    DeviceKind.OPTICAL: "an optical drive",
}


def with_others(plan: Plan, machine: Machine) -> Plan:
    """Return the plan with every other device that is there now; its digest stays the same.

    Args:
        plan: what was decided.
        machine: everything that was discovered.
    """
    decided = plan.decided
    appeared = find_appeared(decided, machine)
    seen = {left.path for left in (*decided.left_out, *appeared)}
    seen |= {path for step in plan.steps for path in (step.path, *step.aliases)}
    others = tuple(
        leave_out(device, LeftOutWhy.NOT_NAMED, "not named as a target")
        for device in top_level(machine)
        if device.path not in seen
    )
    return replace(decided, left_out=decided.left_out + appeared + others)


def find_appeared(plan: Plan, machine: Machine) -> tuple[LeftOut, ...]:
    """Return the disks that a plan of all disks would hold, had they been there when it was made.

    A disk that has the path of another one, and not its serial and size, is a new one. What was excepted may
    come back under another path, as a stick does that was pulled out.

    Args:
        plan: one of named targets does not miss anything.
        machine: everything that was discovered.
    """
    if not plan.all_disks:
        return ()
    known = {(left.path, left.serial, left.size_bytes) for left in plan.left_out}
    known |= {(step.path, step.identity.serial, step.identity.size_bytes) for step in plan.steps}
    aliases = {(path, step.identity.size_bytes) for step in plan.steps for path in step.aliases}
    excepted = {
        (left.serial, left.size_bytes)
        for left in plan.left_out
        if left.why is LeftOutWhy.EXCEPTED and isinstance(left.serial, str)
    }
    found = []
    for device in top_level(machine):
        serial, size_bytes = device.identity.serial, device.identity.size_bytes
        is_known = (device.path, serial, size_bytes) in known or (device.path, size_bytes) in aliases
        if is_known or (serial, size_bytes) in excepted:
            continue
        excluded = exclude(device, machine, frozenset())
        if excluded is None or excluded.why is LeftOutWhy.REFUSED:
            found.append(leave_out(device, LeftOutWhy.APPEARED, "after the plan was made"))
    return tuple(found)


def leave_out(device: Device, why: LeftOutWhy, reason: str) -> LeftOut:
    """Return the entry of a device that is not touched."""
    identity = device.identity
    return LeftOut(device.path, why, device.model, identity.serial, identity.size_bytes, reason)


def exclude(device: Device, machine: Machine, receives_output: frozenset[str]) -> LeftOut | None:
    """Return why a plan of all disks does not take a device; None where its state decides.

    Args:
        device: from `top_level`.
        machine: everything that was discovered.
        receives_output: paths of the devices (disks or partitions) that carry the output or configuration.
    """
    if device.kind is DeviceKind.PARTITION:
        return leave_out(device, LeftOutWhy.REFUSED, f"{device.path} is a partition whose disk was not found")
    exception = _except(device, machine, receives_output)
    return leave_out(device, LeftOutWhy.EXCEPTED, exception) if exception else None


def _except(device: Device, machine: Machine, receives_output: frozenset[str]) -> str:
    if device.kind in _NO_DISK:
        return _NO_DISK[device.kind]
    if device.identity.size_bytes == 0:
        return "no medium, or its size is zero"
    if carries_system(device, machine):
        return "carries the running system or the boot medium"
    paths = (device, *other_paths(device, machine))
    if any(receives_output.intersection((path.path, *path.partitions)) for path in paths):
        return "carries the output or the configuration"
    if any(path.fabric for path in paths):
        return f"behind a fabric (transport {device.transport}): shared storage must be named"
    return ""


def top_level(machine: Machine) -> tuple[Device, ...]:
    """Return the devices that are no partition of another one, and no free slot, by path."""
    known = {device.path for device in machine.devices}
    return tuple(
        device
        for device in sorted(machine.devices, key=lambda device: device.path)
        if not device.is_free_slot and (device.parent is None or device.parent not in known)
    )
