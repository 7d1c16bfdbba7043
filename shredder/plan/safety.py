"""Facts to refusals: every reason why a device must not be wiped, and what may lift one.

Also whether two devices are the same medium, and whether a device is still the one that was planned.
"""

from collections.abc import Iterable, Iterator

from shredder.errors import UsageError
from shredder.model import (
    Device,
    DeviceKind,
    Fact,
    Identity,
    Machine,
    Refusal,
    RefusalKind,
    Use,
    UseKind,
)

LIFTABLE: frozenset[RefusalKind] = frozenset(
    {
        RefusalKind.OPEN,
        RefusalKind.UNSEEN,
        RefusalKind.MEMBER,
        RefusalKind.IDENTITY,
        RefusalKind.WITNESS,
        RefusalKind.BOOT,
        RefusalKind.COPIES,
    }
)
"""What `--allow` may lift. BOOT helps only where nothing on the device is in use: those reasons stay."""

_POOL_CONTENT = frozenset({"bcache", "ceph_bluestore", "drbd", "stratis", "vdo", "vmfs"})
_NOT_WIPED = {
    DeviceKind.DM: "is a device-mapper volume, not a disk",
    DeviceKind.MD: "is a RAID array, not a disk",
    DeviceKind.OPTICAL: "is an optical drive",
    DeviceKind.OTHER: "is no kind of device that can be wiped",
}
_USED = {
    UseKind.MOUNT: "is mounted at {by}",
    UseKind.SWAP: "is in use as {by}",
    UseKind.HOLDER: "is held by {by}",
    UseKind.LOOP: "is the backing of {by}",
    UseKind.OPEN: "is opened by {by}",
    UseKind.UNSEEN: "may be in use: {by}",
}


def check(device: Device, machine: Machine) -> tuple[Refusal, ...]:
    """Return all reasons against wiping a device, each one once; none means that it may be wiped.

    A whole disk answers for its partitions, a partition for its disk as far as the disk itself is in use,
    and every path to a medium for the other ones.

    Args:
        device: the target; it need not be in `machine` (an image file is not).
        machine: everything that was discovered.
    """
    paths = (device, *other_paths(device, machine))
    uses = tuple(_uses(device, machine))
    found = [refusal for path in paths for refusal in _own_state(path)]
    found += (_in_use(use) for use in uses)
    found += (refusal for path in paths for refusal in _content(path, machine, uses))
    if not _has_anchor(device.identity):
        detail = "has neither serial, WWN, disk sequence number nor partition table UUID to know it by"
        found.append(_refusal(RefusalKind.IDENTITY, device.path, detail))
    return tuple(dict.fromkeys(found))


def check_kept(device: Device, machine: Machine, kept: frozenset[str]) -> tuple[Refusal, ...]:
    """Return the reason against wiping a device that shares bytes with one that must be kept.

    Args:
        device: the target.
        machine: everything that was discovered.
        kept: paths of the nodes, disks or partitions, that carry configuration or receive the certificate.
    """
    nodes = (node for node in machine.devices if node.path in kept)
    if device.path not in kept and not any(overlaps(device, node, machine) for node in nodes):
        return ()
    return (
        _refusal(RefusalKind.OUTPUT, device.path, "carries the configuration or receives the certificate"),
    )


def _refusal(kind: RefusalKind, path: str, detail: str) -> Refusal:
    return Refusal(kind, path, f"{path} {detail}")


def _in_use(use: Use) -> Refusal:
    return _refusal(RefusalKind(use.kind.value), use.device, _USED[use.kind].format(by=use.by))


def _own_state(device: Device) -> Iterator[Refusal]:
    if device.kind in _NOT_WIPED:
        yield _refusal(RefusalKind.KIND, device.path, _NOT_WIPED[device.kind])
    if device.identity.size_bytes <= 0:
        yield _refusal(RefusalKind.SIZE, device.path, "has size zero: no medium")
    if device.read_only:
        yield _refusal(RefusalKind.READ_ONLY, device.path, "is read-only")
    if device.zoned:
        yield _refusal(RefusalKind.ZONED, device.path, "is zoned: it does not take writes at every place")
    if device.writes_elsewhere:
        detail = f"lies on {device.writes_elsewhere}, which may keep the old content where it was"
        yield _refusal(RefusalKind.COPIES, device.path, detail)
    for text in device.disagreements:
        yield _refusal(RefusalKind.WITNESS, device.path, f"is described differently by its witnesses: {text}")


def _content(device: Device, machine: Machine, uses: tuple[Use, ...]) -> Iterator[Refusal]:
    held = {use.device for use in uses if use.kind is UseKind.HOLDER}
    for node in (device, *_partitions(device, machine)):
        if node.boot:
            yield _refusal(RefusalKind.BOOT, node.path, "carries the running system or the boot medium")
        if node.boot_doubt:
            yield _refusal(RefusalKind.BOOT, node.path, f"may be the boot medium: {node.boot_doubt}")
        if _is_member(node.content) and node.path not in held:
            yield _refusal(RefusalKind.MEMBER, node.path, f"is a member of an array or pool ({node.content})")


