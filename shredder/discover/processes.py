"""Looks at every process: which block devices it has open or mapped, and which mounts it sees."""

import errno
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from shredder.discover.snapshot import RawMounts, RawOpen
from shredder.discover.sysfs import read_text

_PROC = Path("/proc")
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO of linux/proc_ns.h
_MAPPED = re.compile(rb"^(\S+) \S+ \S+ (\S+) (\d+) +(.*)$", re.MULTILINE)
_LOOKS = 4
_PAUSE_S = 0.02
_DENIED = frozenset((errno.EACCES, errno.EPERM))


def list_pids() -> tuple[int, ...]:
    """Return the processes that /proc shows."""
    return tuple(sorted(int(name) for name in os.listdir(_PROC) if name.isdigit()))  # noqa: PTH208


def sees_all_processes() -> bool:
    """Return False in a container with processes of its own."""
    try:
        return str((_PROC / "self/ns/pid").readlink()) == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def find_opens(own_pids: frozenset[int]) -> tuple[tuple[RawOpen, ...], int]:
    """Return who has block devices open, and how many processes did not let themselves be looked at.

    Programs that look at all disks (lsblk, blkid, udev) hold each for a moment: who lets go within
    a few looks does not use it.
    """
    pids = [pid for pid in list_pids() if pid not in own_pids]
    seen: dict[tuple[bytes, bytes], str] = {}
    opens, unread = _scan(pids, seen)
    for _ in range(_LOOKS):
        if not opens:
            break
        time.sleep(_PAUSE_S)
        opens &= _scan({item.pid for item in opens}, seen)[0]
    return tuple(sorted(opens, key=lambda item: (item.pid, item.number))), unread


def _scan(pids: Collection[int], seen: dict[tuple[bytes, bytes], str]) -> tuple[set[RawOpen], int]:
    opens: set[RawOpen] = set()
    unread = 0
    for pid in pids:
        try:
            numbers = {*_open_numbers(pid), *_mapped_numbers(pid, seen)}
        except OSError as error:
            unread += error.errno in _DENIED  # anything else: the process has ended
            continue
        opens.update(RawOpen(number, pid, comm(pid)) for number in numbers)
    return opens, unread


def comm(pid: int) -> str:
    """Return the process's short name."""
    return read_text(_PROC / str(pid) / "comm") or "?"


def _open_numbers(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):  # noqa: PTH208 - the hot loop of discovery
        try:
            facts = os.stat(f"{folder}/{name}")  # noqa: PTH116
        except OSError as error:
            if error.errno in _DENIED:
                raise
            continue
        if stat.S_ISBLK(facts.st_mode):
            yield _number(facts)


def _mapped_numbers(pid: int, seen: dict[tuple[bytes, bytes], str]) -> Iterator[str]:
    """A mapping outlives its descriptor. `seen` keeps the answer by the file's device and inode."""
    maps = (_PROC / str(pid) / "maps").read_bytes()
    for span, device, inode, path in _MAPPED.findall(maps):
        key = (device, inode)
        if inode != b"0" and key not in seen:
            answer = _mapped_number(pid, span, path)
            if answer is None:
                continue
            seen[key] = answer
        if seen.get(key):
            yield seen[key]


def _mapped_number(pid: int, span: bytes, path: bytes) -> str | None:
    """Return "8:0", "" when it is no block device, None when the mapping is gone."""
    for name in (f"/proc/{pid}/map_files/{span.decode()}".encode(), path):
        try:
            facts = os.stat(name)  # noqa: PTH116
        except OSError as error:
            if error.errno in _DENIED:  # without CAP_SYS_ADMIN the path must do
                continue
            return None
        return _number(facts) if stat.S_ISBLK(facts.st_mode) else ""
    return None


def _number(facts: os.stat_result) -> str:
    return f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"


def find_mounts() -> tuple[tuple[RawMounts, ...], int]:
    """Return every distinct view of the mounts, our own first, and how many could not be read.

    A chrooted process does not see the mounts outside its root, so a view is a namespace and a root.
    """
    views: list[RawMounts] = []
    known: set[object] = set()
    unread = 0
    for pid in (os.getpid(), *list_pids()):
        try:
            view = _view(pid)
            if view and view in known:
                continue
            lines = tuple((_PROC / str(pid) / "mountinfo").read_text("utf-8", "replace").splitlines())
        except OSError as error:
            unread += error.errno in _DENIED
            continue
        if lines not in known:
            views.append(RawMounts(pid, comm(pid), lines))
        known |= {view, lines}
    return tuple(views), unread


def _view(pid: int) -> tuple[str, str] | None:
    try:
        process = _PROC / str(pid)
        return str((process / "ns/mnt").readlink()), str((process / "root").readlink())
    except OSError as error:
        if error.errno in _DENIED:
            return None
        raise
