"""Runs what a policy names: no shell, a clean environment, a time limit, a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from shredder.erase.transfer import StopFlag
from shredder.errors import UsageError
from shredder.logs.load import PROGRAM_PATH, find_program
from shredder.logs.strays import ending_strays
from shredder.units import duration

_LOOK_S = 0.02
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, None when it did not end by itself; `error` is None for zero."""

    exit_code: int | None
    error: str | None


def run_command(
    words: Sequence[str],
    limit_s: float,
    stop: StopFlag,
    *,
    output: int = subprocess.DEVNULL,
    leaves_none: bool = True,
    mask: int = 0o022,
) -> Ended:
    """Run a command to its end.

    What it prints is thrown away, as it may be content of logs; on a terminal its errors are shown.

    Args:
        words: program and arguments.
        limit_s: after so many seconds its whole process group is ended.
        stop: ends it early.
        output: a descriptor for what it prints, or subprocess.DEVNULL.
        leaves_none: processes that outlive it are ended, too; not for what starts a service.
        mask: its umask.
    """
    with ending_strays() if leaves_none else contextlib.nullcontext():
        return _run(words, limit_s, stop, output=output, leaves_none=leaves_none, mask=mask)


def _run(
    words: Sequence[str], limit_s: float, stop: StopFlag, *, output: int, leaves_none: bool, mask: int
) -> Ended:
    try:
        process = subprocess.Popen(
            [find_program(words[0]), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if sys.stderr.isatty() else subprocess.DEVNULL,
            cwd="/",
            env={"PATH": PROGRAM_PATH, "LANG": "C.UTF-8", "HOME": "/"},
            start_new_session=True,
            umask=mask,
        )
    except UsageError as error:
        return Ended(None, error.message)
    except (OSError, ValueError) as error:
        return Ended(None, f"{words[0]} cannot be run ({getattr(error, 'strerror', None) or error})")
    problem = _wait(process, limit_s, stop)
    if problem:
        _signal(process.pid, signal.SIGTERM)
        _wait(process, _GRACE_S, StopFlag())
    if problem or leaves_none:
        _signal(process.pid, signal.SIGKILL)
    code = process.wait()
    return Ended(None, problem) if problem else _describe(code)


def _wait(process: "subprocess.Popen[bytes]", limit_s: float, stop: StopFlag) -> str | None:
    """Return None when it has ended, else why it must be. It is not reaped: its group keeps its number."""
    ends_at = time.monotonic() + limit_s
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        if stop.is_set():
            return "it was stopped with the run"
        if time.monotonic() >= ends_at:
            return f"it took longer than {duration(limit_s)}"
        time.sleep(_LOOK_S)
    return None


def _describe(code: int) -> Ended:
    if code == 0:
        return Ended(0, None)
    if code > 0:
        return Ended(code, f"it exited with {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Ended(None, f"it was ended by {name}")


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
