"""Where a file's bytes lie, as its file system says: FIEMAP (Documentation/filesystems/fiemap.rst)."""

import errno
import fcntl
import struct
from collections.abc import Iterator

from shredder.log_model import Extent, ExtentMark
from shredder.model import Unavailable

# FS_IOC_GETFLAGS and its bits, <linux/fs.h>
_GETFLAGS = 0x80086601
JOURNAL_DATA, NO_COPY_ON_WRITE = 0x4000, 0x800000

_FIEMAP = 0xC020660B
_SYNC = 0x1
_HEADER = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQ16xI12x")
_ROOM = 128
_LAST = 0x1
_MARKS = (
    (ExtentMark.UNKNOWN, 0x2 | 0x4),  # the place is not known, or not chosen yet
    (ExtentMark.ENCODED, 0x8),
    (ExtentMark.INLINE, 0x100 | 0x200 | 0x400),  # beside other data: in the inode, or in a shared tail
    (ExtentMark.UNWRITTEN, 0x800),
    (ExtentMark.SHARED, 0x2000),
)
_NO_MAP = frozenset((errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EINVAL))


def read_extents(descriptor: int, length_bytes: int) -> tuple[Extent, ...] | Unavailable:
    """Return the extents of the first `length_bytes` of a file, in order; what is dirty is written first.

    Raises:
        OSError: the kernel refused for another reason than having no map.
    """
    try:
        return tuple(_walk(descriptor, length_bytes))
    except OSError as error:
        if error.errno in _NO_MAP:
            return Unavailable("its file system does not tell where files lie")
        raise


def read_flags(descriptor: int) -> int:
    """Return a file's attributes (chattr(1)); a file system that knows none has none of them set."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, _GETFLAGS, bytes(4)))[0])
    except OSError:
        return 0


def _walk(descriptor: int, length_bytes: int) -> Iterator[Extent]:
    start = 0
    buffer = bytearray(_HEADER.size + _ROOM * _EXTENT.size)
    while start < length_bytes:
        _HEADER.pack_into(buffer, 0, start, length_bytes - start, _SYNC, 0, _ROOM, 0)
        fcntl.ioctl(descriptor, _FIEMAP, buffer)
        mapped: int = _HEADER.unpack_from(buffer)[3]
        for number in range(mapped):
            at, physical, length, flags = _EXTENT.unpack_from(buffer, _HEADER.size + number * _EXTENT.size)
            yield Extent(at, physical, length, tuple(mark for mark, bits in _MARKS if flags & bits))
            start = at + length
            if flags & _LAST:
                return
        if mapped == 0:
            return
