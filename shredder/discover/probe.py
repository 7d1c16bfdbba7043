"""Takes the snapshot: all the looking at the machine, in one call."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from shredder.discover.blocks import find_driverless, read_blocks, read_nvme
from shredder.discover.contents import ask_blkid
from shredder.discover.layers import is_partition, node_path
from shredder.discover.loops import list_backings
from shredder.discover.processes import find_mounts, find_opens, sees_all_processes
from shredder.discover.recovery_image import IDENTITY_PATH, ImageIdentity, read_identity, read_mark
from shredder.discover.snapshot import RawBlock, RawHost, RawLoop, Snapshot
from shredder.discover.sysfs import list_names, read_text
from shredder.discover.witness import ask_blkinfo
from shredder.model import Fact, Unavailable

_DMI = Path("/sys/class/dmi/id")
_DMI_KEYS = ("sys_vendor", "product_name", "product_serial", "product_uuid")
_BTRFS = Path("/sys/fs/btrfs")
_EFI = Path("/sys/firmware/efi")
_SECURE_BOOT = "efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SECURE_BOOT_WORDS = {0: "off", 1: "on"}
_NEVER_MARKED = ("ram", "fd", "sr")
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def take_snapshot(
    own_pids: frozenset[int], *, marks_on: str | None = None, identity_path: Path = IDENTITY_PATH
) -> Snapshot:
    """Look at the machine; a source that is not there becomes a reason, never an error.

    Args:
        own_pids: processes whose open files do not count: the worker that holds the target itself.
        marks_on: read the mark of a boot medium on this device, its disk and partitions alone: another disk
            may hang, or be about to lose its partitions to its own worker. None reads all.
        identity_path: where a recovery image says which one it is.

    Raises:
        RefusedError: a recovery image runs, and does not say which one it is.
    """
    image = read_identity(identity_path)
    blocks = read_blocks()
    witness = ask_blkinfo()
    contents = ask_blkid(blocks)
    mounts, unread_mounts = find_mounts()
    opens, unread_processes = find_opens(own_pids)
    return Snapshot(
        blocks=blocks,
        witness=witness,
        contents=contents,
        marks=_read_marks(blocks, marks_on) if image else {},
        mounts=mounts,
        unread_mounts=unread_mounts,
        swaps=_read_swaps(),
        btrfs={
            name: members for name in list_names(_BTRFS) if (members := list_names(_BTRFS / name / "devices"))
        },
        loops=_read_loops(),
        opens=opens,
        unread_processes=unread_processes,
        sees_all_processes=sees_all_processes(),
        nvme=read_nvme(),
        driverless=find_driverless(),
        zfs_loaded=Path("/sys/module/zfs").exists(),
        udev_running=Path("/run/udev/control").exists(),
        host=read_host(image),
    )


def _read_marks(blocks: Iterable[RawBlock], marks_on: str | None) -> dict[str, Fact]:
    disks = {block.name: _disk_name(block) for block in blocks if _may_carry_mark(block)}
    if marks_on is not None:
        wanted = {disk for name, disk in disks.items() if node_path(name) == marks_on}
        disks = {name: disk for name, disk in disks.items() if disk in wanted}
    return {name: mark for name in disks if (mark := read_mark(node_path(name))) is not None}


def _disk_name(block: RawBlock) -> str:
    return PurePosixPath(block.sys_path).parent.name if is_partition(block) else block.name


def _may_carry_mark(block: RawBlock) -> bool:
    """False also for optical drives: they are never wiped, and an empty one waits for its tray."""
    is_empty = block.attributes.get("size", "0") == "0" or not block.number
    return not (is_empty or block.name.startswith(_NEVER_MARKED))


def _read_swaps() -> tuple[str, ...]:
    return tuple((read_text(Path("/proc/swaps")) or "").splitlines()[1:])


def _read_loops() -> tuple[RawLoop, ...]:
    return tuple(
        RawLoop(item.name, item.file, f"{os.major(item.rdev)}:{os.minor(item.rdev)}" if item.rdev else "")
        for item in list_backings()
    )


def read_host(image: ImageIdentity | None = None) -> RawHost:
    """Look at the machine alone, without its devices; `image` is the recovery image that runs."""
    system = os.uname()
    return RawHost(
        hostname=system.nodename,
        kernel=f"{system.sysname} {system.release} {system.version} {system.machine}",
        machine_id=read_text(Path("/etc/machine-id")) or Unavailable("/etc/machine-id is not there or empty"),
        clock_source=read_text(_CLOCK) or Unavailable("the kernel names none"),
        dmi={key: _read_dmi(key) for key in _DMI_KEYS},
        image=image,
        secure_boot=read_secure_boot(_EFI),
    )


def read_secure_boot(firmware: Path) -> Fact:
    """Return "on" or "off".

    Args:
        firmware: what the kernel shows of the UEFI firmware, with its variables mounted below.

    Source: UEFI 2.10, 3.3 (the variable), and Linux, efivarfs (four bytes of attributes come first).
    """
    if not firmware.exists():
        return Unavailable("not started by UEFI firmware")
    try:
        content = (firmware / _SECURE_BOOT).read_bytes()
    except FileNotFoundError:
        return Unavailable("the firmware does not say, or its variables are not mounted")
    except OSError as error:
        return Unavailable(f"the firmware's variable could not be read: {error.strerror}")
    word = _SECURE_BOOT_WORDS.get(content[4]) if len(content) == 5 else None
    return word or Unavailable("the firmware's variable is not one byte of 0 or 1")


def _read_dmi(key: str) -> Fact:
    try:
        return (_DMI / key).read_text("utf-8", "replace").strip()
    except PermissionError:
        return Unavailable("only root may read it")
    except OSError:
        return Unavailable("the firmware gives no DMI data")
