"""A block device, opened so that nothing else can use it.

O_EXCL alone does not keep others out: it succeeds while a process holds a partition open,
and that partition's dirty pages come back after the wipe. Removing the partition nodes
succeeds only when nobody has one open, so a whole disk is taken by removing them.
"""

import ctypes
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from shredder.erase.medium import MediumRefusedError, read_fully, write_fully
from shredder.model import Refusal, RefusalKind
from shredder.ranges import Range

# <linux/fs.h> and <linux/blkpg.h>; sysfs counts in these units whatever the device's sectors are
_BLKGETSIZE64 = 0x80081272
_BLKSSZGET = 0x1268
_BLKPG = 0x1269
_BLKPG_ADD_PARTITION = 1
_BLKPG_DEL_PARTITION = 2
_SYSFS_UNIT_BYTES = 512


class _Partition(ctypes.Structure):
    _fields_ = (
        ("start", ctypes.c_longlong),
        ("length", ctypes.c_longlong),
        ("number", ctypes.c_int),
        ("device_name", ctypes.c_char * 64),
        ("volume_name", ctypes.c_char * 64),
    )


class _Request(ctypes.Structure):
    _fields_ = (
        ("operation", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("data_length", ctypes.c_int),
        ("data", ctypes.c_void_p),
    )


def _change_partition(descriptor: int, operation: int, number: int, place: Range) -> None:
    partition = _Partition(place.start_bytes, place.length_bytes, number, b"", b"")
    request = _Request(operation, 0, ctypes.sizeof(partition), ctypes.addressof(partition))
    fcntl.ioctl(descriptor, _BLKPG, bytes(request))


def _list_partitions(descriptor: int) -> dict[int, Range]:
    """Return the kernel's partitions of an open whole disk by number; none for a partition."""
    device = os.fstat(descriptor).st_rdev
    folder = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    found: dict[int, Range] = {}
    for number_file in folder.glob("*/partition"):
        start = int((number_file.parent / "start").read_text()) * _SYSFS_UNIT_BYTES
        length = int((number_file.parent / "size").read_text()) * _SYSFS_UNIT_BYTES
        found[int(number_file.read_text())] = Range(start, length)
    return found


def _reads_are_direct(descriptor: int) -> bool:
    """False for a loop device without direct I/O: the page cache of its backing file may answer reads."""
    device = os.fstat(descriptor).st_rdev
    setting = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/loop/dio")
    return not setting.exists() or setting.read_text().strip() == "1"


class BlockDevice:
    """A whole disk or a partition, open for direct I/O; for writing it is claimed exclusively.

    Args:
        path: the device node.
        writable: False opens it for reading, and claims nothing.

    Raises:
        MediumRefusedError: it is no block device, or something else claims it.
    """

    def __init__(self, path: str, *, writable: bool = True) -> None:
        self._path = path
        self._descriptor = _open_device(path, os.O_RDWR | os.O_EXCL if writable else os.O_RDONLY)
        self._removed: dict[int, Range] = {}
        self.size_bytes = self._ask_size()
        self.sector_bytes = struct.unpack("i", fcntl.ioctl(self._descriptor, _BLKSSZGET, bytes(4)))[0]
        self.direct = _reads_are_direct(self._descriptor)

    def fileno(self) -> int:
        """Return the open descriptor, for identity checks."""
        return self._descriptor

    def take_partitions(self) -> None:
        """Remove the kernel's nodes for the partitions on this disk.

        Raises:
            MediumRefusedError: a process has one of them open; the nodes are as they were.
        """
        for number, place in sorted(_list_partitions(self._descriptor).items()):
            try:
                _change_partition(self._descriptor, _BLKPG_DEL_PARTITION, number, place)
            except OSError as error:
                self._put_partitions_back()
                detail = f"partition {number} of {self._path} is in use ({error.strerror})"
                raise MediumRefusedError(Refusal(RefusalKind.OPEN, self._path, detail)) from None
            self._removed[number] = place

    def _put_partitions_back(self) -> None:
        for number, place in sorted(self._removed.items()):
            _change_partition(self._descriptor, _BLKPG_ADD_PARTITION, number, place)
        self._removed.clear()

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill `buffer` from `start_bytes` on, past the page cache."""
        try:
            read_fully(self._descriptor, buffer, start_bytes)
        except OSError as error:
            raise self._name_removal(error) from None

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Write all of `data` at `start_bytes`, past the page cache."""
        try:
            write_fully(self._descriptor, data, start_bytes)
        except OSError as error:
            raise self._name_removal(error) from None

    def _ask_size(self) -> int:
        size_bytes: int = struct.unpack("Q", fcntl.ioctl(self._descriptor, _BLKGETSIZE64, bytes(8)))[0]
        return size_bytes

    def _name_removal(self, error: OSError) -> OSError:
        """The kernel gives a removed disk the size 0, so that writes find no space and reads an early end."""
        size_bytes = self._ask_size()
        if size_bytes >= self.size_bytes:
            return error
        return OSError(errno.ENODEV, f"it went from {self.size_bytes} to {size_bytes} bytes")

    def flush(self) -> None:
        """Flush the device's write cache: fdatasync on a block device sends it the flush command."""
        os.fdatasync(self._descriptor)

    def close(self, *, untouched: bool) -> None:
        """Give the device back; where nothing was written its partition nodes return."""
        if untouched:
            self._put_partitions_back()
        os.close(self._descriptor)


def _open_device(path: str, access: int) -> int:
    try:
        descriptor = os.open(path, access | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        kind, why = _explain(error)
        raise MediumRefusedError(Refusal(kind, path, f"{path} {why}")) from None
    if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediumRefusedError(Refusal(RefusalKind.KIND, path, f"{path} is not a block device"))
    kernel_path = _kernel_path(descriptor)
    if kernel_path != path:
        os.close(descriptor)
        detail = f"the node {path} leads to another device, which the kernel calls {kernel_path}"
        raise MediumRefusedError(Refusal(RefusalKind.CHANGED, path, detail))
    return descriptor


def _kernel_path(descriptor: int) -> str:
    """Return the node that belongs to the open device: a stale or bound one may have any name."""
    device = os.fstat(descriptor).st_rdev
    place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return "/dev/" + place.name.replace("!", "/")


def _explain(error: OSError) -> tuple[RefusalKind, str]:
    if error.errno == errno.EBUSY:
        return RefusalKind.HOLDER, "is claimed by another program or by the kernel (exclusive open: busy)"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RefusalKind.READ_ONLY, f"cannot be opened for writing ({error.strerror})"
    return RefusalKind.CHANGED, f"cannot be opened ({error.strerror})"
