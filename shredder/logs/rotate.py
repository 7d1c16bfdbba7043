"""Looks at a log by its folder, and renames a live one away from its service: never over another file."""

import errno
import os
import stat
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime

from shredder.discover.openers import FileKey
from shredder.erase.fresh_file import FreshFile
from shredder.erase.names import open_folder, rename
from shredder.log_model import LogFile, Version
from shredder.statx import look_at

_TRIES = 60
_ANOTHER = "it is another file than before"


@dataclass(frozen=True, slots=True)
class Renamed:
    """What a rename came to, and `path`, the name that the file has now.

    `error` says why it was not renamed, `trouble` what else went wrong when it was; None for nothing.
    """

    path: str
    error: str | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A file at one moment: which it is, and whether anybody has written to it since another moment."""

    key: FileKey
    version: Version


def look_in_folder(path: str) -> Seen:
    """Look at a file, following no symbolic link.

    Raises:
        OSError: it is not there, or a link leads to it.
    """
    folder_path, _, name = path.rpartition("/")
    folder = open_folder(folder_path or "/")
    try:
        facts = look_at(name, folder)
    finally:
        os.close(folder)
    return Seen((facts.device, facts.inode), Version(facts.size_bytes, facts.mtime_ns))


def rename_live(file: LogFile, now_s: int, *, recreate: bool) -> Renamed:
    """Give a live log the name of a rotated one, with the time in it.

    Where no fresh file can be put in its place it gets its name back, unless another file has that by now.

    Args:
        file: the live file.
        now_s: seconds since 1970.
        recreate: put a fresh empty file with the same owner and mode in its place.
    """
    folder_path, _, name = file.path.rpartition("/")
    with ExitStack() as stack:
        try:
            folder = open_folder(folder_path or "/")
        except OSError as error:
            return _keep(file, f"its folder cannot be opened ({error.strerror})")
        stack.callback(os.close, folder)
        try:
            why = _why_not(folder, name, file)
            fresh = stack.enter_context(closing(_make_fresh(folder, name))) if recreate and not why else None
        except OSError as error:
            return _keep(file, f"no fresh file can be made to take its place ({error.strerror})")
        return _keep(file, why) if why else _rename(folder, name, file, now_s, fresh)


def _why_not(folder: int, name: str, file: LogFile) -> str:
    if not _leads_to(folder, name, file):
        return _ANOTHER
    lock = look_at(name, folder).lock
    return f"it has the attribute {lock}" if lock else ""


def _make_fresh(folder: int, name: str) -> FreshFile:
    facts = look_at(name, folder)
    return FreshFile(folder, name, (facts.uid, facts.gid), stat.S_IMODE(facts.mode))


def _keep(file: LogFile, error: str) -> Renamed:
    return Renamed(file.path, error, None)


def _rename(folder: int, name: str, file: LogFile, now_s: int, fresh: FreshFile | None) -> Renamed:
    try:
        rotated = _take_free_name(folder, name, now_s)
    except OSError as error:
        return _keep(file, f"it cannot be renamed ({error.strerror})")
    if not _leads_to(folder, rotated, file):
        # another file was put there in the last moment
        why = _give_back(folder, rotated, name)
        called = f"{file.path.rpartition('/')[0]}/{rotated}"
        return _keep(file, f"{_ANOTHER}, and that is called {called} now ({why})" if why else _ANOTHER)
    trouble = _put_in_place(fresh) if fresh else None
    if trouble and not _give_back(folder, rotated, name):
        return _keep(file, trouble)
    try:
        os.fsync(folder)
    except OSError as error:
        trouble = trouble or f"its folder cannot be flushed ({error.strerror})"
    return Renamed(f"{file.path.rpartition('/')[0]}/{rotated}", None, trouble)


def _take_free_name(folder: int, name: str, now_s: int) -> str:
    for later_s in range(_TRIES):
        rotated = f"{name}-{datetime.fromtimestamp(now_s + later_s, UTC).strftime('%Y%m%dT%H%M%SZ')}"
        try:
            rename(folder, name, rotated)
        except FileExistsError:
            continue
        return rotated
    raise FileExistsError(errno.EEXIST, "every name for it is taken")


def _leads_to(folder: int, name: str, file: LogFile) -> bool:
    try:
        facts = look_at(name, folder)
    except FileNotFoundError:
        return False
    return (facts.device, facts.inode) == (file.device, file.inode)


def _put_in_place(fresh: FreshFile) -> str | None:
    """Return why it is not there; where its service has made one already, that stays."""
    try:
        fresh.appear()
    except FileExistsError:
        return None
    except OSError as error:
        return f"no fresh file can be put in its place ({error.strerror})"
    return None


def _give_back(folder: int, rotated: str, name: str) -> str:
    """Return why a file cannot have its name back, or ""; another file that has it by now keeps it."""
    try:
        rename(folder, rotated, name)
    except OSError as error:
        return error.strerror or "refused"
    return ""
