"""A fresh empty file that has owner and mode before anybody can see it, and that replaces no other."""

import contextlib
import errno
import os

from shredder.erase.names import draw_name, rename

# a file system without files that have no name; overlayfs of some kernels says EINVAL
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)


class FreshFile:
    """Without a name, where the file system can do that; else under a random one, until it appears.

    Args:
        folder: the open folder in which it will appear.
        name: what it will be called.
        owner: user and group.
        mode: its permission bits, whatever the umask.

    Raises:
        OSError: it cannot be made; nothing is left of it.
    """

    def __init__(self, folder: int, name: str, owner: tuple[int, int], mode: int) -> None:
        self._folder = folder
        self._name = name
        self._interim = ""
        self._descriptor = self._open()
        try:
            os.fchown(self._descriptor, *owner)
            os.fchmod(self._descriptor, mode)
            os.fsync(self._descriptor)
        except OSError:
            self.close()
            raise

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            return os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=self._folder)
        except OSError as error:
            if error.errno not in _NO_NAMELESS:
                raise
        self._interim = draw_name(self._name)
        flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.open(self._interim, flags, 0o600, dir_fd=self._folder)

    def appear(self) -> None:
        """Give it its name.

        Raises:
            OSError: EEXIST when the name is taken, or what the file system says.
        """
        if self._interim:
            rename(self._folder, self._interim, self._name)
            self._interim = ""
        else:
            link = f"/proc/self/fd/{self._descriptor}"
            os.link(link, self._name, dst_dir_fd=self._folder, follow_symlinks=True)

    def close(self) -> None:
        """Let go of it; what has not appeared is gone."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        if self._interim:
            with contextlib.suppress(OSError):
                os.unlink(self._interim, dir_fd=self._folder)