def _is_member(content: Fact) -> bool:
    if not isinstance(content, str):
        return False
    name = content.lower()
    return name in _POOL_CONTENT or name.endswith("_member")


def _has_anchor(identity: Identity) -> bool:
    return (
        identity.is_unique
        or isinstance(identity.instance, str)
        or isinstance(identity.partition_table_uuid, str)
    )


def _uses(device: Device, machine: Machine) -> Iterator[Use]:
    yield from device.uses
    for other in machine.devices:
        if other.path != device.path and overlaps(device, other, machine):
            # A disk's uses include those of all its partitions; a partition answers only for the disk itself.
            whole = device.parent is not None and other.parent is None
            yield from (use for use in other.uses if not whole or use.device == other.path)


def _partitions(device: Device, machine: Machine) -> tuple[Device, ...]:
    return tuple(node for node in machine.devices if node.path in device.partitions)


def carries_system(device: Device, machine: Machine) -> bool:
    """Return True when any path to the device, or any of its partitions, is a boot device."""
    paths = (device, *other_paths(device, machine))
    return any(node.boot for path in paths for node in (path, *_partitions(path, machine)))


def split_refusals(
    refusals: Iterable[Refusal], allow: frozenset[RefusalKind]
) -> tuple[tuple[Refusal, ...], tuple[Refusal, ...]]:
    """Return the refusals that stand, and those that `allow` lifts.

    Raises:
        UsageError: `allow` names a kind that nothing may lift.
    """
    check_liftable(allow)
    every = tuple(refusals)
    standing = tuple(refusal for refusal in every if refusal.kind not in allow)
    return standing, tuple(refusal for refusal in every if refusal.kind in allow)


def check_liftable(allow: Iterable[RefusalKind]) -> None:
    """Make sure that every kind may be lifted.

    Raises:
        UsageError: one may not.
    """
    for kind in sorted(allow):
        if kind not in LIFTABLE:
            raise UsageError(
                f'the refusal "{kind}" cannot be lifted', hint="can be lifted: " + ", ".join(sorted(LIFTABLE))
            )


def same_medium(one: Device, other: Device) -> bool:
    """Return True for two paths to the same storage (multipath).

    The WWN is known of both and the same, so are size and start, and the serials do not contradict.
    """
    left, right = one.identity, other.identity
    if not isinstance(left.wwn, str) or left.wwn != right.wwn:
        return False
    serials = {serial for serial in (left.serial, right.serial) if isinstance(serial, str)}
    place = (left.size_bytes, left.start_bytes)
    return place == (right.size_bytes, right.start_bytes) and len(serials) <= 1


def other_paths(device: Device, machine: Machine) -> tuple[Device, ...]:
    """Return the other devices of the machine that are the same medium under another path."""
    return tuple(
        other
        for other in machine.devices
        if other.path != device.path and other.kind is device.kind and same_medium(device, other)
    )


def overlaps(one: Device, other: Device, machine: Machine) -> bool:
    """Return True when two devices share bytes of one medium: a disk and its partition, say."""
    disk, other_disk = _disk_of(one, machine), _disk_of(other, machine)
    if disk.path != other_disk.path and not same_medium(disk, other_disk):
        return False
    left, right = one.identity, other.identity
    return (
        left.start_bytes < right.start_bytes + right.size_bytes
        and right.start_bytes < left.start_bytes + left.size_bytes
    )


def _disk_of(device: Device, machine: Machine) -> Device:
    if device.parent is None:
        return device
    return next((node for node in machine.devices if node.path == device.parent), device)


def identity_changes(planned: Identity, found: Identity, *, same_attachment: bool) -> tuple[str, ...]:
    """Return in which ways a device is not the planned one, e.g. "serial: planned A1, found B2".

    A fact that the plan knows and that is unavailable now is a difference. Where the plan knows neither
    serial nor WWN, finding one is a difference too, and the by-path name must agree.

    Args:
        planned: the identity in the plan.
        found: the identity of the device now.
        same_attachment: compare also what a wipe (partition table UUID) or a reboot (disk sequence number)
            changes; False for resuming and auditing.
    """
    facts = [("serial", planned.serial, found.serial), ("WWN", planned.wwn, found.wwn)]
    changes = [_change(*fact) for fact in facts if isinstance(fact[1], str) or not planned.is_unique]
    if not planned.is_unique:
        weak = [("by-path name", planned.by_path, found.by_path)]
        if same_attachment:
            weak.append(("partition table UUID", planned.partition_table_uuid, found.partition_table_uuid))
            weak.append(("attachment", planned.instance, found.instance))
        changes += [_change(*fact) for fact in weak if isinstance(fact[1], str)]
    numbers = (
        ("size in bytes", planned.size_bytes, found.size_bytes),
        ("start in bytes", planned.start_bytes, found.start_bytes),
        ("logical sector in bytes", planned.logical_sector_bytes, found.logical_sector_bytes),
    )
    changes += [_change(*number) for number in numbers]
    return tuple(change for change in changes if change)


def _change(name: str, planned: Fact | int, found: Fact | int) -> str:
    unknown = not isinstance(planned, str | int) and not isinstance(found, str | int)
    return "" if unknown or planned == found else f"{name}: planned {planned}, found {found}"
