"""What the file system under an open file does with an overwrite, and which block device shows it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from shredder.discover.extents import JOURNAL_DATA, read_extents, read_flags
from shredder.discover.loops import Backing, list_backings
from shredder.discover.mounts import Mount, parse_mounts
from shredder.discover.snapshot import RawMounts
from shredder.discover.sysfs import list_names, read_text
from shredder.log_model import ExtentMark, Grade, worst
from shredder.model import Fact, Unavailable
from shredder.statx import look_at_open
from shredder.units import KIB

_IN_PLACE = frozenset(("ext2", "ext3", "ext4", "xfs"))
_COPYING = frozenset(("btrfs", "bcachefs", "f2fs", "nilfs2", "zfs"))
_IN_MEMORY = frozenset(("tmpfs", "ramfs"))
_JOURNALLING = frozenset(("ext3", "ext4"))
_PLAIN_BLOCK_BYTES = 4 * KIB


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What holds for every file of a mount.

    `block_bytes` is the unit of space, `device` the node to read raw bytes from. `expected` is the best
    grade that any of its files can reach; for btrfs files with copy-on-write off may do better.
    """

    kind: str
    block_bytes: int
    device: Fact
    journalled: bool
    expected: Grade
    reason: str


def describe_file_system(descriptor: int) -> FileSystem:
    """Return what holds for the file system that an open file lies on.

    Raises:
        OSError: it cannot be asked.
    """
    mount = _find_mount(descriptor)
    kind = mount.kind if mount else "unknown"
    if mount is None or kind not in _IN_PLACE | _COPYING:
        reason = _why_unprovable(kind)
        return FileSystem(kind, _PLAIN_BLOCK_BYTES, Unavailable(reason), False, Grade.UNPROVABLE, reason)
    block_bytes = os.fstatvfs(descriptor).f_bsize
    if kind in _COPYING:
        reason = f"{kind} writes new bytes to a fresh place"
        return FileSystem(kind, block_bytes, Unavailable(reason), False, Grade.MOVED, reason)
    return _describe_in_place(mount, os.fstat(descriptor).st_dev, block_bytes)


def _why_unprovable(kind: str) -> str:
    if kind == "overlay":
        return "an overlay does not tell which layer holds the file"
    if kind in _IN_MEMORY:
        return f"{kind} lies in memory, and perhaps in swap"
    return f"where {kind} keeps its bytes cannot be seen from here"


def _describe_in_place(mount: Mount, device: int, block_bytes: int) -> FileSystem:
    below, expected, reason = look_below(device)
    if any(option.startswith("rtdev=") for option in mount.options):
        below = Unavailable("it has a realtime device, and which of the two holds a file is not told")
        expected, reason = worst((expected, Grade.IN_PLACE)), below.unavailable
    why = _why_journalled(mount, device) if mount.kind in _JOURNALLING else None
    if why:
        expected, reason = Grade.UNPROVABLE, why
    return FileSystem(mount.kind, block_bytes, below, why is not None, expected, reason)


def _why_journalled(mount: Mount, device: int) -> str | None:
    """A default kept in the superblock is not among the mount's options; the kernel's own list has all."""
    name = _kernel_name(device)
    options = read_text(Path("/proc/fs/ext4", name, "options")) if name else None
    if options is None:
        return f"whether {mount.kind} journals its data cannot be read"
    return (
        "the journal holds copies of its data (data=journal)" if "data=journal" in options.split() else None
    )


def _kernel_name(device: int) -> str | None:
    place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    return place.resolve().name if place.exists() else None


def look_below(device: int) -> tuple[Fact, Grade, str]:
    """Return the node of a block device, the best grade of files on it, and why it is no better.

    Args:
        device: its number, as in st_dev.
    """
    name = _kernel_name(device)
    if name is None:
        return _not_reached("it has no block device in /sys")
    path = Path("/dev", name.replace("!", "/"))
    disk = _whole_disk(name)
    if list_names(Path("/sys/class/block", disk, "slaves")):
        return _not_reached(f"{path} stands on other devices (device-mapper, md or the like)")
    why = _why_unreadable(path, device)
    if why:
        return _not_reached(why)
    backing = next((item for item in list_backings() if item.name == disk), None) if _is_loop(disk) else None
    if _is_loop(disk) and backing is None:
        return _not_reached(f"what lies behind {path} cannot be looked at")
    expected, reason = _look_behind(str(path), backing) if backing else (Grade.PROVEN, "")
    return str(path), expected, reason


def _not_reached(why: str) -> tuple[Fact, Grade, str]:
    return Unavailable(why), Grade.IN_PLACE, f"the raw device was not read: {why}"


def _whole_disk(name: str) -> str:
    """What lies below a partition is told of its disk only."""
    place = Path("/sys/class/block", name)
    return place.resolve().parent.name if (place / "partition").exists() else name


def _is_loop(name: str) -> bool:
    return Path("/sys/class/block", name, "loop").exists()


def _why_unreadable(path: Path, device: int) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return f"{path} cannot be opened ({error.strerror})"
    try:
        facts = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    is_it = stat.S_ISBLK(facts.st_mode) and facts.st_rdev == device
    return None if is_it else f"the node {path} leads to another device"


def _look_behind(path: str, backing: Backing) -> tuple[Grade, str]:
    """A loop device is only as good as the file behind it."""
    if backing.rdev:
        _, expected, reason = look_below(backing.rdev)
        return expected, reason
    try:
        descriptor = os.open(backing.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        return Grade.IN_PLACE, f"the file behind {path} cannot be looked at ({error.strerror})"
    try:
        facts = os.fstat(descriptor)
        if (facts.st_dev, facts.st_ino) != (backing.dev, backing.inode):
            return Grade.IN_PLACE, f"the file behind {path} is no longer where it was"
        expected, reason = _judge_backing(descriptor, facts.st_size)
    finally:
        os.close(descriptor)
    return expected, reason and f"the file behind {path}: {reason}"


def _judge_backing(descriptor: int, size_bytes: int) -> tuple[Grade, str]:
    """It need not be readable below: it is the loop device that is read back."""
    below = describe_file_system(descriptor)
    if below.kind in _IN_MEMORY and not _has_swap():
        return Grade.PROVEN, ""
    if below.expected not in (Grade.PROVEN, Grade.IN_PLACE):
        return below.expected, below.reason
    if read_flags(descriptor) & JOURNAL_DATA:
        return Grade.UNPROVABLE, "the journal holds copies of its data (attribute j)"
    extents = read_extents(descriptor, size_bytes)
    if isinstance(extents, Unavailable):
        return Grade.UNPROVABLE, extents.unavailable
    if any(ExtentMark.SHARED in extent.marks for extent in extents):
        return Grade.MOVED, "it shares its blocks with another file or a snapshot"
    return Grade.PROVEN, ""


def _has_swap() -> bool:
    return len((read_text(Path("/proc/swaps")) or "").splitlines()) > 1


def _find_mount(descriptor: int) -> Mount | None:
    number = look_at_open(descriptor).mount or _mount_of_descriptor(descriptor)
    for line in (read_text(Path("/proc/self/mountinfo")) or "").splitlines():
        if line.partition(" ")[0] == str(number):
            return next(iter(parse_mounts(RawMounts(0, "", (line,)))), None)
    return None


def _mount_of_descriptor(descriptor: int) -> int:
    """Kernels before 5.8 tell it only here."""
    for line in (read_text(Path(f"/proc/self/fdinfo/{descriptor}")) or "").splitlines():
        key, _, value = line.partition(":")
        if key == "mnt_id":
            return int(value)
    return 0
