"""A regular file taken as a disk image.

Exclusive open means nothing for a file. A write lease does: the kernel grants it only while
nobody else has the file open or mapped, loop devices included, and tells us (SIGIO) when somebody tries.
"""

import errno
import fcntl
import os
import stat

from shredder.erase.medium import MediumRefusedError, read_fully, write_fully
from shredder.model import Refusal, RefusalKind
from shredder.units import KIB

# direct I/O on a file asks for the alignment of the device below; no device in use has more than 4 KiB
FILE_SECTOR_BYTES = 4 * KIB


class ImageFile:
    """A regular file of any byte length, open for direct I/O where its file system takes that.

    Args:
        path: the file; a symbolic link is refused.
        writable: False opens it for reading, and takes no lease.

    Raises:
        MediumRefusedError: it is not a regular file, or somebody else has it open.
    """

    def __init__(self, path: str, *, writable: bool = True) -> None:
        self._descriptor, self.direct = _open_regular(path, os.O_RDWR if writable else os.O_RDONLY)
        self.size_bytes = os.fstat(self._descriptor).st_size
        self.sector_bytes = FILE_SECTOR_BYTES
        if writable:
            _take_lease(self._descriptor, path)

    def fileno(self) -> int:
        """Return the open descriptor, for identity checks."""
        return self._descriptor

    def take_partitions(self) -> None:
        """Nothing to take: the lease already keeps loop devices away."""

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill `buffer` from `start_bytes` on; a last part below the alignment is read buffered."""
        if len(buffer) % self.sector_bytes == 0:
            read_fully(self._descriptor, buffer, start_bytes)
            return
        self._set_direct(wanted=False)
        try:
            read_fully(self._descriptor, buffer, start_bytes)
        finally:
            self._set_direct(wanted=self.direct)

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Write all of `data`; a last part below the alignment goes buffered, then fsync.

        Direct I/O is switched on the descriptor that holds the lease: a second open would break it.
        """
        if len(data) % self.sector_bytes == 0:
            write_fully(self._descriptor, data, start_bytes)
            return
        self._set_direct(wanted=False)
        try:
            write_fully(self._descriptor, data, start_bytes)
            self.flush()
        finally:
            self._set_direct(wanted=self.direct)

    def _set_direct(self, *, wanted: bool) -> None:
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        changed = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, changed)

    def flush(self) -> None:
        """Flush the file, and let go of its cached pages so that reads come from below where they can."""
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, *, untouched: bool) -> None:  # noqa: ARG002 - part of the seam
        """Close the file; the lease ends with it."""
        os.close(self._descriptor)


def _open_regular(path: str, access: int) -> tuple[int, bool]:
    """Return the descriptor and whether it is open for direct I/O."""
    # O_NONBLOCK: opening a FIFO must not wait for its other end
    flags = access | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    direct = True
    try:
        try:
            descriptor = os.open(path, flags | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            descriptor, direct = os.open(path, flags), False
    except OSError as error:
        why = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be opened ({error.strerror})"
        raise MediumRefusedError(Refusal(RefusalKind.KIND, path, f"{path} {why}")) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediumRefusedError(Refusal(RefusalKind.KIND, path, f"{path} is not a regular file"))
    return descriptor, direct


def _take_lease(descriptor: int, path: str) -> None:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EBUSY):
            detail = f"{path} is open in another process, or a loop device sits on it"
        else:
            detail = f"whether another process has {path} open cannot be told (no lease: {error.strerror})"
        raise MediumRefusedError(Refusal(RefusalKind.OPEN, path, detail)) from None
