"""Whether others could change a file that we trust, or put something in its place.

A policy says what root overwrites, and a hook is run by root: so each must belong to root, or to
whoever runs us, and nobody else may write to it or to a folder on the way to it.
"""

import errno
import os
import stat
from pathlib import Path

_MOST_LINKS = 40  # as the kernel has it


class _DistrustedError(Exception):
    """A folder on the way can be changed by others."""


def distrust_file(path: str) -> str:
    """Return why a file must not be trusted, or "".

    Symbolic links are followed, and every folder on the way, also between two links, is looked at.

    Args:
        path: absolute.
    """
    try:
        real = _follow(Path(path))
        facts = real.stat()
    except _DistrustedError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror})"
    if not stat.S_ISREG(facts.st_mode):
        return f"{path} is not a regular file"
    why = _who_may_write(facts)
    return f"{path} {why}" if why else ""


def distrust_folder(path: str) -> str:
    """Return why a folder of ours must not be trusted, itself and all on the way to it, or "".

    Args:
        path: absolute.
    """
    try:
        _check_folder(_follow(Path(path)))
    except _DistrustedError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be looked at ({error.strerror})"
    return ""


def distrust_log_folder(path: str) -> str:
    """Return why a folder of logs must not be worked in, or "".

    Anybody could put files and links there. Folders of a group are taken: every file is checked again when
    it is opened, and a log folder belongs to its service on many systems.
    """
    try:
        facts = os.lstat(path)
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if stat.S_ISLNK(facts.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(facts.st_mode):
        return "is not a folder"
    return "can be written to by everybody" if facts.st_mode & stat.S_IWOTH else ""


def _follow(path: Path) -> Path:
    """Return the real path; each folder is checked before what stands in it is believed."""
    at, left = Path("/"), list(path.parts[1:])
    links = 0
    while left:
        _check_folder(at)
        part = left.pop(0)
        if part == "..":
            at = at.parent
        elif (at / part).is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = (at / part).readlink()
            at = Path("/") if target.is_absolute() else at
            left[:0] = target.parts[1:] if target.is_absolute() else target.parts
        else:
            at /= part
    return at


def _check_folder(folder: Path) -> None:
    facts = folder.stat()
    # in a folder with the sticky bit nobody can take away what belongs to others
    is_sticky = bool(facts.st_mode & stat.S_ISVTX) and facts.st_uid == 0
    why = "" if is_sticky else _who_may_write(facts)
    if why:
        raise _DistrustedError(f"{folder} {why}")


def _who_may_write(facts: os.stat_result) -> str:
    if facts.st_uid not in (0, os.geteuid()):
        return f"belongs to user {facts.st_uid}"
    if facts.st_mode & stat.S_IWOTH:
        return "can be written to by everybody"
    if facts.st_mode & stat.S_IWGRP and facts.st_gid != 0:
        return f"can be written to by group {facts.st_gid}"
    return ""
