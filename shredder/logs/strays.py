"""Ends what a command has left running, also what left its process group: daemons, for one."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
_PATIENCE_S = 5.0
_LOOK_S = 0.02
_LIBC = ctypes.CDLL(None)


@contextlib.contextmanager
def ending_strays() -> Iterator[None]:
    """Become the parent of processes that lose theirs meanwhile, and end those that are left (prctl(2)).

    What runs inside must have waited for its own children.
    """
    before = _find_children()
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _end_all(before)
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _end_all(spared: frozenset[int]) -> None:
    """The children of one that was ended become ours in turn; one that hangs in the kernel is left to it."""
    ends_at = time.monotonic() + _PATIENCE_S
    while (left := _find_children() - spared) and time.monotonic() < ends_at:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_LOOK_S)


def _find_children() -> frozenset[int]:
    own = os.getpid()
    names = (path.name for path in Path("/proc").iterdir())
    return frozenset(pid for pid in map(int, filter(str.isdecimal, names)) if _parent(pid) == own)


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # the name, in brackets, may hold anything
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
