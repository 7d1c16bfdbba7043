"""Takes the snapshot: all the looking at the machine, in one call."""

import os
from pathlib import Path

from shredder.discover.blocks import find_driverless, read_blocks, read_nvme
from shredder.discover.contents import ask_blkid
from shredder.discover.loops import list_backings
from shredder.discover.processes import find_mounts, find_opens, sees_all_processes
from shredder.discover.snapshot import RawHost, RawLoop, Snapshot
from shredder.discover.sysfs import list_names, read_text
from shredder.discover.witness import ask_blkinfo
from shredder.model import Fact, Unavailable

_DMI = Path("/sys/class/dmi/id")
_DMI_KEYS = ("sys_vendor", "product_name", "product_serial", "product_uuid")
_BTRFS = Path("/sys/fs/btrfs")
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def take_snapshot(own_pids: frozenset[int]) -> Snapshot:
    """Look at the machine; a source that is not there becomes a reason, never an error.

    Args:
        own_pids: processes whose open files do not count: the worker that holds the target itself.
    """
    blocks = read_blocks()
    witness = ask_blkinfo()
    contents = ask_blkid(blocks)
    mounts, unread_mounts = find_mounts()
    opens, unread_processes = find_opens(own_pids)
    return Snapshot(
        blocks=blocks,
        witness=witness,
        contents=contents,
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
        host=read_host(),
    )


def _read_swaps() -> tuple[str, ...]:
    return tuple((read_text(Path("/proc/swaps")) or "").splitlines()[1:])


def _read_loops() -> tuple[RawLoop, ...]:
    return tuple(
        RawLoop(item.name, item.file, f"{os.major(item.rdev)}:{os.minor(item.rdev)}" if item.rdev else "")
        for item in list_backings()
    )


def read_host() -> RawHost:
    """Look at the machine alone, without its devices."""
    system = os.uname()
    return RawHost(
        hostname=system.nodename,
        kernel=f"{system.sysname} {system.release} {system.version} {system.machine}",
        machine_id=read_text(Path("/etc/machine-id")) or Unavailable("/etc/machine-id is not there or empty"),
        clock_source=read_text(_CLOCK) or Unavailable("the kernel names none"),
        dmi={key: _read_dmi(key) for key in _DMI_KEYS},
    )


def _read_dmi(key: str) -> Fact:
    try:
        return (_DMI / key).read_text("utf-8", "replace").strip()
    except PermissionError:
        return Unavailable("only root may read it")
    except OSError:
        return Unavailable("the firmware gives no DMI data")
