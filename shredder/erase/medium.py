"""The seam to whatever takes the bytes: read, write, flush, close, and a descriptor to check identity on.

Block devices (block_device.py) and image files (image_file.py) live behind it; everything
above works on any medium that passes the same contract tests.
"""

import errno
import os
from typing import Protocol

from shredder.errors import RefusedError
from shredder.model import Refusal

_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.EBADF})


class Medium(Protocol):
    """Something of a fixed size that keeps bytes.

    `sector_bytes` is the smallest unit it takes at once; a last part shorter than that is
    allowed only where `size_bytes` is not a multiple of it. `direct` is False when reads may
    come from the page cache.
    """

    size_bytes: int
    sector_bytes: int
    direct: bool

    def fileno(self) -> int:
        """Return the open descriptor, for identity checks."""

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill `buffer` from `start_bytes` on; raises OSError when not all of it can be read."""

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Write all of `data` at `start_bytes`; raises OSError when not all of it is taken."""

    def flush(self) -> None:
        """Make everything written durable, through the device's own cache; raises OSError."""

    def close(self, *, untouched: bool) -> None:
        """Give the medium back; `untouched` says that nothing was written to it."""


class MediumRefusedError(RefusedError):
    """The medium could not be taken for writing; nothing was written."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def is_gone(error: OSError) -> bool:
    """True when the device is no longer there, so that trying other sectors is pointless."""
    return error.errno in _GONE


def write_fully(descriptor: int, data: memoryview, start_bytes: int) -> None:
    """Write `data` at `start_bytes`, going on after short writes.

    Raises:
        OSError: the device refused, or took nothing (reported as EIO).
    """
    done_bytes = 0
    while done_bytes < len(data):
        taken_bytes = os.pwrite(descriptor, data[done_bytes:], start_bytes + done_bytes)
        if taken_bytes == 0:
            raise OSError(errno.EIO, "the device took no data")
        done_bytes += taken_bytes


def read_fully(descriptor: int, buffer: memoryview, start_bytes: int) -> None:
    """Fill `buffer` from `start_bytes` on, going on after short reads.

    Raises:
        OSError: the device refused, or ended early (reported as EIO).
    """
    done_bytes = 0
    while done_bytes < len(buffer):
        got_bytes = os.preadv(descriptor, [buffer[done_bytes:]], start_bytes + done_bytes)
        if got_bytes == 0:
            raise OSError(errno.EIO, "the device ended early")
        done_bytes += got_bytes
