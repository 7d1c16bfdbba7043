"""Other programs: what they print, and one plain error where they are missing or fail."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shredder.errors import ShredderError, UsageError

_NO_HOME = "/nonexistent"
_DISK_FULL = os.strerror(errno.ENOSPC)
_SAME = {"LC_ALL": "C", "TZ": "UTC"}


def need_tools(tools: Mapping[str, str]) -> None:
    """Make sure that programs are there.

    Args:
        tools: the Debian package that brings each program, by the program's name.

    Raises:
        UsageError: some are missing; it names them all.
    """
    missing = [name for name in tools if shutil.which(name) is None]
    if missing:
        packages = " ".join(sorted({tools[name] for name in missing}))
        raise UsageError(
            f"missing on this machine: {', '.join(missing)}",
            hint=f"apt-get update && apt-get install -y --no-install-recommends {packages}",
        )


def run_tool(
    command: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        command: program and arguments.
        stdin: what it reads.
        folder: where it runs.
        variables: added to its environment, which is otherwise the same for all who build, but for PATH.

    Raises:
        ShredderError: it is missing or failed; with the last line it wrote to its standard error.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": _NO_HOME, **(variables or {}), **_SAME}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=environment, process_group=0
        )
    except OSError as error:
        raise ShredderError(f"cannot run {command[0]}: {error.strerror}") from None
    with process:
        try:
            written, complaints = process.communicate(stdin)
        except BaseException:
            # what it started itself must not go on writing into folders that are being removed
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        reason = _choose_line((complaints or written).decode(errors="replace"))
        raise ShredderError(f"{command[0]} failed with {process.returncode}: {reason}")
    return written


def _choose_line(said: str) -> str:
    """Return the line that says why: of a full disk programs speak first, then of what followed from it."""
    lines = said.strip().splitlines() or ["no reason given"]
    return next((line for line in lines if _DISK_FULL in line), lines[-1])


@contextmanager
def first_on_path(folder: Path) -> Iterator[None]:
    """Let programs in `folder` be found before the machine's own."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
