"""The state folder of a policy, and the lock that only one run can hold."""

import fcntl
import os
import stat
from pathlib import Path

from shredder.discover.permissions import distrust_folder
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Unfinished, lock_path
from shredder.errors import RefusedError
from shredder.logs.clock import Clock

_LOCK_PATIENCE_S = 60
_PROBE_PATIENCE_S = 1  # who asks whether a run goes on has the lock for a moment
_LOCK_PAUSE_S = 0.5
UNFINISHED = "unfinished"


def open_state(state: Path) -> Path:
    """Make the state folder; others must not be able to change what is in it.

    Raises:
        RefusedError: it cannot be made, or others can change it, or a folder above it.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = state.lstat()
    except OSError as error:
        raise RefusedError(f"the state folder {state} cannot be used ({error.strerror})") from None
    others = stat.S_IWGRP | stat.S_IWOTH
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (0, os.geteuid()) or facts.st_mode & others:
        raise RefusedError(
            f"the state folder {state} is not used: others may change it", hint="only root may write to it"
        )
    # whoever can put another folder in its place makes us forget what is held
    why = distrust_folder(str(state))
    if why:
        raise RefusedError(f"the state folder {state} is not used: {why}", hint="only root may write to it")
    return state


def is_run_going_on(state: Path) -> bool:
    """Return whether a run holds the lock just now."""
    try:
        descriptor = os.open(lock_path(state / UNFINISHED), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def take_lock(state: Path, clock: Clock, stop: StopFlag, *, is_patient: bool) -> Unfinished:
    """Return the list of unfinished files: whoever holds it is the one run.

    Args:
        state: the folder.
        clock: waits.
        stop: ends the wait.
        is_patient: wait for another run to end: logrotate asks for one file after the other.

    Raises:
        RefusedError: another run goes on.
    """
    ends_at = clock.monotonic() + (_LOCK_PATIENCE_S if is_patient else _PROBE_PATIENCE_S)
    while True:
        try:
            return Unfinished(state / UNFINISHED)
        except RefusedError:
            if clock.monotonic() >= ends_at or stop.is_set():
                raise
        clock.sleep(_LOCK_PAUSE_S)
