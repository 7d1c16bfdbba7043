"""What happens to a file's name, and flushing a whole file system: calls that `os` does not have."""

import ctypes
import errno
import os
import string
from pathlib import Path

from shredder.statx import look_at_open

_RENAME_NOREPLACE = 1  # <linux/fs.h>
_LETTERS = string.ascii_letters + string.digits
_TO_LETTERS = bytes(ord(_LETTERS[byte % len(_LETTERS)]) for byte in range(256))
LONG = 8  # from here on nobody draws a name that is taken; renaming would refuse it all the same
_TRIES = 100
_LIBC = ctypes.CDLL(None, use_errno=True)


def draw_name(name: str) -> str:
    """Return a random name with as many bytes as `name`."""
    return os.urandom(len(os.fsencode(name))).translate(_TO_LETTERS).decode()


def draw_free_name(name: str, folder: int, drawn_before: set[str]) -> str | None:
    """Return a random name of the same length that is free; None where short ones are used up.

    Args:
        name: the name until now.
        folder: the open folder.
        drawn_before: names that are drawn for others in it, and not taken yet; this one is added.
    """
    if len(name) >= LONG:
        return draw_name(name)
    for _ in range(_TRIES):
        drawn = draw_name(name)
        if drawn in drawn_before:
            continue
        try:
            os.stat(drawn, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            drawn_before.add(drawn)
            return drawn
    return None


def rename(folder: int, old: str, new: str) -> None:
    """Rename inside an open folder; never over another file.

    Raises:
        OSError: EEXIST when the new name is taken, or what the file system says.
    """
    if _LIBC.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), _RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), new)
    # a file system without that flag: a link refuses to replace, too
    os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(old, dir_fd=folder)


def flush_file_system(descriptor: int) -> None:
    """Write everything of a file system to its device, through the device's own cache (syncfs(2)).

    Raises:
        OSError: something could not be written since the descriptor was opened.
    """
    if _LIBC.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def open_folder(folder: str) -> int:
    """Open a folder, following no symbolic link on the whole way from the root.

    Whoever can write to a folder above may exchange it at any moment, for a link that leads elsewhere.

    Args:
        folder: an absolute path, without links and without "..".

    Raises:
        OSError: it is not there, a link leads to it (ENOTDIR), or the path is no such path (EINVAL).
    """
    _, *parts = Path(folder).parts
    if not folder.startswith("/") or ".." in parts:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), folder)
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open("/", flags | (os.O_PATH if parts else os.O_RDONLY))
    for left, part in zip(reversed(range(len(parts))), parts, strict=True):
        try:
            inner = os.open(part, flags | (os.O_PATH if left else os.O_RDONLY), dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def identify_file_system(folder: int) -> str:
    """Return the identity of an open folder's file system, in hex (statvfs(3), f_fsid); "" where it has none.

    Raises:
        OSError: the kernel refused.
    """
    number = os.fstatvfs(folder).f_fsid
    return f"{number:x}" if number else ""


def why_names_stay(folder: int) -> str:
    """Return why no name in an open folder can be taken away, or ""; asked before a file's bytes are gone.

    Raises:
        OSError: the kernel refused.
    """
    lock = look_at_open(folder).lock
    return f"has the attribute {lock}" if lock else ""
