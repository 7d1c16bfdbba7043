"""A regular file taken as a disk image."""

import ctypes
import os
import stat
from pathlib import Path

from shredder.discover.loops import list_backings
from shredder.discover.mounts import covering, parse_mounts
from shredder.discover.snapshot import RawMounts
from shredder.discover.sysfs import read_text
from shredder.errors import RefusedError, UsageError
from shredder.model import Device, DeviceKind, Fact, Identity, MediumKind, Unavailable, Use, UseKind

DIRECT_ALIGNMENT_BYTES = 4096
_AT_FDCWD, _NO_FOLLOW, _STATX_BTIME = -100, 0x100, 0x800  # <fcntl.h>, <linux/stat.h>
# they write to fresh blocks. Overlay is not among them: a file of a lower layer is copied when it is opened
# for writing, and that copy, made later, is then not the file that was planned
_COPYING = frozenset({"btrfs", "bcachefs", "zfs", "nilfs2", "f2fs"})
_KINDS = (
    (stat.S_ISLNK, "a symbolic link", "name the file it leads to"),
    (stat.S_ISDIR, "a directory", None),
    (stat.S_ISFIFO, "a FIFO", None),
    (stat.S_ISSOCK, "a socket", None),
    (stat.S_ISBLK, "a block device", "name it without --image"),
    (stat.S_ISCHR, "a character device", None),
)


def describe_image(path: str) -> Device:
    """Return an image file as a device. Never opens it: that would break another's lease.

    Args:
        path: the file; its last part is not followed when it is a link.

    Raises:
        UsageError: no such file, or it cannot be looked at.
        RefusedError: it is not a regular file.
    """
    facts = _look(path)
    absolute = os.path.abspath(path)  # noqa: PTH100 - pathlib leaves ".." in
    return Device(
        path=absolute,
        kind=DeviceKind.IMAGE,
        identity=_identity(absolute, facts),
        physical_sector_bytes=DIRECT_ALIGNMENT_BYTES,
        vendor=_none(),
        model=_none(),
        transport=_none(),
        medium=MediumKind.FILE,
        read_only=not os.access(absolute, os.W_OK),
        removable=False,
        zoned=False,
        fabric=False,
        boot=False,
        boot_doubt=None,
        links=(),
        content=Unavailable("not looked at"),
        parent=None,
        partitions=(),
        uses=_uses(absolute, facts),
        disagreements=(),
        writes_elsewhere=_copying_file_system(absolute),
    )


def _none() -> Fact:
    return Unavailable("a file has none")


def _look(path: str) -> os.stat_result:
    try:
        facts = Path(path).lstat()
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path}: {why}") from None
    if stat.S_ISREG(facts.st_mode):
        return facts
    for is_kind, name, hint in _KINDS:
        if is_kind(facts.st_mode):
            raise RefusedError(f"{path} is {name}, not a regular file", hint=hint)
    raise RefusedError(f"{path} is not a regular file")


def _identity(path: str, facts: os.stat_result) -> Identity:
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    return Identity(
        serial=_none(),
        wwn=_none(),
        size_bytes=facts.st_size,
        start_bytes=0,
        logical_sector_bytes=DIRECT_ALIGNMENT_BYTES,
        by_path=path,
        partition_table_uuid=_none(),
        instance=f"inode {device}/{facts.st_ino}{_birth(path)}",
    )


class _Statx(ctypes.Structure):
    """The fields of `struct statx` (linux/stat.h) up to the birth time."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("before", ctypes.c_uint8 * 76),
        ("birth_s", ctypes.c_int64),
        ("birth_ns", ctypes.c_uint32),
        ("after", ctypes.c_uint8 * 164),
    )


def _birth(path: str) -> str:
    """Return when the file was made: a new file may get the inode number of the one that was planned."""
    libc, found = ctypes.CDLL(None), _Statx()
    if not hasattr(libc, "statx"):
        return ""
    done = libc.statx(_AT_FDCWD, os.fsencode(path), _NO_FOLLOW, _STATX_BTIME, ctypes.byref(found))
    return f" born {found.birth_s}.{found.birth_ns:09}" if done == 0 and found.mask & _STATX_BTIME else ""


def _copying_file_system(path: str) -> str | None:
    """Return the name of a file system on which writing in place does not overwrite; None for others."""
    lines = tuple((read_text(Path("/proc/self/mountinfo")) or "").splitlines())
    mount = covering(os.path.realpath(path), parse_mounts(RawMounts(os.getpid(), "", lines)))
    return mount.kind if mount and mount.kind in _COPYING else None


def _uses(path: str, facts: os.stat_result) -> tuple[Use, ...]:
    key = (facts.st_dev, facts.st_ino)
    return tuple(
        Use(UseKind.LOOP, path, backing.name)
        for backing in list_backings()
        if (backing.dev, backing.inode) == key
    )
