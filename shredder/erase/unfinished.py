"""What a run has begun and not finished, on disk before the first write, so that the next run can finish it.

Each line is one step, flushed before what it announces is done; a last line that was cut off belongs to a
step that had not begun.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from shredder.errors import RefusedError, UsageError
from shredder.log_model import After, FileId
from shredder.records import from_json

_BEGIN, _RENAMED = "begin", "renamed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that was begun.

    `path` is what the report calls it, `folder` and `name` where it was found. `new_name` is what it is
    renamed to, "" when its name is kept or cannot change. `file_system` is the identity of the one that
    the folder lies on, "" where it has none. `mtime_ns` is the last change before the first write; None
    when a write could not be told by it.
    """

    path: str
    folder: str
    name: str
    new_name: str
    device: str
    file_system: str
    inode: int
    born_ns: int
    size_bytes: int
    mtime_ns: int | None
    after: After

    @property
    def file(self) -> FileId:
        """What tells the file from others."""
        return FileId(self.device, self.inode, self.born_ns)


Key: TypeAlias = tuple[str, str, int]
_NAMES = tuple(item.name for item in fields(Entry))
_values = attrgetter(*_NAMES)


class Unfinished:
    """The list of a policy; whoever holds it open is the one run.

    Args:
        path: the file; made when it is not there.

    Raises:
        RefusedError: another run has it, or it cannot be used.
        UsageError: it is not such a list.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _open(lock_path(path))
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor = _open(path)
        except BlockingIOError:
            os.close(self._lock)
            raise RefusedError(f"another run holds {path}") from None
        except BaseException:
            os.close(self._lock)
            raise
        try:
            self._entries, self._renamed = _read(self._descriptor, str(path))
            self._write_anew()
        except BaseException:
            self.close()
            raise

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that was begun and is not finished."""
        return tuple(self._entries.values())

    def is_renamed(self, entry: Entry) -> bool:
        """Return whether a file has its new name for good: what has the old one now is another file."""
        return key_of(entry) in self._renamed

    def begin(self, entries: Collection[Entry]) -> None:
        """Note files before anything is written to them.

        Raises:
            OSError: the list cannot be written; then nothing may be begun.
        """
        self._append([_BEGIN, [_values(entry) for entry in entries]])
        self._entries.update((key_of(entry), entry) for entry in entries)
        self._renamed.difference_update(map(key_of, entries))

    def renamed(self, entries: Collection[Entry]) -> None:
        """Note that these files have their new names, for good.

        Raises:
            OSError: the list cannot be written.
        """
        keys = [key_of(entry) for entry in entries]
        self._append([_RENAMED, keys])
        self._renamed.update(keys)

    def finish(self, entries: Iterable[Entry]) -> None:
        """Take files off the list: finished, not touched after all, or gone.

        Raises:
            OSError: the list cannot be written.
        """
        for entry in entries:
            self._entries.pop(key_of(entry), None)
            self._renamed.discard(key_of(entry))
        self._write_anew()

    def close(self) -> None:
        """Let go of the list; the file of its lock stays, as others may be waiting for it."""
        os.close(self._descriptor)
        os.close(self._lock)

    def _write_anew(self) -> None:
        if not self._entries:
            os.ftruncate(self._descriptor, 0)
            os.fdatasync(self._descriptor)
            return
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.unlink(missing_ok=True)
        before, self._descriptor = self._descriptor, _open(fresh)
        os.close(before)
        self._append([_BEGIN, [_values(entry) for entry in self._entries.values()]])
        self._append([_RENAMED, list(self._renamed)])
        fresh.replace(self._path)
        _sync_folder(self._path.parent)

    def _append(self, step: list[Any]) -> None:
        left = memoryview(json.dumps(step, separators=(",", ":")).encode() + b"\n")
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fdatasync(self._descriptor)


def lock_path(path: Path) -> Path:
    """Return the file that is locked for a list."""
    return path.with_name(path.name + ".lock")


def key_of(entry: Entry) -> Key:
    """Return what an entry is known by: a second one with the same key takes its place."""
    return entry.folder, entry.name, entry.inode


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        _sync_folder(path.parent)
    except OSError as error:
        raise RefusedError(f"{path} cannot be used ({error.strerror})") from None
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_unfinished(path: Path) -> tuple[Entry, ...]:
    """Return what a list holds now, whoever has it; nothing is changed.

    Raises:
        UsageError: it cannot be read, or is not such a list.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    return tuple(_parse(data.split(b"\n")[:-1], str(path))[0].values())


def _read(descriptor: int, where: str) -> tuple[dict[Key, Entry], set[Key]]:
    data = b""
    while chunk := os.pread(descriptor, 1 << 20, len(data)):
        data += chunk
    *lines, cut_off = data.split(b"\n")
    # what was cut off must not join the next line
    os.ftruncate(descriptor, len(data) - len(cut_off))
    return _parse(lines, where)


def _parse(lines: list[bytes], where: str) -> tuple[dict[Key, Entry], set[Key]]:
    entries: dict[Key, Entry] = {}
    renamed: set[Key] = set()
    for number, line in enumerate(lines, start=1):
        try:
            _take(entries, renamed, *json.loads(line))
        except (ValueError, TypeError, UsageError):
            raise UsageError(f"{where}: line {number} is not of a list of unfinished files") from None
    return entries, renamed


def _take(entries: dict[Key, Entry], renamed: set[Key], step: str, rows: list[Any]) -> None:
    if step == _RENAMED:
        renamed.update((folder, name, inode) for folder, name, inode in rows)
        return
    if step != _BEGIN:
        raise ValueError(step)
    for row in rows:
        entry = from_json(Entry, dict(zip(_NAMES, row, strict=True)), "entry")
        entries[key_of(entry)] = entry
        renamed.discard(key_of(entry))
