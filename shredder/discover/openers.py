"""Who has files open or mapped: every descriptor and every mapping of every process, deleted files too."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shredder.discover.processes import comm, list_pids, sees_all_processes

_PROC = Path("/proc")
# the addresses and the inode of a line of /proc/PID/maps
_MAPPED = re.compile(rb"^(\S+) \S+ \S+ \S+ (\d+)", re.MULTILINE)

FileKey = tuple[str, int]  # device "major:minor" and inode


@dataclass(frozen=True, slots=True)
class Opener:
    """A process that has one of the files open; `file` is its device and inode."""

    file: FileKey
    pid: int
    comm: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.comm})"


@dataclass(frozen=True, slots=True)
class Openers:
    """What looking at every process gave.

    `unread` are processes that did not let themselves be looked at: they may have any file open.
    `sees_all` is False in a PID namespace of its own, outside of which others may have files open.
    """

    found: tuple[Opener, ...]
    unread: tuple[tuple[int, str], ...]
    sees_all: bool

    def of(self, file: FileKey) -> tuple[Opener, ...]:
        """Return who has one file open."""
        return tuple(item for item in self.found if item.file == file)

    @property
    def doubt(self) -> str | None:
        """Say why a file that nobody was seen to have open may be open all the same; None when it cannot."""
        if self.unread:
            pid, name = self.unread[0]
            more = f" and {len(self.unread) - 1} others" if len(self.unread) > 1 else ""
            return f"process {pid} ({name}){more} could not be looked at"
        return None if self.sees_all else "processes outside this container cannot be seen"


def find_openers(files: Iterable[FileKey], own_pids: Collection[int] = ()) -> Openers:
    """Return who has any of the files open or mapped.

    Args:
        files: "major:minor" as stat gives it, and inode.
        own_pids: processes that do not count.
    """
    wanted: dict[str, set[int]] = {}  # inodes by device: of very many files no more than a number each
    for device, inode in files:
        wanted.setdefault(device, set()).add(inode)
    found: dict[Opener, None] = {}
    unread: list[tuple[int, str]] = []
    for pid in list_pids():
        if pid in own_pids:
            continue
        try:
            for key in _keys(pid, wanted):
                found[Opener(key, pid, comm(pid))] = None
        except PermissionError:
            unread.append((pid, comm(pid)))
        except OSError:
            continue  # it has ended
    return Openers(tuple(found), tuple(unread), sees_all_processes())


def _keys(pid: int, wanted: Mapping[str, Collection[int]]) -> Iterator[FileKey]:
    """Yield those of the wanted files that one process has open."""
    for device, inode in (*_opened(pid), *_mapped(pid, wanted)):
        if inode in wanted.get(device, ()):
            yield device, inode


def _opened(pid: int) -> Iterator[FileKey]:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):  # noqa: PTH208 - the hot loop
        key = _look(f"{folder}/{name}")
        if key:
            yield key


def _mapped(pid: int, wanted: Mapping[str, Collection[int]]) -> Iterator[FileKey]:
    """A mapping outlives its descriptor; the device in `maps` may differ from stat's, so that is asked.

    Where it may not be asked (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE), an inode number that fits is enough.
    """
    maps = (_PROC / str(pid) / "maps").read_bytes()
    for span, inode in _MAPPED.findall(maps):
        fitting = [(device, int(inode)) for device, inodes in wanted.items() if int(inode) in inodes]
        if fitting:
            try:
                key = _look(f"/proc/{pid}/map_files/{span.decode()}")
            except PermissionError:
                yield from fitting
            else:
                yield from (key,) if key else ()


def _look(link: str) -> FileKey | None:
    """Return the file that a link of /proc leads to; None when it was closed, or unmapped, since."""
    try:
        facts = os.stat(link)  # noqa: PTH116
    except PermissionError:
        raise
    except OSError:
        return None
    return f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}", facts.st_ino
