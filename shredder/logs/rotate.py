"""Looks at a log by its folder, and renames a live one away from its service: never over another file."""

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from shredder.discover.openers import FileKey
from shredder.erase.names import open_folder, rename
from shredder.log_model import LogFile, Version
from shredder.statx import FileFacts, look_at

_TRIES = 60


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a rename came to; `error` is None when it was done, and `path` the name that the file has now."""

    path: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A file at one moment: which it is, and whether anybody has written to it since another moment."""

    key: FileKey
    version: Version


def look_in_folder(path: str, base: str) -> Seen:
    """Look at a file, following no link below a trusted folder.

    Raises:
        OSError: it is not there, or lies elsewhere.
    """
    folder_path, _, name = path.rpartition("/")
    folder = open_folder(base, folder_path or "/")
    try:
        facts = look_at(name, folder)
    finally:
        os.close(folder)
    return Seen((facts.device, facts.inode), Version(facts.size_bytes, facts.mtime_ns))


def rename_live(file: LogFile, base: str, now_s: int, *, recreate: bool) -> Renamed:
    """Give a live log the name of a rotated one, with the time in it.

    Args:
        file: the live file.
        base: the trusted folder above; no link below it is followed.
        now_s: seconds since 1970.
        recreate: put a fresh empty file with the same owner and mode in its place.
    """
    folder_path, _, name = file.path.rpartition("/")
    try:
        folder = open_folder(base, folder_path)
        try:
            fresh = _rename(folder, name, file, now_s)
            if recreate:
                _recreate(folder, name, file)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        return Renamed(file.path, f"it cannot be renamed ({error.strerror})")
    if not fresh:
        return Renamed(file.path, "it is another file than before")
    return Renamed(f"{folder_path}/{fresh}", None)


def _rename(folder: int, name: str, file: LogFile, now_s: int) -> str:
    if not _is_it(look_at(name, folder), file):
        return ""
    for later_s in range(_TRIES):
        fresh = f"{name}-{datetime.fromtimestamp(now_s + later_s, UTC).strftime('%Y%m%dT%H%M%SZ')}"
        try:
            rename(folder, name, fresh)
        except FileExistsError:
            continue
        if _is_it(look_at(fresh, folder), file):
            return fresh
        # another file was put there in the last moment
        rename(folder, fresh, name)
        return ""
    raise FileExistsError(0, "every name for it is taken")


def _is_it(facts: FileFacts, file: LogFile) -> bool:
    return (facts.device, facts.inode) == (file.device, file.inode)


def _recreate(folder: int, name: str, file: LogFile) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        fresh = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            os.fchown(fresh, file.uid, file.gid)
            os.fchmod(fresh, file.mode)
        finally:
            os.close(fresh)
