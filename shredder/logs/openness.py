"""Waits until nobody has a file open, and says who still has."""

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Sequence

from shredder.discover.openers import FileKey, find_openers
from shredder.erase.transfer import StopFlag
from shredder.log_model import LogFile
from shredder.logs.clock import Clock

_SETSIG = 10  # F_SETSIG, <linux/fcntl.h>
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


def wait_until_closed(
    files: Sequence[LogFile], limit_s: float, clock: Clock, stop: StopFlag
) -> dict[FileKey, str]:
    """Return who still has which file open when nobody has, or at the time limit.

    Args:
        files: as they are named now.
        limit_s: seconds.
        clock: waits.
        stop: ends the wait.
    """
    ends_at = clock.monotonic() + limit_s
    pause_s = _FIRST_PAUSE_S
    while True:
        still_open = find_open(files)
        left_s = ends_at - clock.monotonic()
        if not still_open or left_s <= 0 or stop.is_set():
            return still_open
        clock.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def find_open(files: Sequence[LogFile]) -> dict[FileKey, str]:
    """Return by whom files are open, those only that are.

    A process that cannot be looked at may have any file open; then the kernel decides, which grants a lease
    only to the sole opener. Where there are no leases, the file counts as open.
    """
    if not files:
        return {}
    openers = find_openers(file.key for file in files)
    if not openers.found and not openers.doubt:
        return {}
    found = {}
    for file in files:
        who = ", ".join(str(item) for item in openers.of(file.key)[:3])
        if not who and openers.doubt:
            who = _ask_kernel(file.path, openers.doubt)
        if who:
            found[file.key] = who
    return found


def _ask_kernel(path: str, doubt: str) -> str:
    """Return who may have the file open; "" when the kernel says that nobody has."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""  # it has gone, or another kind of file has its name; whoever opens it next will say
    try:
        fcntl.fcntl(descriptor, _SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EBUSY):
            return "somebody who cannot be seen"
        return f"perhaps: {doubt}"
    else:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return ""
    finally:
        os.close(descriptor)
