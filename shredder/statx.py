"""What the kernel says of a file beyond os.stat: its birth, its mount, its attributes (statx(2))."""

import ctypes
import os
import struct
import threading
from dataclasses import dataclass

_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000  # <linux/fcntl.h>
_BASIC, _BTIME, _MNT_ID = 0x7FF, 0x800, 0x1000  # <linux/stat.h>
_STRUCT_BYTES = 256
_NS = 10**9

# attributes, nlink, uid, gid, mode; inode, size; birth; last change; device; mount
_FIELDS = struct.Struct("=I4xQIIIH2xQQ16x16xqI4x16xqI4x8xIIQ")

_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
ENCRYPTED = 0x800
_MOUNT_ROOT = 0x2000


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`device` is "major:minor"; `born_ns` and `mount` are 0 where the kernel tells none."""

    device: str
    inode: int
    born_ns: int
    mount: int
    attributes: int
    links: int
    uid: int
    gid: int
    mode: int
    size_bytes: int
    mtime_ns: int

    @property
    def lock(self) -> str:
        """The attribute that keeps it, or the names in it, as they are; "" for none."""
        if self.attributes & _IMMUTABLE:
            return "immutable"
        return "append-only" if self.attributes & _APPEND_ONLY else ""

    @property
    def is_mount_point(self) -> bool:
        """True where something is mounted: of a file, one that lies in another folder too."""
        return bool(self.attributes & _MOUNT_ROOT)


def look_at(name: str, folder: int) -> FileFacts:
    """Return the facts of a name in an open folder; a symbolic link is not followed.

    Raises:
        OSError: there is no such name, or it cannot be looked at.
    """
    return _statx(folder, os.fsencode(name), _AT_SYMLINK_NOFOLLOW)


def look_at_open(descriptor: int) -> FileFacts:
    """Return the facts of an open file.

    Raises:
        OSError: the kernel refused.
    """
    return _statx(descriptor, b"", _AT_EMPTY_PATH)


class _Found(threading.local):
    """Each thread's memory for the answer: making it anew doubles the cost of a call."""

    def __init__(self) -> None:
        self.memory = ctypes.create_string_buffer(_STRUCT_BYTES)


_LIBC = ctypes.CDLL(None, use_errno=True)
_FOUND = _Found()


def _statx(folder: int, name: bytes, flags: int) -> FileFacts:
    found = _FOUND.memory
    if _LIBC.statx(folder, name, flags, _BASIC | _BTIME | _MNT_ID, found) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(name))
    mask, attributes, links, uid, gid, mode, inode, size, *times, major, minor, mount = _FIELDS.unpack_from(
        found
    )
    born_s, born_ns, changed_s, changed_ns = times
    return FileFacts(
        device=f"{major}:{minor}",
        inode=inode,
        born_ns=born_s * _NS + born_ns if mask & _BTIME else 0,
        mount=mount if mask & _MNT_ID else 0,
        attributes=attributes,
        links=links,
        uid=uid,
        gid=gid,
        mode=mode,
        size_bytes=size,
        mtime_ns=changed_s * _NS + changed_ns,
    )
