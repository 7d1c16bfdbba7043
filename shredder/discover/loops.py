"""What lies behind a loop device, asked of the kernel itself."""

import fcntl
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from shredder.discover.sysfs import read_text

_LOOP_GET_STATUS64 = 0x4C05  # linux/loop.h
_STATUS_BYTES = 232
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Backing:
    """The inode behind a loop device; `rdev` is 0 unless that inode is a device."""

    name: str
    file: str
    dev: int
    inode: int
    rdev: int


def list_backings() -> tuple[Backing, ...]:
    """Return what lies behind every loop device in use."""
    found = (_look(node) for node in sorted(Path("/sys/block").glob("loop*")))
    return tuple(backing for backing in found if backing)


def _look(node: Path) -> Backing | None:
    file = read_text(node / "loop/backing_file")
    if file is None:
        return None
    dev, inode, rdev = _ask_kernel(node.name) or _ask_path(file)
    return Backing(node.name, file, dev, inode, rdev)


def _ask_kernel(name: str) -> tuple[int, int, int] | None:
    """The path in sysfs may be of another mount namespace, renamed over or gone; these numbers are not."""
    try:
        descriptor = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = bytearray(_STATUS_BYTES)
        fcntl.ioctl(descriptor, _LOOP_GET_STATUS64, status)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    dev, inode, rdev = struct.unpack_from("=QQQ", status)
    return dev, inode, rdev


def _ask_path(file: str) -> tuple[int, int, int]:
    try:
        facts = Path(file.removesuffix(_DELETED)).stat()
    except OSError:
        return 0, 0, 0
    return facts.st_dev, facts.st_ino, facts.st_rdev if stat.S_ISBLK(facts.st_mode) else 0
