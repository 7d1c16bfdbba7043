"""A file held by its descriptor: whatever happens to its name, it alone is written to."""

import errno
import os
import stat

from shredder.erase.lease import Lease
from shredder.erase.medium import read_fully, write_fully
from shredder.errors import RefusedError
from shredder.log_model import FileId, Version
from shredder.statx import FileFacts, look_at_open

_KINDS = (
    (stat.S_ISLNK, "is a symbolic link"),
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a FIFO"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISBLK, "is a block device"),
    (stat.S_ISCHR, "is a character device"),
)
_WHY_NOT_WRITABLE = {
    errno.EROFS: "lies on a file system that is read-only",
    errno.ETXTBSY: "is being executed",
}


class FileRefusedError(RefusedError):
    """The file is not what was asked for, or cannot be taken. `links` counts its names."""

    def __init__(self, message: str, *, links: int = 1) -> None:
        super().__init__(message)
        self.links = links


class PinnedFile:
    """A regular file with one name, first open for reading only; a medium once it is opened for writing.

    Args:
        folder: an open folder.
        name: the file's name there.
        path: what the user knows it by.
        expected: which file it must be; a birth time of 0 is not compared.
        version: what it must still be like when it is opened for writing; None for anything.

    Raises:
        FileRefusedError: it is another file, no regular one, has more names, or cannot be changed.
    """

    def __init__(
        self, folder: int, name: str, path: str, expected: FileId, version: Version | None = None
    ) -> None:
        self.path = path
        self._version = version
        self._lease: Lease | None = None
        self.direct = False
        self.sector_bytes = 1
        self._check_kind(_look(folder, name, path))
        try:
            # O_NONBLOCK: if a FIFO has taken the name since, opening it must not wait for its other end
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            raise FileRefusedError(f"{path} {_explain(error)}") from None
        try:
            self.facts = look_at_open(self._descriptor)
            self._check_kind(self.facts.mode)
            self._check(self.facts, expected)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.size_bytes = self.facts.size_bytes
        self._device = os.fstat(self._descriptor).st_dev

    def _check_kind(self, mode: int) -> None:
        """Before it is opened, as opening a device may do something; and after."""
        if not stat.S_ISREG(mode):
            what = next((what for is_kind, what in _KINDS if is_kind(mode)), "is no regular file")
            raise FileRefusedError(f"{self.path} {what}")

    def _check(self, facts: FileFacts, expected: FileId) -> None:
        if not is_same(facts, expected):
            raise FileRefusedError(f"{self.path} is another file than before")
        if facts.is_mount_point:  # its other name may lie anywhere
            raise FileRefusedError(f"{self.path} is a mount point")
        if facts.links != 1:
            message = f"{self.path} has {facts.links} names" if facts.links else f"{self.path} was deleted"
            raise FileRefusedError(message, links=facts.links)
        if facts.lock:
            raise FileRefusedError(f"{self.path} has the attribute {facts.lock}")

    @property
    def id(self) -> FileId:
        """What tells the file from others."""
        return FileId(self.facts.device, self.facts.inode, self.facts.born_ns)

    def has_name(self, folder: int, name: str) -> bool:
        """Return whether a name leads to this file; while it is open no other can get its inode number."""
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return found.st_ino == self.facts.inode and found.st_dev == self._device

    def fileno(self) -> int:
        """Return the open descriptor."""
        return self._descriptor

    def open_for_writing(self, block_bytes: int, *, direct: bool) -> None:
        """Open the same inode again to write; from now on its size counts up to the end of its last block.

        Args:
            block_bytes: the unit in which its file system gives out space.
            direct: write past the page cache where the file system takes that.

        Raises:
            FileRefusedError: it cannot be written, another process has it open, or it is not as it was.
        """
        fresh, self.direct = self._reopen(direct=direct)
        os.close(self._descriptor)
        self._descriptor = fresh
        self._lease = Lease(fresh)
        if self._lease.is_refused:
            raise FileRefusedError(f"{self.path} is open in another process")
        # nobody but us has it open now, and whoever opened it before has written what he wrote
        self._version = self._version or _version_of(os.fstat(fresh))
        self.check_version()
        self.sector_bytes = block_bytes
        self.size_bytes = -(-self.facts.size_bytes // block_bytes) * block_bytes

    def check_version(self) -> None:
        """See that nobody has written to it since it was found due; asked until our own first write.

        Raises:
            FileRefusedError: somebody has.
        """
        if self._version != _version_of(os.fstat(self._descriptor)):
            raise FileRefusedError(f"{self.path} was written to after it was found due")

    def check_alone(self) -> None:
        """See that nobody else has opened it since it was opened for writing; if so, he may go on now.

        Raises:
            FileRefusedError: somebody has.
        """
        if self._lease and not self._lease.is_whole:
            self._lease.give_back()
            raise FileRefusedError(f"{self.path} was opened by somebody else while it was shredded")

    def check_names(self) -> None:
        """See that it has one name still.

        Raises:
            FileRefusedError: it has more.
        """
        links = os.fstat(self._descriptor).st_nlink
        if links > 1:
            raise FileRefusedError(f"{self.path} got another name meanwhile", links=links)

    def _reopen(self, *, direct: bool) -> tuple[int, bool]:
        link = f"/proc/self/fd/{self._descriptor}"
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            if direct:
                try:
                    return os.open(link, flags | os.O_DIRECT), True
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
            return os.open(link, flags), False
        except OSError as error:
            raise FileRefusedError(f"{self.path} {_explain(error)}") from None

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill `buffer` from `start_bytes` on; for what the page cache has, see `forget_cached`."""
        read_fully(self._descriptor, buffer, start_bytes)

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Write all of `data`; past the old end the file grows, up to `size_bytes`."""
        write_fully(self._descriptor, data, start_bytes)

    def flush(self) -> None:
        """Make everything written durable."""
        os.fsync(self._descriptor)

    def forget_cached(self) -> None:
        """Let go of cached pages, so that reads come from below where they can."""
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def restore_size(self, size_bytes: int) -> None:
        """Give the file its old length again, durably; the kernel fills the slack with zeros."""
        os.ftruncate(self._descriptor, size_bytes)
        os.fsync(self._descriptor)

    def close(self, *, untouched: bool = False) -> None:  # noqa: ARG002 - part of the seam
        """Let go of the file."""
        os.close(self._descriptor)


def is_same(facts: FileFacts, expected: FileId) -> bool:
    """Return whether it is that file; a birth time that is not known does not count."""
    if (facts.device, facts.inode) != (expected.device, expected.inode):
        return False
    return not (facts.born_ns and expected.born_ns) or facts.born_ns == expected.born_ns


def _version_of(facts: os.stat_result) -> Version:
    return Version(facts.st_size, facts.st_mtime_ns)


def _look(folder: int, name: str, path: str) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError as error:
        raise FileRefusedError(f"{path} {_explain(error)}") from None


def _explain(error: OSError) -> str:
    if error.errno in _WHY_NOT_WRITABLE:
        return _WHY_NOT_WRITABLE[error.errno]
    if error.errno == errno.ELOOP:
        return "is a symbolic link"
    return f"cannot be opened ({error.strerror})"
